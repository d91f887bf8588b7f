"""What the worker does, one thing at a time: send a parcel, take a batch, or wait for either.

Batches stand in a line. While the first of them waits for a retry, the others wait behind it and nothing more is taken
from the queue: order is kept, and newer events stay where `on_full` decides about them. What a vendor wants later for
some users only waits in lanes and holds nobody up. With a spool, what stands behind a waiting parcel goes to disk.

A parcel leaves the line only after its end has been counted, so whatever is raised, and wherever, it is still there;
the next round goes on with it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sluiceway.endings import ParcelEndings
from sluiceway.line import Line
from sluiceway.notices import LOUD, Notice, Voice
from sluiceway.parcel import Parcel, Rest
from sluiceway.standing import Attempt
from sluiceway.threads import Signal, allocate_rlock
from sluiceway.verdict import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.backlog import Backlog
    from sluiceway.delivery import Delivery
    from sluiceway.endings import Endings
    from sluiceway.engine import Clock, Queue
    from sluiceway.flushing import Flushing
    from sluiceway.lanes import LaneKeeper
    from sluiceway.sender import Sender

# After an error of our own, before the same parcel is tried again.
_STUMBLE_SECONDS = 1.0


class Wish:
    """To have everything accepted before a queue position on disk, whoever comes to it first."""

    __slots__ = ("done", "granted", "mark")

    def __init__(self, mark: int) -> None:
        self.mark = mark
        self.granted = False
        """Whether it came true. To be looked at when `done` is set."""
        self.done = Signal()


class Rounds:
    """Carries every batch of one queue to its end, as long as somebody calls `step`: one thread at a time."""

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
        backlog: Backlog | None = None,
        voice: Voice = LOUD,
    ) -> None:
        """Have everything in memory without a backlog."""
        self._queue = queue
        self._sender = sender
        self._endings = endings
        self._ends = ParcelEndings(endings, clock, voice)
        self._flushing = flushing
        self._delivery = delivery
        self._clock = clock
        self._voice = voice
        self._backlog = backlog
        self._backlogs_turn = False
        self.line = Line(lanes)
        self.carried: Parcel | None = None
        """What an attempt is being made with, or has just been."""
        self.desk = allocate_rlock()
        """Held around every decision about parcels, never around a request or a log line."""
        self.closing_at: float | None = None
        """The moment, monotonic, at which what is left is given up."""
        self.quiet = False
        """Whether the log line about what is given up is somebody else's."""
        self.ended = Signal()
        """Set when nothing will be done any more."""
        self.watch: Callable[[], None] | None = None
        """Called before each attempt: whoever looks after the memory meanwhile."""
        self.progress = 0
        """How many parcels have ended or made room for others."""
        self._wishes: tuple[Wish, ...] = ()
        self._abandoned = False
        self._stumbled = Notice(clock, logging.ERROR, "the worker met %s and goes on; %d times", voice)
        self._failed = Notice(clock, logging.WARNING, "closed before everything was sent; %d events failed", voice)
        self._left = Notice(clock, logging.WARNING, "closed with %d events left in the spool", voice)
        flushing.unsettled = self.unsettled

    def unsettled(self, mark: int) -> int:
        """Return how many events before a queue position have left the ring and not ended. Takes no lock."""
        on_disk = 0 if self._backlog is None else self._backlog.count_before(mark)
        return on_disk + self.line.unsettled(mark)

    @property
    def has_spool(self) -> bool:
        """Whether anything may wait on disk, of earlier processes, too."""
        return self._backlog is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing will be done any more."""
        return self._abandoned or self.ended.is_set()

    @property
    def empty(self) -> bool:
        """Whether nothing that was accepted here waits outside of the ring."""
        return self.line.empty and (self._backlog is None or not self._backlog.has_own)

    # -- the thread that works

    def step(self, until: float | None) -> bool:
        """Do one thing: send a parcel, take a batch, or wait. Returns False when nothing is left to do by `until`."""
        line, closing_at = self.line, self.closing_at
        now = self._clock.monotonic()
        with self._voice.later(), self.desk:
            line.unpack(now)
            self._drop_surplus()
            if self._backlog is not None and not self._abandoned:
                self._backlog.tend()
                for wish in self._wishes:
                    self._grant(self._backlog, wish)
            # Under the lock: another thread may be taking a batch from the ring to the disk.
            self._flushing.check()
        if self._abandoned:
            self.abandon()
            return False
        if self._delivery.registered:
            for token, reason in self._queue.take_overflow():
                self._endings.removed((token,), reason)
        parcel, due = line.next(
            now,
            held_until=self._sender.held_until,
            hurried=self._flushing.hurried,
            closing=closing_at is not None,
        )
        if parcel is not None and due is not None and due <= now:
            self._carry_marked(parcel, now, until)
            return True
        next_moment = now if due is None else due
        ends = [limit for limit in (until, closing_at) if limit is not None and next_moment > limit]
        if ends:
            # What waits that long in a lane must not keep others from going now.
            if now <= min(ends) and self._may_take(now) and not self._is_drained():
                self._take(0.0)
                return True
            if closing_at in ends:
                self.abandon()
            return False
        return self._wait(now, due, until)

    def stumble(self, error: BaseException) -> None:
        """Survive an error of our own, or one injected into the thread. The parcel at hand waits and is tried again."""
        parcel = self.carried
        try:
            self._voice.let_go()
            self._stumbled.give(type(error).__name__)
            if parcel is None:
                self.ended.wait(_STUMBLE_SECONDS / 10, ours=True)
            else:
                self._finish(parcel, Attempt(verdict=Retry(), sent="maybe", message=type(error).__name__))
        except BaseException:
            if parcel is not None:
                parcel.due = self._clock.monotonic() + _STUMBLE_SECONDS

    def _may_take(self, now: float) -> bool:
        return not self.line.holds and now >= self._sender.held_until

    def _wait(self, now: float, due: float | None, until: float | None) -> bool:
        """Wait for a batch, or for the parcel that is due next. Returns False when nothing is left to do by `until`."""
        if not self._may_take(now):
            if self.empty and (until is not None or self._queue.closed) and self._is_drained():
                # Nobody is there for whom the pause that the server asked for would have to pass.
                return False
            self._queue.pause(None if due is None else due - now)
            return True
        if self._backlog is not None:
            # A call that does the work itself has no time for what others left, and neither has the end.
            own_only = self._queue.closed or (until is not None and not self._flushing.hurried)
            ready_in = self._backlog.ready_in(own_only=own_only)
            if ready_in is not None:
                if self._go_back_to_disk(self._backlog, own_only):
                    return True
                due = now + ready_in + _STUMBLE_SECONDS if due is None else due
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
        inbox = self.line.inbox
        inbox.extend(map(self._queue.next_batch, (timeout,)))
        return bool(inbox) and inbox[-1] is not None

    def _go_back_to_disk(self, backlog: Backlog, own_only: bool) -> bool:
        """Take turns between what is new and what waits on disk; returns whether there is something to send now."""
        self._backlogs_turn = not self._backlogs_turn
        if not self._backlogs_turn and self._take(0.0):
            return True
        with self._voice.later(), self.desk:
            if self._abandoned or backlog.ready_in(own_only=own_only) != 0.0:
                return False
            parcel = backlog.load(own_only=own_only)
            if parcel is None:
                return False
            self.line.enter(parcel, self._clock.monotonic())
            backlog.placed()
        return True

    def _carry_marked(self, parcel: Parcel, now: float, until: float | None) -> None:
        """Carry a parcel as a sender: what this thread offers meanwhile is refused."""
        was_sending = False  # also where an exception strikes before it is known
        try:
            was_sending = self._queue.mark_sending(True)
            self._carry(parcel, now, until)
        finally:
            self._queue.mark_sending(was_sending)

    def _carry(self, parcel: Parcel, now: float, until: float | None) -> None:
        """Make one attempt, then replace the parcel by what is left of it."""
        if parcel.ended:
            self._finish(parcel, None)
            return
        self.line.cut(parcel, now, closing=self.closing_at is not None)
        limits = [limit for limit in (until, self.closing_at) if limit is not None]
        if self._backlog is not None:
            self._note_on_disk(self._backlog, parcel)
        self.carried = parcel
        if self.watch is not None:
            self.watch()
        self._finish(parcel, self._sender.attempt(parcel, until=min(limits, default=None)))

    def _note_on_disk(self, backlog: Backlog, parcel: Parcel) -> None:
        with self._voice.later(), self.desk:
            if not self._abandoned:
                if backlog.always:
                    backlog.keep(parcel)
                backlog.note_attempt(parcel)

    def _finish(self, parcel: Parcel, attempt: Attempt | None) -> None:
        with self._voice.later(), self.desk:
            if not self._abandoned:
                rest = Rest()
                if parcel.end is not None:
                    # Ended and then interrupted, perhaps before that was counted: ending it again counts nothing twice.
                    self._ends.finish(parcel)
                elif attempt is not None:
                    rest = self._sender.conclude(parcel, attempt)
                    if self._backlog is not None:
                        self._keep_rest(self._backlog, rest)
                self.line.replace(parcel, rest, self._clock.monotonic())
                self._drop_surplus()
                if rest.line[:1] != [parcel]:
                    self.progress += 1
            self.carried = None

    def _keep_rest(self, backlog: Backlog, rest: Rest) -> None:
        """Have what is left on disk where it has to be, before the file that it was in before is gone."""
        now = self._clock.monotonic()
        for part in rest.line:
            if part.filed is not None or backlog.always or part.due > now or rest.hold is not None:
                backlog.keep(part)

    def _drop_surplus(self) -> None:
        """End what the lanes had no room for."""
        for parcel in self.line.surplus:
            self._ends.drop(parcel)
        if self.line.surplus:
            self.line.forget_surplus()

    def _exhausted(self) -> bool:
        """Return whether the queue is closed and empty, and nothing is on its way."""
        return self._queue.closed and self.empty and self._is_drained()

    def _is_drained(self) -> bool:
        """Return whether nothing accepted so far is left in the ring."""
        return self._queue.has_passed(self._queue.flush_mark())

    # -- any thread

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
        if self._backlog is not None:
            self._backlog.sync_if_due()

    def put_by(self, mark: int) -> bool:
        """Move what was accepted before a queue position from the memory to the disk, the first of the line excepted.

        Only while the thread that works is held up, else it does nothing. Returns False when the disk takes no more.
        """
        backlog = self._backlog
        assert backlog is not None
        while True:
            with self._voice.later(), self.desk:
                if self._abandoned or not self.is_held_up:
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
        backlog = self._backlog
        assert backlog is not None
        with self._voice.later(), self.desk:
            if wish not in self._wishes and not wish.done.is_set():
                self._wishes += (wish,)
            if in_turn or self.is_held_up:
                self._grant(backlog, wish)

    def forget(self, wish: Wish) -> None:
        """Do not grant a wish any more."""
        with self._voice.later(), self.desk:
            self._wishes = tuple(other for other in self._wishes if other is not wish)

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
        failed = left = 0
        with self._voice.later(), self.desk:
            self._abandoned = True
            if self.carried is not None:
                self.carried.sent = "maybe"
            parcels = self.line.everything(self._clock.monotonic())
            self._drop_surplus()
            for parcel in parcels:
                if self._leave(parcel):
                    left += self._ends.leave(parcel)
                else:
                    failed += self._ends.shut_down(parcel)
            self.line.clear()
            while (batch := self._queue.next_batch(0.0)) is not None:
                parcel = Parcel(batch)
                if self._leave(parcel):
                    left += self._ends.leave(parcel)
                else:
                    failed += self._ends.shut_down(parcel)
            if self._backlog is not None:
                left += self._backlog.hand_over()
        self._flushing.check()
        if failed and not self.quiet:
            self._failed.give(events=failed)
        if left and not self.quiet:
            self._left.give(events=left)

    def _leave(self, parcel: Parcel) -> bool:
        return self._backlog is not None and not parcel.ended and self._backlog.keep(parcel)
