"""Threads, locks and signals that stay real when gevent or eventlet has patched the standard library.

The worker must be an OS thread: a greenlet would stop whenever the application computes, and would share the hub with
the requests it reports on; where it waits for events in native code it would stop the hub for good. So these primitives
take the originals where they have been replaced. Both packages are looked at only if the application has imported them.
"""

from __future__ import annotations

import _thread
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# How often a greenlet looks whether a signal was set. A native thread cannot wake a hub portably, and twenty
# milliseconds are far below what anybody waits for a flush.
_HUB_POLL_SECONDS = (0.001, 0.02)

# Locks cannot be interrupted by Ctrl-C on Windows, so a wait there is made of short ones.
_SLICE_SECONDS = 0.1 if sys.platform == "win32" else threading.TIMEOUT_MAX


def _gevent_patched(module: str) -> Any | None:
    """Return gevent's monkey module if it has patched `module`, else None."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey if monkey is not None and monkey.is_module_patched(module) else None


def _eventlet_patched() -> Any | None:
    """Return eventlet's patcher if it has patched threads, else None."""
    patcher = sys.modules.get("eventlet.patcher")
    return patcher if patcher is not None and patcher.is_monkey_patched("thread") else None


def _original(name: str) -> Any:
    """Return the operating system's own function of `_thread`, also where another stands in its place."""
    monkey = _gevent_patched("_thread")
    if monkey is not None:
        return monkey.get_original("_thread", name)
    patcher = _eventlet_patched()
    return getattr(_thread if patcher is None else patcher.original("_thread"), name)


def allocate_lock() -> Any:
    """Return an unlocked lock of the operating system's."""
    return _original("allocate_lock")()


def allocate_rlock() -> Any:
    """Return a lock that its holder may take again: a collected object's `__del__` may call us in the middle of us."""
    return _original("RLock")()


def thread_id() -> int:
    """Return the identity of the running OS thread, also on a greenlet."""
    ident: int = _original("get_ident")()
    return ident


def start_thread(name: str, run: Callable[[], None]) -> bool:
    """Start a daemon OS thread. Returns False where the system gives no thread (limits, interpreter shutting down)."""
    start = _original("start_new_thread")
    try:
        if start is _thread.start_new_thread:
            threading.Thread(target=run, name=name, daemon=True).start()
        else:
            # threading.Thread would make a greenlet now. A raw thread is a daemon and has no name.
            start(run, ())
    except RuntimeError:
        return False
    return True


def _hub() -> Any | None:
    """Return gevent or eventlet where the caller is a greenlet of theirs, whose blocking would stop others; or None."""
    gevent, eventlet = sys.modules.get("gevent"), sys.modules.get("eventlet")
    if gevent is not None and (_gevent_patched("threading") or _runs_in(gevent, getattr(gevent, "Greenlet", None))):
        return gevent
    if eventlet is not None:
        kind = getattr(sys.modules.get("eventlet.greenthread"), "GreenThread", None)
        if _eventlet_patched() or _runs_in(eventlet, kind):
            return eventlet
    return None


def _runs_in(green: Any, kind: type | None) -> bool:
    """Return whether the caller is a greenlet of that kind; False while the package is still being imported."""
    return kind is not None and isinstance(green.getcurrent(), kind)


def on_a_hub() -> bool:
    """Return whether the caller is a greenlet whose blocking would stop others."""
    return _hub() is not None


class Signal:
    """A flag that one thread sets and others wait for; `clear` makes it usable again."""

    __slots__ = ("_guard", "_set", "_sleepers")

    def __init__(self) -> None:
        """Start cleared."""
        self._set = False
        self._guard = allocate_rlock()
        self._sleepers: list[Any] = []

    def is_set(self) -> bool:
        """Return whether the flag is up. Never blocks."""
        return self._set

    def set(self) -> None:
        """Raise the flag and wake everybody who waits."""
        with self._guard:
            self._set = True
            sleepers, self._sleepers = self._sleepers, []
        for lock in sleepers:
            lock.release()

    def clear(self) -> None:
        """Lower the flag."""
        self._set = False

    def wait(self, timeout: float | None = None, *, ours: bool = False) -> bool:
        """Wait up to `timeout` seconds; returns whether the flag is up.

        Ctrl-C ends the wait on the main thread. A greenlet lets its hub go on meanwhile; `ours` says that the caller is
        a thread of this package, which has no hub.
        """
        if self._set:
            return True
        deadline = None if timeout is None else time.monotonic() + timeout
        hub = None if ours else _hub()
        if hub is not None:
            return self._poll(hub, deadline)
        lock = allocate_lock()
        lock.acquire()
        with self._guard:
            if self._set:
                return True
            self._sleepers.append(lock)
        try:
            while not self._set:
                left = _SLICE_SECONDS if deadline is None else min(_SLICE_SECONDS, deadline - time.monotonic())
                if left <= 0 or (lock.acquire(True, left) and not self._set):
                    break
        finally:
            with self._guard:
                if lock in self._sleepers:
                    self._sleepers.remove(lock)
        return self._set

    def _poll(self, hub: Any, deadline: float | None) -> bool:
        """Wait as a greenlet does: sleep cooperatively, look, sleep longer."""
        pause, longest = _HUB_POLL_SECONDS
        while not self._set:
            left = pause if deadline is None else min(pause, deadline - time.monotonic())
            if left <= 0:
                break
            hub.sleep(left)
            pause = min(pause * 2, longest)
        return self._set
