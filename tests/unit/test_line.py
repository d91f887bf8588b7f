"""The waiting parcels: who is next, and what an interruption cannot do to them."""

from __future__ import annotations

from sluiceway.line import Line
from sluiceway.parcel import Parcel, Rest

from .fakes import FakeBatch


def batch(name: str, position: int) -> FakeBatch:
    return FakeBatch([name], [position])


def first(line: Line, now: float = 0.0, held_until: float = 0.0) -> Parcel:
    parcel, _ = line.next(now, held_until=held_until, hurried=False, closing=False)
    assert parcel is not None
    return parcel


def test_every_event_out_of_the_ring_is_unsettled_until_it_has_ended() -> None:
    line = Line()
    line.inbox += [batch("a", 0), None, batch("b", 1), batch("c", 2)]
    assert [line.unsettled(mark) for mark in (0, 1, 2, 3)] == [0, 1, 2, 3]
    line.unpack()
    assert [line.unsettled(mark) for mark in (0, 1, 2, 3)] == [0, 1, 2, 3]
    first(line).ended = True
    assert line.unsettled(3) == 2
    line.replace(first(line), Rest())
    assert line.unsettled(3) == 2


def test_unpacking_interrupted_between_its_steps_and_repeated_does_nothing_twice() -> None:
    line = Line()
    line.inbox += [batch("a", 0), batch("b", 1)]
    line.unpack()
    # As if interrupted when the last batch had joined the line and not left the inbox.
    line.inbox.append(line.take_all()[-1].batch)
    line.inbox.append(line.inbox[0])
    line.unpack()
    assert line.unsettled(9) == 1


def test_before_the_end_of_a_hold_nothing_is_due_not_even_what_waits_aside() -> None:
    line = Line()
    line.inbox.append(FakeBatch(["a", "b"], [0, 1]))
    line.unpack()
    late, on_time = (first(line).part(half) for half in first(line).batch.split_at(1))
    late.due = 5.0
    line.replace(first(line), Rest([on_time], [late]))
    assert line.next(10.0, held_until=20.0, hurried=True, closing=True)[1] == 20.0
    assert line.next(30.0, held_until=20.0, hurried=False, closing=False)[0] in (late, on_time)
    assert Line().next(10.0, held_until=20.0, hurried=True, closing=True) == (None, 20.0)
    assert Line().next(30.0, held_until=20.0, hurried=True, closing=True) == (None, None)


def test_what_is_left_of_a_parcel_takes_its_place() -> None:
    line = Line()
    line.inbox += [FakeBatch(["a", "b"], [0, 1]), batch("c", 2)]
    line.unpack()
    parcel = first(line)
    line.replace(parcel, Rest([parcel.part(half) for half in parcel.batch.split_at(1)]))
    order = []
    while not line.empty:
        order += first(line).batch.ids
        line.replace(first(line), Rest())
    assert order == ["a", "b", "c"]


def test_replacing_a_parcel_that_has_left_changes_nothing() -> None:
    line = Line()
    line.inbox.append(batch("a", 0))
    line.unpack()
    (parcel,) = line.take_all()
    line.inbox.append(batch("b", 1))
    line.unpack()
    line.replace(parcel, Rest([parcel]))
    assert first(line).batch.ids == ["b"]
