"""A receiver in a process of its own, so that client and receiver do not share an interpreter lock."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import msgspec

from sluiceway.testing.conversation import CONTROL_PATH
from sluiceway.testing.ledger import Keep, Logged, ReceiverStats
from sluiceway.testing.strict.detect import vendor_name
from sluiceway.vendors.base import Vendor

_STOP_SECONDS = 10.0
_ASK_SECONDS = 120.0  # five million ids are 80 MB, put together while the process may still be busy


class ReceiverProcess:
    """`python -m sluiceway.testing.receiver` as a child: started at construction, ended by `close()` or with us.

    `script` is "path/to/file.py:function"; the function gets `seed` and returns a script (see `Receiver`). The child
    ends when its standard input does, so it does not outlive a parent that is killed.
    Raises RuntimeError when the child does not come up.
    """

    def __init__(
        self,
        *,
        vendor: Vendor | str | None = None,
        keep: Keep = "ids",
        script: str | None = None,
        seed: int = 0,
    ) -> None:
        command = [sys.executable, "-m", "sluiceway.testing.receiver", "--json", "--until-eof", "--keep", keep]
        if (name := vendor_name(vendor)) is not None:
            command += ["--vendor", name]
        if script is not None:
            path, _, function = script.rpartition(":")
            command += ["--script", f"{Path(path).resolve()}:{function}", "--seed", str(seed)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None  # PIPE above
        said = self._child.stdout.readline()
        try:
            started = json.loads(said)
        except ValueError:
            self.close()
            raise RuntimeError(f"the receiver did not start, exit code {self._child.returncode}") from None
        self.url: str = started["url"]
        """The address to give to a client as its host."""
        self._port: int = started["port"]

    @property
    def pid(self) -> int:
        """Process id of the receiver."""
        return self._child.pid

    def stats(self) -> ReceiverStats:
        """Ask for a snapshot of the counts; blocks for one request. Raises OSError when the child is gone."""
        return msgspec.json.decode(self._ask("stats"), type=ReceiverStats)

    def violations(self) -> list[str]:
        """Ask for what a strict vendor objected to; the first thousand. Blocks for one request."""
        return msgspec.json.decode(self._ask("violations"), type=list[str])

    def acknowledged_ids(self) -> bytes:
        """Ask for every acknowledged id, 16 bytes each. Blocks for one request."""
        return self._ask("ids")

    def refused_ids(self) -> bytes:
        """Ask for every id that was refused for good, 16 bytes each. Blocks for one request."""
        return self._ask("refused")

    def log(self) -> list[Logged]:
        """Ask what became of each event, in the order of the answers. Blocks for one request."""
        return msgspec.json.decode(self._ask("log"), type=list[Logged])

    def close(self) -> None:
        """End the child and wait for it. May be called twice."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def __enter__(self) -> ReceiverProcess:
        """Return the receiver, which is already listening."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child."""
        self.close()

    def _ask(self, what: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ASK_SECONDS)
        try:
            connection.request("GET", CONTROL_PATH + what)
            return connection.getresponse().read()
        finally:
            connection.close()
