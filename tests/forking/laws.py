"""What must hold after the forks: nobody hung or died, no id twice, and the parent's account exact to the event."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sluiceway.stats import Stats
from sluiceway.testing import ReceiverStats

# Fewer parent's events than so many for each fork are no load.
MIN_EVENTS_A_FORK = 10
# So large a part of the forks, at least, must have met events that were accepted and not yet delivered.
MIN_SHARE_BUSY = 0.2


class Figures(msgspec.Struct, kw_only=True):
    """Everything that was counted: by the parent from outside, by its client, by the children, by the receiver."""

    forks: int
    processes: int
    """Children and grandchildren that reported."""
    busy_forks: int
    """Forks at which the parent had events on their way."""
    offered: int
    accepted: int
    """By the parent, as its producers counted."""
    by_children: int
    """Accepted by children and grandchildren, as they counted."""
    ours: set[bytes]
    """The ids of ours that were given out,"""
    arrived_ours: set[bytes]
    """and those that were acknowledged."""
    stats: Stats
    """Of the parent's client, after its close."""
    receiver: ReceiverStats
    wrong: dict[str, int]
    """What children reported, and how often."""


def broken(figures: Figures) -> Iterator[str]:
    """Yield the laws that these figures break."""
    stats, receiver = figures.stats, figures.receiver
    laws = (
        ("parent: offered, as called = as counted", figures.offered, stats.offered),
        ("parent: accepted, as answered = as counted", figures.accepted, stats.accepted),
        ("parent: accepted = delivered", stats.accepted, stats.delivered),
        ("parent: nothing refused", sum(stats.refused.values()), 0),
        ("parent: nothing reserved after close", stats.reserved_events + stats.reserved_bytes, 0),
        ("distinct ids that arrived = accepted by all", receiver.ids, figures.accepted + figures.by_children),
        ("no id came twice", receiver.duplicates + receiver.repeats, 0),
        ("no id with other bytes", receiver.mismatches, 0),
        ("no id of ours is missing", len(figures.ours - figures.arrived_ours), 0),
        ("no id of ours that nobody gave out", len(figures.arrived_ours - figures.ours), 0),
        ("the receiver objects to nothing", receiver.violations, 0),
    )
    for law, left, right in laws:
        if left != right:
            yield f"{law}: {left:,} is not {right:,}"
    for what, count in figures.wrong.items():
        yield f"{count} of {figures.forks:,} children: {what}"
    if figures.accepted < MIN_EVENTS_A_FORK * figures.forks:
        yield f"no load: {figures.accepted:,} events of the parent's in {figures.forks:,} forks"
    if figures.busy_forks < MIN_SHARE_BUSY * figures.forks:
        yield f"no load: {figures.busy_forks:,} of {figures.forks:,} forks met events on their way"
    if figures.by_children < figures.forks // 2:
        yield f"no traffic of the children's: {figures.by_children:,} events"
