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

from sluiceway.notices import LOUD, Notice, Voice
from sluiceway.parcel import Parcel, Rest
from sluiceway.standing import Attempt
from sluiceway.verdict import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.backlog import Backlog
    from sluiceway.delivery import Delivery
    from sluiceway.desk import Desk
    from sluiceway.endings import Endings
    from sluiceway.engine import Clock, Queue
    from sluiceway.flushing import Flushing
    from sluiceway.sender import Sender

# After an error of our own, before the same parcel is tried again.
_STUMBLE_SECONDS = 1.0


class Rounds:
    """Carries every batch of one queue to its end, as long as somebody calls `step`: one thread at a time."""

    def __init__(
        self,
        *,
        desk: Desk,
        queue: Queue,
        sender: Sender,
        endings: Endings,
        flushing: Flushing,
        delivery: Delivery,
        clock: Clock,
        voice: Voice = LOUD,
    ) -> None:
        """Work on what stands on the desk."""
        self.desk = desk
        self._line = desk.line
        self._queue = queue
        self._sender = sender
        self._endings = endings
        self._flushing = flushing
        self._delivery = delivery
        self._clock = clock
        self._voice = voice
        self._backlog = desk.backlog
        self._backlogs_turn = False
        self.watch: Callable[[], None] | None = None
        """Called before each attempt: whoever looks after the memory meanwhile."""
        self._stumbled = Notice(clock, logging.ERROR, "the worker met %s and goes on; %d times", voice)

    def step(self, until: float | None) -> bool:
        """Do one thing: send a parcel, take a batch, or wait. Returns False when nothing is left to do by `until`."""
        line, closing_at = self._line, self.desk.closing_at
        now = self._clock.monotonic()
        with self._voice.later(), self.desk.lock:
            line.unpack(now)
            self.desk.drop_surplus()
            if self._backlog is not None and not self.desk.abandoned:
                self._backlog.tend()
                self.desk.grant_wishes(self._backlog)
            # Under the lock: another thread may be taking a batch from the ring to the disk.
            self._flushing.check()
        if self.desk.abandoned:
            self.desk.abandon()
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
                self.desk.abandon()
            return False
        return self._wait(now, due, until)

    def stumble(self, error: BaseException) -> None:
        """Survive an error of our own, or one injected into the thread. The parcel at hand waits and is tried again."""
        parcel = self.desk.carried
        try:
            self._voice.let_go()
            self._stumbled.give(type(error).__name__)
            if parcel is None:
                self.desk.ended.wait(_STUMBLE_SECONDS / 10, ours=True)
            else:
                self._finish(parcel, Attempt(verdict=Retry(), sent="maybe", message=type(error).__name__))
        except BaseException:
            if parcel is not None:
                parcel.due = self._clock.monotonic() + _STUMBLE_SECONDS

    def _may_take(self, now: float) -> bool:
        return not self._line.holds and now >= self._sender.held_until

    def _wait(self, now: float, due: float | None, until: float | None) -> bool:
        """Wait for a batch, or for the parcel that is due next. Returns False when nothing is left to do by `until`."""
        if not self._may_take(now):
            if self.desk.empty and (until is not None or self._queue.closed) and self._is_drained():
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
        inbox, none_in_hand = self._line.inbox, self.desk.none_in_hand
        none_in_hand.clear()
        try:
            # Looked at after the signal, as `abandon` waits for the signal after having said so: one of both sees it.
            if self.desk.is_last_call:
                return False
            inbox.extend(map(self._queue.next_batch, (timeout,)))
        finally:
            none_in_hand.set()
        return bool(inbox) and inbox[-1] is not None

    def _go_back_to_disk(self, backlog: Backlog, own_only: bool) -> bool:
        """Take turns between what is new and what waits on disk; returns whether there is something to send now."""
        self._backlogs_turn = not self._backlogs_turn
        if not self._backlogs_turn and self._take(0.0):
            return True
        with self._voice.later(), self.desk.lock:
            if self.desk.abandoned or backlog.ready_in(own_only=own_only) != 0.0:
                return False
            parcel = backlog.load(own_only=own_only)
            if parcel is None:
                return False
            self._line.enter(parcel, self._clock.monotonic())
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
        self._line.cut(parcel, now, closing=self.desk.closing_at is not None)
        limits = [limit for limit in (until, self.desk.closing_at) if limit is not None]
        if self._backlog is not None:
            self._note_on_disk(self._backlog, parcel)
        self.desk.carried = parcel
        if self.watch is not None:
            self.watch()
        self._finish(parcel, self._sender.attempt(parcel, until=min(limits, default=None)))

    def _note_on_disk(self, backlog: Backlog, parcel: Parcel) -> None:
        with self._voice.later(), self.desk.lock:
            if not self.desk.abandoned:
                if backlog.always:
                    backlog.keep(parcel)
                backlog.note_attempt(parcel)

    def _finish(self, parcel: Parcel, attempt: Attempt | None) -> None:
        with self._voice.later(), self.desk.lock:
            if not self.desk.abandoned:
                rest = Rest()
                if parcel.end is not None:
                    # Ended and then interrupted, perhaps before that was counted: ending it again counts nothing twice.
                    self.desk.ends.finish(parcel)
                elif attempt is not None:
                    rest = self._sender.conclude(parcel, attempt)
                    if self._backlog is not None:
                        self._keep_rest(self._backlog, rest)
                self._line.replace(parcel, rest, self._clock.monotonic())
                self.desk.drop_surplus()
                if rest.line[:1] != [parcel]:
                    self.desk.progress += 1
            self.desk.carried = None

    def _keep_rest(self, backlog: Backlog, rest: Rest) -> None:
        """Have what is left on disk where it has to be, before the file that it was in before is gone."""
        now = self._clock.monotonic()
        for part in rest.line:
            if part.filed is not None or backlog.always or part.due > now or rest.hold is not None:
                backlog.keep(part)

    def _exhausted(self) -> bool:
        """Return whether the queue is closed and empty, and nothing is on its way."""
        return self._queue.closed and self.desk.empty and self._is_drained()

    def _is_drained(self) -> bool:
        """Return whether nothing accepted so far is left in the ring."""
        return self._queue.has_passed(self._queue.flush_mark())
