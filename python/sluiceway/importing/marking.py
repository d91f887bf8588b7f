"""Write down how far everything has ended, again and again, from a thread of its own.

A flush is a position in a client's queue and covers exactly what was accepted before it. So: take the feeder's mark,
flush every client, and when nothing is pending, all that lies before the mark has ended and its rejects are known.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from sluiceway.importing import checkpoint as checkpoints
from sluiceway.importing.checkpoint import Checkpoint
from sluiceway.importing.flight import Flight
from sluiceway.importing.rejects import Rejects
from sluiceway.importing.sending import Mark
from sluiceway.importing.watching import Watch

_EVERY_SECONDS = 0.5
_FLUSH_SECONDS, _LONGEST_FLUSH_SECONDS = 5.0, 300.0
_OUTAGE_LOOK_SECONDS = 0.1


class Marker:
    """Keeps the checkpoint behind the clients."""

    def __init__(
        self,
        *,
        path: Path | None,
        start: Checkpoint,
        mark: Callable[[], Mark],
        watch: Watch,
        flight: Flight,
        rejects: Rejects,
    ) -> None:
        """Write nothing yet. Without a path, only the rejects are written and the flight is kept short."""
        self.written = start
        self._path = path
        self._mark = mark
        self._watch = watch
        self._flight = flight
        self._rejects = rejects
        self._saved_entry = -1
        self._failed = start.counts.failed
        self._rejects_bytes = start.rejects_bytes
        self._ended = threading.Event()
        self._saving = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="sluiceway-marker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Have the thread write nothing more. It ends when the clients are closed, if it waits for a flush."""
        self._ended.set()

    def save(self, mark: Mark, *, is_complete: bool = False) -> bool:
        """Write a mark down, everything before which has ended; False when that must not, or cannot, be done."""
        with self._saving:
            # An event before the mark may have ended as one that is to go again.
            if self._watch.has_unsent or mark.entry < self._saved_entry:
                return False
            try:
                self._rejects_bytes, failed = self._rejects.write(mark.entry)
                self._failed += failed
                written = msgspec.structs.replace(
                    self.written,
                    file=mark.file,
                    position=mark.position,
                    counts=msgspec.structs.replace(mark.counts, failed=self._failed),
                    rejects_bytes=self._rejects_bytes,
                    is_complete=is_complete,
                )
                if self._path is not None:
                    checkpoints.write(self._path, written)
            except OSError as error:
                self._watch.stop("disk", error.strerror or type(error).__name__)
                return False
            self.written = written
            self._saved_entry = mark.entry
            self._flight.forget(mark.entry)
            return True

    def flush(self, seconds: float) -> bool:
        """Flush every client for up to so many seconds each; whether nothing accepted before is pending."""
        for client in self._watch.clients:
            until = time.monotonic() + seconds
            # At its deadline a flush does not wait for the callbacks, which may still have rejects to tell.
            if client.flush(timeout=seconds).pending or time.monotonic() >= until:
                return False
        return True

    def _work(self) -> None:
        seconds = _FLUSH_SECONDS
        while not self._ended.wait(_EVERY_SECONDS):
            mark = self._mark()
            if mark.entry == self._saved_entry:
                continue
            # A flush cuts the clients' own pauses short, which a server in trouble should be spared.
            while self._watch.standing().back_off_until is not None and not self._ended.wait(_OUTAGE_LOOK_SECONDS):
                pass
            if self._ended.is_set():
                return
            if self.flush(seconds) and not self._ended.is_set():
                self.save(mark)
                seconds = _FLUSH_SECONDS
            elif self._watch.standing().back_off_until is None:
                # Slow, not out: with more patience one of the flushes gets there.
                seconds = min(seconds * 2, _LONGEST_FLUSH_SECONDS)
