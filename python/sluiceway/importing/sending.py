"""Feed the clients: row after row becomes an event and a call, no faster than they deliver and than was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from sluiceway.errors import InvalidEvent
from sluiceway.importing.checkpoint import Counts
from sluiceway.importing.clients import ROOM_BYTES, ROOM_EVENTS
from sluiceway.importing.faults import Interrupted, Unfit
from sluiceway.importing.flight import Entry, Flight
from sluiceway.importing.making import Event, Maker, as_json
from sluiceway.importing.pacing import Pacer
from sluiceway.importing.rejects import Reject, Rejects
from sluiceway.importing.rows import BadRow, Chunk, Source
from sluiceway.importing.speaking import Say
from sluiceway.importing.watching import Watch

# How long to sleep while there is no room: a request of a thousand events takes longer than this to be answered.
_NO_ROOM_SECONDS = 0.005
# In an outage there is no hurry, and it may last for hours.
_OUTAGE_SECONDS = 0.1
_MAX_WAITING_REJECTS = 5_000


class Mark(NamedTuple):
    """A position: everything before it has been handed to the clients, or rejected."""

    entry: int
    """Entries of lower numbers are before it."""
    file: int
    position: int
    counts: Counts
    """``failed`` is not known here."""


class Feeder:
    """Hands rows to the clients. For one thread; ``mark`` may be read by any."""

    def __init__(
        self,
        *,
        says: Sequence[Say],
        watch: Watch,
        flight: Flight,
        rejects: Rejects,
        pacer: Pacer | None,
        limit: int | None,
        start: Mark,
    ) -> None:
        self.mark = start
        self.has_reached_limit = False
        self.is_reading = False
        self._says = says
        self._watch = watch
        self._flight = flight
        self._rejects = rejects
        self._pacer = pacer
        self._left = limit
        self._say = says[0] if len(says) == 1 else _by_owner(says)
        self._room_events = ROOM_EVENTS * len(says)
        self._room_bytes = ROOM_BYTES * len(says)

    def feed(self, number: int, name: str, source: Source, make: Maker, skip_to: int) -> None:
        """Send one file from a position on. Returns early when the import stops. Raises Unreadable."""
        counts = self.mark.counts
        self.mark = Mark(self.mark.entry, number, skip_to, counts)
        for chunk in self._read(source.chunks(skip_to)):
            size = len(chunk.rows) if self._pacer is None else self._pacer.group
            for at in range(0, len(chunk.rows), size):
                part = _part(chunk, at, at + size)
                if self._left is not None:
                    part = _part(part, 0, self._left)
                    self._left -= len(part.rows)
                if not self._may_go(len(part.rows)):
                    return
                self._send(number, name, part, make)
                if self._left == 0:
                    self.has_reached_limit = True
                    return

    def _read(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Give the chunks; `is_reading` says when a signal's handler may raise Interrupted, which ends them."""
        while True:
            try:
                self.is_reading = True
                chunk = next(chunks, None)
                self.is_reading = False
            except Interrupted:
                return
            finally:
                self.is_reading = False
            if chunk is None:
                return
            yield chunk

    def _may_go(self, count: int) -> bool:
        """Wait for room and for the time; False when everything stops."""
        watch = self._watch
        while not watch.stopping.is_set():
            standing = watch.standing()
            if (
                standing.pending < self._room_events
                and standing.nbytes < self._room_bytes
                and self._rejects.waiting < _MAX_WAITING_REJECTS
            ):
                break
            watch.wait(_NO_ROOM_SECONDS if standing.back_off_until is None else _OUTAGE_SECONDS)
        if watch.stopping.is_set():
            return False
        return self._pacer is None or self._pacer.wait_for(count)

    def _send(self, number: int, name: str, chunk: Chunk, make: Maker) -> None:
        mark = self.mark
        entry = Entry(mark.entry, name)
        self._flight.begin(entry)
        say, ids, lines, raws = self._say, entry.ids, entry.lines, entry.raws
        sent = done = 0
        for line, row in zip(chunk.lines, chunk.rows, strict=True):
            if type(row) is BadRow:
                self._reject(entry, line, row.reason, row.message, b"", row.text)
                done += 1
                continue
            raw = b""
            try:
                event = make(row, line)  # type: ignore[arg-type]
                raw = event.raw
                # Before the call, because it may fail before the call has returned.
                raws.append(raw)
                lines.append(line)
                ids.append(event.message_id)
                if not say(event) and not self._insist(event):
                    break
                sent += 1
                done += 1
                continue
            except Unfit as unfit:
                reason, message = unfit.reason, unfit.message
            except InvalidEvent as invalid:
                reason = "too_large" if "the limit is" in invalid.message else "invalid"
                message = f"{invalid.field} {invalid.message}"
            if raw:
                ids.pop()
                lines.pop()
                raws.pop()
            else:
                raw = _as_json(row)
            self._reject(entry, line, reason, message, raw, "" if raw else _shown(row))
            done += 1
        if not done:
            return
        before = mark.counts
        counts = Counts(
            rows=before.rows + done,
            sent=before.sent + sent,
            rejected=before.rejected + done - sent,
            failed=before.failed,
        )
        self._watch.rows += done
        self.mark = Mark(mark.entry + 1, number, chunk.ends[done - 1], counts)

    def _insist(self, event: Event) -> bool:
        """Offer an event again that found no room, until there is; False when everything stops."""
        while not self._watch.stopping.is_set():
            full = self._times_full()
            if self._say(event):
                return True
            if self._times_full() == full:
                self._watch.stop("internal", "the client takes no more events")
        return False

    def _times_full(self) -> int:
        return sum(client.stats().refused.get("queue_full", 0) for client in self._watch.clients)

    def _reject(self, entry: Entry, line: int, reason: str, message: str, raw: bytes, text: str) -> None:
        self._rejects.add(Reject(entry.number, entry.file, line, reason, message, raw, text))


def _part(chunk: Chunk, begin: int, end: int) -> Chunk:
    if begin == 0 and end >= len(chunk.rows):
        return chunk
    return Chunk(chunk.lines[begin:end], chunk.ends[begin:end], chunk.rows[begin:end])


def _by_owner(says: Sequence[Say]) -> Say:
    """Have all events of one user go to one client, so that their order holds."""
    count = len(says)

    def say(event: Event) -> bool:
        owner = event.user or event.anonymous or ""
        client: Callable[[Event], bool] = says[crc32(str(owner).encode("utf-8", "replace")) % count]
        return client(event)

    return say


def _as_json(row: Any) -> bytes:
    """A row as it is written down; empty where it cannot be."""
    try:
        return as_json(row)
    except Unfit:
        return b""


def _shown(row: object) -> str:
    """A row that could not be made into JSON, for people."""
    return repr(row)[:2_000].encode("utf-8", "backslashreplace").decode()
