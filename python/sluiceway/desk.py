"""The desk: who stands where, the lock around every decision about it, and what other threads than the worker's decide.

While the thread that works is held up, in a request or by a parcel that waits, another may move what waits from the
memory to the disk, or see to it that it is there; and when time is over, another gives up what is left.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sluiceway.endings import ParcelEndings
from sluiceway.line import Line
from sluiceway.notices import LOUD, Notice, Voice
from sluiceway.parcel import Parcel
from sluiceway.threads import Signal, allocate_rlock

# How long the end waits for a batch that another thread has taken from the queue and not put into the line yet.
_IN_HAND_SECONDS = 0.25

if TYPE_CHECKING:
    from sluiceway.backlog import Backlog
    from sluiceway.endings import Endings
    from sluiceway.engine import Clock, Queue
    from sluiceway.flushing import Flushing
    from sluiceway.lanes import LaneKeeper


class Wish:
    """To have everything accepted before a queue position on disk, whoever comes to it first."""

    __slots__ = ("done", "granted", "mark")

    def __init__(self, mark: int) -> None:
        self.mark = mark
        self.granted = False
        """Whether it came true. To be looked at when `done` is set."""
        self.done = Signal()


class Desk:
    """Everything of one queue that has left the ring and not ended. For any thread, unless said otherwise."""

    def __init__(
        self,
        *,
        queue: Queue,
        endings: Endings,
        flushing: Flushing,
        clock: Clock,
        lanes: LaneKeeper | None = None,
        backlog: Backlog | None = None,
        voice: Voice = LOUD,
    ) -> None:
        """Have everything in memory without a backlog."""
        self._queue = queue
        self._flushing = flushing
        self._clock = clock
        self._voice = voice
        self.backlog = backlog
        self.ends = ParcelEndings(endings, clock, voice)
        self.line = Line(lanes)
        self.carried: Parcel | None = None
        """What an attempt is being made with, or has just been."""
        self.lock = allocate_rlock()
        """Held around every decision about parcels, never around a request or a log line."""
        self.closing_at: float | None = None
        """The moment, monotonic, at which what is left is given up."""
        self.quiet = False
        """Whether the log line about what is given up is somebody else's."""
        self.ended = Signal()
        """Set when nothing will be done any more."""
        self.abandoned = False
        """Whether what was left has been given up."""
        self.is_last_call = False
        """Whether nothing is taken from the queue any more, but by `abandon`."""
        self.none_in_hand = Signal()
        """Set unless the thread that works has taken, or is about to take, a batch that is not in the line yet."""
        self.none_in_hand.set()
        self.progress = 0
        """How many parcels have ended or made room for others."""
        self._wishes: tuple[Wish, ...] = ()
        self._failed = Notice(clock, logging.WARNING, "closed before everything was sent; %d events failed", voice)
        self._left = Notice(clock, logging.WARNING, "closed with %d events left in the spool", voice)
        flushing.unsettled = self.unsettled

    def unsettled(self, mark: int) -> int:
        """Return how many events before a queue position have left the ring and not ended. Takes no lock."""
        on_disk = 0 if self.backlog is None else self.backlog.count_before(mark)
        return on_disk + self.line.unsettled(mark)

    @property
    def has_spool(self) -> bool:
        """Whether anything may wait on disk, of earlier processes, too."""
        return self.backlog is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing will be done any more."""
        return self.abandoned or self.ended.is_set()

    @property
    def empty(self) -> bool:
        """Whether nothing that was accepted here waits outside of the ring."""
        return self.line.empty and (self.backlog is None or not self.backlog.has_own)

    @property
    def is_held_up(self) -> bool:
        """Whether the thread that works takes nothing now: it makes an attempt, or the first of the line waits."""
        return self.carried is not None or self.line.holds

    @property
    def is_waiting(self) -> bool:
        """Whether the first of the line waits, and no attempt is being made."""
        return self.carried is None and self.line.holds

    def sync_if_due(self) -> None:
        """Have the disk synced, if it is time for it."""
        if self.backlog is not None:
            self.backlog.sync_if_due()

    def put_by(self, mark: int) -> bool:
        """Move what was accepted before a queue position from the memory to the disk, the first of the line excepted.

        Only while the thread that works is held up, else it does nothing. Returns False when the disk takes no more.
        """
        backlog = self.backlog
        assert backlog is not None
        while True:
            with self._voice.later(), self.lock:
                if self.abandoned or not self.is_held_up:
                    return True
                self.line.unpack(self._clock.monotonic())
                parcel = self.line.second
                if parcel is None:
                    if self._queue.has_passed(mark) or not backlog.is_well:
                        return backlog.is_well
                    batch = self._queue.next_batch(0.0)
                    if batch is None:
                        return True
                    self.line.inbox.append(batch)
                elif backlog.shelve(parcel):
                    self.line.leave(parcel)
                else:
                    return False

    def make_durable(self, wish: Wish, *, in_turn: bool) -> None:
        """Grant a wish now if that can be done here, else in the next round. `in_turn`: nobody else does the work."""
        backlog = self.backlog
        assert backlog is not None
        with self._voice.later(), self.lock:
            if wish not in self._wishes and not wish.done.is_set():
                self._wishes += (wish,)
            if in_turn or self.is_held_up:
                self._grant(backlog, wish)

    def forget(self, wish: Wish) -> None:
        """Do not grant a wish any more."""
        with self._voice.later(), self.lock:
            self._wishes = tuple(other for other in self._wishes if other is not wish)

    def grant_wishes(self, backlog: Backlog) -> None:
        """Grant what was wished for. For the thread that works, between two batches."""
        for wish in self._wishes:
            self._grant(backlog, wish)

    def _grant(self, backlog: Backlog, wish: Wish) -> None:
        if wish.done.is_set():
            return
        line, now = self.line, self._clock.monotonic()
        line.unpack(now)
        while not self._queue.has_passed(wish.mark):
            batch = self._queue.next_batch(0.0)
            if batch is None:
                return  # a push is in the middle of it; the next round comes soon
            line.inbox.append(batch)
            line.unpack(now)
        earlier = [parcel for parcel in line.everything(now) if not parcel.ended and parcel.count_before(wish.mark)]
        wish.granted = sum(backlog.keep(parcel, durable=True) for parcel in earlier) == len(earlier) and backlog.sync()
        wish.done.set()

    def abandon(self) -> None:
        """Give up whatever has not ended. The thread may be stuck in a request; what it learns later changes nothing.

        What the spool takes is left there for a later process, the rest fails.
        """
        self._await_the_last_batch()
        failed = left = 0
        with self._voice.later(), self.lock:
            self.abandoned = True
            if self.carried is not None:
                self.carried.sent = "maybe"
            parcels = self.line.everything(self._clock.monotonic())
            self.drop_surplus()
            for parcel in parcels:
                if self._leave(parcel):
                    left += self.ends.leave(parcel)
                else:
                    failed += self.ends.shut_down(parcel)
            self.line.clear()
            while (batch := self._queue.next_batch(0.0)) is not None:
                parcel = Parcel(batch)
                if self._leave(parcel):
                    left += self.ends.leave(parcel)
                else:
                    failed += self.ends.shut_down(parcel)
            if self.backlog is not None:
                left += self.backlog.hand_over()
        self._flushing.check()
        if failed and not self.quiet:
            self._failed.give(events=failed)
        if left and not self.quiet:
            self._left.give(events=left)

    def _await_the_last_batch(self) -> None:
        """See to it that no batch is between the queue and the line, where it would be missed."""
        self.is_last_call = True
        if not self.none_in_hand.is_set():
            self._queue.interrupt()
            self.none_in_hand.wait(_IN_HAND_SECONDS)

    def _leave(self, parcel: Parcel) -> bool:
        return self.backlog is not None and not parcel.ended and self.backlog.keep(parcel)

    def drop_surplus(self) -> None:
        """End what the lanes had no room for."""
        for parcel in self.line.surplus:
            self.ends.drop(parcel)
        if self.line.surplus:
            self.line.forget_surplus()
