"""Waiting on an asyncio loop: the loop's own futures, completed from our threads. asyncio is imported when used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sluiceway.assembly import CLOCK, Assembly, deadline_in
from sluiceway.stats import FlushResult

if TYPE_CHECKING:
    import asyncio

Answer = TypeVar("Answer")


async def flush(assembly: Assembly, timeout: float) -> FlushResult:
    """Wait for everything accepted before the call, and for its callbacks, without blocking the loop.

    No thread is made for it: the worker and the callback thread wake the loop. Clients without a worker send on the
    calling thread, so theirs go to a thread of the loop's executor, unless there is nothing to wait for.
    """
    import asyncio

    deadline = deadline_in(timeout)
    worker = assembly.worker
    if assembly.sends_nothing:
        return worker.flush(deadline)
    if assembly.is_inline:
        return await in_a_thread(worker.flush, deadline)
    loop = asyncio.get_running_loop()
    ended, told = _Bell(loop), _Bell(loop)
    waiting = assembly.flushing.open(then=ended.ring)
    try:
        if waiting.expected or worker.alive:
            if not worker.start():
                # No thread to be had from the system: somebody has to do the work.
                return await in_a_thread(worker.flush, deadline)
            assembly.queue.interrupt()
            await ended.wait(deadline)
        if not assembly.delivery.wait(0.0):
            assembly.delivery.call(told.ring)
            await told.wait(deadline)
    finally:
        result = assembly.flushing.result(waiting)
    return result


async def in_a_thread(function: Callable[..., Answer], *args: Any) -> Answer:
    """Run something that blocks on a thread of the loop's executor."""
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


class _Bell:
    """Rings on a loop from another thread. Rung after the loop was closed, or twice, it does nothing."""

    __slots__ = ("_loop", "_rung")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rung: asyncio.Future[None] = loop.create_future()

    def ring(self) -> None:
        """Wake whoever waits, from any thread."""
        # A loop that was closed before the flush was done has nobody waiting on it any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._set)

    def _set(self) -> None:
        if not self._rung.done():
            self._rung.set_result(None)

    async def wait(self, deadline: float) -> None:
        """Wait until it rings, or until the deadline."""
        import asyncio

        await asyncio.wait([self._rung], timeout=max(0.0, deadline - CLOCK.monotonic()))
