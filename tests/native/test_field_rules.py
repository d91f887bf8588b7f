"""The rules of fields: keys only for Python, texts that nobody may send, lengths; Python's own checks are believed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway._native import Field, Shape

from .engine import HARD, Engine, one

WATCHED = ("$groups", "$set", "$set_once", "k" * 64, "gr\u00f6\u00dfe", "")


@pytest.mark.parametrize("kind", ["map", "spread"])
@pytest.mark.parametrize("key", WATCHED)
def test_a_watched_key_is_for_python_wherever_it_stands(kind: str, key: str) -> None:
    engine = one(kind, watched=WATCHED)
    others = {f"key{number}": number for number in range(5)}
    for value in ({key: 1}, {**others, key: 1}, {key: None, **others}):
        assert engine.push(value) == HARD
        assert engine.admit(value) is True
        assert engine.event() == ({"f": value} if kind == "map" else value)
    # Also once the names have numbers.
    for _ in range(4):
        assert engine.push({key: 1}) == HARD
        assert engine.push(others) is True


@pytest.mark.parametrize("kind", ["map", "spread"])
def test_keys_that_only_look_like_watched_ones_are_not(kind: str) -> None:
    engine = one(kind, watched=WATCHED)
    fine = ["$Groups", "$group", "$groupS", "$sets", "k" * 63, "k" * 65, "K" * 64, "k" * 128, "gr\u00f6sse", "\0", " "]
    fine += ["$sett", "xset", "\u00e4set", "$groups\u00e4"]
    for key in fine * 4:
        assert engine.push({key: 1}) is True, key
    # Only at the top of the field's own map.
    for nested in ({"a": {"$groups": 1}}, {"a": [{"$set": 1}, {"": {}}]}):
        assert engine.push(nested) is True
    assert len(engine.events()) == len(fine) * 4 + 2


def test_a_map_may_both_merge_and_watch() -> None:
    engine = one("map", merge_key="library", merge_json=b'"ours"', watched=["secrets"])
    assert engine.push({"a": 1}) is True
    assert engine.push({"library": "mine", "a": 1}) is True
    assert engine.push({"nested": {"library": 1, "secrets": 2}}) is True
    assert engine.push({"library": "mine", "secrets": 1}) == HARD
    assert engine.admit({"secrets": 1, "library": "mine"}) is True
    assert engine.admit({"secrets": 1}) is True
    assert [event["f"] for event in engine.events()] == [
        {"library": "ours", "a": 1},
        {"library": "mine", "a": 1},
        {"library": "ours", "nested": {"library": 1, "secrets": 2}},
        {"secrets": 1, "library": "mine"},
        {"library": "ours", "secrets": 1},
    ]


REFUSED = ("anonymous", "none", "0", "[object object]", "00000000-0000-0000-0000-000000000000", "gr\u00f6\u00dfe")


@pytest.mark.parametrize("kind", ["text", "id"])
@pytest.mark.parametrize("word", REFUSED)
def test_a_refused_text_is_refused_in_any_case(kind: str, word: str) -> None:
    engine = one(kind, refused=REFUSED)
    ascii_upper = "".join(char.upper() if char.isascii() else char for char in word)
    for text in (word, ascii_upper, word[:1] + ascii_upper[1:]):
        assert engine.push(text) == HARD
        assert engine.admit(text) is True
        assert engine.event() == {"f": text}
    for text in (word + "x", "x" + word, word + " ", word[:-1] + "x", word * 64, "x" + "\u00e4" * (len(word) - 1)):
        assert engine.push(text) is True, text
    engine.bodies()


def test_refused_texts_are_refused_as_numbers_and_uuids_too() -> None:
    engine = one("id", refused=REFUSED)
    for value in (0, UUID(int=0)):
        assert engine.push(value) == HARD
        assert engine.admit(value) is True
    for value in (1, -1, 10, UUID(int=1)):
        assert engine.push(value) is True
    assert len(engine.events()) == 6


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.sampled_from(["text", "id"]))
def test_lengths_count_characters_whatever_their_width(text: str, kind: str) -> None:
    engine = one(kind, min_chars=3, max_chars=7)
    text = "x" + text
    expected = True if 3 <= len(text) <= 7 else HARD
    assert engine.push(text) == expected
    assert engine.admit(text) is True
    for one_sided, is_taken in (({"min_chars": 3}, len(text) >= 3), ({"max_chars": 7}, len(text) <= 7)):
        assert one(kind, **one_sided).push(text) == (True if is_taken else HARD)


def test_lengths_hold_for_ids_that_are_no_texts() -> None:
    engine = one("id", min_chars=5, max_chars=36)
    for value, is_taken in (
        (1234, False),
        (-123, False),
        (12345, True),
        (-1234, True),
        (10**35, True),
        (10**36, False),
    ):
        assert engine.push(value) == (True if is_taken else HARD), value
    assert engine.push(UUID(int=7)) is True
    assert one("id", max_chars=35).push(UUID(int=7)) == HARD
    assert one("id", min_chars=37).push(UUID(int=7)) == HARD


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.sampled_from(["text", "id"]))
def test_bytes_are_those_of_utf8(text: str, kind: str) -> None:
    text = "x" + text
    for limit in range(1, 20):
        engine = one(kind, max_bytes=limit)
        assert engine.push(text) == (True if len(text.encode()) <= limit else HARD)
        assert engine.admit(text) is True


@pytest.mark.parametrize("text", [" ", "\0", "\t\r\n", "\u200b", "\u00a0", "\u674e", "\U0001f600", " \u00e9 "])
def test_an_id_without_a_visible_character_of_ascii_is_for_python(text: str) -> None:
    engine = one("id")
    assert engine.push(text) == HARD
    assert engine.admit(text) is True
    assert engine.push(text + "!") is True
    assert engine.push(text * 40 + "~" + text) is True
    assert [event["f"] for event in engine.events()] == [text, text + "!", text * 40 + "~" + text]
    # A name may be anything.
    assert one("text").push(text) is True


def test_what_must_be_given_is_looked_at_in_python_and_natively() -> None:
    fields = [Field("a", "text"), Field("r", "any", required=True), Field("b", "text"), Field("c", "map")]
    engine = Engine(Shape(b"{", fields, one_of=["a", "c"]))
    for values, is_taken in (
        (("x", 1), True),
        ((None, 1, None, {}), True),
        (("x", 0, "y", {}), True),
        ((None, 1), False),
        ((None, 1, "y"), False),
        (("x",), False),
        (("x", None, "y", {}), False),
        ((), False),
    ):
        for way in (engine.push, engine.admit):
            assert way(*values) == (True if is_taken else HARD), values


def test_an_argument_that_breaks_a_rule_leaves_nothing_behind() -> None:
    engine = Engine(Shape(b"{", [Field("a", "id", refused=["none"]), Field("b", "map", watched=["w"])]))
    values: list[Any] = ["none", {}], ["x", {"v": [1, 2, {"x": "y" * 1000}], "w": 1}]
    before = engine.queue.counters()
    for value in values:
        assert engine.push(*value) == HARD
    after = engine.queue.counters()
    assert after.pop("offered") == before.pop("offered") + 2
    assert after == before
