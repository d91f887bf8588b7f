"""Name look-up that can be given up.

The C library's cannot be interrupted and may hang for half a minute. On the worker's thread it may: nobody waits for
that. Whoever sends on the calling thread has a time by which it must be over, and then the look-up runs on a thread
that is left behind, one for a name at a time.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

from sluiceway.threads import Signal, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable


class _LookUp:
    """One look-up on a thread of its own, and what it found."""

    __slots__ = ("_key", "ended", "error", "found")

    def __init__(self, key: tuple[int, str, int]) -> None:
        self._key = key
        self.ended = Signal()
        self.found: list[Any] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.found = _addresses(*self._key[1:])
        except Exception as error:
            self.error = error
        finally:
            _under_way.pop(self._key, None)
            self.ended.set()


# By process: a thread of the parent's never comes back in a child. Only single operations, which need no lock.
_under_way: dict[tuple[int, str, int], _LookUp] = {}


def look_up(host: str, port: int, until: float | None, monotonic: Callable[[], float]) -> list[Any]:
    """Return what `getaddrinfo` does. Ends by `until`, in the seconds of `monotonic`; None is however long it takes.

    Raises OSError or UnicodeError as `getaddrinfo` does, and TimeoutError.
    """
    if until is None:
        return _addresses(host, port)
    with contextlib.suppress(OSError, UnicodeError):
        # An address needs no asking, and so no thread.
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    key = os.getpid(), host, port
    fresh = _LookUp(key)
    one = _under_way.setdefault(key, fresh)
    if one is fresh and not start_thread("sluiceway-look-up", one.run):
        # No thread to be had from the system, as at the exit: it takes as long as it takes.
        one.run()
    if not one.ended.wait(max(0.0, until - monotonic())):
        raise TimeoutError
    if one.error is not None:
        raise one.error
    return one.found


def _addresses(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
