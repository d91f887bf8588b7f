"""The format of a batch's file: what was written is read back, and nothing else ever is (row 72)."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sluiceway.spool.contents import Contents
from sluiceway.spool.format import (
    HEADER_BYTES,
    MAX_SEQUENCE,
    PROGRESS_OFFSET,
    Malformed,
    file_name,
    header_of,
    label_of,
    progress_of,
    read_body,
    read_header,
    read_label,
    read_name,
)

from .batches import OURS, batch


def file_of(contents: Contents, seq: int = 7, destination: bytes = OURS) -> bytes:
    return header_of(contents, seq, destination) + contents.layout + contents.events


def parsed(data: bytes) -> Contents | None:
    """What a reader makes of a whole file."""
    try:
        return read_body(read_header(data[:HEADER_BYTES]), data[HEADER_BYTES:])
    except Malformed:
        return None


events = st.lists(st.binary(min_size=2, max_size=40), min_size=1, max_size=6)


def contents_of(texts: list[bytes], attempts: int = 0, maybe_sent: bool = False) -> Contents:
    layout = b"".join(struct.pack("<III", len(text), 0, len(text) // 2) for text in texts)
    return Contents(b",".join(texts), layout, len(texts), 1.5, attempts, maybe_sent)


@given(events, st.integers(0, 65_535), st.booleans(), st.integers(0, MAX_SEQUENCE))
def test_what_was_written_is_read_back(texts: list[bytes], attempts: int, maybe_sent: bool, seq: int) -> None:
    contents = contents_of(texts, attempts, maybe_sent)
    assert contents.is_consistent
    data = file_of(contents, seq)
    header = read_header(data[:HEADER_BYTES])
    assert (header.destination, header.sequence, header.file_bytes) == (OURS, seq, len(data))
    assert parsed(data) == contents


@given(st.binary(max_size=300))
@settings(max_examples=2_000)
def test_arbitrary_bytes_are_nothing(data: bytes) -> None:
    assert parsed(data) is None


@given(
    st.binary(max_size=200),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.floats(),
    st.booleans(),
)
def test_a_header_made_up_with_right_checksums_allocates_nothing_and_is_read_only_when_all_fits(
    body: bytes, count: int, events_bytes: int, created: float, right: bool
) -> None:
    """Somebody who computes checksums gets no further than the layout, which has to fit."""
    fixed = struct.pack(
        "<8s16sQdIII", b"sluice\x00\x01", OURS, 7, created, count, events_bytes, crc32(body) if right else 0
    )
    found = parsed(fixed + struct.pack("<I", crc32(fixed)) + progress_of(0, False) + body)
    if found is not None:
        assert found.is_consistent
        assert right


@given(events, st.data())
def test_any_damage_outside_the_hint_is_noticed(texts: list[bytes], data: st.DataObject) -> None:
    contents = contents_of(texts)
    whole = bytearray(file_of(contents))
    start = data.draw(st.integers(0, len(whole) - 1))
    patch = data.draw(st.binary(min_size=1, max_size=12))
    whole[start : start + len(patch)] = patch
    assume(bytes(whole) != file_of(contents))
    found = parsed(bytes(whole))
    if found is not None:  # then only the hint was hit, and the events are what was written
        assert bytes(whole[:PROGRESS_OFFSET]) == file_of(contents)[:PROGRESS_OFFSET]
        assert (found.events, found.layout, found.count) == (contents.events, contents.layout, contents.count)


def test_row_72_every_flipped_bit_is_noticed_or_only_a_hint() -> None:
    whole = file_of(batch("flip", count=2))
    hints = 0
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        found = parsed(bytes(flipped))
        if PROGRESS_OFFSET <= bit // 8 < HEADER_BYTES:
            assert found is not None
            assert found.events == batch("flip", count=2).events
            assert found.maybe_sent  # who does not know says that it may be
            hints += 1
        else:
            assert found is None
    assert hints == 64


def test_row_72_every_truncation_and_every_tail_of_zeros_is_noticed() -> None:
    whole = file_of(batch("cut", count=2))
    for length in range(len(whole)):
        assert parsed(whole[:length]) is None
        if whole[length:].strip(b"\0"):
            zeroed = parsed(whole[:length] + bytes(len(whole) - length))
            assert zeroed is None
    assert parsed(whole + b"\0") is None


@pytest.mark.parametrize(
    "layout",
    [
        [(40, 0, 1), (40, 0, 1)],  # does not sum up
        [(3, 0, 4), (4, 0, 1)],  # an id longer than its event
        [(3, 2, 1), (4, 0, 1)],  # an id that ends before it starts
        [(4, 0, 1), (3, 0, 1)],  # no comma where the first event ends
        [(8, 0, 1)],  # fewer than there are
    ],
)
def test_a_layout_that_does_not_fit_is_inconsistent(layout: list[tuple[int, int, int]]) -> None:
    packed = b"".join(struct.pack("<III", *row) for row in layout)
    assert not Contents(events=b"abc,defg", layout=packed, count=2, created_at=0.0).is_consistent
    fitting = struct.pack("<IIIIII", 3, 0, 1, 4, 0, 1)
    assert Contents(events=b"abc,defg", layout=fitting, count=2, created_at=0.0).is_consistent


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=3), st.text(alphabet="a,", max_size=9))
def test_a_file_whose_layout_does_not_fit_is_nothing_though_its_checksums_are_right(
    rows: list[tuple[int, int, int]], text: str
) -> None:
    layout = b"".join(struct.pack("<III", *row) for row in rows)
    contents = Contents(events=text.encode(), layout=layout, count=len(rows), created_at=0.0)
    assert parsed(file_of(contents)) == (contents if contents.is_consistent else None)


@given(st.integers(0, MAX_SEQUENCE), st.integers(1, 2**20))
def test_a_name_tells_sequence_and_count(seq: int, count: int) -> None:
    assert read_name(file_name(seq, count)) == (seq, count)


@given(st.text(max_size=40))
@settings(max_examples=500)
def test_other_names_mean_nothing(name: str) -> None:
    meaning = read_name(name)
    assert meaning is None or file_name(*meaning) == name


@pytest.mark.parametrize(
    "name",
    [
        "1.2.b",
        "00000000000000000001.0.b",
        "00000000000000000001.01.b",
        "00000000000000000001.9999999.b",
        "99999999999999999999.1.b",
        "00000000000000000001.1.b\n",
        "0000000000000000000\u0661.1.b",
        "00000000000000000001.1.b.tmp",
    ],
)
def test_names_that_are_almost_right_mean_nothing(name: str) -> None:
    assert read_name(name) is None


def test_a_label_says_whose_the_batches_are_or_nothing() -> None:
    label = label_of(OURS)
    assert read_label(label) == OURS
    for bit in range(len(label) * 8):
        flipped = bytearray(label)
        flipped[bit // 8] ^= 1 << bit % 8
        assert read_label(bytes(flipped)) is None
    assert all(read_label(label[:length]) is None for length in range(len(label)))
