"""Processes of our own: how one is started, and a lane, in which one subject does one round at a time.

So no subject's threads, garbage or imports reach another, a noisy moment of the machine falls on all alike, and each
ratio is taken within one run.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from typing import IO, Any, cast

# What would change where a client sends, or whether: requests to 127.0.0.1 must go nowhere else.
_TAKEN_AWAY = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "sluiceway_disabled", "posthog_capture_mode")

_START = """
import importlib, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path[:] = {path!r}
importlib.import_module({module!r}).main()
"""


class Failed(Exception):
    """A subject's process ended, or its round raised; holds the last line that it wrote."""


def command(module: str) -> list[str]:
    """Return the command that runs `main` of a module, with the path of this process. It does not hear Ctrl-C."""
    path = [entry or os.getcwd() for entry in sys.path]
    return [sys.executable, "-c", _START.format(path=path, module=module)]


def environment() -> dict[str, str]:
    """Return the environment without what would change where a client sends, or whether."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in _TAKEN_AWAY}
    return kept | {"NO_PROXY": "*", "no_proxy": "*"}


class Lane:
    """A subject's process, seen from the parent."""

    def __init__(self, module: str, subject: str, settings: dict[str, Any]) -> None:
        """Start it, without waiting for it; `ready` waits."""
        self.subject = subject
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the lane
        self._process = subprocess.Popen(
            command(module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment(),
        )
        self._requests, self._answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        self._tell({"subject": subject, **settings})

    def ready(self, within_seconds: float = 60.0) -> None:
        """Wait until it can begin. Raises Failed when it cannot."""
        self._hear(within_seconds)

    def ask(self, request: dict[str, Any], within_seconds: float = 60.0) -> dict[str, Any]:
        """Have it do one round. Raises Failed when it could not, or did not in time."""
        self._tell(request)
        return self._hear(within_seconds)

    def _hear(self, within_seconds: float) -> dict[str, Any]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            ends = time.monotonic() + within_seconds
            if not selector.select(max(0.0, ends - time.monotonic())):
                raise Failed(f"no answer in {within_seconds:.0f} s")
        line = self._answers.readline()
        if not line:
            raise Failed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def close(self) -> None:
        """End the process, whatever its threads are doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers, self._log):
            with contextlib.suppress(OSError):
                pipe.close()

    def _tell(self, request: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read()[-4_000:].strip().splitlines()
        return lines[-1][:200] if lines else f"its process ended with code {self._process.wait()}"


def serve(make: Any) -> None:
    """Be a subject's process: settings, then a round for each line of JSON; each line is answered by one."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a client prints goes to the log, never between the answers
    session: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            if session is None:
                session = make(**request)
                answer = {"ready": True}
            else:
                answer = session.round(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {str(error)[:160]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # not through the exit hooks: some clients would wait there for queues that nobody empties
