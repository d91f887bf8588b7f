"""What a shape puts around, between and in the place of values: the events of every vendor's form, to the byte."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway._native import Field, Shape

from .engine import HARD, Engine, bare, parsed

ID = UUID("0190163d-8694-739b-aea5-966c26f8ad91")
WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
STAMP = '"timestamp":"2013-01-01T05:00:00.000Z"'


def body(engine: Engine, *values: Any, **stamps: Any) -> str:
    """The one event, as it stands on the wire, behind its stamps."""
    assert engine.push(*values, message_id="m", timestamp=WHEN, **stamps) is True
    [event] = engine.bodies()
    head = b'{"messageId":"m",' + STAMP.encode()
    assert event.startswith(head)
    return event[len(head) :].decode()


def test_what_stands_before_a_field_is_written_given_or_not() -> None:
    fields = [
        Field("a", "text", before=b',"p":{"$lib":"x"'),
        Field("b", "any", default=b"null", before=b',"c":1'),
        Field("d", "any", before=b"}", prefix=b', "e" : ', default=b"[ ]"),
        Field("f", "any", prefix=b',"g":{"h":', before=b',"i":2'),
    ]
    engine = Engine(Shape(b"{", fields, tail=b',"j":3}'))
    assert body(engine) == ',"p":{"$lib":"x","c":1,"b":null}, "e" : [ ],"i":2,"j":3}'
    given = body(engine, "1", 2, 3)
    assert given == ',"p":{"$lib":"x","a":"1","c":1,"b":2}, "e" : 3,"i":2,"j":3}'
    engine = Engine(Shape(b"{", fields, tail=b"}}"))
    assert body(engine, None, None, None, 4) == ',"p":{"$lib":"x","c":1,"b":null}, "e" : [ ],"i":2,"g":{"h":4}}'


def test_a_spread_may_stand_anywhere_and_more_than_once() -> None:
    fields = [
        Field("", "spread"),
        Field("a", "text", before=b',"p":{"q":0'),
        Field("", "spread"),
        Field("b", "text", before=b"}"),
        Field("", "spread", prefix=b',"led":true'),
    ]
    engine = Engine(Shape(b"{", fields))
    x, y, z = {"x": 1, "x2": [{}]}, {"y": {"y2": "\u674e"}}, {"z": None}
    assert body(engine, x, "a", y, "b", z) == (
        ',"x":1,"x2":[{}],"p":{"q":0,"a":"a","y":{"y2":"\u674e"}},"b":"b","led":true,"z":null}'
    )
    assert body(engine, None, None, y) == ',"p":{"q":0,"y":{"y2":"\u674e"}}}'
    assert body(engine, {}, None, {}, None, {}) == ',"p":{"q":0},"led":true}'
    assert body(engine, None, None, None, None, z) == ',"p":{"q":0},"led":true,"z":null}'
    assert body(engine) == ',"p":{"q":0}}'


def test_every_choice_of_given_fields_is_written_in_order() -> None:
    defaults = {1: b"null", 4: b'{"d":4}'}
    fields = [
        Field(f"f{at}", "any", default=defaults.get(at, b""), before=f',"b{at}":{at}'.encode()) for at in range(6)
    ]
    engine = Engine(Shape(b"{", fields))
    for choice in itertools.product((False, True), repeat=6):
        values = [at if given else None for at, given in enumerate(choice)]
        expected: dict[str, Any] = {}
        for at, value in enumerate(values):
            expected[f"b{at}"] = at
            if value is not None or at in defaults:
                expected[f"f{at}"] = value if value is not None else (None if at == 1 else {"d": 4})
        # Those at the end that are absent need not be said.
        last = max((at for at, value in enumerate(values) if value is not None), default=-1)
        for count in range(last + 1, 7):
            assert engine.push(*values[:count]) is True
            assert list(engine.event().items()) == list(expected.items())


def test_as_many_fields_as_a_shape_may_have() -> None:
    engine = Engine(Shape(b"{", [Field(f"f{at}", "int") for at in range(64)]))
    assert engine.push(*range(64)) is True
    assert engine.event() == {f"f{at}": at for at in range(64)}
    for at in range(64):
        assert engine.push(*[None] * at, 7) is True
        assert engine.event() == {f"f{at}": 7}
    assert engine.push(*[None] * 64) is True
    assert engine.event() == {}


def test_more_values_than_fields_are_a_wrong_call() -> None:
    engine = Engine(Shape(b"{", [Field("a", "any")]), Shape(b"{", []))
    for values, shape in (((1, 2), 0), ((1, None), 0), ((None,) * 65, 0), ((1,) * 200, 0), ((None,), 1)):
        for way in (engine.push, engine.admit):
            with pytest.raises(TypeError):
                way(*values, shape=shape)
    assert engine.queue.counters()["accepted"] == 0
    assert engine.push(shape=1) is True


def test_trailing_fields_that_are_absent_take_no_room() -> None:
    few = Engine(Shape(b"{", [Field("a", "text")]))
    many = Engine(Shape(b"{", [Field("a", "text"), *(Field(f"f{at}", "any", default=b"[]") for at in range(63))]))
    for engine, more in ((few, 0), (many, 0), (many, 63)):
        assert engine.push("x", *[None] * more) is True
    sizes = [engine.queue.counters()["reserved_bytes"] for engine in (few, many)]
    assert sizes[1] == 2 * sizes[0]


# -- ids


UPPER = str(ID).upper()
NO_UUIDS = ["", "m", str(ID)[:-1], str(ID) + "0", ID.hex, "{" + str(ID) + "}", "urn:uuid:" + str(ID)]
NO_UUIDS += [str(ID).replace("-", "_"), str(ID).replace("0", "g"), str(ID)[:-1] + "\u0661", " " + str(ID)[1:]]
NO_UUIDS += [str(ID).replace("9", "\u0669"), "-".join(["0" * 9, "0" * 3, "0" * 4, "0" * 4, "0" * 12])]


def test_an_id_of_uuid_format_is_a_uuid_in_any_case() -> None:
    engine = Engine(Shape(b"{", [], id_key="uuid", id_format="uuid"))
    mixed = UPPER[:20] + str(ID)[20:]
    for own, sent in ((ID, str(ID)), (str(ID), str(ID)), (UPPER, UPPER), (mixed, mixed)):
        for way in (engine.push, engine.admit):
            assert way(message_id=own) is True
            batch = engine.batch()
            assert batch.ids == [sent]
            assert parsed(batch.event(0))["uuid"] == sent
    for wrong in (*NO_UUIDS, 7, ID.bytes, ID.int, [str(ID)], True):
        for way in (engine.push, engine.admit):
            assert way(message_id=wrong) == HARD, wrong
    assert engine.push() is True
    [own] = engine.batch().ids
    assert UUID(own).version == 7


def test_a_uuid_is_an_id_where_texts_are_too() -> None:
    engine = Engine(Shape(b"{", [], id_max_chars=36))
    for own in (*NO_UUIDS[1:3], str(ID), "\u674e" * 36):
        assert engine.push(message_id=own) is True
    assert engine.push(message_id=ID) is True
    assert engine.batch().ids == [*NO_UUIDS[1:3], str(ID), "\u674e" * 36, str(ID)]
    for wrong in ("", "x" * 37, 7):
        assert engine.push(message_id=wrong) == HARD
    assert Engine(Shape(b"{", [], id_max_chars=35)).push(message_id=ID) == HARD


# -- times


def moment(engine: Engine, given: Any) -> dict[str, Any] | None:
    """The stamps of an event of this time; None where it is for Python to read."""
    outcome = engine.push(timestamp=given)
    if outcome == HARD:
        return None
    assert outcome is True
    [event] = engine.bodies()
    return parsed(event)


@given(st.integers(-(10**13), 10**13))
def test_a_whole_number_is_seconds_or_milliseconds_by_its_size(number: int) -> None:
    engine = Engine(Shape(b"{", [], time_key="time", time_format="epoch_ms"))
    told = moment(engine, number)
    milliseconds = number * 1000 if abs(number) < 10**11 else number
    # The engine counts nanoseconds in 64 bits.
    if abs(milliseconds) * 10**6 < 2**63:
        assert told is not None
        assert told["time"] == milliseconds
    else:
        assert told is None


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_357_016_400, "2013-01-01T05:00:00.000Z"),
        (1_357_016_400_123, "2013-01-01T05:00:00.123Z"),
        (-1, "1969-12-31T23:59:59.000Z"),
        (10**11, "1973-03-03T09:46:40.000Z"),
        (-(10**11), "1966-10-31T14:13:20.000Z"),
        (WHEN, "2013-01-01T05:00:00.000Z"),
        (True, None),
        (False, None),
        (10**11 - 1, None),
        (2**63, None),
        (-(2**70), None),
        (1.5, None),
        ("2013-01-01", None),
        (UUID(int=1_357_016_400), None),
    ],
)
def test_a_time_is_a_number_or_a_datetime(given: Any, sent: str | None) -> None:
    told = moment(Engine(Shape(b"{", [])), given)
    assert (told and told["timestamp"]) == sent


def test_a_subclass_of_int_is_for_python() -> None:
    class Whole(int):
        pass

    assert moment(Engine(Shape(b"{", [])), Whole(7)) is None


@pytest.mark.parametrize(
    ("time_format", "sent"), [("iso", "2013-01-01T05:00:00.000Z"), ("epoch_ms", 1_357_016_400_000)]
)
def test_a_given_time_is_written_again_right_behind_the_time(time_format: Any, sent: Any) -> None:
    engine = Engine(Shape(b'{"a":1', [Field("b", "any")], given_time_key="original", time_format=time_format))
    for moment_given in (WHEN, 1_357_016_400, 1_357_016_400_000):
        for way in (engine.push, engine.admit):
            assert way(2, timestamp=moment_given, message_id="m") is True
            [event] = engine.bodies()
            assert list(parsed(event).items()) == [
                *(("a", 1), ("messageId", "m"), ("timestamp", sent), ("original", sent), ("b", 2))
            ]
    assert engine.push(2) is True
    [event] = engine.bodies()
    assert list(parsed(event)) == ["a", "messageId", "timestamp", "b"]


def test_without_such_a_key_a_given_time_is_written_once() -> None:
    engine = Engine(Shape(b"{", []))
    assert engine.push(timestamp=WHEN) is True
    [event] = engine.bodies()
    assert bare(event) == {}


@pytest.mark.parametrize("time_format", ["iso", "epoch_ms"])
@pytest.mark.parametrize("given", [None, 1_357_016_400])
def test_the_limit_counts_constant_text_and_both_times_to_the_byte(time_format: Any, given: int | None) -> None:
    fields = [
        Field("a", "text", before=b',"p":{"$lib":"x"'),
        Field("", "spread"),
        Field("b", "any", before=b"}", default=b"0"),
    ]
    shape = Shape(b'{"h":1', fields, given_time_key="original", time_format=time_format, tail=b',"t":2}')
    sizes = Engine(shape)
    values = ("x" * 50, {"y": "\n" * 20})
    assert sizes.push(*values, timestamp=given) is True
    [event] = sizes.bodies()
    for limit, outcome in ((len(event), True), (len(event) - 1, 5)):
        engine = Engine(shape, max_event_bytes=limit)
        assert engine.push(*values, timestamp=given) == outcome
        if outcome == 5:
            assert engine.queue.refused_bytes() == len(event)


def test_a_second_time_is_counted_before_anything_is_measured() -> None:
    """Far below the limit nothing is measured at the call; what brings an event near it counts from the first byte."""
    key = "k" * 300
    shape = Shape(b"{", [Field("a", "text")], given_time_key=key)

    def first_measured(timestamp: datetime | None) -> int:
        engine = Engine(shape, max_event_bytes=6_000)
        # As JSON each takes six times as much: what is measured is refused.
        return next(n for n in range(2_000, 3_000) if engine.push("\1" * n, timestamp=timestamp, message_id=ID) == 5)

    assert first_measured(None) - first_measured(WHEN) == len(f',"{key}":{STAMP}') - len('"timestamp":')
