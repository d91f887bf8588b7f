"""The waiting parcels: who is next, and what an interruption cannot do to them."""

from __future__ import annotations

import itertools
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from sluiceway.hold import Hold
from sluiceway.lanes import LaneKeeper
from sluiceway.line import Line
from sluiceway.parcel import Bisection, Parcel, Rest
from sluiceway.vendors.base import Lanes

from .fakes import FakeBatch, keeper, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def batch(name: str, position: int) -> FakeBatch:
    return FakeBatch([name], [position])


def line_of(*batches: FakeBatch | None, line: Line | None = None, now: float = 0.0) -> Line:
    line = line or Line()
    line.inbox += batches
    line.unpack(now)
    return line


def first(line: Line, now: float = 0.0, held_until: float = 0.0) -> Parcel:
    parcel, _ = line.next(now, held_until=held_until, hurried=False, closing=False)
    assert parcel is not None
    return parcel


def test_every_event_out_of_the_ring_is_unsettled_until_it_has_ended() -> None:
    line = Line()
    line.inbox += [batch("a", 0), None, batch("b", 1), batch("c", 2)]
    assert [line.unsettled(mark) for mark in (0, 1, 2, 3)] == [0, 1, 2, 3]
    line.unpack(0.0)
    assert [line.unsettled(mark) for mark in (0, 1, 2, 3)] == [0, 1, 2, 3]
    first(line).end = lambda: 0
    assert line.unsettled(3) == 2
    line.replace(first(line), Rest(), 0.0)
    assert line.unsettled(3) == 2


def test_before_the_end_of_a_hold_nothing_is_due_not_even_what_waited_in_a_lane() -> None:
    line = line_of(FakeBatch(["u/d", "v/d"], [0, 1]), line=Line(keeper()))
    line.replace(first(line), Rest([first(line)], Hold(frozenset({("user", "u")}), 5.0)), 0.0)
    assert line.next(10.0, held_until=20.0, hurried=True, closing=True)[1] == 20.0
    line.replace(first(line), Rest(), 0.0)
    assert line.next(4.0, held_until=20.0, hurried=True, closing=True) == (None, 20.0)
    assert line.next(4.0, held_until=3.0, hurried=True, closing=True) == (None, 5.0)
    line.unpack(5.0)
    assert first(line, 5.0).batch.ids == ["u/d"]
    assert Line().next(10.0, held_until=20.0, hurried=True, closing=True) == (None, 20.0)
    assert Line().next(30.0, held_until=20.0, hurried=True, closing=True) == (None, None)


def test_what_is_left_of_a_parcel_takes_its_place() -> None:
    line = line_of(FakeBatch(["a", "b"], [0, 1]), batch("c", 2))
    line.replace(first(line), Rest(first(line).halves(None)), 0.0)
    order = []
    while not line.empty:
        order += first(line).batch.ids
        line.replace(first(line), Rest(), 0.0)
    assert order == ["a", "b", "c"]


def test_replacing_a_parcel_that_has_left_changes_nothing() -> None:
    line = line_of(batch("a", 0))
    (parcel,) = line.everything(0.0)
    line.clear()
    line_of(batch("b", 1), line=line)
    line.replace(parcel, Rest([parcel]), 0.0)
    assert first(line).batch.ids == ["b"]
    assert len(line.everything(0.0)) == 1


def test_everything_is_what_came_out_of_the_queue_last_as_well() -> None:
    line = line_of(FakeBatch(["u/d", "v/d"], [0, 1]), line=Line(keeper()))
    line.replace(first(line), Rest([first(line)], Hold(frozenset({("user", "u")}), 5.0)), 0.0)
    line.inbox += [FakeBatch(["u/d/2", "w/d"], [2, 3])]
    assert sorted(name for parcel in line.everything(0.0) for name in parcel.batch.ids) == [
        "u/d",
        "u/d/2",
        "v/d",
        "w/d",
    ]
    line.clear()
    assert line.empty
    assert line.unsettled(9) == 0


def watched() -> tuple[Line, list[bytes]]:
    """A line with lanes, and the events that are looked at."""
    looked: list[bytes] = []
    page = Lanes(owner=lambda event: (looked.append(event), owner_of(event))[1], max_events=9)
    return Line(LaneKeeper(page, max_joined_bytes=999, max_batch_events=9)), looked


def test_when_the_last_event_of_a_lane_has_ended_no_batch_is_looked_through_any_more() -> None:
    line, looked = watched()
    line_of(batch("u/d/0", 0), line=line)
    assert looked == []
    line.replace(first(line), Rest([first(line)], Hold(frozenset({("user", "u")}), 5.0)), 0.0)
    line.unpack(5.0)
    line_of(batch("v/d/1", 1), line=line, now=6.0)
    assert looked == [b'"u/d/0"', b'"v/d/1"'], "the lane is there until its event has ended"
    line.replace(first(line), Rest(), 6.0)
    line.replace(first(line), Rest(), 6.0)
    assert line.empty
    line_of(batch("u/d/2", 2), line=line, now=7.0)
    assert len(looked) == 2
    assert first(line, 7.0).batch.ids == ["u/d/2"]


def test_when_the_last_wait_is_over_and_nothing_stands_in_a_lane_no_batch_is_looked_through_any_more() -> None:
    line, looked = watched()
    line_of(batch("u/d/0", 0), line=line)
    line.replace(first(line), Rest([], Hold(frozenset({("user", "u")}), 5.0)), 0.0)
    line_of(batch("v/d/1", 1), line=line, now=4.9)
    assert looked == [b'"v/d/1"']
    line_of(batch("u/d/2", 2), line=line, now=5.0)
    assert looked == [b'"v/d/1"']
    assert first(line, 5.0).batch.ids == ["v/d/1"]


# -- due times


def due(parcel: Parcel, now: float, *, hurried: bool = False, closing: bool = False) -> float | None:
    line = line_of(FakeBatch(["x"], [0]))
    line.replace(first(line), Rest([parcel]), 0.0)
    return line.next(now, held_until=0.0, hurried=hurried, closing=closing)[1]


def test_hurry_cuts_our_own_part_of_a_wait_and_not_what_the_server_asked_for() -> None:
    parcel = Parcel(batch("a", 0))
    parcel.due, parcel.asked_until = 30.0, 12.0
    assert due(parcel, 10.0) == 30.0
    assert due(parcel, 10.0, hurried=True) == 12.0
    assert due(parcel, 10.0, closing=True) == 12.0
    assert due(parcel, 20.0, hurried=True) == 20.0
    assert due(parcel, 40.0, hurried=True) == 30.0
    parcel.hurried = True
    assert due(parcel, 20.0, closing=True) == 30.0, "closing hurries once"


# -- interruptions and other threads


class Interrupted(BaseException):
    """What a tracer raises in these tests, as if another thread had injected it."""


MOVERS = {"unpack", "_enter", "_place", "_trim", "_compact", "compact", "replace"}


def interrupted_at(step: int, run: Callable[[], Any]) -> bool:
    """Run, raising before the given instruction of what changes the line; returns whether there was one."""
    seen = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal seen
        code = frame.f_code
        if code.co_name not in MOVERS or not code.co_filename.endswith(("line.py", "parcel.py")):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            seen += 1
            if seen > step:
                raise Interrupted
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    except Interrupted:
        return True
    finally:
        sys.settrace(before)
    return False


def scene() -> tuple[Line, list[FakeBatch]]:
    """A line with lanes where everything is about to move: views to join, an overflow, a lane that is due."""
    line = Line(keeper(max_events=5))
    line_of(FakeBatch([f"u/d/{index}" for index in range(4)] + ["v/d/4"], range(5)), line=line)
    line.replace(first(line), Rest([first(line)], Hold(frozenset({("user", "u")}), 5.0)), 0.0)
    batches = [FakeBatch(["u/d/5", "w/d/6", "u/d/7"], [5, 6, 7]), FakeBatch(["u/d/8", "w/d/9"], [8, 9])]
    return line, batches


def numbers(parcels: list[Parcel]) -> list[int]:
    """The last digits of the names of all events that can still be ended."""
    return sorted(int(name[-1]) for parcel in parcels for name in cast("FakeBatch", parcel.batch).alive)


def test_unpacking_interrupted_anywhere_and_repeated_loses_nothing_and_does_nothing_twice() -> None:
    for step in itertools.count():
        line, batches = scene()
        line.inbox += batches
        if not interrupted_at(step, partial(line.unpack, 6.0)):
            break
        assert line.unsettled(99) == 10 - sum(map(len, line.surplus)), step
        line.unpack(6.0)
        assert numbers([*line.everything(6.0), *line.surplus]) == list(range(10)), step
    assert step > 300


def test_replacing_interrupted_anywhere_leaves_the_old_line_or_the_new_one() -> None:
    for step in itertools.count():
        line, _ = scene()
        rest = Rest([first(line)], Hold(frozenset({("device", "d")}), 9.0))
        if not interrupted_at(step, partial(line.replace, first(line), rest, 0.0)):
            break
        assert line.unsettled(99) == 5
        line.unpack(0.0)
        assert numbers(line.everything(0.0)) == list(range(5)), step
    assert step > 100


def test_another_thread_counts_each_event_once_while_they_move() -> None:
    line = Line(keeper(max_events=10_000))
    seen: set[int] = set()
    done = threading.Event()
    line.inbox.append(FakeBatch([f"u/d/{index}" for index in range(100)], range(100)))

    def count() -> None:
        while not done.is_set():
            seen.add(line.unsettled(100))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=count)
    thread.start()
    try:
        line.unpack(0.0)
        for turn in range(300):
            hold = Hold(frozenset({("user", "u")}), turn + 1.0)
            line.replace(first(line, turn), Rest([first(line, turn)], hold), float(turn))
            line.unpack(turn + 1.0)
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert seen == {100}


@pytest.mark.parametrize("is_read", ["before", "after"])
def test_a_batch_that_leaves_the_inbox_while_another_thread_reads_it_is_counted_once(is_read: str) -> None:
    line = Line()

    class Inbox(list[Any]):
        """Is unpacked while it is read."""

        def __iter__(self) -> Iterator[Any]:
            read = self[:]
            if self:
                line.unpack(0.0)
            return iter(read if is_read == "before" else self[:])

    line.inbox = Inbox([batch("a", 0)])
    assert line.unsettled(1) == 1


def test_what_the_lanes_have_no_room_for_is_remembered_until_it_is_ended() -> None:
    line, batches = scene()
    for some in batches:
        line_of(some, line=line, now=4.0)
    assert [parcel.batch.ids for parcel in line.surplus] == [["u/d/0"], ["u/d/1"]]
    assert numbers(line.everything(4.0)) == [2, 3, 4, 5, 6, 7, 8, 9]
    line.forget_surplus()
    assert line.surplus == ()


@pytest.mark.parametrize("count", [1, 5])
def test_a_batch_is_let_go_of_when_it_has_been_unpacked(count: int) -> None:
    line = Line(keeper())
    for position in range(count):
        line_of(batch("a", position), line=line)
    assert line._places.unpacked is None


def test_part_of_a_search_for_a_bad_event_does_not_go_elsewhere() -> None:
    line = line_of(FakeBatch(["a"], [0]), FakeBatch(["b"], [1]), FakeBatch(["c"], [2]))
    first, second, third = line.everything(0.0)
    assert line.second is second
    line.leave(second)
    assert line.second is third
    third.bisection = Bisection()
    assert line.second is None
    assert line.everything(0.0) == [first, third]
