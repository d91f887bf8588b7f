"""What each kind of field takes from a caller and from Python's own checks, exactly, and what it makes of it."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway._native import Field, Shape

from .engine import HARD, Engine, one

WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
ID = UUID("0190163d-8694-739b-aea5-966c26f8ad91")


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Mapped(dict[str, Any]):
    pass


class Id(UUID):
    pass


ANYTHING: list[Any] = [
    *("", "text", " ", "\u200b", "\u674e", Text("text"), b"bytes"),
    *(True, False, 0, 7, -(2**63), 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, Whole(7), 10**400, 10**5000),
    *(0.5, -0.0, math.nan, math.inf, Real(0.5), Decimal("0.5")),
    *({}, {"a": 1}, Mapped(a=1), [], [1], (1,), {1}, ID, Id(int=7), WHEN, object()),
]


def takes(kind: str, value: Any, *, checked: bool) -> bool:
    """What the stub says of a kind."""
    exact = type(value)
    if kind == "text":
        return exact is str and (checked or value != "")
    if kind == "id":
        if exact is int:
            return abs(value) < 10**4300
        return exact is UUID or (exact is str and (checked or value in ("text",)))
    if kind in ("map", "spread"):
        return exact is dict
    if kind == "number":
        return (exact is int and abs(value) < 10**308) or (exact is float and math.isfinite(value))
    if kind == "int":
        return exact is int and -(2**63) <= value < 2**64
    plain = exact not in (bytes, Decimal, Mapped, set, Id, object)
    return plain and (kind == "any" or checked)


KINDS = ("text", "id", "map", "any", "spread", "number", "int", "guarded")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", range(len(ANYTHING)))
def test_a_kind_takes_what_it_says_and_nothing_else(kind: str, at: int) -> None:
    # By its place: Python refuses to print the largest.
    value, engine = ANYTHING[at], one(kind)
    for checked, way in ((False, engine.push), (True, engine.admit)):
        expected = takes(kind, value, checked=checked)
        assert way(value) == (True if expected else HARD), (kind, checked)
        assert len(engine.bodies()) == expected
        # Nothing was reserved for what was not taken.
        assert engine.queue.counters()["reserved_bytes"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_none_is_no_value_for_any_kind(kind: str) -> None:
    engine = one(kind)
    assert engine.push(None) is True
    assert engine.admit(None) is True
    assert engine.events() == [{}, {}]


@given(st.integers() | st.integers(-(10**40), 10**40))
def test_an_int_is_an_id_by_its_digits(number: int) -> None:
    engine = one("id")
    assert engine.push(number) is True
    assert engine.event() == {"f": str(number)}


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**308 - 1, 10**4300 - 1, -(10**4300) + 1])
def test_a_long_int_is_an_id_up_to_what_python_prints(number: int) -> None:
    engine = one("id")
    assert engine.push(number) is True
    assert engine.event() == {"f": str(number)}
    assert engine.replaced() == {}
    assert engine.push(number * 10**4300) == HARD


def test_a_uuid_is_an_id_by_its_text() -> None:
    engine = one("id")
    assert engine.push(ID) is True
    assert engine.event() == {"f": str(ID)}
    broken = UUID(int=7)
    object.__setattr__(broken, "int", "seven")
    assert engine.push(broken) == HARD


@given(st.integers(-(2**63), 2**64 - 1))
def test_an_int_of_64_bits_keeps_its_digits(number: int) -> None:
    engine = one("int")
    assert engine.push(number) is True
    assert engine.event() == {"f": number}


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**307), 10**307))
def test_a_number_stays_the_number_it_is(number: float) -> None:
    engine = one("number")
    assert engine.push(number) is True
    arrived = engine.event()["f"]
    assert (arrived, type(arrived)) == (number, type(number))
    assert engine.replaced() == {}


def test_a_guarded_field_is_for_python_to_fill() -> None:
    engine = Engine(Shape(b"{", [Field("a", "text"), Field("g", "guarded"), Field("b", "text")]))
    for value in ("x", 0, {}, [], 0.0, False):
        assert engine.push("a", value, "b") == HARD
        assert engine.admit("a", value, "b") is True
        assert engine.event() == {"a": "a", "g": value, "b": "b"}
    assert engine.push("a", None, "b") is True
    assert engine.event() == {"a": "a", "b": "b"}


def test_wrong_descriptions_are_refused_when_they_are_made() -> None:
    for kind in ("Text", "", "bool"):
        with pytest.raises(ValueError, match="kind"):
            Field("f", kind)  # type: ignore[arg-type]
    for kind in ("map", "any", "spread", "number", "int", "guarded"):
        for rule in ({"refused": ["x"]}, {"min_chars": 1}, {"max_chars": 1}, {"max_bytes": 1}):
            with pytest.raises(ValueError, match="no text"):
                Field("f", kind, **rule)  # type: ignore[arg-type]
    for kind in ("text", "id", "any", "number", "int", "guarded"):
        for rule in ({"watched": ["x"]}, {"merge_key": "x", "merge_json": b"1"}):
            with pytest.raises(ValueError, match="no map"):
                Field("f", kind, **rule)  # type: ignore[arg-type]
    for wrong in ({"id_format": "UUID"}, {"max_depth": 0}, {"max_depth": 65}, {"time_format": "unix"}):
        with pytest.raises(ValueError):
            Shape(b"{", [], **wrong)  # type: ignore[arg-type]
    Shape(b"{", [Field(str(number), "any") for number in range(64)])
    with pytest.raises(ValueError, match="64"):
        Shape(b"{", [Field(str(number), "any") for number in range(65)])
