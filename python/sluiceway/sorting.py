"""Which events of a request a verdict speaks of, named by index, by id or by whose they are. Pure.

Nothing in an answer is trusted to fit the request: what names none of its events is ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from sluiceway.hold import Name, names_of
from sluiceway.vendors.base import Owner
from sluiceway.verdict import Mixed, Named, Partial, Throttled


class Sorted(msgspec.Struct, frozen=True):
    """What becomes of each event of a request, by its index, in ascending order. Each has one place."""

    failed: dict[str, list[int]] = {}
    """By the reason they end under."""
    delivered: list[int] = []
    again: list[int] = []
    names: frozenset[Name] = frozenset()
    """Who has to wait from now on. Their events are part of `again`."""

    @property
    def names_nobody(self) -> bool:
        """Whether the verdict speaks of no event of the request."""
        return not (self.failed or self.delivered or self.names)


def sort_partial(verdict: Partial, count: int) -> Sorted:
    """Sort the events of a request of so many."""
    failed = {index: reason for index, reason in verdict.failed.items() if 0 <= index < count}
    return Sorted(failed=_by_reason(failed), again=[index for index in range(count) if index not in failed])


def sort_mixed(verdict: Mixed, ids: Sequence[str]) -> Sorted:
    """Sort the events of these ids."""
    reasons = {name.lower(): reason for name, reason in verdict.failed.items()}
    wanted = {name.lower() for name in verdict.again}
    failed: dict[int, str] = {}
    again: list[int] = []
    delivered: list[int] = []
    for index, name in enumerate(map(str.lower, ids)):
        if name in reasons:
            failed[index] = reasons[name]
        elif name in wanted:
            again.append(index)
        else:
            delivered.append(index)
    return Sorted(failed=_by_reason(failed), delivered=delivered, again=again)


def sort_throttled(verdict: Throttled, owners: Sequence[Owner], overdue: Collection[int]) -> Sorted:
    """Sort the events of these owners. Of those that have to wait, the overdue ones have waited for too long."""
    failed = {index: "rejected" for index, owner in enumerate(owners) if _is_named(verdict.failed, index, owner)}
    names: set[Name] = set()
    for index, owner in enumerate(owners):
        names.update(_lanes(verdict.later, index, owner, is_failed=index in failed))
    for index, owner in enumerate(owners):
        if index in overdue and not names.isdisjoint(names_of(owner)):
            failed.setdefault(index, "expired")
    again = [index for index in range(len(owners)) if index not in failed]
    return Sorted(failed=_by_reason(failed), again=again, names=frozenset(names))


def _is_named(named: Named, index: int, owner: Owner) -> bool:
    return index in named.indices or _user_is_in(named, owner) or _device_is_in(named, owner)


def _user_is_in(named: Named, owner: Owner) -> bool:
    return bool(owner.user) and owner.user in named.users


def _device_is_in(named: Named, owner: Owner) -> bool:
    return bool(owner.device) and owner.device in named.devices


def _lanes(later: Named, index: int, owner: Owner, *, is_failed: bool) -> list[Name]:
    """The names under which an event makes others wait. One that failed does so for its user and device only."""
    user, device, pair = names_of(owner)
    lanes: list[Name] = []
    if _user_is_in(later, owner):
        lanes.append(user)
    if _device_is_in(later, owner):
        lanes.append(device)
    if not lanes and index in later.indices and not is_failed:
        lanes.append(pair)
    return lanes


def _by_reason(reasons: dict[int, str]) -> dict[str, list[int]]:
    failed: dict[str, list[int]] = {}
    for index in sorted(reasons):
        failed.setdefault(reasons[index], []).append(index)
    return failed
