"""The native sink from Python: builds it, starts it, asks it what arrived.

It is the program in `benches/rust/src/bin/sink`. Every figure of the benchmarks that speaks of delivery rests on its
count and not on what a client says of itself.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

ROOT = Path(__file__).resolve().parents[2]
BINARY_VARIABLE = "SLUICEWAY_BENCH_SINK"


class Arrived(NamedTuple):
    """What the sink has answered since its counters were last cleared."""

    requests: int
    bytes: int
    events: int
    gzip_requests: int
    connections: int
    last_answer_ns: int
    """When the last answer went out, on the clock of `time.monotonic_ns`."""


class UndeliveredError(Exception):
    """A client's events did not all arrive, or more arrived than were sent: its figure would be worthless."""


def build() -> str:
    """Compile the sink if need be and return its path, which child processes find in the environment."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = os.environ.get(BINARY_VARIABLE)
    if binary is None:
        subprocess.run(
            ["cargo", "build", "--quiet", "--release", "--package", "sluiceway-benches", "--bin", "sink"],
            cwd=ROOT,
            check=True,
        )
        binary = os.environ[BINARY_VARIABLE] = str(target / "release" / "sink")
    return binary


class Sink:
    """A running sink of one's own; ends with `close`, or with the process that started it."""

    def __init__(self, mode: str = "ok") -> None:
        self._process = subprocess.Popen(
            [os.environ[BINARY_VARIABLE], "--mode", mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        port = int(cast("IO[str]", self._process.stdout).readline())
        self._control = http.client.HTTPConnection("127.0.0.1", port)

    @property
    def url(self) -> str:
        """Where clients are pointed at."""
        return f"http://127.0.0.1:{self._control.port}"

    def arrived(self) -> Arrived:
        """Return the counters."""
        return self._command("GET", "stats")

    def clear(self) -> None:
        """Set the counters to zero."""
        self._command("POST", "reset")

    def switch(self, mode: str) -> None:
        """Become `ok`, `blackhole`, `drip` or `reset`; requests held by a black hole are answered once it is none."""
        self._command("POST", f"mode?{mode}")

    def expect(self, events: int, within_seconds: float = 60.0) -> Arrived:
        """Wait until `events` have arrived; raises `UndeliveredError` when they do not, or when there are more."""
        deadline = time.monotonic() + within_seconds
        while True:
            arrived = self.arrived()
            if arrived.events > events or time.monotonic() > deadline:
                break
            if arrived.events == events:
                return arrived
            time.sleep(0.005)
        raise UndeliveredError(f"{arrived.events} events arrived of {events} sent")

    def close(self) -> None:
        """End the sink."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _command(self, method: str, command: str) -> Arrived:
        self._control.request(method, f"/_sink/{command}")
        report: dict[str, Any] = json.loads(self._control.getresponse().read())
        last_answer_ns = time.monotonic_ns() - report["since_last_answer_ns"]
        return Arrived(**{name: report[name] for name in Arrived._fields[:-1]}, last_answer_ns=last_answer_ns)
