"""Which events an answer means: tables of answers that fit the request, and of those that do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.sorting import Sorted, sort_mixed, sort_partial, sort_throttled
from sluiceway.vendors.base import Owner
from sluiceway.verdict import Mixed, Named, Partial, Throttled


@pytest.mark.parametrize(
    ("failed", "is_sorted"),
    [
        ({1: "rejected"}, Sorted(failed={"rejected": [1]}, again=[0, 2])),
        ({2: "rejected", 0: "rejected"}, Sorted(failed={"rejected": [0, 2]}, again=[1])),
        ({0: "rejected", 2: "expired"}, Sorted(failed={"rejected": [0], "expired": [2]}, again=[1])),
        ({0: "rejected", 3: "rejected", -1: "rejected"}, Sorted(failed={"rejected": [0]}, again=[1, 2])),
        (dict.fromkeys(range(9), "rejected"), Sorted(failed={"rejected": [0, 1, 2]})),
        ({3: "rejected"}, Sorted(again=[0, 1, 2])),
        ({}, Sorted(again=[0, 1, 2])),
    ],
)
def test_indices_outside_the_request_are_ignored(failed: dict[int, str], is_sorted: Sorted) -> None:
    assert sort_partial(Partial(failed=failed), 3) == is_sorted


IDS = ["A1", "b2", "c3", "b2"]


@pytest.mark.parametrize(
    ("failed", "again", "is_sorted"),
    [
        ({}, [], Sorted(delivered=[0, 1, 2, 3])),
        ({"a1": "rejected"}, [], Sorted(failed={"rejected": [0]}, delivered=[1, 2, 3])),
        ({}, ["C3"], Sorted(again=[2], delivered=[0, 1, 3])),
        ({"b2": "rejected"}, ["b2", "c3"], Sorted(failed={"rejected": [1, 3]}, again=[2], delivered=[0])),
        ({"zz": "rejected"}, ["yy", ""], Sorted(delivered=[0, 1, 2, 3])),
        ({}, ["a1", "b2", "c3"], Sorted(again=[0, 1, 2, 3])),
        ({"a1": "too_big", "c3": "rejected"}, [], Sorted(failed={"too_big": [0], "rejected": [2]}, delivered=[1, 3])),
    ],
)
def test_ids_are_compared_without_regard_to_case_and_ids_of_nobody_are_ignored(
    failed: dict[str, str], again: list[str], is_sorted: Sorted
) -> None:
    assert sort_mixed(Mixed(failed=failed, again=frozenset(again)), IDS) == is_sorted


def test_a_mixed_verdict_that_names_nobody_has_delivered_all() -> None:
    assert not sort_mixed(Mixed(), IDS).names_nobody
    assert sort_partial(Partial({9: "rejected"}), 3).names_nobody


OWNERS = [Owner("u", "d"), Owner("u", "e"), Owner("v", "d"), Owner("v", ""), Owner("", "e"), Owner()]
U, D = ("user", "u"), ("device", "d")


def named(*indices: int, users: str = "", devices: str = "") -> Named:
    return Named(frozenset(indices), frozenset(users.split()), frozenset(devices.split()))


@pytest.mark.parametrize(
    ("failed", "later", "ends", "names"),
    [
        (named(), named(users="u"), [], {U}),
        (named(), named(devices="d"), [], {D}),
        (named(), named(users="u", devices="d"), [], {U, D}),
        # By index alone: the exact pair, also one without a device, and nobody's.
        (named(), named(0), [], {("pair", "u", "d")}),
        (named(), named(3, 5), [], {("pair", "v", ""), ("pair", "", "")}),
        # By index and by name: the name.
        (named(), named(0, 1, users="u"), [], {U}),
        (named(), named(0, 2, users="u"), [], {U, ("pair", "v", "d")}),
        (named(), named(0, users="u", devices="d"), [], {U, D}),
        # Out of range, strangers, and names that are none.
        (named(), named(-1, 6, 99, users="w", devices="f"), [], set()),
        (named(users="w", devices="f"), named(), [], set()),
        (Named(users=frozenset([""]), devices=frozenset([""])), named(), [], set()),
        (named(), Named(users=frozenset([""]), devices=frozenset([""])), [], set()),
        (named(), named(), [], set()),
        # Failed by index, by user, by device.
        (named(1, 9), named(), [1], set()),
        (named(users="u"), named(), [0, 1], set()),
        (named(5, users="v", devices="e"), named(), [1, 2, 3, 4, 5], set()),
        # In both: failed, and yet further events of the same user wait.
        (named(users="u"), named(users="u"), [0, 1], {U}),
        (named(0), named(0), [0], set()),
        (named(0), named(0, devices="d"), [0], {D}),
        (named(users="u"), named(0, 1, 2), [0, 1], {("pair", "v", "d")}),
    ],
)
def test_who_is_named_fails_or_waits(failed: Named, later: Named, ends: list[int], names: set[tuple[str, ...]]) -> None:
    parts = sort_throttled(Throttled(failed=failed, later=later), OWNERS, ())
    assert parts.failed == ({"rejected": ends} if ends else {})
    assert parts.again == [index for index in range(6) if index not in ends]
    assert parts.names == names
    assert parts.names_nobody == (not ends and not names)


def test_who_has_waited_for_too_long_ends_when_told_to_wait_again() -> None:
    verdict = Throttled(failed=named(1), later=named(users="u", devices="e"))
    parts = sort_throttled(verdict, OWNERS, {0, 1, 2, 4})
    assert parts.failed == {"rejected": [1], "expired": [0, 4]}
    assert parts.again == [2, 3, 5]
    assert parts.names == {U, ("device", "e")}


@given(
    count=st.integers(1, 8),
    failed=st.frozensets(st.integers(-2, 9)),
    later=st.frozensets(st.integers(-2, 9)),
    overdue=st.frozensets(st.integers(0, 7)),
)
def test_each_event_has_one_place(
    count: int, failed: frozenset[int], later: frozenset[int], overdue: frozenset[int]
) -> None:
    owners = [Owner("uvw"[index % 3], "de"[index % 2]) for index in range(count)]
    parts = sort_throttled(Throttled(failed=Named(failed), later=Named(later)), owners, overdue)
    places = [*parts.again, *parts.delivered, *(index for indices in parts.failed.values() for index in indices)]
    assert sorted(places) == list(range(count))
