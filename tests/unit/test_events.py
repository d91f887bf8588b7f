"""The closer look at a call's arguments: what is taken, what is refused, and how middleware sees the event."""

from __future__ import annotations

import enum
from collections import UserDict
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import InvalidEvent
from sluiceway.events import CheckedEvent, check, from_dict, to_dict
from sluiceway.values import EPOCH
from sluiceway.vendors.segment import SEGMENT

CANARY = "canary-of-the-payload"
ID = UUID("12345678-1234-5678-1234-567812345678")
UTC = timezone.utc
CALLS = {call.name: call for call in SEGMENT.calls}
GOOD: dict[str, dict[str, Any]] = {
    "identify": {"user_id": "u"},
    "track": {"user_id": "u", "event": "E"},
    "page": {"user_id": "u"},
    "screen": {"user_id": "u"},
    "group": {"user_id": "u", "group_id": "g"},
    "alias": {"previous_id": "p", "user_id": "u"},
}


def look(call: str = "track", /, message_id: Any = None, timestamp: Any = None, **arguments: Any) -> CheckedEvent:
    arguments = {**GOOD[call], **arguments}
    values = [arguments.pop(field.argument, None) for field in CALLS[call].fields]
    assert not arguments, "the call has no such argument"
    return check(SEGMENT, CALLS[call], message_id, timestamp, values)


def value_of(event: CheckedEvent, argument: str, name: str = "track") -> Any:
    return dict(zip([field.argument for field in CALLS[name].fields], event.values, strict=True))[argument]


class Text(str):
    def __str__(self) -> str:
        return "not the text"


class Plan(enum.IntEnum):
    PRO = 3


class Index:
    """What numpy's integers are to Python."""

    def __index__(self) -> int:
        return 42


@pytest.mark.parametrize("name", list(GOOD))
def test_the_least_of_every_call_is_taken(name: str) -> None:
    look(name)


@pytest.mark.parametrize(
    ("given_id", "text"),
    [("u", "u"), (7, "7"), (-1, "-1"), (0, "0"), (ID, str(ID)), (Text("u"), "u"), (Plan.PRO, "3"), (Index(), "42")],
)
def test_ids_become_texts(given_id: Any, text: str) -> None:
    taken = value_of(look(user_id=given_id), "user_id")
    assert taken == text
    assert type(taken) is str


@pytest.mark.parametrize(
    ("name", "argument", "value", "told"),
    [
        ("track", "user_id", "", "must not be empty"),
        ("track", "user_id", True, "bool"),
        ("track", "user_id", 1.5, "float"),
        ("track", "user_id", b"canary", "bytes"),
        ("track", "user_id", ["canary"], "list"),
        pytest.param("track", "user_id", 10**5000, "4,300 digits", id="huge"),
        ("track", "anonymous_id", "", "must not be empty"),
        ("track", "event", "", "must not be empty"),
        ("track", "event", None, "is required"),
        ("track", "event", 7, "int"),
        ("track", "properties", CANARY, "str"),
        ("track", "properties", [("a", 1)], "list"),
        ("track", "properties", 0, "int"),
        ("track", "context", CANARY, "str"),
        ("track", "integrations", {CANARY}, "set"),
        ("identify", "traits", CANARY, "str"),
        ("page", "name", 7, "int"),
        ("screen", "category", ID, "UUID"),
        ("group", "group_id", None, "is required"),
        ("group", "group_id", "", "must not be empty"),
        ("alias", "previous_id", None, "is required"),
        ("alias", "user_id", None, "is required"),
        ("alias", "previous_id", "", "must not be empty"),
    ],
)
def test_a_wrong_argument_is_named_with_its_type_and_never_its_value(
    name: str, argument: str, value: Any, told: str
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        look(name, **{argument: value})
    assert caught.value.field == argument
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["identify", "track", "page", "screen", "group"])
def test_one_of_the_ids_is_required(name: str) -> None:
    with pytest.raises(InvalidEvent, match="user_id or anonymous_id is required"):
        look(name, user_id=None)
    look(name, user_id=None, anonymous_id="a")


@pytest.mark.parametrize("argument", ["name", "category"])
def test_the_names_of_pages_may_be_empty(argument: str) -> None:
    assert value_of(look("page", **{argument: ""}), argument, "page") == ""


def test_any_mapping_will_do() -> None:
    mapping = UserDict({"a": 1})
    assert value_of(look(properties=mapping), "properties") is mapping


@pytest.mark.parametrize(
    ("message_id", "text"), [(None, None), ("x", "x"), ("x" * 100, "x" * 100), (ID, str(ID)), (Text("x"), "x")]
)
def test_message_ids(message_id: Any, text: str | None) -> None:
    assert look(message_id=message_id).message_id == text


@pytest.mark.parametrize(
    ("message_id", "told"), [("", "must not be empty"), ("x" * 101, "not 101"), (7, "int"), (b"x", "bytes")]
)
def test_a_wrong_message_id_is_refused(message_id: Any, told: str) -> None:
    with pytest.raises(InvalidEvent, match=told):
        look(message_id=message_id)


class Broken(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        raise ValueError(CANARY)


class NotATime(datetime):
    """What pandas' NaT is: a datetime that does not equal itself."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


FIVE = datetime(2013, 1, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        (None, None),
        (datetime(2013, 1, 1, 5), FIVE),
        (FIVE, FIVE),
        (datetime(2013, 1, 1, 7, tzinfo=timezone(timedelta(hours=2))), FIVE),
        ("2013-01-01T05:00:00Z", FIVE),
        ("2013-01-01t05:00:00z", FIVE),
        ("2013-01-01T05:00:00.000Z", FIVE),
        ("2013-01-01T05:00:00.5Z", FIVE + timedelta(milliseconds=500)),
        ("2013-01-01T05:00:00.123456789Z", FIVE + timedelta(microseconds=123_456)),
        ("2013-01-01T07:00:00.5+02:00", FIVE + timedelta(milliseconds=500)),
        ("2013-01-01 05:00:00", FIVE),
        ("2013-01-01", datetime(2013, 1, 1, tzinfo=UTC)),
        (1_357_016_400, FIVE),
        (1_357_016_400.25, FIVE + timedelta(milliseconds=250)),
        (1_357_016_400_000, FIVE),
        (1_357_016_400_250, FIVE + timedelta(milliseconds=250)),
        (0, EPOCH),
        (-1, EPOCH - timedelta(seconds=1)),
        (Index(), EPOCH + timedelta(seconds=42)),
    ],
)
def test_timestamps_in_every_form_are_one_moment(timestamp: Any, moment: datetime | None) -> None:
    taken = look(timestamp=timestamp).timestamp
    assert taken == moment
    assert taken is None or (type(taken) is datetime and taken.tzinfo is UTC)


@pytest.mark.parametrize(
    "timestamp",
    [
        True,
        "",
        CANARY,
        "2013-13-01",
        date(2013, 1, 1),
        float("nan"),
        float("inf"),
        pytest.param(10**400, id="huge"),
        1_357_016_400_000_000,
        datetime(2013, 1, 1, tzinfo=Broken()),
        datetime(1677, 12, 31),
        "2262-01-01",
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        NotATime(2013, 1, 1),
        [2013],
    ],
    ids=repr,
)
def test_what_is_no_moment_is_refused(timestamp: Any) -> None:
    with pytest.raises(InvalidEvent) as caught:
        look(timestamp=timestamp)
    assert caught.value.field == "timestamp"
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


@given(
    st.datetimes(min_value=datetime(1678, 1, 1), max_value=datetime(2261, 12, 31), timezones=st.just(UTC) | st.none())
)
def test_a_moment_is_what_its_text_is(moment: datetime) -> None:
    assert look(timestamp=moment.isoformat()) == look(timestamp=moment)


def test_middleware_sees_the_event_in_the_vendors_words() -> None:
    event = look(properties={"a": 1}, timestamp=FIVE, message_id="m")
    assert to_dict(SEGMENT, CALLS["track"], event) == {
        "type": "track",
        "messageId": "m",
        "timestamp": FIVE,
        "userId": "u",
        "event": "E",
        "properties": {"a": 1},
    }


@pytest.mark.parametrize("name", list(GOOD))
def test_the_way_through_a_dict_changes_nothing(name: str) -> None:
    event = look(name, message_id="m", timestamp=FIVE)
    assert from_dict(SEGMENT, CALLS[name], to_dict(SEGMENT, CALLS[name], event), event) == event


def test_middleware_cannot_take_the_type_or_a_given_id_away() -> None:
    event = look(message_id="m", timestamp=FIVE)
    told = {"userId": "u", "event": "E", "type": "identify", "messageId": None}
    assert from_dict(SEGMENT, CALLS["track"], told, event) == event


def test_fields_that_middleware_adds_are_kept_beside_the_known_ones() -> None:
    event = look()
    told = {**to_dict(SEGMENT, CALLS["track"], event), "_metadata": {"a": 1}}
    assert from_dict(SEGMENT, CALLS["track"], told, event).extras == {"_metadata": {"a": 1}}


def test_what_middleware_answers_is_checked_again() -> None:
    event = look()
    with pytest.raises(InvalidEvent, match="event is required"):
        from_dict(SEGMENT, CALLS["track"], {"userId": "u"}, event)
