"""Batches to store, and spools to store them in."""

from __future__ import annotations

import itertools
import os
import random
import struct
from pathlib import Path
from typing import Any

from sluiceway.spool.contents import Contents
from sluiceway.spool.format import file_name, header_of, label_of
from sluiceway.spool.settings import SpoolSettings, checked_directory, destination
from sluiceway.spool.store import Spool

NEW_YEAR_2026 = 1_767_225_600.0

OURS = destination("segment", "api.segment.io", "/v1/batch", "a-write-key")
THEIRS = destination("segment", "api.segment.io", "/v1/batch", "another-key")


class FakeClock:
    """Time that passes only when somebody says so."""

    _starts = itertools.count(1_000)

    def __init__(self) -> None:
        self.now = float(next(self._starts))  # each process of a test begins later than the one before

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return NEW_YEAR_2026 + self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds


def batch(name: str, count: int = 3, *, filler: int = 8, created_at: float = NEW_YEAR_2026 + 1_000.0) -> Contents:
    """A batch whose events are unlike any other name's."""
    chance = random.Random(name)
    events = []
    layout = []
    for index in range(count):
        ident = f"{name}-{index}"
        text = "".join(chance.choices("abcdefghij", k=filler))
        event = f'{{"messageId":"{ident}","text":"{text}"}}'.encode()
        events.append(event)
        layout.append(struct.pack("<III", len(event), 14, 14 + len(ident)))
    return Contents(events=b",".join(events), layout=b"".join(layout), count=count, created_at=created_at)


def spool_in(
    directory: Path | str,
    *,
    fsync: Any = "batch",
    max_bytes: int = 2**30,
    whose: bytes = OURS,
    clock: FakeClock | None = None,
    **more: Any,
) -> Spool:
    """A spool in a directory that `checked_directory` has made."""
    settings = SpoolSettings(mode="always", directory=str(directory), max_bytes=max_bytes, fsync=fsync)
    return Spool(settings, whose, clock=clock or FakeClock(), **more)


def made(path: Path) -> str:
    """Make the directories of a spool."""
    return checked_directory(path / "spool")


def all_adopted(spool: Spool) -> list[Contents]:
    """Adopt, and read and remove everything there is."""
    found = []
    while spool.adopt()[0] or spool.files:
        entry = spool.next_adopted()
        if entry is None:
            break
        while entry is not None:
            contents = spool.read(entry)
            if contents is not None:
                found.append(contents)
                assert spool.remove(entry)
            entry = spool.next_adopted()
    return found


def files_in(directory: Path | str) -> list[Path]:
    """The sealed batches outside the quarantine."""
    return sorted(Path(directory).glob("v1/[0-9]*/*.b"))


def many_files(directory: str, homes: int, files: int, *, filler: int = 8) -> None:
    """What dead processes left: the files are links to a few, each with a name of its own."""
    for number in range(homes):
        home = Path(directory, "v1", f"{number + 1}-00000000-{number:016x}")
        home.mkdir(mode=0o700)
        (home / "lock").write_bytes(label_of(OURS))
        contents = batch("many", count=2, filler=filler)
        first = home / file_name(1, 2)
        first.write_bytes(header_of(contents, 1, OURS) + contents.layout + contents.events)
        for seq in range(2, files + 1):
            os.link(first, home / file_name(seq, 2))
