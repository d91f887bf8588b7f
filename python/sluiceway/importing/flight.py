"""The rows that are on their way: which event came from which line, until a checkpoint has passed them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple


class Entry:
    """Some rows in order. Grows while they are sent; ``ids``, ``lines`` and ``raws`` belong together."""

    __slots__ = ("file", "ids", "lines", "number", "raws")

    def __init__(self, number: int, file: str) -> None:
        self.number = number
        self.file = file
        self.ids: list[str] = []
        self.lines: list[int] = []
        self.raws: list[bytes] = []


class Found(NamedTuple):
    """Where an event came from."""

    entry: int
    file: str
    line: int
    raw: bytes


class Flight:
    """All entries that no checkpoint has passed yet, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque()
        self._told: set[tuple[int, int]] = set()

    def begin(self, entry: Entry) -> None:
        """Know an entry from now on."""
        with self._lock:
            self._entries.append(entry)

    def find(self, ids: Iterable[str]) -> list[Found]:
        """Return where events came from, each row once: of equal rows, the first that was not asked for yet."""
        wanted = list(ids)
        looked_for = set(wanted)
        places: dict[str, deque[tuple[Entry, int]]] = {}
        with self._lock:
            for entry in self._entries:
                for index, own_id in enumerate(list(entry.ids)):
                    if own_id in looked_for and (entry.number, index) not in self._told:
                        places.setdefault(own_id, deque()).append((entry, index))
            found = []
            for own_id in wanted:
                if here := places.get(own_id):
                    entry, index = here.popleft()
                    self._told.add((entry.number, index))
                    found.append(Found(entry.number, entry.file, entry.lines[index], entry.raws[index]))
        return found

    def forget(self, up_to_entry: int) -> None:
        """Forget the entries before a number."""
        with self._lock:
            while self._entries and self._entries[0].number < up_to_entry:
                self._entries.popleft()
            if self._told:
                self._told = {place for place in self._told if place[0] >= up_to_entry}
