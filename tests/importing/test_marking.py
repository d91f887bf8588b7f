"""What a checkpoint may cover, where an event came from, and how patient the clients are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import DeliveryError
from sluiceway.importing import checkpoint as checkpoints
from sluiceway.importing.checkpoint import Checkpoint, Counts
from sluiceway.importing.clients import Destination, make_client
from sluiceway.importing.flight import Entry, Flight
from sluiceway.importing.marking import Marker
from sluiceway.importing.rejects import Rejects
from sluiceway.importing.sending import Mark
from sluiceway.importing.watching import Watch
from sluiceway.report import BatchReport
from sluiceway.secret import Secret

START = Checkpoint(vendor="segment", destination="d", mapping="m", sources=[], began=1.0)
NO_BATCH = BatchReport(None, status=None, attempts=0)


def made(place: Path) -> tuple[Marker, Watch]:
    flight, rejects = Flight(), Rejects(place / "r")
    watch = Watch(flight=flight, rejects=rejects, max_outage_seconds=60.0, max_rejects=None)
    mark = Mark(1, 0, 10, Counts(rows=10, sent=10))
    path = place / "c"
    return Marker(path=path, start=START, mark=lambda: mark, watch=watch, flight=flight, rejects=rejects), watch


def test_a_position_is_written_once_everything_before_it_has_ended(tmp_path: Path) -> None:
    marker, _ = made(tmp_path)
    assert marker.save(Mark(1, 0, 10, Counts(rows=10, sent=10)))
    found = checkpoints.read(tmp_path / "c")
    assert found is not None
    assert (found.position, found.counts, found.is_complete) == (10, Counts(rows=10, sent=10), False)
    # An older mark does not come back.
    assert not marker.save(Mark(0, 0, 5, Counts(rows=5, sent=5)))
    assert checkpoints.read(tmp_path / "c") == found


@pytest.mark.parametrize("reason", ["unauthorized", "shutdown"])
def test_no_position_is_written_behind_an_event_that_is_to_go_again(tmp_path: Path, reason: str) -> None:
    marker, watch = made(tmp_path)
    watch.on_error(DeliveryError(reason, "no", 401), NO_BATCH)
    assert not marker.save(Mark(1, 0, 10, Counts(rows=10, sent=10)))
    assert not (tmp_path / "c").exists()
    assert watch.reason == ("unauthorized" if reason == "unauthorized" else "")


def test_a_disk_that_is_full_stops_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker, watch = made(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write", full)
    assert not marker.save(Mark(1, 0, 10, Counts(rows=10, sent=10)))
    assert (watch.reason, watch.detail) == ("disk", "No space left on device")


def test_equal_rows_are_found_one_after_the_other() -> None:
    flight = Flight()
    for number, lines in ((0, [2, 3]), (1, [4])):
        entry = Entry(number, "f")
        entry.ids += ["same"] * len(lines)
        entry.lines += lines
        entry.raws += [b"{}"] * len(lines)
        flight.begin(entry)
    assert [found.line for found in flight.find(["same", "other"])] == [2]
    assert [found.line for found in flight.find(["same", "same", "same"])] == [3, 4]
    flight.forget(1)
    assert flight.find(["same"]) == []


@pytest.mark.parametrize("vendor", ["segment", "rudderstack", "posthog", "amplitude"])
def test_no_number_of_retries_ends_an_event_while_the_server_is_out(vendor: str) -> None:
    client = make_client(Destination(vendor=vendor, key=Secret("k" * 20), host="http://127.0.0.1:9"))
    policy = client._options.retry
    client.close(timeout=0)
    assert policy.max_counted(endpoint=True) is None
    assert policy.max_elapsed_seconds > 7 * 86_400
