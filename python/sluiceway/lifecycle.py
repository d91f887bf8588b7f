"""The ends of a process: one exit hook and one budget of time for all clients, and the signal that ends it.

The hook is registered at the first accepted event of each process, not at import: a forked child of `multiprocessing`
clears or never runs what its parent registered, so every process registers for itself, in `atexit` and, where
`multiprocessing` or `billiard` is in use, in their own list of finalizers. There is no hook before or after a fork.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from contextlib import suppress
from typing import Any, Protocol

from sluiceway.errors import ConfigError

# Behind everything that a program registers there itself: events of its last moments are wanted, too.
_EXIT_PRIORITY = -100


class Leaving(Protocol):
    """What must be brought to its end before the process is gone."""

    @property
    def exit_timeout(self) -> float:
        """Seconds it may take, counted from the start of the exit."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        ...

    def let_go(self) -> None:
        """Take no more events and begin to send the rest; does not wait."""
        ...

    def close(self, deadline: float) -> Any:
        """Send the rest until the deadline (monotonic seconds), fail what is left."""
        ...


class _Process:
    """What one process has to bring to its end. A child makes a new one; its parent's is left alone."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.exiting = False
        self.enrolled: set[Leaving] = set()

    def register(self) -> None:
        atexit.unregister(leave)
        atexit.register(leave)
        for name in ("multiprocessing.util", "billiard.util"):
            module = sys.modules.get(name)
            if module is not None:
                module.Finalize(None, leave, exitpriority=_EXIT_PRIORITY)


_process: _Process | None = None


def enrol(leaving: Leaving) -> None:
    """Have something brought to its end at the exit of this process. Cheap to repeat; takes no lock."""
    global _process  # noqa: PLW0603  (a process has one exit)
    process = _process
    if process is None or process.pid != os.getpid():
        process = _process = _Process()
        process.register()
    if leaving not in process.enrolled:
        # A new set instead of a change: the exit may be looking at the old one.
        process.enrolled = {other for other in process.enrolled if not other.is_over} | {leaving}


def exiting() -> bool:
    """Whether the exit hook of this process has begun."""
    return _process is not None and _process.exiting and _process.pid == os.getpid()


def leave() -> None:
    """Bring everything enrolled in this process to its end, within one budget. Never raises; a second Ctrl-C ends it.

    All begin at once, so that they share the time instead of queueing for it.
    """
    process = _process
    if process is None or process.pid != os.getpid():
        return
    process.exiting = True
    started = time.monotonic()
    waiting = [leaving for leaving in process.enrolled if not leaving.is_over]
    for leaving in waiting:
        _quietly(leaving.let_go)
    hurry = False
    for leaving in sorted(waiting, key=lambda each: each.exit_timeout):
        hurry |= not _quietly(leaving.close, started if hurry else started + leaving.exit_timeout)
    process.enrolled = set()
    _keep_exit_code()


def _keep_exit_code() -> None:
    """Let a program that Ctrl-C ended still die of that signal, as its parent expects.

    CPython remembers an unhandled KeyboardInterrupt for its very last moment, but forgets it whenever a text is run as
    a program, which importing the network code at the exit does (collections.namedtuple). So it is reminded.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")


def _quietly(function: Any, *args: Any) -> bool:
    """Call it; False when Ctrl-C cut it short. Nothing may be printed or raised: the exit code is the program's."""
    try:
        function(*args)
    except KeyboardInterrupt:
        return False
    except Exception:
        pass
    return True


def install_sigterm() -> None:
    """Let SIGTERM end the program as `sys.exit` does, so that the exit hook runs. Call it on the main thread.

    A handler that the program installed itself stays in charge, as does the decision to ignore the signal; only the
    default action, which would end the process on the spot, is replaced. Raises ConfigError on another thread.
    """
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        raise ConfigError("install_sigterm", "needs the client to be made on the main thread")
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit_on_signal)


def _exit_on_signal(number: int, frame: object) -> None:
    # No flush in a handler: it may have interrupted a holder of any lock. The exit hook comes later, on a clean stack.
    raise SystemExit(128 + number)
