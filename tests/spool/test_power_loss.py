"""Row 71: the power goes at any moment, and of what was not synced anything may be lost, in any order."""

from __future__ import annotations

import pytest

from .memory_disk import MemoryDisk
from .power import losses, script


@pytest.mark.parametrize("fsync", ["batch", "interval", "off"])
def test_row_71_what_was_called_durable_outlives_the_power(fsync: str) -> None:
    disk = MemoryDisk()
    told = script(disk, fsync)
    tried, wrong = losses(disk, told, seed=71)
    assert wrong == []
    assert tried > 1_000  # it was really tried
    assert len(told.durable) == 5
    assert len(told.ending) == 2


class LazyAboutData(MemoryDisk):
    """Says that bytes are durable when they are not."""

    def sync_data(self, descriptor: int) -> None:
        pass


class LazyAboutNames(MemoryDisk):
    """Says that names are durable when they are not."""

    def sync_directory(self, descriptor: int) -> None:
        pass


@pytest.mark.parametrize("lazy", [LazyAboutData, LazyAboutNames])
def test_a_disk_that_does_not_sync_is_found_out(lazy: type[MemoryDisk]) -> None:
    """The positive control: without either sync the same search finds a loss."""
    disk = lazy()
    _, wrong = losses(disk, script(disk, "batch"), seed=71)
    assert any("is lost" in line for line in wrong)
