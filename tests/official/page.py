"""`sluiceway dev` as a user starts it, and its record as his page reads it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

VENDORS = ("segment", "rudderstack", "posthog", "amplitude")
_WAIT_SECONDS = 30.0


class Page:
    """The command in a process of its own, from construction until `close()`, and what its API says.

    Raises RuntimeError when the command does not come up.
    """

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "sluiceway", "dev", "--port", "0", "--no-open", "--json", *options]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._server.stdout is not None  # PIPE above
        said = self._server.stdout.readline()
        try:
            started = json.loads(said)
        except ValueError:
            self._server.kill()
            raise RuntimeError(f"the server did not start: {self._server.communicate()[1][-2000:]}") from None
        self.url: str = started["url"]
        self._page: str = started["page"]

    def close(self) -> None:
        """End the command as a user does."""
        self._server.terminate()
        try:
            self._server.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.communicate()

    def __enter__(self) -> Page:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, path: str, **filters: Any) -> Any:
        """Return what a GET of the API says."""
        query = f"?{urlencode(filters)}" if filters else ""
        return json.loads(self._open("GET", f"api/{path}{query}"))

    def tell(self, method: str, path: str, said: object = None) -> Any:
        """Change something: faults, or clear."""
        answer = self._open(method, f"api/{path}", json.dumps(said).encode())
        return json.loads(answer) if answer else None

    def rows(self, **filters: Any) -> list[dict[str, Any]]:
        """Return every row, oldest first, page by page."""
        rows: list[dict[str, Any]] = []
        while True:
            before = {"before": rows[-1]["seq"]} if rows else {}
            said = self.ask("events", limit=500, **filters, **before)
            rows.extend(said["events"])
            if not said["more"]:
                return rows[::-1]

    def counters(self) -> dict[str, Any]:
        """Return the counts since the last `clear`."""
        counters: dict[str, Any] = self.ask("state")["counters"]
        return counters

    def violations(self) -> list[str]:
        """Return what each event that is not simply delivered has against it."""
        rows = [row for row in self.rows() if row["verdict"] != "delivered"]
        return [f"{row['vendor']} {row['type']} {row['verdict']}: {row['reason']}" for row in rows[:20]]

    def wait_for(self, true: Callable[[], bool], seconds: float = _WAIT_SECONDS) -> bool:
        """Ask again and again until something is true; False if it is not within so many seconds."""
        until = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def stream(self, seconds: float = _WAIT_SECONDS) -> Iterator[tuple[str, Any]]:
        """Yield what the page is told live: the name and the data of each event, and when it ends nothing more."""
        with urllib.request.urlopen(f"{self._page}api/stream", timeout=seconds) as lines:
            name = ""
            for line in lines:
                key, _, value = line.decode().rstrip("\r\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    yield name, json.loads(value)

    def _open(self, method: str, path: str, data: bytes | None = None) -> bytes:
        headers = {"X-Sluiceway": "1", "Content-Type": "application/json"}
        request = urllib.request.Request(self._page + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_WAIT_SECONDS) as answer:
                said: bytes = answer.read()
                return said
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from None
