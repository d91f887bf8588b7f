"""The lanes themselves: who joins, who goes on, in which order, and in how few requests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.hold import Hold, Name
from sluiceway.lanes import NO_LANES, LaneKeeper, Lanes
from sluiceway.parcel import Parcel
from sluiceway.vendors.base import Lanes as Page
from sluiceway.vendors.base import Owner

from .fakes import FakeBatch, keeper

NOW = 100.0
KEEPER = keeper()


def parcel(*names: str, first: int = 0) -> Parcel:
    whole = Parcel(FakeBatch(names, range(first, first + len(names))))
    whole.numbers = range(first, first + len(names))
    return whole


def hold(*names: str, until: float = NOW + 30.0) -> Hold:
    """Names as `user:u`, `device:d` or `pair:u:d`."""
    return Hold(frozenset(tuple(name.split(":")) for name in names), until)


def compacted(lanes: Lanes) -> Lanes:
    """What the line does with every value before it hands it on."""
    for parcel in lanes.parcels:
        parcel.compact()
    return lanes


USER_U = hold("user:u")


def held(*names: str, hold: Hold = USER_U, lanes: Lanes = NO_LANES, keeper: LaneKeeper = KEEPER) -> Lanes:
    """Lanes with these events in them, and no other than those of the hold."""
    lanes, line = keeper.hold(lanes, [parcel(*names)], hold, NOW)
    assert line == ()
    return compacted(lanes)


def shown(parcels: Sequence[Parcel]) -> list[str]:
    return [",".join(parcel.batch.ids) for parcel in parcels]


def routed(lanes: Lanes, *names: str, first: int = 50, keeper: LaneKeeper = KEEPER) -> tuple[Lanes, list[str]]:
    lanes, rest = keeper.route(lanes, parcel(*names, first=first), NOW)
    return compacted(lanes), [] if rest is None else rest.batch.ids


# -- who joins


@pytest.mark.parametrize(
    ("name", "joins"),
    [
        ("user:u", ["u/d/1", "u/e/2", "u//3"]),
        ("device:d", ["u/d/1", "v/d/4", "/d/5"]),
        ("pair:u:d", ["u/d/1"]),
        ("pair:u:", ["u//3"]),
        ("pair::", ["nobody"]),
    ],
)
def test_an_event_joins_the_lanes_of_its_names_and_all_others_go_on(name: str, joins: list[str]) -> None:
    events = ["u/d/1", "u/e/2", "u//3", "v/d/4", "/d/5", "v/e/6", "nobody"]
    lanes, rest = routed(Lanes(holds=dict.fromkeys(hold(name).names, NOW + 30.0)), *events)
    assert [name for parcel in lanes.waiting for name in parcel.batch.ids] == joins
    assert rest == [name for name in events if name not in joins]
    assert lanes.ripe_at == NOW + 30.0


def test_a_parcel_without_anybody_who_waits_is_left_as_it_is() -> None:
    lanes = held("u/d/1")
    whole = parcel("v/d/1", "w/d/2")
    assert KEEPER.route(lanes, whole, NOW) == (lanes, whole)


def test_who_is_held_leaves_the_line_and_what_may_go_and_the_rest_keeps_its_place_and_its_wait() -> None:
    lanes = KEEPER.ripen(held("u/d/1", "v/d/2", hold=hold("device:d", until=NOW)), NOW)
    (going,) = compacted(lanes).going
    assert shown([going]) == ["u/d/1,v/d/2"]
    going.due, going.rate_limited, going.hurried = NOW + 4.0, 2, True
    backing_off = parcel("w/e/3", "u/e/4", "x/e/5", first=3)
    backing_off.due, backing_off.asked_until, backing_off.retries, backing_off.backed_off = (
        NOW + 9.0,
        NOW + 8.0,
        3,
        True,
    )
    untouched = parcel("y/e/6", first=6)
    lanes, line = KEEPER.hold(lanes, [backing_off, untouched], hold("user:u"), NOW)
    assert shown(compacted(lanes).waiting) == ["u/d/1,v/d/2,u/e/4"], "v is of the device of what waits, behind it"
    assert lanes.going == ()
    assert shown(line) == ["w/e/3,x/e/5", "y/e/6"]
    assert (line[0].due, line[0].asked_until, line[0].retries, line[0].backed_off) == (NOW + 9.0, NOW + 8.0, 3, True)
    assert line[1] is untouched


def test_what_may_go_and_is_not_concerned_stays_the_same_parcel() -> None:
    lanes = compacted(KEEPER.ripen(held("u/d/1", hold=hold("user:u", until=NOW)), NOW))
    again, _ = KEEPER.hold(lanes, [], hold("user:v"), NOW)
    assert again.going == lanes.going


def test_a_page_that_cannot_read_an_event_does_not_stop_the_others() -> None:
    def owner(event: bytes) -> Owner:
        if b"broken" in event:
            raise ValueError
        return Owner("u")

    broken = LaneKeeper(Page(owner=owner, max_events=9), max_joined_bytes=999, max_batch_events=9)
    lanes, rest = broken.route(Lanes(holds={("user", "u"): NOW}), parcel("broken", "fine"), NOW)
    assert rest is not None
    assert (rest.batch.ids, shown(lanes.waiting)) == (["broken"], ["fine"])
    assert broken.owners(parcel("broken", "fine")) == [Owner(), Owner("u")]


# -- who goes on


def test_nothing_goes_on_before_its_moment_and_names_of_one_answer_go_as_one() -> None:
    names = ["u/d/1", "v/e/2", "w/f/3", "u/d/4"]
    lanes = held(*names, hold=hold("user:u", "user:v", "user:w"))
    assert lanes.ripe_at == NOW + 30.0
    early = KEEPER.ripen(lanes, NOW + 29.9)
    assert (early.going, early.ripe_at) == ((), NOW + 30.0)
    lanes = compacted(KEEPER.ripen(lanes, NOW + 30.0))
    assert shown(lanes.going) == ["u/d/1,v/e/2,w/f/3,u/d/4"]
    assert (lanes.waiting, lanes.ripe_at) == ((), math.inf)


def test_a_name_told_to_wait_twice_waits_for_the_later_of_the_two() -> None:
    lanes = held("u/d/1", hold=hold("user:u", until=NOW + 30.0))
    lanes, _ = KEEPER.hold(lanes, [], hold("user:u", until=NOW + 20.0), NOW)
    assert KEEPER.ripen(lanes, NOW + 20.0).going == ()
    lanes, _ = KEEPER.hold(lanes, [], hold("user:u", until=NOW + 40.0), NOW)
    assert KEEPER.ripen(lanes, NOW + 39.9).going == ()
    assert len(KEEPER.ripen(lanes, NOW + 40.0).going) == 1


def test_an_event_of_two_lanes_waits_for_both_and_makes_the_earlier_one_wait_from_there_on() -> None:
    lanes = held("u/e/0", hold=hold("user:u", until=NOW + 10.0))
    lanes, _ = routed(lanes, "u/f/1", first=1)
    lanes, _ = KEEPER.hold(lanes, [parcel("v/d/2", first=2)], hold("device:d", until=NOW + 20.0), NOW)
    lanes, _ = routed(compacted(lanes), "u/d/3", "u/e/4", "w/d/5", first=3)
    assert lanes.ripe_at == NOW + 10.0
    lanes = compacted(KEEPER.ripen(lanes, NOW + 10.0))
    assert shown(lanes.going) == ["u/e/0,u/f/1"]
    assert lanes.ripe_at == NOW + 20.0
    lanes = compacted(KEEPER.ripen(lanes, NOW + 20.0))
    assert shown(lanes.going) == ["u/e/0,u/f/1", "v/d/2,u/d/3,u/e/4,w/d/5"]


def test_what_was_thrown_back_goes_before_what_lined_up_behind_it() -> None:
    lanes = compacted(KEEPER.ripen(held("u/d/1", "u/d/2", hold=hold("user:u", until=NOW)), NOW))
    lanes, _ = routed(lanes, "u/d/7", first=7)
    lanes, _ = KEEPER.hold(lanes, [], hold("user:u"), NOW)
    assert lanes.going == ()
    lanes = compacted(KEEPER.ripen(compacted(lanes), NOW + 30.0))
    assert shown(lanes.going) == ["u/d/1,u/d/2,u/d/7"]


def test_a_name_stays_a_lane_until_its_last_event_has_ended() -> None:
    lanes = held("u/d/1", hold=hold("user:u", "user:v"))
    assert lanes.stale_at == NOW + 30.0
    lanes = compacted(KEEPER.ripen(lanes, NOW + 30.0))
    assert KEEPER.prune(lanes, NOW + 29.0).holds == lanes.holds
    pruned = KEEPER.prune(lanes, NOW + 30.0)
    assert set(pruned.holds) == {("user", "u")}
    assert pruned.stale_at == math.inf
    assert KEEPER.prune(Lanes(pruned.holds), NOW + 30.0).holds == {}


# -- in how few requests


def test_the_parcels_of_a_lane_are_within_the_limits() -> None:
    small = keeper(max_batch_events=3)
    lanes = held(*[f"u/d/{index}" for index in range(8)], hold=hold("user:u", until=NOW), keeper=small)
    assert shown(compacted(small.ripen(lanes, NOW)).going) == ["u/d/0,u/d/1,u/d/2", "u/d/3,u/d/4,u/d/5", "u/d/6,u/d/7"]
    tight = keeper(max_joined_bytes=23)
    lanes = held(*[f"u/d/{index}" for index in range(7)], hold=hold("user:u", until=NOW), keeper=tight)
    going = compacted(tight.ripen(lanes, NOW)).going
    assert [parcel.batch.nbytes for parcel in going] == [23, 23, 7], "three events and two commas, to the byte"


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    max_batch_events=st.integers(1, 7),
    max_joined_bytes=st.integers(9, 60),
)
def test_whatever_gathers_goes_in_order_and_within_the_limits(
    sizes: list[int], max_batch_events: int, max_joined_bytes: int
) -> None:
    some = keeper(max_batch_events=max_batch_events, max_joined_bytes=max_joined_bytes)
    lanes = Lanes(holds={("user", "u"): NOW + 30.0})
    first = 0
    for size in sizes:
        lanes, _ = routed(lanes, *[f"u/d/{number}" for number in range(first, first + size)], first=first, keeper=some)
        first += size
        assert all(len(parcel) <= max(max_batch_events, *sizes) for parcel in lanes.waiting)
    lanes = compacted(some.ripen(lanes, NOW + 30.0))
    assert [name for parcel in lanes.going for name in parcel.batch.ids] == [f"u/d/{number}" for number in range(first)]
    for this, behind in zip(lanes.going, (*lanes.going[1:], None), strict=True):
        assert len(this) <= max_batch_events
        assert this.batch.nbytes <= max_joined_bytes
        if behind is not None:
            full = len(this) == max_batch_events
            assert full or this.batch.nbytes + 1 + len(behind.batch.event(0)) > max_joined_bytes


def test_few_parcels_wait_and_each_event_is_copied_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    copied = 0
    real = FakeBatch.join

    def join(batches: Sequence[FakeBatch]) -> FakeBatch:
        nonlocal copied
        copied += sum(map(len, batches))
        return real(batches)

    monkeypatch.setattr(FakeBatch, "join", staticmethod(join))
    many = keeper(max_batch_events=100_000, max_joined_bytes=10_000_000)
    lanes = Lanes(holds={("user", "u"): NOW + 30.0})
    for number in range(1_024):
        lanes, _ = routed(lanes, f"u/d/{number}", "v/d/0", "v/d/0", "v/d/0", first=4 * number, keeper=many)
        assert len(lanes.waiting) <= 11
    assert copied <= 1_024 * 12


def test_a_small_part_lets_go_of_the_block_that_it_was_cut_from() -> None:
    events = ["u/d/0", *[f"v/d/{index}" for index in range(20)]]
    lanes, rest = routed(Lanes(holds={("user", "u"): NOW + 30.0}), *events)
    (waiting,) = lanes.waiting
    assert (waiting.batch.block_bytes, waiting.batch.nbytes) == (7, 7)
    assert len(rest) == 20


def test_a_large_part_is_not_copied() -> None:
    events = ["v/d/0", *[f"u/d/{index}" for index in range(20)]]
    whole = parcel(*events)
    lanes, _ = KEEPER.route(Lanes(holds={("user", "u"): NOW + 30.0}), whole, NOW)
    (waiting,) = compacted(lanes).waiting
    assert waiting.batch.block_bytes == whole.batch.block_bytes


def test_what_was_tried_is_forgotten_in_a_lane_but_not_that_it_was() -> None:
    tried = parcel("u/d/1", "u/d/2")
    tried.attempts, tried.retries, tried.sent, tried.first_at = 3, 2, "maybe", 7.0
    for others in ([], [parcel("u/d/3", first=3)]):
        lanes, _ = KEEPER.hold(NO_LANES, [tried, *others], hold("user:u", until=NOW), NOW)
        (going,) = compacted(KEEPER.ripen(compacted(lanes), NOW)).going
        assert (going.attempts, going.retries, going.sent, going.first_at) == (3, 0, "maybe", None)


def test_how_long_an_event_has_been_in_the_lanes_is_kept() -> None:
    lanes = held("u/d/1", hold=hold("user:u", until=NOW))
    lanes, _ = KEEPER.route(lanes, parcel("u/d/2", first=2), NOW + 5.0)
    lanes = compacted(KEEPER.ripen(compacted(lanes), NOW + 5.0))
    lanes, _ = KEEPER.hold(lanes, [], hold("user:u", until=NOW + 40.0), NOW + 10.0)
    (going,) = compacted(KEEPER.ripen(compacted(lanes), NOW + 40.0)).going
    assert [(stay.number, stay.since) for stay in going.stays] == [(0, NOW), (2, NOW + 5.0)]


# -- how much


def test_more_than_the_lanes_hold_drops_the_oldest_whichever_lane_they_are_in() -> None:
    few = keeper(max_events=4)
    lanes = held("u/d/0", "v/d/1", "u/d/2", hold=hold("user:u", "user:v", until=NOW), keeper=few)
    lanes = compacted(few.ripen(lanes, NOW))
    lanes, _ = routed(lanes, "v/d/3", "u/d/4", "w/d/9", "u/d/5", first=3, keeper=few)
    assert sum(map(len, lanes.parcels)) == 6
    trimmed, dropped = few.trim(lanes)
    assert sorted(name for parcel in dropped for name in parcel.batch.ids) == ["u/d/0", "v/d/1"]
    assert shown(trimmed.going) == ["u/d/2"]
    assert sum(map(len, trimmed.parcels)) == 4
    assert few.trim(trimmed) == (trimmed, ())


def test_a_name_that_loses_its_last_event_so_is_a_lane_no_longer() -> None:
    few = keeper(max_events=1)
    lanes = compacted(few.ripen(held("u/d/0", "v/e/1", hold=hold("user:u", "user:v", until=NOW), keeper=few), NOW))
    trimmed, _ = few.trim(lanes)
    assert trimmed.stale_at <= NOW
    assert set(few.prune(trimmed, NOW).holds) == {("user", "v")}


# -- the order, in general

OWNERS = st.tuples(st.sampled_from("uvw"), st.sampled_from("de"))
NAMES: st.SearchStrategy[Name] = st.one_of(
    st.tuples(st.just("user"), st.sampled_from("uvw")),
    st.tuples(st.just("device"), st.sampled_from("de")),
    st.tuples(st.just("pair"), st.sampled_from("uvw"), st.sampled_from("de")),
)


@settings(max_examples=300, deadline=None)
@given(
    owners=st.lists(OWNERS, min_size=1, max_size=12),
    holds=st.dictionaries(NAMES, st.integers(0, 4), min_size=1, max_size=4),
)
def test_each_event_goes_as_soon_as_its_names_and_whatever_is_before_it_let_it(
    owners: list[tuple[str, str]], holds: dict[Name, int]
) -> None:
    """Against the simplest thing that is right: for each event, the latest moment of all that it stands behind."""
    names = [f"{user}/{device}/{number}" for number, (user, device) in enumerate(owners)]
    lanes, _ = routed(Lanes(holds={name: NOW + until for name, until in holds.items()}), *names, first=0)
    moments: dict[str, float] = {}
    for number, (user, device) in enumerate(owners):
        own = {("user", user), ("device", device), ("pair", user, device)} & holds.keys()
        if own:
            behind = [
                moments[names[other]]
                for other in range(number)
                if names[other] in moments
                and own & {("user", owners[other][0]), ("device", owners[other][1]), ("pair", *owners[other])}
            ]
            moments[names[number]] = max([*(NOW + holds[name] for name in own), *behind])
    gone: list[str] = []
    for moment in range(5):
        expected = min((until for name, until in moments.items() if name not in gone), default=math.inf)
        assert lanes.ripe_at <= expected, "nobody is forgotten"
        lanes = compacted(KEEPER.ripen(lanes, NOW + moment))
        gone = [name for parcel in lanes.going for name in parcel.batch.ids]
        assert set(gone) == {name for name, until in moments.items() if until <= NOW + moment}
        assert lanes.ripe_at == min((until for name, until in moments.items() if name not in gone), default=math.inf)
    for user, device in set(owners):
        mine = [name for name in gone if name.startswith(f"{user}/{device}/")]
        assert mine == [name for name in names if name in mine]
