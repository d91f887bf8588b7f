"""The one background thread: takes batches from the queue, carries each to its end, and waits without polling.

Batches stand in a line. While the first of them waits for a retry, the others wait behind it and nothing more is taken
from the queue: order is kept, and newer events stay where `on_full` decides about them. What a vendor wants later for
some users only waits in lanes and holds nobody up.

Nothing kills the worker. A parcel leaves the line only after its end has been counted, so whatever is raised, and
wherever, it is still there; the next round goes on with it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sluiceway.endings import ParcelEndings
from sluiceway.line import Line
from sluiceway.notices import LOUD, Notice, Voice
from sluiceway.parcel import Parcel, Rest
from sluiceway.report import BatchReport
from sluiceway.standing import Attempt
from sluiceway.threads import Signal, allocate_lock, allocate_rlock, start_thread, thread_id
from sluiceway.verdict import Retry

if TYPE_CHECKING:
    from sluiceway.delivery import Callback, Delivery
    from sluiceway.endings import Endings
    from sluiceway.engine import Clock, Queue
    from sluiceway.flushing import Flush, Flushing
    from sluiceway.lanes import LaneKeeper
    from sluiceway.sender import Sender
    from sluiceway.stats import FlushResult


# After an error of our own, before the same parcel is tried again.
_STUMBLE_SECONDS = 1.0


class Worker:
    """Carries every batch of one queue to its end. Its public methods may be called from any thread."""

    def __init__(
        self,
        *,
        queue: Queue,
        sender: Sender,
        endings: Endings,
        flushing: Flushing,
        delivery: Delivery,
        clock: Clock,
        lanes: LaneKeeper | None = None,
        name: str = "sluiceway-worker",
        inline: bool = False,
        voice: Voice = LOUD,
    ) -> None:
        """Start nothing yet. `inline` never starts a thread: everything happens in `drain`, `flush` and `close`."""
        self._queue = queue
        self._sender = sender
        self._endings = endings
        self._ends = ParcelEndings(endings, clock, voice)
        self._flushing = flushing
        self._delivery = delivery
        self._clock = clock
        self._name = name
        self._inline = inline
        self._line = Line(lanes)
        self._carried: Parcel | None = None
        # Held by whoever does the work; for its whole life by the thread.
        self._turn = allocate_lock()
        # Held around every decision about parcels, never around a request.
        self._desk = allocate_rlock()
        self._starting = allocate_lock()
        self._start_again_at = float("-inf")
        self._alive = False
        self._working_on: int | None = None
        self._ended = Signal()
        self._closing_at: float | None = None
        self._abandoned = False
        self._stumbled = Notice(clock, logging.ERROR, "the worker met %s and goes on; %d times", voice)
        self._left = Notice(clock, logging.WARNING, "closed before everything was sent; %d events failed", voice)
        flushing.unsettled = self._line.unsettled

    # -- any thread

    @property
    def alive(self) -> bool:
        """Whether the thread runs, or is about to."""
        return self._alive

    def start(self) -> bool:
        """Start the thread unless it runs; returns whether it does. Does not wait for it, takes no lock that waits."""
        if self._alive:
            return True
        now = self._clock.monotonic()
        if self._inline or self._ended.is_set() or now < self._start_again_at:
            return False
        if not self._starting.acquire(False):
            return True
        try:
            if not self._alive:
                self._alive = True
                if not start_thread(self._name, self._main):
                    self._alive = False
                    # Each push asks for a worker while there is none; the system is asked for a thread once a second.
                    self._start_again_at = now + 1.0
            return self._alive
        finally:
            self._starting.release()

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the one that does the work, so that it must not wait for it."""
        return self._working_on == thread_id()

    def flush(self, deadline: float, callback: Callback | None = None) -> FlushResult:
        """Wait until everything accepted before the call has ended and its callbacks have run, or until the deadline.

        Cuts our own back-off short, once a second at most; a wait that the server asked for is kept. On the worker's
        own thread it does not wait. The deadline is in the seconds of the clock's `monotonic()`. `callback` is told
        once, with the first error among the events or None, and the last batch.
        """
        flush = self._flushing.open()
        try:
            if not self.is_here:
                self._await(flush, deadline)
        finally:
            result = self._flushing.result(flush)
        if callback is not None:
            report = flush.report or BatchReport(None, status=None, attempts=0)
            self._delivery.call(callback, flush.error, report)
            if self._inline:
                self._delivery.run_pending()
        return result

    def drain(self, deadline: float) -> bool:
        """Do the worker's work on this thread until nothing is left, or the deadline; returns whether nothing is left.

        For clients without a thread, and for the exit when the thread is gone. False too when another thread works.
        """
        if self.is_here or not self._turn.acquire(timeout=self._seconds_until(deadline)):
            return False
        try:
            self._working_on = thread_id()
            self._queue.flush_mark()
            empty = False
            while True:
                try:
                    if not self._step(deadline):
                        empty = self._line.empty
                        break
                except Exception as error:
                    self._stumble(error)
                    if self._clock.monotonic() >= deadline:
                        break  # an error of ours that does not go away must not hold the caller for ever
        finally:
            self._working_on = None
            self._turn.release()
        if not self._alive:
            self._delivery.run_pending()
        return empty

    def close(self, deadline: float) -> FlushResult:
        """Refuse new events, send what is left until the deadline, fail the rest as `shutdown`. May be called again.

        Our own back-off is cut short for a last attempt; what cannot be due before the deadline fails at once. When it
        returns nothing is pending, even if the thread is stuck in a request: close the transport then.
        """
        flush = self._flushing.open(hurries=False)
        # Callbacks of what fails at the very end need a moment, too.
        grace = min(0.2, 0.1 * self._seconds_until(deadline)) if self._delivery.registered else 0.0
        self._closing_at = deadline - grace
        self._queue.close()
        self._queue.interrupt()
        if not self.is_here:
            if self._alive:
                self._ended.wait(self._seconds_until(self._closing_at))
            else:
                self.drain(self._closing_at)
            self._abandon()
            self._delivery.close(deadline)
        return self._flushing.result(flush)

    # -- the thread

    def _main(self) -> None:
        self._working_on = thread_id()
        try:
            while not self._ended.is_set():
                try:
                    with self._turn:
                        self._queue.attend(True)
                        while self._step(None):
                            pass
                    self._ended.set()
                except BaseException as error:
                    self._stumble(error)
        finally:
            # Reached without `_ended` only by an exception injected into the handler above.
            self._working_on = None
            self._alive = False
            self._queue.attend(False)
            if not self._ended.is_set():
                self.start()

    def _step(self, until: float | None) -> bool:
        """Do one thing: send a parcel, take a batch, or wait. Returns False when nothing is left to do by `until`."""
        line, closing_at = self._line, self._closing_at
        now = self._clock.monotonic()
        with self._desk:
            line.unpack(now)
            self._drop_surplus()
        if self._abandoned:
            self._abandon()
            return False
        if self._delivery.registered:
            for token, reason in self._queue.take_overflow():
                self._endings.removed((token,), reason)
        self._flushing.check()
        parcel, due = line.next(
            now,
            held_until=self._sender.held_until,
            hurried=self._flushing.hurried,
            closing=closing_at is not None,
        )
        if parcel is not None and due is not None and due <= now:
            self._carry(parcel, now, until)
            return True
        next_moment = now if due is None else due
        ends = [limit for limit in (until, closing_at) if limit is not None and next_moment > limit]
        if ends:
            # What waits that long in a lane must not keep others from going now.
            if now <= min(ends) and self._may_take(now) and not self._is_drained():
                self._take(0.0)
                return True
            if closing_at in ends:
                self._abandon()
            return False
        return self._wait(now, due, until)

    def _may_take(self, now: float) -> bool:
        return not self._line.holds and now >= self._sender.held_until

    def _wait(self, now: float, due: float | None, until: float | None) -> bool:
        """Wait for a batch, or for the parcel that is due next. Returns False when nothing is left to do by `until`."""
        if not self._may_take(now):
            if self._line.empty and (until is not None or self._queue.closed) and self._is_drained():
                # Nobody is there for whom the pause that the server asked for would have to pass.
                return False
            self._queue.pause(None if due is None else due - now)
            return True
        if self._take(0.0 if until is not None else None if due is None else due - now):
            return True
        if due is None:
            return until is None and not self._exhausted()
        if until is not None:
            self._queue.pause(due - now)
        return True

    def _take(self, timeout: float | None) -> bool:
        """Wait for a batch; returns whether one came.

        Python may raise an exception injected by another thread between any two of its instructions, so also between
        the return of a call and the storing of its result, which would lose the batch. Inside `extend` there is no such
        moment: the batch is in the inbox before any Python runs.
        """
        inbox = self._line.inbox
        inbox.extend(map(self._queue.next_batch, (timeout,)))
        return inbox[-1] is not None

    def _carry(self, parcel: Parcel, now: float, until: float | None) -> None:
        """Make one attempt, then replace the parcel by what is left of it."""
        if parcel.ended:
            self._finish(parcel, None)
            return
        self._line.cut(parcel, now, closing=self._closing_at is not None)
        limits = [limit for limit in (until, self._closing_at) if limit is not None]
        self._carried = parcel
        self._finish(parcel, self._sender.attempt(parcel, until=min(limits, default=None)))

    def _finish(self, parcel: Parcel, attempt: Attempt | None) -> None:
        with self._desk:
            if not self._abandoned:
                rest = Rest()
                if parcel.end is not None:
                    # Ended and then interrupted, perhaps before that was counted: ending it again counts nothing twice.
                    parcel.end()
                elif attempt is not None:
                    rest = self._sender.conclude(parcel, attempt)
                self._line.replace(parcel, rest, self._clock.monotonic())
                self._drop_surplus()
            self._carried = None

    def _drop_surplus(self) -> None:
        """End what the lanes had no room for."""
        for parcel in self._line.surplus:
            self._ends.drop(parcel)
        if self._line.surplus:
            self._line.forget_surplus()

    def _stumble(self, error: BaseException) -> None:
        """Survive an error of our own, or one injected into the thread. The parcel at hand waits and is tried again."""
        parcel = self._carried
        try:
            self._stumbled.give(type(error).__name__)
            if parcel is None:
                self._ended.wait(_STUMBLE_SECONDS / 10, ours=True)
            else:
                self._finish(parcel, Attempt(verdict=Retry(), sent="maybe", message=type(error).__name__))
        except BaseException:
            if parcel is not None:
                parcel.due = self._clock.monotonic() + _STUMBLE_SECONDS

    def _exhausted(self) -> bool:
        """Return whether the queue is closed and empty, and nothing is on its way."""
        return self._queue.closed and self._line.empty and self._is_drained()

    def _is_drained(self) -> bool:
        """Return whether nothing accepted so far is left in the ring."""
        return self._queue.has_passed(self._queue.flush_mark())

    def _abandon(self) -> None:
        """Fail whatever has not ended. The thread may be stuck in a request; what it learns later changes nothing."""
        count = 0
        with self._desk:
            self._abandoned = True
            if self._carried is not None:
                self._carried.sent = "maybe"
            parcels = self._line.everything(self._clock.monotonic())
            self._drop_surplus()
            for parcel in parcels:
                count += self._ends.shut_down(parcel)
            self._line.clear()
        while (batch := self._queue.next_batch(0.0)) is not None:
            count += self._ends.shut_down(Parcel(batch))
        self._flushing.check()
        if count:
            self._left.give(events=count)

    def _await(self, flush: Flush, deadline: float) -> None:
        if not self._alive:
            if flush.expected == 0:
                # Without a worker no batch is between the ring and the line: there is nothing to wait for.
                self._delivery.wait(deadline)
                return
            if not self.start():
                self.drain(deadline)
        if self._alive:
            self._queue.interrupt()
            flush.done.wait(self._seconds_until(deadline))
        self._delivery.wait(deadline)

    def _seconds_until(self, deadline: float) -> float:
        return max(0.0, deadline - self._clock.monotonic())
