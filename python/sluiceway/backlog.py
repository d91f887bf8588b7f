"""What waits on disk: batches put away while the endpoint fails, and what earlier processes left; and their way back.

A batch that is *kept* has a file and is still in memory; one that is *shelved* is in its file only and holds no budget.
The events of a file that was adopted, of a process that is gone, are told to nobody here: their callbacks died with it.

Nothing here waits for anything but the disk. Everything is called under the worker's lock, `count_before` apart.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from sluiceway.filed import Filed
from sluiceway.parcel import Parcel
from sluiceway.spool.contents import Contents
from sluiceway.stats import SpoolStats

if TYPE_CHECKING:
    from sluiceway.endings import Endings
    from sluiceway.engine import Clock, Queue
    from sluiceway.errors import Sent
    from sluiceway.spool.home import Entry
    from sluiceway.spool.store import Spool

# How often it is looked whether another process has left something.
_ADOPTION_SECONDS = 60.0
# After a file could not be written, until the next one is tried.
_REFUSED_SECONDS = 5.0
# After a file could not be read for want of descriptors or memory, until it is read again.
_BUSY_SECONDS = 1.0
# A position that no flush covers: it waits for what was accepted here.
_NOT_OURS = 2**63


# The spools that this process holds locks for. A child holds copies of their descriptors, which would keep the locks
# beyond the parent's end; it only closes them. Registered with the first spool, and the one hook there is.
_open_spools: set[Spool] = set()


_hooked = False


def _register_hook() -> None:
    global _hooked  # noqa: PLW0603  (a hook cannot be taken back)
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(after_in_child=_leave_to_the_parent)


def _leave_to_the_parent() -> None:
    for spool in _open_spools:
        spool.after_fork()
    _open_spools.clear()


class Shelved:
    """A batch of which only its file is left in this process."""

    __slots__ = ("attempts", "end_position", "filed", "first_at", "sent", "tokens")

    def __init__(self, filed: Filed, *, end_position: int, tokens: list[tuple[int, int]]) -> None:
        self.filed = filed
        self.end_position = end_position
        self.tokens = tokens
        self.attempts = 0
        self.first_at: float | None = None
        self.sent: Sent = "no"

    def __len__(self) -> int:
        """Return the number of events."""
        return self.filed.count

    def count_before(self, mark: int) -> int:
        """Return how many of its events come from before a queue position."""
        return len(self) if self.end_position <= mark else 0


class Backlog:
    """The batches of one client that are on disk. See the top of this file for who may call what."""

    def __init__(self, spool: Spool, *, always: bool, queue: Queue, endings: Endings, clock: Clock) -> None:
        """Touch no file yet. `always`: every batch is kept before its first attempt."""
        self.always = always
        self._spool = spool
        self._queue = queue
        self._endings = endings
        self._clock = clock
        self._own: deque[Shelved] = deque()
        self._adopted_events = 0
        # What is being read again. Of our own, it leaves the deque when it has its place in the line.
        self._at_hand: Shelved | None = None
        self._tend_at = float("-inf")
        self._busy_until = float("-inf")
        self._refused_until = float("-inf")
        self._closed = False

    @property
    def is_well(self) -> bool:
        """Whether the spool takes batches, as far as is known."""
        return not self._closed and self._clock.monotonic() >= self._refused_until

    def can_keep(self) -> bool:
        """Return `is_well`: for who wants to ask later."""
        return self.is_well

    def stats(self) -> SpoolStats:
        """Return the gauges and counters of the spool. For any thread."""
        spool = self._spool
        return SpoolStats(**{name: getattr(spool, name) for name in SpoolStats.__struct_fields__})

    @property
    def has_own(self) -> bool:
        """Whether anything that was accepted here waits on disk only."""
        return bool(self._own)

    def ready_in(self, *, own_only: bool) -> float | None:
        """Return the seconds until there is something to be loaded, 0.0 for now; None when nothing waits."""
        if self._own or (self._adopted_events and not own_only):
            return max(0.0, self._busy_until - self._clock.monotonic())
        return None

    def tend(self) -> None:
        """Take over what processes that are gone have left, once a minute."""
        now = self._clock.monotonic()
        if now < self._tend_at or self._closed:
            return
        self._tend_at = now + _ADOPTION_SECONDS
        if self._spool not in _open_spools:
            if not _open_spools:
                _register_hook()
            _open_spools.add(self._spool)
        _, events = self._spool.adopt()
        if events:
            self._queue.adopt(events)
            self._adopted_events += events

    def keep(self, parcel: Parcel, *, durable: bool = False) -> bool:
        """Have a file that holds exactly these events; returns False when there is none and none can be had.

        `durable` has it survive the loss of power, whatever the client's option says.
        """
        if not parcel.is_filed:
            batch = parcel.batch
            contents = Contents(
                events=batch.body(b"", b""),
                layout=batch.layout,
                count=len(batch),
                created_at=self._clock.time(),
                attempts=parcel.attempts,
                maybe_sent=parcel.sent == "maybe",
            )
            entry = self._spool.write(contents, durable=durable)
            if entry is None:
                self._refused_until = self._clock.monotonic() + _REFUSED_SECONDS
                # A file that holds other events beside these is better than none.
                return parcel.filed is not None and not durable
            parcel.refile(Filed(entry, self._spool.remove))
        return True

    def sync(self) -> bool:
        """Have everything that was kept survive the loss of power; returns whether it does."""
        return self._spool.sync()

    def sync_if_due(self) -> None:
        """Sync what `fsync="interval"` has left until now."""
        due = self._spool.sync_due
        if due is not None and self._clock.monotonic() >= due:
            self._spool.sync()

    def note_attempt(self, parcel: Parcel) -> None:
        """Write on the file that its events may have been sent from now on."""
        if parcel.filed is not None and parcel.is_filed:
            self._spool.note(parcel.filed.entry, attempts=parcel.attempts + 1, maybe_sent=True)

    def shelve(self, parcel: Parcel) -> bool:
        """Let go of a parcel's memory; returns False when it must stay where it is."""
        if not self.is_well or not self.keep(parcel) or parcel.filed is None or not parcel.is_filed:
            return False
        batch = parcel.batch
        shelved = Shelved(parcel.filed, end_position=batch.end_position, tokens=batch.tokens)
        shelved.attempts, shelved.first_at, shelved.sent = parcel.attempts, parcel.first_at, parcel.sent
        self._own.append(shelved)
        self._queue.shelve(batch)
        return True

    def load(self, *, own_only: bool) -> Parcel | None:
        """Return the next batch from disk, ours before others', or None. It comes again until `placed` is called."""
        while (shelved := self._next(own_only)) is not None:
            parcel = self._read(shelved)
            if parcel is not None:
                return parcel
            if shelved.filed.entry.fate == "busy":
                self._busy_until = self._clock.monotonic() + _BUSY_SECONDS
                return None
            # Its file has been found bad, which the log says, and put into quarantine.
            self._endings.ended_on_disk(shelved, "dropped", "corrupt", sent=shelved.sent, attempts=shelved.attempts)
            self.placed()
        return None

    def placed(self) -> None:
        """Note that what was loaded has its place."""
        shelved, self._at_hand = self._at_hand, None
        if shelved is None:
            return
        if self._own and self._own[0] is shelved:
            self._own.popleft()
        else:
            self._adopted_events -= len(shelved)
            if not self._adopted_events:
                # There may be more than could be held at once.
                self._tend_at = float("-inf")

    def count_before(self, mark: int) -> int:
        """Return how many events before a queue position wait on disk only. For any thread."""
        return sum(shelved.count_before(mark) for shelved in tuple(self._own))

    def hand_over(self) -> int:
        """End everything on disk as left to a later process; returns how many events of ours those are."""
        count = 0
        if self._spool.sync_due is not None:
            self._spool.sync()
        while self._own:
            shelved = self._own[0]
            self._endings.ended_on_disk(
                shelved,
                "handed_over",
                "",
                sent=shelved.sent,
                attempts=shelved.attempts,
                message="left in the spool",
            )
            count += len(shelved)
            self._own.popleft()
        if self._adopted_events:
            self._queue.settle_spooled(self._adopted_events, "handed_over")
            self._adopted_events = 0
        self._at_hand = None
        return count

    def close(self) -> None:
        """Leave the files to whoever comes next."""
        self._closed = True
        self._spool.close()
        _open_spools.discard(self._spool)

    def _next(self, own_only: bool) -> Shelved | None:
        if self._at_hand is None:
            if self._own:
                self._at_hand = self._own[0]
            elif not own_only and self._adopted_events:
                entry = self._spool.next_adopted()
                if entry is None:
                    # Fewer than their names had said.
                    self._queue.settle_spooled(self._adopted_events, "dropped", "corrupt")
                    self._adopted_events = 0
                else:
                    self._at_hand = Shelved(self._filed(entry), end_position=_NOT_OURS, tokens=[])
        return self._at_hand

    def _filed(self, entry: Entry) -> Filed:
        return Filed(entry, self._spool.remove)

    def _read(self, shelved: Shelved) -> Parcel | None:
        contents = self._spool.read(shelved.filed.entry)
        if contents is None:
            return None
        try:
            batch = self._queue.restore(contents.events, contents.layout, shelved.tokens, shelved.end_position)
        except ValueError:
            # The spool has looked at it, so this is a slip of ours; to read it again and again would stop all others.
            self._spool.remove(shelved.filed.entry)
            return None
        parcel = Parcel(batch)
        parcel.filed = shelved.filed
        parcel.attempts = max(shelved.attempts, contents.attempts)
        parcel.first_at = shelved.first_at
        parcel.sent = "maybe" if contents.maybe_sent else shelved.sent
        return parcel
