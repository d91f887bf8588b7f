"""What the spool takes for consistent is what the engine takes back, and nothing else: no file can stop the worker."""

from __future__ import annotations

import struct
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.spool.contents import Contents

from .engine import Engine, one

ROWS = st.lists(st.tuples(*[st.integers(0, 12)] * 3), max_size=4)
ANY = st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 3), max_size=4)


@cache
def engine() -> Engine:
    """One is enough: it is asked, and keeps nothing."""
    return one("id")


def agree(events: bytes, rows: list[tuple[int, ...]], cut: int) -> bool:
    """Ask both; returns what they agree on."""
    layout = b"".join(struct.pack("<III", *row) for row in rows)
    layout = layout[: len(layout) - cut]
    count = len(layout) // 12
    contents = Contents(events=events, layout=layout, count=count, created_at=0.0)
    try:
        batch = engine().queue.restore(events, layout, [], 0)
    except ValueError:
        assert not contents.is_consistent
        return False
    assert contents.is_consistent
    assert len(batch) == count
    assert batch.body(b"", b"") == events
    assert bytes(batch.layout) == layout
    return True


@given(st.text(alphabet="a,{}", max_size=16), st.one_of(ROWS, ANY), st.sampled_from([0, 0, 0, 1, 11]))
@settings(max_examples=500, deadline=None)
def test_the_spool_and_the_engine_agree_on_every_layout(text: str, rows: list[tuple[int, ...]], cut: int) -> None:
    agree(text.encode(), rows, cut)


@given(st.lists(st.text(alphabet="a,{}", max_size=6), min_size=1, max_size=5), st.data())
@settings(max_examples=200, deadline=None)
def test_what_fits_is_taken_by_both(texts: list[str], data: st.DataObject) -> None:
    rows: list[tuple[int, ...]] = []
    for text in texts:
        start = data.draw(st.integers(0, len(text)))
        rows.append((len(text), start, data.draw(st.integers(start, len(text)))))
    assert agree(",".join(texts).encode(), rows, 0)


@pytest.mark.parametrize("events", [b"", b","])
def test_nothing_is_no_batch(events: bytes) -> None:
    assert not agree(events, [], 0)
