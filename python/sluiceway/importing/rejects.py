"""The rows that did not become events, as JSONL with line, reason and row; written in step with the checkpoint.

What is rejected waits in memory until a checkpoint covers it. So a resume finds in the file what the checkpoint knows,
cuts off what a crash left behind it, and no reject is there twice.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sluiceway.importing.faults import Misuse

_MAX_EXAMPLES = 5


class Reject(NamedTuple):
    """One row that is no event, or an event that the vendor does not take."""

    entry: int
    """The number of the entry it was sent in: what a checkpoint covers counts in these."""
    file: str
    line: int
    reason: str
    message: str
    row: bytes
    """JSON; empty where ``text`` stands for what could not be read."""
    text: str = ""
    was_sent: bool = False
    """Whether a client had accepted it."""

    def as_json(self) -> bytes:
        """Return it as a line of the file."""
        told: dict[str, Any] = {"line": self.line, "reason": self.reason, "message": self.message}
        if self.file:
            told = {"file": self.file, **told}
        if self.row:
            told["row"] = msgspec.Raw(self.row)
        else:
            told["text"] = self.text
        return msgspec.json.encode(told) + b"\n"


class Rejects:
    """The file, and what waits to be written to it. Safe to use from any thread."""

    def __init__(self, path: Path | None) -> None:
        """Touch nothing yet. Without a path rejects are counted only."""
        self.path = path
        self._lock = threading.Lock()
        self._waiting: deque[Reject] = deque()
        self._nbytes = 0
        self.reasons: Counter[str] = Counter()
        self.examples: list[Reject] = []
        self.refused = 0
        """Rows that never were an event, in this run."""
        self.failed = 0
        """Events that the vendor refused, in this run."""

    def begin(self, known_bytes: int | None) -> None:
        """Cut the file to what a checkpoint knows; None is a new import. Raises Misuse where it is somebody else's."""
        path = self.path
        if path is None:
            return
        try:
            if known_bytes is None:
                _check_ours(path)
                path.unlink(missing_ok=True)
            elif path.exists():
                os.truncate(path, min(known_bytes, path.stat().st_size))
            self._nbytes = path.stat().st_size if path.exists() else 0
        except OSError as error:
            raise Misuse(f"the rejects file {path} cannot be written: {error.strerror}") from None

    def add(self, reject: Reject) -> None:
        """Take a reject. It is in the file when a checkpoint covers it."""
        with self._lock:
            self._waiting.append(reject)
            self.reasons[reject.reason] += 1
            if len(self.examples) < _MAX_EXAMPLES:
                self.examples.append(reject)
            if reject.was_sent:
                self.failed += 1
            else:
                self.refused += 1

    @property
    def waiting(self) -> int:
        """How many are not in the file yet."""
        return len(self._waiting)

    def write(self, up_to_entry: int) -> tuple[int, int]:
        """Write and sync what belongs to entries before a number; return the file's length and how many were failed.

        Raises OSError, and then nothing is lost: the same are written by the next call.
        """
        with self._lock:
            ready = [reject for reject in self._waiting if reject.entry < up_to_entry]
        if ready and self.path is not None:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.lseek(descriptor, self._nbytes, os.SEEK_SET)
                data = memoryview(b"".join(reject.as_json() for reject in ready))
                written = 0
                while written < len(data):
                    written += os.write(descriptor, data[written:])
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._nbytes += len(data)
        if ready:
            with self._lock:
                # Others may have been added meanwhile, also of these entries' numbers, but they stand behind.
                gone = set(map(id, ready))
                self._waiting = deque(reject for reject in self._waiting if id(reject) not in gone)
        return self._nbytes, sum(reject.was_sent for reject in ready)


def _check_ours(path: Path) -> None:
    """Refuse to replace a file that does not look like rejects."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    try:
        told = msgspec.json.decode(first)
        is_ours = isinstance(told, dict) and {"line", "reason", "message"} <= told.keys()
    except (msgspec.DecodeError, UnicodeDecodeError):
        is_ours = False
    if not is_ours:
        raise Misuse(f"{path} is there already and holds no rejects: name another file by --rejects")
