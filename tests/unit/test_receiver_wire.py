"""The receiver's own HTTP: heads it refuses, requests in pieces, and what the peer leaves unfinished."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from sluiceway.testing import Receiver

TIME = "2013-01-01T10:15:00.000Z"
EVENT = {"type": "track", "messageId": "a", "timestamp": TIME, "userId": "u", "event": "E"}
BODY = json.dumps({"batch": [EVENT], "writeKey": "test-write-key", "sentAt": TIME}).encode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver that keeps everything."""
    with Receiver() as receiver:
        yield receiver


def raw(receiver: Receiver, *pieces: bytes) -> bytes:
    """Send bytes as they are, a pause between the pieces, and return everything until the peer closes."""
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.01)
        answer = b""
        while more := connection.recv(65_536):
            answer += more
        return answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"POST /\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n: nothing\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431),
    ],
)
def test_a_request_without_a_readable_head_is_refused(receiver: Receiver, request_bytes: bytes, status: int) -> None:
    assert raw(receiver, request_bytes).startswith(f"HTTP/1.1 {status} ".encode())
    assert len(receiver.violations) == 1


def test_a_request_may_arrive_in_pieces_and_two_at_once(receiver: Receiver) -> None:
    data = BODY
    head = f"POST /v1/batch HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    last = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = raw(receiver, head[:10], head[10:-1], head[-1:] + data[:7], data[7:] + last + data)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert receiver.stats().requests == 2
    assert receiver.violations == []


def test_expect_100_continue_is_answered_before_the_body(receiver: Receiver) -> None:
    data = BODY
    head = f"POST / HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    assert raw(receiver, head.encode(), data).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_connection_given_up_in_the_middle_leaves_no_trace(receiver: Receiver) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
    assert receiver.wait_for(requests=1)
    assert receiver.requests == []
    assert receiver.violations == []
