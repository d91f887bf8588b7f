"""The ends of a process: one exit hook and one budget of time for all clients, and the signal that ends it.

The hook is registered at the first accepted event of each process, not at import: a forked child of `multiprocessing`
clears or never runs what its parent registered, so every process registers for itself, in `atexit` and, where
`multiprocessing` or `billiard` is in use, in their own list of finalizers. There is no hook before or after a fork.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from sluiceway import hosting
from sluiceway.errors import ConfigError
from sluiceway.notices import log

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

    def let_go(self, deadline: float) -> None:
        """Take no more events and begin to send the rest, which the deadline (monotonic seconds) ends. Never waits."""
        ...

    def leave(self, deadline: float) -> int:
        """Wait for that until the deadline, fail what is left; return how many events the log should hear of."""
        ...


class _Process:
    """What one process has to bring to its end. A child makes a new one; its parent's is left alone."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.left_at: float | None = None
        """When the exit began, monotonic."""
        self.spent_seconds = 0.0
        """How much of the budget was used up, by whatever was sent during the exit."""
        self.enrolled: set[Leaving] = set()

    def register(self) -> None:
        atexit.unregister(leave)
        if "multiprocessing.util" not in sys.modules:
            atexit.register(leave)
        # Where it is there already, its own exit hook was registered before ours and would run after it: too late for
        # events of the finalizers and children that it waits for. Ours is then the last of its finalizers, and no hook.
        for name in ("multiprocessing.util", "billiard.util"):
            module = sys.modules.get(name)
            if module is not None:
                module.Finalize(None, leave, exitpriority=_EXIT_PRIORITY)
        hosting.at_exit(leave)


_process: _Process | None = None


def _own() -> _Process:
    global _process  # noqa: PLW0603  (a process has one exit)
    process = _process
    if process is None or process.pid != os.getpid():
        process = _process = _Process()
        process.register()
    return process


def enrol(leaving: Leaving) -> None:
    """Have something brought to its end at the exit of this process. Cheap to repeat; takes no lock."""
    process = _own()
    if leaving not in process.enrolled:
        # A new set instead of a change: the exit may be looking at the old one.
        process.enrolled = {other for other in process.enrolled if not other.is_over} | {leaving}


def exiting() -> bool:
    """Whether the exit of this process has begun: nobody would wait for a new thread, or run a new hook, any more."""
    process = _process
    if process is not None and process.left_at is not None and process.pid == os.getpid():
        return True
    # The main thread counts as ended before the first exit hook runs. Threads of the program's may go on then for as
    # long as they like, so this is the exit for what runs on the main thread only.
    main = threading.main_thread()
    return not main.is_alive() and main.ident == threading.get_ident()


def spend(exit_timeout: float, send: Callable[[float], bool]) -> bool:
    """Have something sent during the exit, until a deadline that it is given; returns what it does.

    All that is sent then shares one budget of time.
    """
    process = _own()
    began = time.monotonic()
    try:
        return send(began + max(0.0, exit_timeout - process.spent_seconds))
    finally:
        process.spent_seconds += time.monotonic() - began


def leave() -> None:
    """Bring everything enrolled in this process to its end, within one budget. Never raises; a second Ctrl-C ends it.

    All begin at once, so that they share the time instead of queueing for it. What could not be sent is told in one
    line for the whole process.
    """
    process = _process
    if process is None or process.pid != os.getpid():
        return
    process.left_at = time.monotonic()
    started = process.left_at - process.spent_seconds
    waiting = sorted(
        (leaving for leaving in process.enrolled if not leaving.is_over), key=lambda each: each.exit_timeout
    )
    hurry = False
    for leaving in waiting:
        hurry |= _quietly(leaving.let_go, started + leaving.exit_timeout) is _CUT_SHORT
    unsent = []
    for leaving in waiting:
        answer = _quietly(leaving.leave, started if hurry else started + leaving.exit_timeout)
        hurry |= answer is _CUT_SHORT
        if isinstance(answer, int) and answer:
            unsent.append(answer)
    process.enrolled = set()
    process.spent_seconds = time.monotonic() - started
    if unsent:
        _quietly(_tell, sum(unsent), len(unsent), process.spent_seconds)
    _keep_exit_code()


def _tell(events: int, clients: int, seconds: float) -> None:
    """Say how much was lost, where the program's own log lines go. One without any logging sees it on its stderr.

    As `logging` itself does with a warning for which nobody is responsible; but a program that has silenced our logger
    does not hear of it.
    """
    template = "the program ended before everything was sent: events %d, clients %d, seconds waited %.1f"
    if _is_heard():
        log.warning(template, events, clients, seconds)
    elif log.isEnabledFor(logging.WARNING) and log.propagate and sys.stderr is not None:
        # In one piece, so that other processes of the same terminal do not come between its halves.
        sys.stderr.write("sluiceway: " + template % (events, clients, seconds) + "\n")


def _is_heard() -> bool:
    """Whether a handler of the program's would see what our logger says."""
    logger: logging.Logger | None = log
    while logger is not None:
        if any(type(handler) is not logging.NullHandler for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def _keep_exit_code() -> None:
    """Let a program that Ctrl-C ended still die of that signal, as its parent expects.

    CPython remembers an unhandled KeyboardInterrupt for its very last moment, but forgets it whenever a text is run as
    a program, which importing the network code at the exit does (collections.namedtuple). So it is reminded.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")


_CUT_SHORT = object()


def _quietly(function: Any, *args: Any) -> Any:
    """Call it; answer `_CUT_SHORT` when Ctrl-C came. Nothing may be raised: the exit code is the program's."""
    try:
        return function(*args)
    except KeyboardInterrupt:
        return _CUT_SHORT
    except Exception:
        return None


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
