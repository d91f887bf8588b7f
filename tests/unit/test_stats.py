"""The accounting as a user reads it: each number comes from its own counter, and the identity is checked, not made."""

from __future__ import annotations

import pytest

from sluiceway.stats import FlushResult, Stats, from_counters

COUNTERS = {
    "offered": 20,
    "accepted": 17,
    "adopted": 1,
    "refused.queue_full": 2,
    "refused.invalid": 1,
    "refused.closed": 0,
    "delivered": 6,
    "failed.rejected": 3,
    "failed.expired": 1,
    "dropped.overflow": 2,
    "handed_over": 1,
    "ring": 4,
    "sealed": 1,
    "reserved_events": 5,
    "reserved_bytes": 700,
    "max_reserved_events": 9,
    "max_reserved_bytes": 900,
    "batches": 3,
    "replaced.nonfinite": 7,
}


def test_every_counter_arrives_under_its_word() -> None:
    stats = from_counters(COUNTERS, attempts=4, last_success=1.5, last_error="timeout", back_off_until=2.5)
    assert stats == Stats(
        offered=20,
        accepted=17,
        adopted=1,
        refused={"queue_full": 2, "invalid": 1},
        delivered=6,
        failed=4,
        failed_by_reason={"rejected": 3, "expired": 1},
        dropped=2,
        dropped_by_reason={"overflow": 2},
        handed_over=1,
        pending=5,
        ring_events=4,
        reserved_events=5,
        reserved_bytes=700,
        max_reserved_events=9,
        max_reserved_bytes=900,
        batches=3,
        replaced={"nonfinite": 7},
        attempts=4,
        last_success=1.5,
        last_error="timeout",
        back_off_until=2.5,
    )


def test_a_true_account_balances() -> None:
    assert from_counters(COUNTERS).balanced


@pytest.mark.parametrize(
    "counter", ["offered", "accepted", "adopted", "delivered", "failed.rejected", "ring", "sealed"]
)
def test_one_event_miscounted_anywhere_unbalances_the_account(counter: str) -> None:
    assert not from_counters({**COUNTERS, counter: COUNTERS[counter] + 1}).balanced


def test_stats_are_frozen() -> None:
    with pytest.raises(AttributeError):
        from_counters(COUNTERS).delivered = 7  # type: ignore[misc]


def test_an_empty_client_has_empty_stats() -> None:
    assert from_counters({}) == Stats()
    assert Stats().balanced


@pytest.mark.parametrize(
    ("result", "ok"),
    [
        (FlushResult(), True),
        (FlushResult(delivered=3, dropped=1), True),
        (FlushResult(delivered=3, failed=1), False),
        (FlushResult(delivered=3, pending=1), False),
    ],
)
def test_a_flush_is_true_when_nothing_failed_and_nothing_waits(result: FlushResult, ok: bool) -> None:
    assert result.ok is ok
    assert bool(result) is ok
