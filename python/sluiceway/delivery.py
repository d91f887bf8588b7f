"""Tell the user's callbacks what became of their events, on a thread that nothing else depends on.

A callback may block, raise, exit, or call the client; the worst it can do is to hold up the callbacks behind it. Events
whose callbacks have not run yet count against the queue's budget, so a slow callback slows the producer down instead of
filling the memory, and none is skipped.
"""

from __future__ import annotations

import itertools
import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from sluiceway.errors import DeliveryError
from sluiceway.notices import LOUD, Notice, Voice
from sluiceway.report import BatchReport
from sluiceway.threads import Signal, allocate_rlock, start_thread, thread_id

if TYPE_CHECKING:
    from typing import TypeVar

    from sluiceway.engine import Batch, Clock, Spooled

    Ended = TypeVar("Ended", Batch, Spooled)

Callback: TypeAlias = Callable[[DeliveryError | None, BatchReport], Any]
"""Told once what became of an event: `callback(error, batch)`, error is None when it was delivered."""

Job: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]


class Delivery:
    """The registry of callbacks, and the thread that runs them.

    `inline` starts no thread: callbacks run in `run_pending`, on the caller's.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        on_delivery: Callable[[BatchReport], Any] | None = None,
        on_error: Callable[[DeliveryError, BatchReport], Any] | None = None,
        name: str = "sluiceway-callbacks",
        inline: bool = False,
        voice: Voice = LOUD,
    ) -> None:
        self._clock = clock
        self._on_delivery = on_delivery
        self._on_error = on_error
        self._name = name
        self._inline = inline
        self._tokens = itertools.count(1)
        # Single operations on a dict and a deque, which need no lock; a lock here could be taken twice by a `__del__`.
        self._callbacks: dict[int, Callback] = {}
        self._jobs: deque[Job] = deque()
        self._guard = allocate_rlock()
        self._wake = Signal()
        self._running_on: int | None = None
        self._alive = False
        self._closed = False
        self._raised = Notice(
            clock, logging.ERROR, "a delivery callback raised %s at %s; callbacks that raised: %d", voice
        )

    # -- the caller's side

    def register(self, callback: Callback) -> int:
        """Keep a callback; returns the token to admit its event under. Takes no lock."""
        token = next(self._tokens)
        self._callbacks[token] = callback
        return token

    def forget(self, token: int) -> None:
        """Drop a callback whose event was refused. Takes no lock."""
        self._callbacks.pop(token, None)

    def call(self, callback: Callable[..., Any], *args: Any) -> None:
        """Run something of the user's on the callback thread, behind everything told so far."""
        self._put((callback, args))

    def wait(self, deadline: float) -> bool:
        """Wait until every callback told so far has run. Returns False at the deadline.

        On the callback thread itself it returns at once: what is behind the running callback cannot run before it ends.
        """
        if self.is_here:
            return False
        if not self._jobs and self._running_on is None:
            return True
        reached = Signal()
        self._put((reached.set, ()))
        if not self._alive:
            self.run_pending()
        return reached.wait(max(0.0, deadline - self._clock.monotonic()))

    def close(self, deadline: float) -> bool:
        """Wait as `wait` does, then let the thread end. Returns whether every callback ran."""
        ran = self.wait(deadline)
        self.let_go()
        return ran

    def let_go(self) -> None:
        """Let the thread end when every callback told so far has run. Does not wait."""
        self._closed = True
        self._wake.set()

    # -- the sender's side

    def tell(
        self, batch: Ended, report: BatchReport, error: DeliveryError | None, release: Callable[[Ended], Any]
    ) -> None:
        """Tell everybody who asked about a batch that has ended; `release(batch)` follows when they have run."""
        calls: list[Job] = []
        if self._callbacks:
            for _, token in batch.tokens:
                callback = self._callbacks.pop(token, None)
                if callback is not None:
                    calls.append((callback, (error, report)))
        if error is None and self._on_delivery is not None:
            calls.append((self._on_delivery, (report,)))
        elif error is not None and self._on_error is not None:
            calls.append((self._on_error, (error, report)))
        if not calls:
            release(batch)
            return
        self._put((self._tell_all, (calls, release, batch)))

    def tell_again(
        self, batch: Ended, report: BatchReport, error: DeliveryError | None, release: Callable[[Ended], Any]
    ) -> None:
        """Tell what is left of a telling that an exception cut short: whose callbacks have not been taken up."""
        if self._callbacks:
            for _, token in batch.tokens:
                callback = self._callbacks.pop(token, None)
                if callback is not None:
                    self._put((callback, (error, report)))
        if self._jobs:
            self._put((release, (batch,)))
        else:
            release(batch)

    def tell_removed(self, tokens: Iterable[int], error: DeliveryError | None) -> None:
        """Tell the callbacks of events that were removed before they were part of a batch."""
        report = BatchReport(None, status=None, attempts=0)
        for token in tokens:
            callback = self._callbacks.pop(token, None)
            if callback is not None:
                self._put((callback, (error, report)))

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is running a callback just now."""
        return self._running_on == thread_id()

    @property
    def registered(self) -> bool:
        """Whether any callback waits for its event."""
        return bool(self._callbacks)

    # -- the callback thread

    def run_pending(self) -> None:
        """Run what waits, on this thread, unless somebody is at it."""
        ident = thread_id()
        with self._guard:
            if self._running_on is not None:
                return
            self._running_on = ident
        try:
            while self._jobs:
                try:
                    function, args = self._jobs.popleft()
                except IndexError:
                    break
                self._run(function, args)
        finally:
            self._running_on = None

    def _tell_all(self, calls: list[Job], release: Callable[[Ended], Any], batch: Ended) -> None:
        try:
            for function, args in calls:
                self._run(function, args)
        finally:
            release(batch)

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Call something of the user's. Whatever it raises ends here, SystemExit included."""
        try:
            function(*args)
        except BaseException as error:
            # The place helps; the text of the exception is not ours to print, it may quote an event.
            frames = traceback.extract_tb(error.__traceback__)
            where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
            self._raised.give(type(error).__name__, where)

    def _put(self, job: Job) -> None:
        self._jobs.append(job)
        if self._inline:
            return
        self._wake.set()
        if not self._alive:
            self._start()

    def _start(self) -> None:
        with self._guard:
            if self._alive:
                return
            self._alive = True
        has_started = False
        try:
            has_started = start_thread(self._name, self._main)
        finally:
            if not has_started:
                # No thread to be had: `wait`, which flush and close call, runs the callbacks on its own thread.
                self._alive = False

    def _main(self) -> None:
        try:
            while True:
                self._wake.clear()
                self.run_pending()
                if self._jobs:
                    # Somebody else runs them just now, on a thread of their own.
                    self._wake.wait(0.01, ours=True)
                elif self._closed:
                    return
                else:
                    self._wake.wait(ours=True)
        finally:
            self._alive = False
            # Only an exception injected between two callbacks leaves something behind.
            if self._jobs and not self._closed:
                self._start()
