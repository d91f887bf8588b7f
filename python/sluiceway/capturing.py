"""Where a test steps between the clients of a process and the network: which clients there are, and who captures.

No call asks here. A client asks once, when its parts are put together: in its constructor, and in the child of a fork.
Whoever begins to capture has every client put its parts together anew, aside from those it had, and gives it those back
at the end. What waited in them for the network waits there meanwhile, or is sent by the worker that they have.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary, ref

from sluiceway.threads import allocate_rlock

if TYPE_CHECKING:
    from typing import Protocol

    from sluiceway.assembly import Assembly, Queue
    from sluiceway.client import Client
    from sluiceway.options import Options
    from sluiceway.vendors.base import Vendor

    class Make(Protocol):
        """Puts the parts of one client together; ``around`` may wrap its queue."""

        def __call__(
            self, page: Vendor, options: Options, around: Callable[[Queue], Queue] | None = None, /
        ) -> Assembly:
            """Return them."""
            ...

    class Capture(Protocol):
        """Who captures what clients send."""

        def takes(self, options: Options) -> bool:
            """Whether it captures a client of these options."""
            ...

        def assemble(self, page: Vendor, options: Options, make: Make) -> Assembly:
            """Put the parts of a client together so that nothing leaves the process."""
            ...

    Kept = tuple[ref[Client], Assembly, bool]
    """A client, and what it had before: its parts, and whether it was closed."""


class _NoEngineYet:
    """Stands in for an assembly: as stale as one of a parent's, so that the next use makes another."""

    stale = True
    is_captured = False

    @property
    def queue(self) -> _NoEngineYet:
        """Stands in for a queue, too."""
        return self

    def forget(self) -> None:
        """Do nothing."""


NO_ENGINE_YET = cast("Assembly", _NoEngineYet())

# By id: a class of the user's may compare and hash as it likes.
_clients: WeakValueDictionary[int, Client] = WeakValueDictionary()
_capture: Capture | None = None
_kept: list[Kept] = []
# A collection may run `Client.__del__` in the middle; nothing of that comes here, but a signal's handler may.
_lock = allocate_rlock()


def know(client: Client) -> None:
    """Remember a client for as long as it lives."""
    _clients[id(client)] = client


def assemble(page: Vendor, options: Options, make: Make) -> Assembly:
    """Put the parts of a client together, as whoever captures wants it, if anybody does."""
    capture = _capture
    if capture is None or not capture.takes(options):
        return make(page, options)
    return capture.assemble(page, options, make)


def begin(capture: Capture) -> None:
    """Have every client of the process captured, and every one that is made from now on. Raises RuntimeError if one is.

    A call that another thread is in the middle of may still go its old way.
    """
    global _capture  # noqa: PLW0603  (a process has one network)
    with _lock:
        if _capture is not None:
            raise RuntimeError("somebody captures already")
        _capture = capture
        try:
            for client in list(_clients.values()):
                _set_aside(client, capture)
        except BaseException:
            end()
            raise


def end() -> None:
    """Give every client back what it had. One that was made meanwhile gets an engine with its next call."""
    global _capture  # noqa: PLW0603  (the same)
    with _lock:
        _capture = None
        before = {id(client): kept for kept in _kept if (client := kept[0]()) is not None}
        captured: list[Any] = []
        for client in list(_clients.values()):
            assembly: Assembly | None = getattr(client, "_assembly", None)
            if assembly is None or not assembly.is_captured:
                continue
            captured.append(assembly)
            kept = before.get(id(client))
            if kept is None:
                client._put_off()
            else:
                client._take_back(kept[1], kept[2])
        for known, assembly, _ in _kept:
            if known() is None:
                # What its client would have done that was collected meanwhile.
                with suppress(Exception):
                    assembly.forget()
        _kept.clear()
        for assembly in captured:
            with suppress(Exception):
                assembly.close(0.0)


def _set_aside(client: Client, capture: Capture) -> None:
    # None in the middle of a constructor, which will ask by itself.
    assembly: Assembly | None = getattr(client, "_assembly", None)
    if assembly is None or not capture.takes(client._options):
        return
    _kept.append((ref(client), assembly, client._closed))
    has_short_cut = client._push == getattr(assembly.queue, "push", None)
    client._build()
    if has_short_cut:
        _give_back(assembly.queue)


def _give_back(queue: Queue) -> None:
    """Give back the reference to a queue that a client's short cut had: it keeps what it had before for ever.

    It does so because a call may be in it. None is now: the short cut holds the GIL for as long as it looks at the
    queue and runs no Python code meanwhile, and this is Python code. Else each client that a test captures would leave
    its queue behind, 200 kB of memory.
    """
    import ctypes  # for tests only

    ctypes.pythonapi.Py_DecRef(ctypes.py_object(queue))
