"""What must hold after a run, whatever happened in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from conserving.load import OURS, Figures, place_of
from sluiceway.testing import Logged

MIN_RETRIES = 100
# So many of the events that nobody asked to wait may have waited for a machine that did something else.
MAX_SHARE_OF_LATE = 0.01
MIN_THROTTLED = 20


def broken(figures: Figures) -> list[str]:
    """Return the laws that these figures break."""
    stats, receiver = figures.stats, figures.receiver
    ended = stats.delivered + stats.failed + stats.dropped + stats.handed_over
    laws = (
        ("offered, as called = as counted", figures.offered, stats.offered),
        ("offered = accepted + refused", stats.offered, stats.accepted + sum(stats.refused.values())),
        ("accepted, as answered = as counted", figures.accepted, stats.accepted),
        ("accepted + adopted = ended + pending", stats.accepted + stats.adopted, ended + stats.pending),
        ("nothing refused, on_full is block", sum(stats.refused.values()), 0),
        ("nothing dropped", stats.dropped, 0),
        ("nothing pending after close", stats.pending, 0),
        ("no slot reserved after close", stats.reserved_events, 0),
        ("no byte reserved after close", stats.reserved_bytes, 0),
        ("delivered = distinct ids acknowledged", stats.delivered, receiver.ids),
        ("failed, as told = as counted", figures.failed_told, stats.failed),
        ("nothing told as failed twice", figures.failed_twice, 0),
        ("every id of ours has ended", figures.ours_accepted, figures.ours_ended),
        ("no id that was never given out", figures.strangers, 0),
        ("nothing failed that had arrived", figures.failed_yet_acknowledged, 0),
        ("whatever was refused has failed", figures.refused_yet_not_failed, 0),
        ("nothing poisoned was taken", figures.poisoned_yet_acknowledged, 0),
        ("every callback told once", figures.callbacks_asked, figures.callbacks_told),
        ("copies carry the same bytes", receiver.mismatches, 0),
        ("nothing sent again once acknowledged", receiver.duplicates, 0),
        ("nothing sent again once refused", receiver.refused_again, 0),
        ("no limit violated, nothing invalid sent", receiver.violations, 0),
    )
    wrong = [f"{law}: {left:,} is not {right:,}" for law, left, right in laws if left != right]
    # Amplitude and PostHog's batch route have no header for it, so what came twice counts as well.
    faults = receiver.resets + sum(count for status, count in receiver.statuses.items() if status != "200")
    if faults < MIN_RETRIES:
        wrong.append(f"at least {MIN_RETRIES} faults seen: {faults}")
    if receiver.repeats == 0:
        wrong.append("at least one event came twice: 0")
    return wrong


class LaneFigures(msgspec.Struct, kw_only=True):
    """What the log of all events says of throttled users and of everybody else."""

    throttled: int
    """Events that were told to wait."""
    early: int
    """Events of a throttled user or device that came before its time."""
    beside: int
    """Events that stood in a request beside throttled ones and came again,"""
    late: int
    """and those of them that came only when the wait of the others was over."""
    taken: int
    """Events of ours that were taken,"""
    swapped: int
    """and those of them that a later one of the same user or device went before."""


def lane_figures(log: Sequence[Logged], throttle_seconds: float) -> LaneFigures:
    """Read the log: who waited, who did not, and in what order they were taken."""
    names: dict[tuple[str, str], list[Logged]] = defaultdict(list)
    ids: dict[str, list[Logged]] = defaultdict(list)
    for one in log:
        ids[one.id].append(one)
        for kind, name in (("user", one.user), ("device", one.device)):
            if name:
                names[kind, name].append(one)
    late, beside = _late(ids.values(), {one.request for one in log if one.fate == "later"}, throttle_seconds)
    orders = [_order(entries) for entries in names.values()]
    return LaneFigures(
        throttled=sum(one.fate == "later" for one in log),
        early=sum(_too_early(entries, throttle_seconds) for entries in names.values()),
        beside=beside,
        late=late,
        taken=sum(taken for taken, _ in orders),
        swapped=sum(swapped for _, swapped in orders),
    )


def broken_lanes(lanes: LaneFigures) -> list[str]:
    """Return the laws of throttling that these figures break."""
    wrong = []
    if lanes.throttled < MIN_THROTTLED:
        wrong.append(f"at least {MIN_THROTTLED} throttled events seen: {lanes.throttled}")
    if lanes.beside == 0 or lanes.taken == 0:
        wrong.append(f"somebody stood beside them, somebody's order was seen: {lanes.beside}, {lanes.taken}")
    if lanes.early:
        wrong.append(f"nothing of a throttled user comes before its time: {lanes.early:,}")
    if lanes.late > lanes.beside * MAX_SHARE_OF_LATE:
        wrong.append(f"nobody else waits: {lanes.late:,} of {lanes.beside:,} did")
    if lanes.swapped:
        wrong.append(f"taken in order for each user and device: {lanes.swapped:,} of {lanes.taken:,} were not")
    return wrong


def _too_early(entries: Sequence[Logged], throttle_seconds: float) -> int:
    """How many events of one user or device arrived although one of theirs had been told to wait.

    In a request before that answer, they may.
    """
    count, told_at = 0, -throttle_seconds
    for one in entries:
        if told_at < one.arrived_seconds < told_at + throttle_seconds:
            count += 1
        if one.fate == "later":
            told_at = max(told_at, one.answered_seconds)
    return count


def _late(ids: Iterable[Sequence[Logged]], throttling: set[int], throttle_seconds: float) -> tuple[int, int]:
    """Of the events that stood beside throttled ones: how many came again only after that wait, and how many did."""
    late = beside = 0
    for entries in ids:
        for one, again in pairwise(entries):
            if one.request in throttling and one.fate == "open":
                beside += 1
                late += again.arrived_seconds - one.answered_seconds >= throttle_seconds
    return late, beside


def _order(entries: Sequence[Logged]) -> tuple[int, int]:
    """How many events of ours, of one user or device, were taken, and how many after one that was pushed later."""
    taken, swapped, last = 0, 0, -1
    for one in entries:
        event_id = bytes.fromhex(one.id.replace("-", ""))
        if one.fate == "acknowledged" and event_id[:2] == OURS:
            _, index = place_of(event_id)
            taken += 1
            swapped += index < last
            last = max(last, index)
    return taken, swapped
