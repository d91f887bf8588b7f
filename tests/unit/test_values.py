"""The table of values: what every kind of Python value becomes, and that no value can cost more than an event may."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import math
import pathlib
import re
import time
import types
import uuid
from collections import ChainMap, OrderedDict, UserDict, UserList, UserString, deque, namedtuple
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock_time
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.values import EPOCH, MAX_DEPTH, Plain, TooLarge, Unserializable, to_utc

LIMIT = 32_768
CEST = timezone(timedelta(hours=2))
ID = UUID("12345678-1234-5678-1234-567812345678")


def plain(value: Any, default: Any = None, limit: int = LIMIT) -> Any:
    return Plain(limit, default)(value)


class Colour(enum.Enum):
    RED = "red"
    NESTED = (1, "two")


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    YES = "yes"


class MyStr(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not the text"


class MyInt(int):
    pass


class MyFloat(float):
    pass


class MyDatetime(datetime):
    pass


Pair = namedtuple("Pair", "left right")


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None
    origin: ClassVar[int] = 0


class Tagged(msgspec.Struct, tag="tagged", rename="camel"):
    first_name: str
    missing: Any = msgspec.UNSET


class Lazy:
    """A lazy translation: something with a text and nothing else."""

    def __str__(self) -> str:
        return "translated"


class PydanticTwo:
    model_fields: ClassVar[dict[str, Any]] = {}

    def model_dump(self) -> dict[str, Any]:
        return {"id": ID}


class PydanticOne:
    @classmethod
    def parse_obj(cls, value: Any) -> PydanticOne:
        return cls()

    def dict(self) -> dict[str, Any]:
        return {"when": date(2013, 1, 1)}


class Attrs:
    __attrs_attrs__ = (types.SimpleNamespace(name="x"),)
    x = (1, 2)


class Array:
    """What numpy's arrays and pandas' series can do."""

    dtype = "int64"

    def __init__(self, items: Any) -> None:
        self.items = items
        self.size = len(items) if isinstance(items, list) else 1

    def tolist(self) -> Any:
        return self.items


NAType = type("NAType", (), {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (7, 7),
        (-0.0, -0.0),
        (True, True),
        (None, None),
        (ID, ID),
        ([1, (2, [3])], [1, [2, [3]]]),
        ({"a": {"b": ()}}, {"a": {"b": []}}),
        (MyStr("text"), "text"),
        (UserString("text"), "text"),
        (MyInt(7), 7),
        (MyFloat(0.5), 0.5),
        (Colour.RED, "red"),
        (Colour.NESTED, [1, "two"]),
        (Level.HIGH, 3),
        (Word.YES, "yes"),
        (datetime(2013, 1, 1, 5), datetime(2013, 1, 1, 5)),
        (datetime(2013, 1, 1, 5, tzinfo=timezone.utc), datetime(2013, 1, 1, 5, tzinfo=timezone.utc)),
        (datetime(2013, 1, 1, 5, tzinfo=CEST), datetime(2013, 1, 1, 3, tzinfo=timezone.utc)),
        (MyDatetime(2013, 1, 1, 5, 6, 7, 8), datetime(2013, 1, 1, 5, 6, 7, 8, tzinfo=timezone.utc)),
        (datetime.min.replace(tzinfo=CEST), "0001-01-01T00:00:00+02:00"),
        (date(2013, 1, 1), "2013-01-01"),
        (clock_time(5, 15), "05:15:00"),
        (timedelta(minutes=1, milliseconds=5), 60.005),
        (Decimal("39.95"), 39.95),
        (Decimal("10"), 10),
        (Decimal("10.00"), 10.0),
        (Decimal("0.1000000000000000000000001"), "0.1000000000000000000000001"),
        (Decimal(2**53 + 1), str(2**53 + 1)),
        (Decimal("1e999999999"), "1E+999999999"),
        (Decimal("1e-999999999"), "1E-999999999"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff\xfe", "//4="),
        (bytearray(b"abc"), "abc"),
        (memoryview(b"abcdef")[::2], "ace"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        (UserList([1]), [1]),
        (UserDict({"a": 1}), {"a": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (ChainMap({"a": 1}), {"a": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.items(), [["a", 1]]),
        (Pair(1, 2), [1, 2]),
        (Point(1, {2}), {"x": 1, "y": [2]}),
        (Tagged("Ada"), {"type": "tagged", "firstName": "Ada"}),
        (PydanticTwo(), {"id": ID}),
        (PydanticOne(), {"when": "2013-01-01"}),
        (Attrs(), {"x": [1, 2]}),
        (Array([1, 2]), [1, 2]),
        (Array(1.5), 1.5),
        (NAType(), None),
        (pathlib.PurePosixPath("/tmp/x"), "/tmp/x"),
        (ipaddress.ip_address("::1"), "::1"),
        (re.compile("a+"), "a+"),
        (Lazy(), "translated"),
        (Fraction(1, 3), "1/3"),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_each_kind_becomes_what_the_table_says(value: Any, expected: Any) -> None:
    result = plain(value)
    assert result == expected
    assert_plain(result)


def assert_plain(value: Any) -> None:
    """Every value is of exactly the types that the native walk takes."""
    assert type(value) in (dict, list, str, int, float, bool, type(None), UUID, datetime), type(value)
    if type(value) is dict:
        for key, item in value.items():
            assert type(key) is str
            assert_plain(item)
    elif type(value) is list:
        for item in value:
            assert_plain(item)
    elif type(value) is datetime:
        assert value.tzinfo in (None, timezone.utc)


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), MyFloat("inf")])
def test_non_finite_numbers_stay_non_finite_for_the_native_count(number: Any) -> None:
    result = plain(number)
    assert type(result) is float
    assert not math.isfinite(result)


def test_a_set_that_cannot_be_sorted_keeps_its_own_order() -> None:
    mixed = {1, "a", None}
    assert plain(mixed) == list(mixed)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (1.5, "1.5"),
        (ID, str(ID)),
        (Colour.RED, "red"),
        (Word.YES, "yes"),
        (Level.HIGH, "3"),
        (MyStr("key"), "key"),
        (b"key", "key"),
        (date(2013, 1, 1), "2013-01-01"),
        ((1, 2), "(1, 2)"),
        pytest.param(10**5000, "<int>", id="huge"),
    ],
)
def test_keys_become_texts(key: Any, text: str) -> None:
    assert plain({key: 1}) == {text: 1}


def test_the_last_of_two_equal_keys_wins() -> None:
    assert plain({1: "first", "1": "last"}) == {"1": "last"}


def test_nothing_of_the_callers_is_shared_or_changed() -> None:
    inner: list[Any] = [{1}]
    event = {"a": inner}
    result = plain(event)
    result["a"].append(2)
    result["a"][0].append(3)
    assert event == {"a": [{1}]}


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_is_limited_exactly() -> None:
    assert plain(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    with pytest.raises(Unserializable):
        plain(nested(MAX_DEPTH + 1))


def test_a_million_levels_cost_no_stack() -> None:
    deep = nested(1_000_000)
    try:
        with pytest.raises(Unserializable):
            plain(deep)
    finally:
        while deep:  # taken apart by hand: even its deallocation is deep
            deep = deep.pop()


def cycle() -> Any:
    value: list[Any] = [1]
    value += [value, value]
    return value


class Endless:
    """Each conversion gives another one of its kind."""

    model_fields: ClassVar[dict[str, Any]] = {}

    def model_dump(self) -> Endless:
        return Endless()


@pytest.mark.parametrize("value", [cycle(), Endless(), UserList([UserList([])])])
def test_what_holds_itself_is_refused(value: Any) -> None:
    if isinstance(value, UserList):
        value.append(value)
    with pytest.raises(Unserializable):
        plain(value)


class Hostile:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), KeyboardInterrupt(), SystemExit(3)])
def test_what_user_code_raises_comes_out(error: BaseException) -> None:
    with pytest.raises(type(error)):
        plain([Hostile(error)])


def test_a_dict_changed_by_its_own_keys_is_copied_first() -> None:
    target: dict[Any, Any] = {}

    class Key:
        def __str__(self) -> str:
            target.clear()
            return "key"

    target.update({Key(): 1, "b": 2})
    assert plain(target) == {"key": 1, "b": 2}


def test_the_users_default_comes_before_text() -> None:
    assert plain([Lazy(), 1], default=lambda value: {"is": type(value).__name__}) == [{"is": "Lazy"}, 1]


@pytest.mark.parametrize("default", [lambda value: NotImplemented, lambda value: value])
def test_a_default_that_does_not_know_leaves_the_text(default: Any) -> None:
    assert plain(Lazy(), default=default) == "translated"


def test_an_endless_default_is_refused() -> None:
    with pytest.raises(Unserializable):
        plain(Lazy(), default=lambda value: Lazy())


def test_a_default_never_sees_what_the_table_knows() -> None:
    def default(value: Any) -> Any:
        raise AssertionError(type(value))

    plain([ID, {1}, Point(1), re.compile("a"), pathlib.PurePosixPath("/"), ipaddress.ip_address("::1")], default)


@pytest.mark.parametrize(
    "value",
    [
        "x" * (LIMIT - 1),
        ["x" * 8_000] * 5,
        {str(number): number for number in range(10_000)},
        b"x" * LIMIT,
        Array([0] * LIMIT),
        {"a": UserString("x" * LIMIT)},
    ],
    ids=["text", "texts", "map", "bytes", "array", "lazy"],
)
def test_what_cannot_fit_an_event_is_too_large(value: Any) -> None:
    with pytest.raises(TooLarge) as caught:
        plain(value)
    assert caught.value.at_least_bytes > LIMIT


def test_the_budget_is_shared_by_the_fields_of_an_event() -> None:
    walk = Plain(100)
    walk("x" * 90)
    with pytest.raises(TooLarge):
        walk("x" * 90)


class Endlessly:
    """A sequence of values without end."""

    def __iter__(self) -> Any:
        while True:
            yield 1


@pytest.mark.parametrize(
    "value",
    [
        range(10**9),
        [None] * 10_000_000,
        dict.fromkeys(range(1_000_000)),
        set(range(1_000_000)),
        type("Wide", (Endlessly, UserList), {})(),
        "x" * 100_000_000,
    ],
    ids=["range", "list", "dict", "set", "endless", "text"],
)
def test_the_work_is_bounded_by_the_limit_and_not_by_the_value(value: Any) -> None:
    started = time.thread_time()
    with pytest.raises(TooLarge):
        plain(value)
    assert time.thread_time() - started < 0.05


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.uuids()
        | st.decimals() | st.dates() | st.datetimes(timezones=st.none() | st.just(CEST)) | st.timedeltas(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner)
        | st.sets(st.integers() | st.text()),
        max_leaves=30,
    )
)  # fmt: skip
def test_whatever_comes_in_only_plain_values_come_out(value: Any) -> None:
    assert_plain(plain(value, limit=10_000_000))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_the_least_size_never_exceeds_the_real_one(value: Any) -> None:
    real = len(msgspec.json.encode(msgspec.to_builtins(value)))
    plain(value, limit=real)


def test_a_number_that_is_its_own_python_value_becomes_a_float() -> None:
    class Odd:
        dtype = "float128"

        def tolist(self) -> Any:
            return self

        def __float__(self) -> float:
            return 1.5

    assert plain(Odd()) == 1.5


def test_a_replaced_datetime_class_still_gives_exact_datetimes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluiceway.values.datetime", MyDatetime)
    assert type(plain(MyDatetime(2013, 1, 1))) is type(EPOCH)


def test_utc_is_exact_for_subclasses() -> None:
    assert type(to_utc(MyDatetime(2013, 1, 1))) is type(EPOCH)
    assert uuid.UUID(int=1) == plain(uuid.UUID(int=1))


class Claiming:
    """What werkzeug's LocalProxy and Django's lazy objects do: claim the class of what they stand for."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def __class__(self) -> Any:
        return type(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)


@pytest.mark.parametrize("value", ["text", 5, 1.5])
def test_a_proxy_is_asked_for_what_it_claims_to_be(value: Any) -> None:
    assert Plain(1_000)({"a": Claiming(value)}) == {"a": value}
