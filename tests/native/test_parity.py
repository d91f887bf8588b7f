"""Rows 60 and 61: the encoder against Python's own `json`, on arbitrary values. What arrives is what was given.

The documented differences, and no others: a float that is no number becomes null, a lone surrogate U+FFFD, an integer
of more than 308 digits a text and of more than 4,300 the text `<int>`, times and UUIDs their text.
"""

from __future__ import annotations

import enum
import json
import math
import struct
import sys
from collections import OrderedDict, namedtuple
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluiceway.events import is_visible

from .clients import HEAD, ROOMY, TAIL, Kept, Ringed, strict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

many = settings(deadline=None, max_examples=100)
some = settings(deadline=None, max_examples=30)

KEPT = Kept(**ROOMY)
LONG_WAY = Kept(**ROOMY, middleware=[lambda event: event])


class Text(str):
    """A text whose methods lie."""

    __slots__ = ()

    def __str__(self) -> str:
        return "a lie"

    __repr__ = __str__

    def __len__(self) -> int:
        return 10**9

    def encode(self, *_: Any) -> bytes:  # type: ignore[override]
        return b"a lie"


class Whole(int):
    def __str__(self) -> str:
        return "a lie"

    __repr__ = __str__

    def __index__(self) -> int:
        return 666

    __int__ = __index__


class Real(float):
    def __float__(self) -> float:
        return 666.0

    def __repr__(self) -> str:
        return "a lie"


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 2**70


class Word(str, enum.Enum):
    YES = 'yes "\u2028"'


Pair = namedtuple("Pair", "left right")

TRAPS = '\0\x01\x08\t\n\x0b\x0c\r\x1b\x1f "/\\\x7f\x80\x9f\xa0\xff\u0100\u07ff\u0800\u200b\u2028\u2029\ud7ff'
TRAPS += "\ud800\udbff\udc00\udfff\ue000\ufdd0\ufeff\ufffd\ufffe\uffff"
TRAPS += "\U00010000\U0001d11e\U0001f600\U0001fffe\U0010fffe\U0010ffff"

characters = st.characters(exclude_categories=()) | st.sampled_from(TRAPS)
texts = st.text(characters, max_size=80)
EDGES = [2**power + step for power in (0, 7, 8, 15, 16, 31, 32, 53, 63, 64, 127, 128) for step in (-1, 0, 1)]
TENS = [10**power + step for power in (307, 308, 309, 4299, 4300) for step in (-1, 0, 1)]
ints = st.one_of(
    st.integers(),
    st.integers(-(10**320), 10**320),
    # By their place: Python refuses to print the largest, and a strategy's repr would.
    st.builds(
        lambda at, sign: sign * (EDGES + TENS)[at], st.integers(0, len(EDGES + TENS) - 1), st.sampled_from((1, -1))
    ),
)
SPECIAL = [
    0.0,
    -0.0,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    2.0**53 - 1,
    2.0**53,
    2.0**53 + 2,
    1e15,
    1e16,
]
SPECIAL += [
    1e17,
    1e21,
    1e22,
    1e23,
    0.1,
    0.3,
    1e-4,
    1e-5,
    1e-7,
    9.5e-7,
    123456789.125,
    math.pi,
    math.nan,
    math.inf,
    -math.inf,
]
floats = st.one_of(
    st.floats(),
    st.sampled_from(SPECIAL),
    # Every pattern of bits that is a double, evenly: `floats` likes round ones.
    st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0]),
)
zones = st.sampled_from(
    [None, timezone.utc, timezone(timedelta(0), "UTC"), timezone(timedelta(hours=-11, minutes=-30))]
)
times = st.datetimes(timezones=zones) | st.datetimes().map(lambda moment: moment.replace(microsecond=0))
leaves = st.one_of(
    st.none(),
    st.booleans(),
    texts,
    ints,
    floats,
    times,
    st.uuids(),
    texts.map(Text),
    ints.map(Whole),
    floats.map(Real),
    st.sampled_from(Level),
    st.sampled_from(Word),
)


def containers(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inside, max_size=6),
        st.lists(inside, max_size=6).map(tuple),
        st.dictionaries(texts, inside, max_size=6),
        st.dictionaries(texts, inside, max_size=3).map(OrderedDict),
        st.tuples(inside, inside).map(lambda both: Pair(*both)),
    )


trees = st.recursive(leaves, containers, max_leaves=16)
properties = st.dictionaries(texts, trees, max_size=8)


class Replaced:
    """The documented differences, applied by hand, and counted."""

    def __init__(self) -> None:
        self.counts = {"nonfinite": 0, "surrogate": 0, "integer": 0}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._text(key): self(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self(each) for each in value]
        for kind, said in self._kinds:
            if isinstance(value, kind):
                return said(value)
        return value

    @property
    def _kinds(self) -> list[tuple[type, Callable[[Any], Any]]]:
        return [
            (bool, bool),
            (str, self._text),
            (int, self._int),
            (float, self._float),
            (UUID, str),
            (datetime, moment),
        ]

    def _float(self, value: float) -> float | None:
        number = float.__float__(value)
        if math.isfinite(number):
            return number
        self.counts["nonfinite"] += 1
        return None

    def _text(self, text: str) -> str:
        text = str.__str__(text)
        sound = "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text)
        self.counts["surrogate"] += sum("\ud800" <= each <= "\udfff" for each in text)
        return sound

    def _int(self, value: int) -> int | str:
        number = int.__int__(value)
        if abs(number) < 10**308:
            return number
        self.counts["integer"] += 1
        return str(number) if abs(number) < 10**4300 else "<int>"


def moment(value: datetime) -> str:
    """RFC 3339 in UTC, with microseconds where there are any below a millisecond."""
    try:
        value = value.replace(tzinfo=value.tzinfo or timezone.utc).astimezone(timezone.utc)
    except OverflowError:
        return value.isoformat()
    precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def alike(one: Any, other: Any) -> bool:
    """Equal in value, in type, in the order of keys, and floats bit for bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    return bool(one == other)


def counts(client: Kept) -> dict[str, int]:
    return {"nonfinite": 0, "surrogate": 0, "integer": 0, **client.stats().replaced}


def check(client: Kept, value: dict[str, Any]) -> None:
    client.clear()
    before = counts(client)
    assert client.track("u", "E", value) is True
    replaced = Replaced()
    expected = json.loads(json.dumps(replaced(value)))
    assert alike(strict(client.memory.requests[0].body)["batch"][0]["properties"], expected)
    after = counts(client)
    assert {name: after[name] - before[name] for name in after} == replaced.counts
    assert client.stats().balanced


@pytest.fixture(autouse=True)
def any_digits() -> Iterator[None]:
    """Let `json` of the reference print integers of 4,300 digits and read them back."""
    if not hasattr(sys, "get_int_max_str_digits"):
        yield
        return
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(10_000)
    yield
    sys.set_int_max_str_digits(limit)


@many
@given(properties)
@example({"": {"": {"": []}}})
@example({"": 1, "\0": 2, "\0\0": 3, "\ufeff": 4})
@example(dict(zip(("\ud800", "\udfff", "\ufffd"), range(3), strict=True)))
@example({"pair": "\ud83d\ude00", "half": "\ud83d", "swapped": "\ude00\ud83d"})
@example({"n": [math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 2.0**53 + 1]})
@example({"i": [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, Whole(2**64), Level.HIGH]})
@example({"d": [datetime.min, datetime.max, datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))]})
@example({"t": TRAPS, TRAPS: [Text(TRAPS)]})
def test_any_event_arrives_as_json_itself_would_have_said_it(value: dict[str, Any]) -> None:
    check(KEPT, value)


@some
@given(properties)
@example(
    {"n": [math.nan, Real("inf")], "s": ["\ud800", Text("\udfff\udfff")], "i": [10**308, -(10**4300), Whole(10**309)]}
)
def test_the_long_way_through_python_says_the_same(value: dict[str, Any]) -> None:
    check(LONG_WAY, value)


@some
@given(st.lists(properties, max_size=6))
def test_names_met_again_and_again_stay_themselves(values: list[dict[str, Any]]) -> None:
    # From its third meeting a name stands in the ring as a number; the numbers are a client's own.
    client = Kept(**ROOMY)
    for value in values * 4:
        check(client, value)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 200])
def test_names_that_differ_in_one_character_are_never_taken_for_each_other(length: int) -> None:
    client = Kept(**ROOMY)
    base = "k" * length
    names = [base, *(base[:at] + other + base[at + 1 :] for at in range(length) for other in 'j"\x1f')]
    for _ in range(4):
        check(client, {name: number for number, name in enumerate(names)})


def test_more_names_than_the_table_holds_all_arrive() -> None:
    client = Kept(**ROOMY)
    for _ in range(4):
        for start in range(0, 5_000, 500):
            check(client, {f"name-{number}": number for number in range(start, start + 500)})


@many
@given(texts.filter(is_visible), texts.filter(bool), texts, texts.filter(bool))
@example("\ufeffx", "\0", "\ud800", "\U0010ffff")
@example("\u674e", "\0", "\ud800", "\U0010ffff")
def test_ids_names_and_categories_hold_any_text(user: str, event: str, name: str, own: str) -> None:
    KEPT.clear()
    before = counts(KEPT)["surrogate"]
    assert KEPT.track(user, event, anonymous_id=user, message_id=own) is True
    assert KEPT.page(user, name, name, anonymous_id=user, message_id=own) is True
    tracked, viewed = (strict(request.body)["batch"][0] for request in KEPT.memory.requests)
    sound = Replaced()
    given_names = ("userId", user), ("event", event), ("anonymousId", user), ("messageId", own)
    assert {key: tracked[key] for key, _ in given_names} == {key: sound(text) for key, text in given_names}
    given_names = ("userId", user), ("category", name), ("name", name), ("anonymousId", user), ("messageId", own)
    assert {key: viewed[key] for key, _ in given_names} == {key: sound(text) for key, text in given_names}
    assert counts(KEPT)["surrogate"] - before == sound.counts["surrogate"]


@some
@given(properties, properties, properties)
def test_every_map_of_a_call_is_written_alike(traits: Any, context: Any, integrations: Any) -> None:
    KEPT.clear()
    KEPT.group("u", "g", traits, context, integrations=integrations)
    event = strict(KEPT.memory.requests[0].body)["batch"][0]
    sound = Replaced()
    library = event["context"].pop("library")
    assert library == context.get("library", {"name": "sluiceway", "version": library["version"]})
    context.pop("library", None)
    assert alike(event["traits"], json.loads(json.dumps(sound(traits))))
    assert alike(event["context"], json.loads(json.dumps(sound(context))))
    assert alike(event["integrations"], json.loads(json.dumps(sound(integrations))))


@some
@given(st.dictionaries(texts.filter(lambda key: key not in EVENT_KEYS), trees, max_size=6))
def test_fields_that_middleware_adds_are_written_alike(extras: dict[str, Any]) -> None:
    memory = ADDING.memory
    memory.clear()
    ADDED.clear()
    ADDED.update(extras)
    assert ADDING.track("u", "E") is True
    event = strict(memory.requests[0].body)["batch"][0]
    expected = json.loads(json.dumps(Replaced()(extras)))
    assert alike({key: value for key, value in event.items() if key not in EVENT_KEYS}, expected)


ADDED: dict[str, Any] = {}
ADDING = Kept(**ROOMY, middleware=[lambda event: {**event, **ADDED}])
EVENT_KEYS = {
    "type",
    "messageId",
    "timestamp",
    "userId",
    "anonymousId",
    "event",
    "properties",
    "context",
    "integrations",
}

keys = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)


@many
@given(st.dictionaries(keys, st.integers(), max_size=8))
@example({1: 1, "1": 2, "True": 3})
@example({True: 1, "true": 2, "1": 3})
@example({None: 1, "null": 2, "None": 3, False: 4, "false": 5})
def test_keys_become_the_texts_that_json_makes_of_them(value: dict[Any, int]) -> None:
    KEPT.clear()
    assert KEPT.track("u", "E", {"m": value}) is True
    arrived = strict(KEPT.memory.requests[0].body)["batch"][0]["properties"]["m"]
    assert arrived == json.loads(json.dumps(Replaced()(in_text(value))))


def in_text(value: dict[Any, int]) -> dict[str, int]:
    """What `json` makes of the keys; of two that are equal then, the last."""
    return {key if isinstance(key, str) else json.loads(json.dumps({key: 0})).popitem()[0]: value[key] for key in value}


common = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(characters.filter(lambda c: not "\ud800" <= c <= "\udfff")),
    lambda inside: st.lists(inside, max_size=6) | st.dictionaries(st.text(max_size=60), inside, max_size=6),
    max_leaves=16,
)


@many
@given(st.dictionaries(st.text(max_size=70), common, max_size=8))
def test_texts_and_whole_numbers_have_the_bytes_that_msgspec_gives_them(value: dict[str, Any]) -> None:
    KEPT.clear()
    KEPT.track("u", "E", value)
    assert b'"properties":' + msgspec.json.encode(value) + b',"context"' in KEPT.last()


@many
@given(floats.filter(math.isfinite))
def test_floats_have_the_shortest_digits_and_stay_floats(number: float) -> None:
    KEPT.clear()
    KEPT.track("u", "E", {"f": number})
    text = KEPT.last().partition(b'"f":')[2].partition(b"}")[0].decode()
    assert Decimal(text).as_tuple().sign == (math.copysign(1, number) < 0)
    assert Decimal(text) == Decimal(repr(number))
    assert len(Decimal(text).normalize().as_tuple().digits) == len(Decimal(repr(number)).normalize().as_tuple().digits)
    assert set(text) & set(".eE"), "a whole float is still a float to its reader"


@some
@given(st.lists(properties, min_size=1, max_size=12))
def test_a_body_of_many_events_is_the_json_of_each(values: list[dict[str, Any]]) -> None:
    client = RINGED
    for value in values:
        assert client.track("u", "E", value) is True
    events = client.take()
    expected = [json.loads(json.dumps(Replaced()(value))) for value in values]
    assert alike([strict(event)["properties"] for event in events], expected)
    body = HEAD + b",".join(events) + TAIL
    assert [strict(event) for event in events] == strict(body)["batch"]


RINGED = Ringed(**ROOMY)


def test_replacements_of_a_refused_event_are_not_counted() -> None:
    client = Kept()
    odd = {"n": [math.nan, "\ud800", 10**400]}
    assert client.track("u", "E", {**odd, "x": "x" * 40_000}) is False
    assert client.track("u", "", odd) is False
    assert client.track("u", "E", {**odd, "cycle": endless()}) is False
    assert client.stats().replaced == {}
    assert client.track("u", "E", odd) is True
    assert client.stats().replaced == {"nonfinite": 1, "surrogate": 1, "integer": 1}


def endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="this Python has no such limit")
@pytest.mark.parametrize("digits", [308, 309, 640, 641, 4_300, 4_301, 100_000])
def test_an_interpreter_without_a_limit_on_digits_sends_the_same(digits: int) -> None:
    number = 10 ** (digits - 1)
    sys.set_int_max_str_digits(0)
    client = Kept()
    assert client.track("u", "E", {"n": number}) is True
    assert client.memory.events[0]["properties"] == {"n": Replaced()(number)}
    assert client.stats().replaced == ({"integer": 1} if digits > 308 else {})


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="this Python has no such limit")
@pytest.mark.parametrize("digits", [640, 641, 4_300, 4_301])
def test_an_interpreter_with_a_lower_limit_on_digits_loses_nothing_in_silence(digits: int) -> None:
    number = 10 ** (digits - 1)
    sys.set_int_max_str_digits(640)
    client = Kept()
    if client.track("u", "E", {"n": number}):
        assert client.memory.events[0]["properties"]["n"] in (str(number) if digits <= 640 else "", "<int>")
    else:
        assert client.stats().refused == {"unserializable": 1}
    assert client.stats().balanced
