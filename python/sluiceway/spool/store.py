"""The spool of one client in one process: batches in and out, and what is wrong with the disk as an answer.

Disk trouble raises nothing. It is an answer (the caller keeps the batch in memory), a counter, and one rate-limited log
line of numbers. Any thread may call; one file is worked on at a time.
"""

from __future__ import annotations

from sluiceway.engine import Clock
from sluiceway.notices import LOUD, Voice
from sluiceway.spool.contents import Contents
from sluiceway.spool.descriptors import Descriptors
from sluiceway.spool.disk import REAL_DISK, Disk
from sluiceway.spool.format import MAX_SEQUENCE, Malformed, fits, nbytes_of
from sluiceway.spool.home import Entry, Home, claim, dissolve
from sluiceway.spool.orphans import Orphans
from sluiceway.spool.quarantine import Quarantine
from sluiceway.spool.root import Root
from sluiceway.spool.sealing import NotSynced, load, overwrite_progress, seal
from sluiceway.spool.settings import SpoolSettings
from sluiceway.spool.syncing import sync_home
from sluiceway.spool.trouble import Trouble, is_passing, word
from sluiceway.spool.turn import Turn

SYNC_SECONDS = 0.5
"""How often fsync="interval" syncs."""

# A disk takes room in whole blocks. A quota in bytes alone would let small batches take many times as much.
BLOCK_BYTES = 4096

# A server's disk may hang for ever; then the exit must not.
_CLOSE_SECONDS = 1.0


class Spool:
    """Keeps sealed batches on disk for one destination, in a directory of its own, and adopts dead processes' ones."""

    def __init__(
        self,
        settings: SpoolSettings,
        destination: bytes,
        *,
        clock: Clock,
        voice: Voice = LOUD,
        disk: Disk = REAL_DISK,
        late_after: float = 86_400.0,
    ) -> None:
        """Touch nothing yet. `late_after` is for how many seconds the vendor folds duplicates by their ids."""
        self._settings = settings
        self._destination = destination
        self._clock = clock
        self._disk = disk
        self._late_after = late_after
        self._kept = Descriptors(disk)
        self._turn = Turn(self._shut)
        self._root: Root | None = None
        self._own: Home | None = None
        self._mine: list[Home] = []
        """Directories that this process made: the one that is written to is the last."""
        self._rooted = False
        """Whether the names of the directories above are durable."""
        self._orphans = Orphans()
        self._looking = False
        self._stuck: list[Entry] = []
        """Batches that are done but whose files could not be removed."""
        self._quarantine = Quarantine(disk)
        self._last_seq = 0
        self._sync_at = 0.0
        self._trouble = Trouble(clock, voice)
        self.files = 0
        """Files on disk that are this spool's: its own and adopted ones."""
        self.nbytes = 0
        """Bytes that they take, in whole blocks."""
        self.written = 0
        """Batches written."""
        self.removed = 0
        """Batches removed, because they have ended."""
        self.quarantined_files = 0
        self.quarantined_events = 0
        self.over_quota = 0
        """Batches that were not written because the quota is used up."""
        self.late = 0
        """Events read after the vendor may have forgotten their ids."""

    @property
    def degraded(self) -> str:
        """What is wrong with the disk, in a word or two, or nothing."""
        return self._trouble.degraded

    @property
    def write_errors(self) -> int:
        """Calls to the disk that failed on the way of a batch to it, made up for or not."""
        return self._trouble.write_errors

    @property
    def unlink_errors(self) -> int:
        """Files that could not be removed or set aside when they should have been, each attempt counted."""
        return self._trouble.unlink_errors

    @property
    def foreign_files(self) -> int:
        """Names seen that are not this spool's: of other destinations and versions, and what does not belong there."""
        return self._orphans.foreign + sum(home.foreign for home in self._orphans.homes)

    @property
    def sync_due(self) -> float | None:
        """When `sync` should be called, in monotonic seconds, if no further write comes; None for not at all."""
        if self._settings.fsync != "interval" or not any(home.unsynced for home in self._mine):
            return None
        return self._sync_at

    def open(self) -> None:
        """Make and lock the own directory. Whatever needs it does so by itself."""
        with self._turn:
            if not self._turn.is_over and self._trouble.may_write:
                try:
                    self._own_home(sync=False)
                except OSError as error:
                    self._fail_to_write(error)

    def write(self, contents: Contents, *, durable: bool = False) -> Entry | None:
        """Store a batch; None when it is not stored, and the caller keeps it.

        On return it outlives the process; the machine's power as well with `durable` or fsync="batch". Raises
        ValueError for contents that contradict themselves.
        """
        if not contents.is_consistent or not fits(contents):
            raise ValueError("layout does not fit the events")
        with self._turn:
            if self._turn.is_over or not self._trouble.may_write:
                return None
            nbytes = nbytes_of(contents)
            if self.nbytes + _blocks(nbytes) > self._settings.max_bytes:
                self.over_quota += 1
                return None
            sync = durable or self._settings.fsync == "batch"
            try:
                entry = self._seal(contents, nbytes, sync=sync)
            except OSError as error:
                self._fail_to_write(error, contents.count)
                return None
            self._trouble.wrote()
            self.written += 1
            self.files += 1
            self.nbytes += _blocks(nbytes)
            is_due = not sync and self._settings.fsync == "interval" and self._clock.monotonic() >= self._sync_at
        if is_due:
            self.sync()
        return entry

    def sync(self) -> bool:
        """Make everything durable that was written so far and is not removed; False when that cannot be said."""
        if not self._turn.begin():
            return False
        try:
            self._sync_at = self._clock.monotonic() + SYNC_SECONDS
            answers = [self._sync_home(home) for home in tuple(self._mine) if home.unsynced]
            return all(answers)
        finally:
            self._turn.end()

    def read(self, entry: Entry) -> Contents | None:
        """Return a batch; None when it is bad or gone. `entry.fate` tells which, or that it can be read later."""
        with self._turn:
            if self._turn.is_over:
                entry.fate = "busy"
                return None
            if entry.is_over:
                return None
            try:
                contents = load(self._disk, entry.home.fd, entry.name, entry.seq, entry.count, self._destination)
            except FileNotFoundError:
                entry.fate = "gone"
                self._forget(entry)
                return None
            except Malformed as problem:
                self._set_aside(entry, str(problem))
                return None
            except OSError as error:
                if is_passing(error):
                    entry.fate = "busy"
                else:
                    self._set_aside(entry, word(error))
                return None
        entry.fate = ""
        entry.created = contents.created_at
        if not entry.is_late and self._clock.time() - contents.created_at > self._late_after:
            entry.is_late = True
            self.late += contents.count
        return contents

    def note(self, entry: Entry, *, attempts: int, maybe_sent: bool) -> None:
        """Write down how far the sending has come. A hint: it is not synced, and an error loses only the hint."""
        with self._turn:
            if self._turn.is_over or entry.is_over:
                return
            try:
                overwrite_progress(self._disk, entry.home.fd, entry.name, attempts, maybe_sent=maybe_sent)
            except OSError as error:
                self._trouble.met(error)

    def remove(self, entry: Entry) -> bool:
        """Remove a batch that has ended. True when this process will not see it again, even if its file stays."""
        with self._turn:
            if self._turn.is_over:
                return False
            if entry.is_over:
                return True
            entry.is_over = True
            entry.home.unsynced.pop(entry.seq, None)
            entry.home.suspect.discard(entry.seq)
            if self._unlinked(entry):
                self.removed += 1
            else:
                self._stuck.append(entry)
            return True

    def adopt(self) -> tuple[int, int]:
        """Look once for directories of dead processes; return files and events that are taken over now.

        May be called again at any time: processes die later, and at most 32 directories are held at once.
        """
        with self._turn:
            if self._looking or not self._turn.begin():
                return 0, 0
            self._looking = True
        try:
            return self._look()
        finally:
            self._looking = False
            self._turn.end()

    def next_adopted(self) -> Entry | None:
        """Return the oldest adopted batch that is not handed out, or None."""
        with self._turn:
            if self._turn.is_over:
                return None
            return self._orphans.next()

    def put_back(self, entry: Entry) -> None:
        """Hand an entry out again later, before all others."""
        with self._turn:
            if not entry.is_over:
                self._orphans.put_back(entry)

    def after_fork(self) -> None:
        """In a forked child: close the copies of the parent's descriptors and be dead from then on. Takes no lock."""
        self._turn.abandon()
        self._kept.abandon()

    def close(self) -> None:
        """Let all locks go, and leave what is unsent to the next process. Waits a second for a disk that hangs."""
        self._turn.close(_CLOSE_SECONDS)

    def _opened_root(self) -> Root:
        if self._root is None:
            self._root = Root(self._disk, self._kept, self._settings.directory)
        return self._root

    def _own_home(self, *, sync: bool) -> Home:
        """Return the directory to write to, made if need be, its own name durable if asked. Raises OSError."""
        root = self._opened_root()
        if self._own is None:
            self._own = claim(self._disk, self._kept, root.version, self._destination)
            self._mine.append(self._own)
            self._rooted = False
        if sync and not self._rooted:
            try:
                root.sync()
            except OSError:
                self._own = None  # its name is suspect; the next one gets another
                raise
            self._rooted = True
        return self._own

    def _seal(self, contents: Contents, nbytes: int, *, sync: bool) -> Entry:
        """Write a batch, and once more to a new file when a sync fails. Raises OSError."""
        try:
            home = self._own_home(sync=sync)
            try:
                seq = self._next_seq()
                seal(self._disk, home.fd, seq, contents, self._destination, sync=sync)
            except NotSynced as error:
                self._trouble.met(error)
                seq = self._next_seq()
                seal(self._disk, home.fd, seq, contents, self._destination, sync=sync)
        except FileNotFoundError:
            self._start_anew()
            raise
        home.remaining += 1
        if not sync:
            home.unsynced[seq] = contents.count
        return Entry(home, seq, contents.count, nbytes, contents.created_at)

    def _next_seq(self) -> int:
        """Return a number above all before it, from the clock, so that those of several processes have an order."""
        now = int(min(max(self._clock.time(), 0.0), 2.0**43) * 1_000_000)
        self._last_seq = min(max(now, self._last_seq + 1), MAX_SEQUENCE)
        return self._last_seq

    def _start_anew(self) -> None:
        """Somebody has cleared the place: the next attempt makes everything anew."""
        self._own = None
        if self._root is not None and not self._looking:
            self._root.close(self._kept)
            self._root = None

    def _sync_home(self, home: Home) -> bool:
        """Sync one directory and its name."""
        failure = sync_home(self._disk, self._turn, home, self._destination, self._trouble.met)
        with self._turn:
            if self._turn.is_over:
                return False
            if failure is None and home is self._own and not self._rooted:
                try:
                    self._own_home(sync=True)
                except OSError as error:
                    failure = error
            if failure is not None:
                self._trouble.cannot_write(failure)
        return failure is None

    def _look(self) -> tuple[int, int]:
        taken: list[Home] = []

        def welcome(home: Home) -> bool:
            with self._turn:
                taken.append(home)
                self._orphans.homes.append(home)
                self.files += home.remaining
                self.nbytes += sum(map(_blocks, home.sizes))
                return not self._turn.is_over

        try:
            with self._turn:
                self._retry_stuck()
                root = self._opened_root()
                known = {home.name for home in (*self._mine, *self._orphans.homes)}
            self._orphans.look(self._disk, self._kept, root, self._destination, known, welcome)
        except OSError as error:
            self._fail_to_write(error)
        return sum(home.found for home in taken), sum(home.events for home in taken)

    def _unlinked(self, entry: Entry) -> bool:
        try:
            self._disk.remove(entry.name, entry.home.fd)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._trouble.cannot_remove(error, entry.count)
            return False
        self._discount(entry)
        return True

    def _retry_stuck(self) -> None:
        """Try once more to remove what could not be removed, until the first that still cannot."""
        while self._stuck and self._unlinked(self._stuck[-1]):
            self._stuck.pop()
        if not self._stuck:
            self._trouble.nothing_is_stuck()

    def _set_aside(self, entry: Entry, why: str) -> None:
        """Move a bad file to the quarantine. Where that fails the file stays, and this process is done with it."""
        entry.is_over = True
        entry.fate = "quarantined"
        self.quarantined_files += 1
        self.quarantined_events += entry.count
        self._trouble.is_bad(why, entry.count)
        try:
            root = self._opened_root()
            self._quarantine.take(root.quarantine, entry.home, entry.name, entry.nbytes, self._clock.time())
        except OSError as error:
            self._trouble.cannot_remove(error, entry.count)
        else:
            self._discount(entry)

    def _forget(self, entry: Entry) -> None:
        entry.is_over = True
        self._discount(entry)

    def _discount(self, entry: Entry) -> None:
        """A file is not there any more; nor is its directory, if it was the last one."""
        home = entry.home
        self.files -= 1
        self.nbytes -= _blocks(entry.nbytes)
        home.remaining -= 1
        home.unsynced.pop(entry.seq, None)
        home.suspect.discard(entry.seq)
        if home.remaining == 0 and home is not self._own and self._root is not None:
            for homes in (self._mine, self._orphans.homes):
                if home in homes:
                    homes.remove(home)
            dissolve(self._disk, self._kept, self._root.version, home)

    def _fail_to_write(self, error: OSError, events: int = 0) -> None:
        self._trouble.met(error)
        self._trouble.cannot_write(error, events)

    def _shut(self) -> None:
        """Close everything, with the turn held and nothing under way."""
        self._retry_stuck()
        for home in self._mine:
            if home.remaining == 0 and self._root is not None:
                dissolve(self._disk, self._kept, self._root.version, home)
        self._kept.close_all()


def _blocks(nbytes: int) -> int:
    """Return the bytes of disk that a file takes."""
    return -(-nbytes // BLOCK_BYTES) * BLOCK_BYTES
