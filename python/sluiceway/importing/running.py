"""One import from its first row to its account: what is made, in which order it ends, and what a stop leaves behind."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType

import msgspec

from sluiceway.importing import checkpoint as checkpoints
from sluiceway.importing.accounting import Summary, account
from sluiceway.importing.checkpoint import Checkpoint, Lock, SourceMark
from sluiceway.importing.clients import Destination, make_client
from sluiceway.importing.faults import Interrupted, Misuse, Unreadable
from sluiceway.importing.files import Files
from sluiceway.importing.flight import Flight
from sluiceway.importing.identifiers import Ids
from sluiceway.importing.making import Maker, maker
from sluiceway.importing.mapping import Mapping
from sluiceway.importing.marking import Marker
from sluiceway.importing.opening import plain_name
from sluiceway.importing.pacing import Pacer
from sluiceway.importing.passing import passer
from sluiceway.importing.progress import Display, Snapshot
from sluiceway.importing.rejects import Rejects
from sluiceway.importing.sending import Feeder, Mark
from sluiceway.importing.speaking import say_to
from sluiceway.importing.watching import Watch

_LOOK_SECONDS = 0.25
_SIGNAL_DRAIN_SECONDS = 10.0
_DRAIN_FLUSH_SECONDS = 1.0
_CLOSE_SECONDS = 2.0


class Job(msgspec.Struct, kw_only=True):
    """Everything that an import is told."""

    files: Files
    mapping: Mapping
    to: Destination
    namespace: str | None = None
    """What ids are told apart by; None is the key."""
    senders: int = 1
    rate: float | None = None
    limit: int | None = None
    checkpoint: Path | None = None
    resume: bool = False
    restart: bool = False
    rejects: Path | None = None
    max_outage_seconds: float = 3_600.0
    max_rejects: int | None = None


def makers(job: Job, began: datetime, left_out: Counter[str]) -> Callable[[str], Maker]:
    """Return what gives, for each file, what makes its rows events. Raises Misuse."""
    vendor, mapping = job.to.vendor, job.mapping
    namespace = job.to.key.reveal() if job.namespace is None else job.namespace

    def of(path: str) -> Maker:
        ids = Ids(namespace, mapping.id_from, plain_name(path))
        if mapping.is_wire:
            return passer(vendor, ids, began, left_out)
        return maker(mapping, vendor, ids, began)

    return of


def run(job: Job, display: Display) -> Summary:
    """Carry an import out and return its account. Blocks until it is done or stopped. Raises Misuse.

    The files stay open: closing them is for whoever opened them.

    In the main thread, SIGINT and SIGTERM stop it: what was read is sent, for ten seconds at most, and the checkpoint
    is written. A second one ends the process at once.
    """
    lock = None if job.checkpoint is None else Lock(job.checkpoint)
    try:
        return _Run(job, display).carry_out()
    finally:
        if lock is not None:
            lock.release()


class _Run:
    def __init__(self, job: Job, display: Display) -> None:
        self.job = job
        self.display = display
        self.start = self._first_checkpoint()
        self.flight = Flight()
        self.rejects = Rejects(job.rejects)
        self.watch = Watch(
            flight=self.flight,
            rejects=self.rejects,
            max_outage_seconds=job.max_outage_seconds,
            max_rejects=job.max_rejects,
        )
        self.left_out: Counter[str] = Counter()
        self.notes: list[str] = []
        self.source_done: Callable[[], float | None] = lambda: 0.0
        self.file = self.start.file

    def carry_out(self) -> Summary:
        """Do all of it."""
        job, start, watch = self.job, self.start, self.watch
        began = datetime.fromtimestamp(int(start.began), timezone.utc)
        make_for = makers(job, began, self.left_out)
        make_for(job.files.paths[0])  # what the mapping cannot mean is said before anything is touched
        if start.is_complete:
            self.display.say("this import is complete; --restart does it again")
            return self._summary(Mark(0, start.file, start.position, start.counts), 0.0)
        watch.clients = [make_client(job.to, on_error=watch.on_error) for _ in range(job.senders)]
        is_new = start.position == 0 and start.file == 0
        self.rejects.begin(None if is_new else start.rejects_bytes)
        if not is_new:
            self.display.say(f"going on behind {start.counts.rows:,} rows of the runs before")
        feeder = self.feeder = Feeder(
            says=[say_to(job.to.vendor, client) for client in watch.clients],
            watch=watch,
            flight=self.flight,
            rejects=self.rejects,
            pacer=None if job.rate is None else Pacer(job.rate, time.monotonic, watch.wait),
            limit=job.limit,
            start=Mark(0, start.file, start.position, start.counts),
        )
        marker = Marker(
            path=job.checkpoint,
            start=start,
            mark=lambda: feeder.mark,
            watch=watch,
            flight=self.flight,
            rejects=self.rejects,
        )
        since = time.monotonic()
        with self._signals(), self._shown():
            marker.start()
            try:
                is_read = self._feed(feeder, make_for)
                is_drained = self._drain(marker)
                marker.end()
                if is_drained:
                    marker.save(feeder.mark, is_complete=is_read and not watch.reason)
            finally:
                marker.end()
                self._close()
        return self._summary(feeder.mark, time.monotonic() - since, is_read=is_read)

    def _feed(self, feeder: Feeder, make_for: Callable[[str], Maker]) -> bool:
        """Feed every file; whether all were read to their ends."""
        for number in range(self.start.file, len(self.job.files.paths)):
            path = self.job.files.paths[number]
            skip_to = self.start.position if number == self.start.file else 0
            name = path if len(self.job.files.paths) > 1 else ""
            source = self.job.files.open(number)
            self.file, self.source_done = number, source.done
            try:
                feeder.feed(number, name, source, make_for(path), skip_to)
            except Unreadable as error:
                self.notes.append(f"{path} cannot be read further: {error}")
                return False
            if self.watch.stopping.is_set() or feeder.has_reached_limit:
                return False
        return True

    def _drain(self, marker: Marker) -> bool:
        """Wait until everything has ended; False where it has to stay behind."""
        watch = self.watch
        until: float | None = None
        while True:
            if watch.stopping.is_set():
                if watch.reason in ("unauthorized", "outage"):
                    return False
                until = until or time.monotonic() + _SIGNAL_DRAIN_SECONDS
                if time.monotonic() >= until:
                    return False
            if watch.standing().back_off_until is not None:
                time.sleep(0.05)
            elif marker.flush(_DRAIN_FLUSH_SECONDS):
                return True

    def _close(self) -> None:
        """Close every client at the same time, so that their timeouts do not add up."""
        closing = [
            threading.Thread(target=client.close, kwargs={"timeout": _CLOSE_SECONDS if not self.watch.reason else 0.1})
            for client in self.watch.clients
        ]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    def _summary(self, mark: Mark, seconds: float, *, is_read: bool = True) -> Summary:
        watch = self.watch
        return Summary(
            **account(self.start.counts, mark.counts, watch.standing()),
            stopped=watch.reason,
            detail=watch.detail,
            is_complete=is_read,
            signal=watch.signal if watch.reason == "signal" else 0,
            seconds=seconds,
            reasons=dict(self.rejects.reasons.most_common()),
            left_out=dict(self.left_out.most_common()),
            checkpoint="" if self.job.checkpoint is None else str(self.job.checkpoint),
            rejects="" if self.job.rejects is None else str(self.job.rejects),
            notes=self.notes,
        )

    def _first_checkpoint(self) -> Checkpoint:
        """The position to begin at. Raises Misuse where it is not clear which is meant."""
        job = self.job
        mapping = job.mapping.digest() + ("" if job.namespace is None else f" in {_digest(job.namespace)}")
        fresh = Checkpoint(
            vendor=job.to.vendor,
            destination=_digest(job.to.vendor, str(job.to.host), str(job.to.region), job.to.key.reveal()),
            mapping=_digest(mapping, *job.files.words),
            sources=[
                SourceMark(name=path, size=identity.size, mtime_ns=identity.mtime_ns, head=identity.head)
                for path, identity in zip(job.files.paths, job.files.identities, strict=True)
            ],
            began=time.time(),
        )
        if job.checkpoint is None:
            return fresh
        found = None if job.restart else checkpoints.read(job.checkpoint)
        if found is None:
            return fresh
        if job.resume:
            checkpoints.check_same(found, fresh, job.checkpoint)
            return found
        if found.is_complete or (found.file == 0 and found.position == 0):
            return fresh
        raise Misuse(
            f"an import of this file was interrupted after {found.counts.rows:,} rows ({job.checkpoint}): "
            "go on with --resume, or begin anew with --restart"
        )

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """Look at how it goes, and show it, from a thread of its own."""
        ended = threading.Event()
        before, weights = self.start.counts, self.job.files.weights

        def show() -> None:
            while not ended.wait(_LOOK_SECONDS):
                standing, counts = self.watch.look(), self.feeder.mark.counts
                delivered = before.sent - before.failed + standing.delivered
                bad = before.failed + standing.failed + counts.rejected
                part = self.source_done()
                if part is not None:
                    part = (sum(weights[: self.file]) + part * weights[self.file]) / sum(weights)
                until, error = standing.back_off_until, standing.last_error
                with suppress(Exception):  # a terminal that went away must not end the import
                    self.display.show(Snapshot(counts.rows, delivered + bad, delivered, bad, part, until, error))

        thread = threading.Thread(target=show, name="sluiceway-show", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.display.close()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Have SIGINT and SIGTERM stop the import, the second time at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(number: int, _frame: FrameType | None) -> None:
            if self.watch.signal:
                self.display.close()
                os._exit(128 + number)
            self.watch.signal = number
            self.watch.stop("signal")
            self.display.say("stopping: what was read is sent, and the checkpoint written (again: at once)")
            if self.feeder.is_reading:
                # A pipe may give nothing for hours, and a resume reads long before it sends.
                raise Interrupted

        before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def default_places(paths: Sequence[str], vendor: str) -> tuple[Path | None, Path | None]:
    """Where checkpoint and rejects go if nobody says: beside the first file; nowhere for standard input."""
    first = paths[0]
    if first == "-":
        return None, None
    beside = Path(first)
    return (
        beside.with_name(f"{beside.name}.{vendor}.checkpoint"),
        beside.with_name(f"{beside.name}.{vendor}.rejects.jsonl"),
    )
