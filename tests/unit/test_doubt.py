"""What is doubted about a 2xx, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.doubt import doubt_count, doubt_json, doubt_text

OBJECTS = [
    b"{}",
    b'{"success":true}',
    b'{"status":"Ok","quota_limited":["events"]}',
    b' {"results":{}}\n',
    b'{"status":1}',
]
OTHERS = [b"", b" ", b"ok", b"1", b"[]", b"null", b'"a"', b"<html>", b'{"a":', b"\xff", b"[" * 100_000, b"1e999"]


@pytest.mark.parametrize("body", OBJECTS)
def test_a_json_object_is_not_doubted(body: bytes) -> None:
    assert doubt_json(200, {}, body, 5) == ""
    assert doubt_count(200, {}, body, 5) == ""
    assert doubt_text(200, {}, body, 5) == ""


@pytest.mark.parametrize("body", OTHERS, ids=lambda body: repr(body[:9]))
def test_anything_else_is_where_json_is_the_answer(body: bytes) -> None:
    assert doubt_json(200, {}, body, 5) == "suspect"
    assert doubt_count(200, {}, body, 5) == "suspect"


@pytest.mark.parametrize("doubt", [doubt_json, doubt_count, doubt_text])
def test_what_says_that_it_has_no_body_has_none(doubt: object) -> None:
    assert doubt(204, {}, b"", 5) == doubt(205, {}, b"", 5) == ""  # type: ignore[operator]
    assert doubt(200, {}, b"", 5) == "suspect"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({}, b"OK", ""),
        ({"content-type": "text/plain; charset=utf-8"}, b"OK", ""),
        ({"content-type": "Text/HTML"}, b"OK", "suspect"),
        ({}, b" \r\n<!doctype html>", "suspect"),
        ({}, b" \n", "suspect"),
    ],
)
def test_of_text_only_markup_and_nothing_are_doubted(headers: dict[str, str], body: bytes, expected: str) -> None:
    assert doubt_text(200, headers, body, 5) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [("5", ""), ("4", "mismatch"), ("6", "mismatch"), ("0", "mismatch"), ("-5", "mismatch")]
    + [(said, "") for said in ("null", '"4"', "4.0", "true", "[]", "{}")],
)
def test_a_count_is_compared_when_it_is_one(said: str, expected: str) -> None:
    assert doubt_count(200, {}, b'{"code":200,"events_ingested":%b}' % said.encode(), 5) == expected


@given(status=st.integers(200, 299), body=st.binary(max_size=200), events=st.integers(1, 2_500))
def test_no_bytes_are_too_odd(status: int, body: bytes, events: int) -> None:
    for doubt in (doubt_json, doubt_text, doubt_count):
        assert doubt(status, {}, body, events) in ("", "suspect", "mismatch")
