"""Texts that are cut to a vendor's limit, and depths that are not exceeded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluiceway._native import Field, Shape

from .engine import HARD, Engine

LIMIT = 20

# Of each width in which Python keeps a text, and those that take two, three and four bytes on the wire.
ALPHABETS = (
    "a",
    "\u00e9",
    "\u674e",
    "\U0001f600",
    'a"\n\\',
    "a\u00e9",
    "a\u674e",
    "a\u00e9\u674e\U0001f600",
    "\ud800a",
)


def cutting(limit: int = LIMIT, **settings: Any) -> Engine:
    fields = [Field("t", "text"), Field("i", "id"), Field("a", "any"), Field("m", "map"), Field("", "spread")]
    return Engine(Shape(b"{", fields, max_text_chars=limit), **settings)


def cut(text: str, limit: int = LIMIT) -> str:
    """What arrives of a text: its first characters, a lone surrogate replaced."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text[:limit])


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("length", [0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT, 223, 224, 5_000])
def test_a_text_is_cut_at_a_character(alphabet: str, length: int) -> None:
    text = (alphabet * length)[:length]
    engine = cutting()
    assert engine.admit(text, "x" + text, text, {"k": text, "l": [text, {"m": text}]}, {"s": (text,)}) is True
    expected = cut(text)
    assert engine.event() == {
        "t": expected,
        "i": cut("x" + text),
        "a": expected,
        "m": {"k": expected, "l": [expected, {"m": expected}]},
        "s": [expected],
    }
    assert engine.replaced().get("text", 0) == 6 * (length > LIMIT) + (length + 1 > LIMIT)
    assert engine.replaced().get("surrogate", 0) == 6 * cut(text).count("\ufffd") + cut("x" + text).count("\ufffd")


@given(st.text(st.characters(exclude_categories=()), max_size=60), st.integers(1, 40))
@example("\ud83d\ude00" * 20, 3)
def test_any_text_is_cut_as_python_would(text: str, limit: int) -> None:
    engine = cutting(limit)
    assert engine.push(None, None, text) is True
    assert engine.event() == {"a": cut(text, limit)}
    assert engine.replaced().get("text", 0) == (len(text) > limit)


def test_a_text_of_a_subclass_is_cut_as_its_base() -> None:
    class Text(str):
        __slots__ = ()

        def __len__(self) -> int:
            return 1

    engine = cutting()
    assert engine.push(None, None, Text("x" * 50)) is True
    assert engine.event() == {"a": "x" * LIMIT}


def test_keys_and_the_events_own_id_are_not_cut() -> None:
    engine = cutting()
    long_keys = {"k" * 30: 1, "\u674e" * 30: 2, "k" * 300: {"n" * 30: 3}}
    for _ in range(4):
        assert engine.push(None, None, None, long_keys, long_keys, message_id="m" * 50) is True
    batch = engine.batch()
    assert batch.ids == ["m" * 50] * 4
    assert engine.replaced() == {}
    assert b"k" * 300 in batch.event(3)


def test_what_is_no_text_is_cut_only_where_it_becomes_one() -> None:
    engine = cutting()
    assert engine.push(None, 10**25, {"number": 10**25, "float": 1.2345678901234567e-300, "id": UUID(int=7)}) is True
    assert engine.event() == {
        "i": str(10**25)[:LIMIT],
        "a": {"number": 10**25, "float": 1.2345678901234567e-300, "id": str(UUID(int=7))},
    }
    assert engine.replaced() == {"text": 1}
    # A number too long for a number is a text.
    assert engine.push(None, None, 10**400) is True
    assert engine.event() == {"a": str(10**400)[:LIMIT]}
    assert engine.replaced() == {"text": 2, "integer": 1}


def test_what_is_not_admitted_is_not_counted() -> None:
    engine = cutting(max_event_bytes=200)
    assert engine.push("x" * 50, None, object()) == HARD
    assert engine.push("x" * 50, None, ["y" * 20] * 20) == 5
    assert engine.replaced() == {}


def test_a_cut_text_fits_where_the_whole_would_not() -> None:
    engine = cutting(max_event_bytes=300)
    for text in ("x" * 100_000, "\u674e" * 100_000):
        assert engine.push(text) is True
        assert engine.event() == {"t": text[:LIMIT]}
    # A limit above the event's own: the event's holds.
    assert cutting(1_000, max_event_bytes=300).push("x" * 100_000) == 5
    assert cutting(1_000, max_event_bytes=300).push("\u674e" * 100_000) == 5


def test_without_a_limit_nothing_is_cut() -> None:
    engine = Engine(Shape(b"{", [Field("a", "any")]))
    assert engine.push("x" * 100_000) is True
    assert engine.event() == {"a": "x" * 100_000}
    assert engine.replaced() == {}


# -- depth


def nested(levels: int, kinds: str) -> Any:
    """So many containers inside each other, maps and lists in turn as ``kinds`` says."""
    value: Any = 7
    for level in range(levels):
        value = {"k": value} if kinds[level % len(kinds)] == "m" else [value]
    return value


@pytest.mark.parametrize("depth", [1, 2, 3, 40, 63, 64])
@pytest.mark.parametrize("kinds", ["m", "l", "ml", "llm"])
def test_a_fields_own_container_is_the_first_of_its_depth(depth: int, kinds: str) -> None:
    fields = [Field("m", "map"), Field("", "spread"), Field("a", "any")]
    engine = Engine(Shape(b"{", fields, max_depth=depth))
    outermost = nested(depth - 1, kinds)
    for given_, sent in (
        (({"k": outermost},), {"m": {"k": outermost}}),
        ((None, {"k": outermost}), {"k": outermost}),
        ((None, None, nested(depth, kinds)), {"a": nested(depth, kinds)}),
    ):
        assert engine.push(*given_) is True
        assert engine.event() == sent
    deeper = nested(depth, kinds)
    for values in (({"k": deeper},), (None, {"k": deeper}), (None, None, [deeper]), (None, None, {"k": deeper})):
        for way in (engine.push, engine.admit):
            assert way(*values) == HARD
    # What is beside the deep one does not add to it.
    assert engine.push({"a": outermost, "b": outermost, "c": [] if depth > 1 else 1}) is True


def test_the_depth_of_a_shape_that_says_none_is_64() -> None:
    engine = Engine(Shape(b"{", [Field("a", "any")]))
    assert engine.push(nested(64, "ml")) is True
    assert engine.push(nested(65, "ml")) == HARD
