"""A server as a process of the test's own: started on a free port, asked, signalled, stopped, and its log read."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .needed import NOISE

APPS = Path(__file__).parent / "apps"
BIN = Path(sys.prefix) / "bin"

# Ten times what an idle machine needs, and more: these bounds end a hang, they measure nothing.
START_SECONDS = 60.0
STOP_SECONDS = 60.0
ANSWER_SECONDS = 30.0


class Host:
    """One server and its workers, in a session of their own. A `with` block ends them all."""

    def __init__(self, command: list[str], port: int, log: Path, environment: Mapping[str, str]) -> None:
        self.port = port
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=APPS,
                env={
                    "PATH": f"{BIN}:{os.environ.get('PATH', '')}",
                    "PYTHONPATH": str(APPS),
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONFAULTHANDLER": "1",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process that the test started: the master, where there is one."""
        return self.process.pid

    @property
    def log(self) -> str:
        """Everything that the server and its workers have printed."""
        return self._log.read_text(errors="replace")

    def processes(self) -> set[int]:
        """Every process of the server's session that is alive."""
        alive = set()
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.pid and fields[0] != "Z":
                    alive.add(int(path.parent.name))
        return alive

    def get(self, path: str, timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Ask for one page. Raises OSError or HTTPException when no answer comes, or not a 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise http.client.HTTPException(f"{response.status} for {path}: {body[:500]!r}")
            said: dict[str, Any] = json.loads(body)
            return said
        finally:
            connection.close()

    def ready(self) -> Host:
        """Wait until it answers."""

        def answers() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log}"
            try:
                self.get("/ready", timeout=5)
            except (OSError, http.client.HTTPException):
                return False
            return True

        self.wait(answers, START_SECONDS)
        return self

    def wait(self, done: Callable[[], bool], seconds: float = STOP_SECONDS) -> None:
        """Wait until something holds. Raises AssertionError, with the log, when it does not in time."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not within {seconds} seconds; the log:\n{self.log}"
            time.sleep(0.05)

    def send(self, number: int, pid: int | None = None) -> None:
        """Send a signal to the server, or to one of its workers."""
        os.kill(self.pid if pid is None else pid, number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end and wait until nothing of it is left; return the exit code of what the test started."""
        if number:
            self.send(number)
        code = self.process.wait(STOP_SECONDS)
        self.wait(lambda: not self.processes())
        return code

    def unclean(self, *, but: str = "$^") -> list[str]:
        """The lines of the log that speak of a crash, a traceback or of us, without those that match `but`."""
        return [line for line in self.log.splitlines() if NOISE.search(line) and not re.search(but, line)]

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Only the session that this object began: its number is the pid of the process it started.
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
