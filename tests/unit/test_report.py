"""What callbacks are told of a batch."""

from __future__ import annotations

import pytest

from sluiceway.report import BatchReport

from .fakes import FakeBatch


def test_a_report_tells_ids_events_status_and_attempts() -> None:
    report = BatchReport(FakeBatch(["a", "b"], [0, 1]), status=202, attempts=3)
    assert (report.ids, report.events, report.status, report.attempts, len(report)) == (
        ["a", "b"],
        ["a", "b"],
        202,
        3,
        2,
    )
    assert bool(BatchReport(None, status=None, attempts=0))
    assert repr(report) == "BatchReport(2 events, status=202, attempts=3)"


def test_events_without_bytes_leave_a_report_empty() -> None:
    report = BatchReport(None, status=None, attempts=0)
    assert (report.ids, report.events, len(report)) == ([], [], 0)


@pytest.mark.parametrize(
    ("event_tail", "events"),
    [(b"", ["name-x", "other-y"]), (b'1"', ["name-1", "other-1"]), (b'"', ["name-x", "other-y"])],
)
def test_events_are_shown_as_the_last_attempt_sent_them(event_tail: bytes, events: list[str]) -> None:
    batch = FakeBatch(["name-x", "other-y"], [0, 1])
    assert BatchReport(batch, status=200, attempts=1, event_tail=event_tail).events == events
    assert batch.body(b"[", b"]", event_tail) == b'["' + b'","'.join(event.encode() for event in events) + b'"]'


def test_what_a_callback_does_to_a_list_does_nothing_to_the_report() -> None:
    report = BatchReport(FakeBatch(["a"], [0]), status=200, attempts=1)
    report.ids.clear()
    report.events.clear()
    assert (report.ids, report.events) == (["a"], ["a"])
