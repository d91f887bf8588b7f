"""What the tests know of a running server: its API as a page asks it, and plain HTTP as no page would send it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any

HEADER = {"X-Sluiceway": "1"}
PATIENCE_SECONDS = 20.0


class Api:
    """The API of one server, by its address and token."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.token = token
        self.url = f"http://127.0.0.1:{port}"

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request on a connection of its own; status, headers in lower case, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def ask(self, what: str, method: str = "GET", said: Any = None) -> Any:
        """Ask the API; a refusal fails the test that did not expect one."""
        status, body = self.try_to(what, method, said)
        assert status == 200, body
        return body

    def try_to(self, what: str, method: str = "GET", said: Any = None) -> tuple[int, Any]:
        """Ask the API and return status and JSON, whatever they are."""
        body = None if said is None else json.dumps(said).encode()
        status, _, answer = self.send(method, f"/debug/{self.token}/api/{what}", body, HEADER)
        return status, json.loads(answer)

    def post(self, path: str, said: Any, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Send events as any client would."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        status, _, answer = self.send("POST", path, body, {"Content-Type": "application/json"} | (headers or {}))
        return status, answer

    def rows(self, query: str = "limit=1000", *, of: int = 1) -> list[dict[str, Any]]:
        """Wait until so many rows fit, and return them, oldest first."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = self.ask(f"events?{query}")["events"]
            return len(found) >= of

        wait_for(enough)
        return found[::-1]

    def counters(self) -> dict[str, Any]:
        """The counters as they are now."""
        counters: dict[str, Any] = self.ask("state")["counters"]
        return counters

    def fault(self, kind: str, **more: Any) -> dict[str, Any]:
        """Have the server break so, once unless told otherwise."""
        fault: dict[str, Any] = self.ask("faults", "POST", {"kind": kind, "times": 1, **more})
        return fault


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until something holds; fails when it takes far longer than it should."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.01)


def raw(port: int, request: bytes) -> bytes:
    """Send bytes as they are and read the whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as sock:
        sock.sendall(request)
        answer = b""
        while more := sock.recv(65536):
            answer += more
        return answer
