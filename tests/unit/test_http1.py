"""Reading a response: the same however it is cut into pieces, and never anything but a reading or its own error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluiceway.http1 import BadResponseError, Reading, ResponseReader

RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nA: b\r\nA: c\r\n\r\n",
    b"HTTP/1.0 200 OK\nServer: old\n\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhello",
]


def read(pieces: list[bytes]) -> Reading:
    left = [piece for piece in pieces if piece]
    return ResponseReader(lambda: left.pop(0) if left else b"").read()


def test_what_is_read_is_what_was_sent() -> None:
    readings = [read([response]) for response in RESPONSES]
    assert [(each.status, each.body, each.truncated, each.reusable) for each in readings] == [
        (200, b"hello", False, True),
        (503, b"hello", False, True),
        (204, b"", False, True),
        (200, b"hello", False, False),
        (200, b"hello", True, False),
        (200, b"hel", False, False),
    ]
    assert readings[0].headers == {"content-length": "5", "x": "y"}
    assert readings[2].headers == {"a": "b, c"}


@given(st.sampled_from(RESPONSES), st.lists(st.integers(0, 80), max_size=12))
def test_a_response_is_the_same_however_it_is_cut(response: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(response), *(cut for cut in cuts if cut < len(response))})
    pieces = [response[edges[index] : edges[index + 1]] for index in range(len(edges) - 1)]
    whole = read([response])
    cut = read(pieces)
    # How much too much had arrived depends on the cut; that alone may keep a connection from being used again.
    assert (cut.status, cut.headers, cut.body, cut.truncated) == (
        whole.status,
        whole.headers,
        whole.body,
        whole.truncated,
    )


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([*RESPONSES, b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n"]))))
def test_any_bytes_are_a_reading_or_a_bad_response(pieces: list[bytes]) -> None:
    try:
        reading = read(pieces)
    except BadResponseError:
        return
    assert 200 <= reading.status <= 999
    assert len(reading.body) <= 65_536


@given(st.binary(max_size=400), st.lists(st.integers(1, 50), min_size=1, max_size=9))
def test_any_body_survives_chunking(body: bytes, sizes: list[int]) -> None:
    chunks = b""
    rest = body
    while rest:
        size = sizes[len(chunks) % len(sizes)]
        chunk, rest = rest[:size], rest[size:]
        chunks += b"%x\r\n%b\r\n" % (len(chunk), chunk)
    reading = read([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"])
    assert (reading.body, reading.truncated, reading.reusable) == (body, False, True)


def test_an_error_inside_the_head_is_passed_on_and_one_inside_the_body_is_not() -> None:
    def fail_after(*pieces: bytes) -> ResponseReader:
        left = list(pieces)

        def receive() -> bytes:
            if left:
                return left.pop(0)
            raise TimeoutError

        return ResponseReader(receive)

    with pytest.raises(TimeoutError):
        fail_after(b"HTTP/1.1 200 OK\r\n").read()
    reading = fail_after(b"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\nhal").read()
    assert (reading.status, reading.body, reading.truncated) == (400, b"hal", True)


def test_whether_a_byte_arrived_is_known() -> None:
    reader = ResponseReader(lambda: b"")
    with pytest.raises(BadResponseError, match="closed"):
        reader.read()
    assert not reader.started
