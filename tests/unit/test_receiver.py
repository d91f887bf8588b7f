"""The receiver is the oracle of the other tests, so its own laws are proved with nothing but `http.client`."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from sluiceway.testing import Answer, Arriving, Receiver

KEY = "test-write-key"
SENT_AT = "2013-01-01T10:15:00.000Z"


def event(message_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return one event as it stands in a batch."""
    message_id = message_id or str(uuid.uuid4())
    return {"type": "track", "messageId": message_id, "timestamp": SENT_AT, "userId": "u", "event": "E"} | fields


def body(*events: Any, **envelope: Any) -> bytes:
    """Return a request body around these events."""
    return json.dumps({"batch": list(events), "writeKey": KEY, "sentAt": SENT_AT} | envelope).encode()


class Caller:
    """A client of one connection that knows nothing of sluiceway."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)

    def post(self, data: bytes, path: str = "/v1/batch", **headers: str) -> tuple[int, bytes]:
        """Send one request and read the whole answer."""
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        self.connection.request("POST", path, data, sent)
        response = self.connection.getresponse()
        return response.status, response.read()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver that keeps everything."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def caller(receiver: Receiver) -> Iterator[Caller]:
    """Return a caller connected to the receiver."""
    caller = Caller(receiver.url)
    yield caller
    caller.connection.close()


def test_a_request_is_kept_as_it_arrived(receiver: Receiver, caller: Caller) -> None:
    before = time.monotonic()
    data = body(event("a"), event("b"))
    assert caller.post(data, X_Retry_Count="2", X_Other="é") == (200, b'{"success":true}')
    (kept,) = receiver.requests
    assert (kept.method, kept.path, kept.number, kept.connection, kept.status) == ("POST", "/v1/batch", 0, 0, 200)
    assert kept.headers["x-other"] == "é"
    assert kept.attempt == 2
    assert kept.sent_bytes == len(data)
    assert kept.body == data
    assert before <= kept.arrived_seconds <= time.monotonic()
    assert [event["messageId"] for event in kept.batch] == ["a", "b"]
    assert kept.document["writeKey"] == KEY
    assert receiver.events == kept.batch
    assert receiver.violations == []


def test_a_kept_request_shows_neither_key_nor_payload(receiver: Receiver, caller: Caller) -> None:
    caller.post(body(event("a", properties={"secret": "payload"})))
    assert KEY not in repr(receiver.requests)
    assert "payload" not in repr(receiver.requests)


def test_one_connection_serves_many_requests(receiver: Receiver, caller: Caller) -> None:
    for _ in range(5):
        caller.post(body(event()))
    assert [kept.connection for kept in receiver.requests] == [0] * 5
    other = Caller(receiver.url)
    other.post(body(event()))
    other.connection.close()
    assert receiver.requests[-1].connection == 1
    assert receiver.stats().connections == 2


def test_answers_come_in_order_and_then_the_default() -> None:
    script = [Answer(429, {"Retry-After": "7"}, b"slow"), 503]
    with Receiver(script, default=Answer(204, body=b"")) as receiver:
        caller = Caller(receiver.url)
        assert caller.post(body(event())) == (429, b"slow")
        assert caller.post(body(event())) == (503, b"")
        assert caller.post(body(event())) == (204, b"")
        receiver.answer(500)
        assert caller.post(body(event())) == (500, b"")
        caller.connection.close()
        assert [kept.status for kept in receiver.requests] == [429, 503, 204, 500]
        assert receiver.stats().statuses == {"204": 1, "429": 1, "500": 1, "503": 1}


def test_a_scripted_header_arrives() -> None:
    with Receiver([Answer(429, {"Retry-After": "7"})]) as receiver:
        caller = Caller(receiver.url)
        caller.connection.request("POST", "/v1/batch", body(event()))
        response = caller.connection.getresponse()
        assert response.headers["Retry-After"] == "7"
        caller.connection.close()


def test_a_scripted_function_sees_head_and_body() -> None:
    def decide(arriving: Arriving) -> Answer | int:
        return 413 if len(arriving.batch) > 1 else 200

    with Receiver(decide) as receiver:
        caller = Caller(receiver.url)
        assert caller.post(body(event(), event()))[0] == 413
        assert caller.post(body(event()))[0] == 200
        caller.connection.close()


def test_a_mistake_in_a_scripted_function_is_noted_and_answered() -> None:
    def decide(arriving: Arriving) -> int:
        raise KeyError(arriving.path)

    with Receiver(decide) as receiver:
        caller = Caller(receiver.url)
        assert caller.post(body(event()))[0] == 500
        caller.connection.close()
        assert receiver.violations == ["script: KeyError in request 0"]


def test_only_acknowledged_events_count_as_events() -> None:
    with Receiver([500]) as receiver:
        caller = Caller(receiver.url)
        data = body(event("a"))
        caller.post(data)
        assert (receiver.events, receiver.ids) == ([], 0)
        assert not receiver.acknowledged("a")
        caller.post(data)
        assert receiver.ids == 1
        assert receiver.acknowledged("a")
        caller.post(data)
        caller.connection.close()
        stats = receiver.stats()
        assert (stats.requests, stats.acknowledged, stats.events, stats.ids) == (3, 2, 2, 1)
        assert (stats.repeats, stats.duplicates, stats.mismatches) == (1, 1, 0)


@pytest.mark.parametrize("keep", ["all", "ids"])
def test_an_id_that_comes_again_with_other_bytes_is_a_mismatch(keep: Any) -> None:
    with Receiver([500], keep=keep) as receiver:
        caller = Caller(receiver.url)
        first = event("a")
        caller.post(body(first, event()))
        caller.post(body(first | {"event": "Other"}, event()))
        caller.connection.close()
        stats = receiver.stats()
        assert (stats.repeats, stats.mismatches, stats.ids) == (1, 1, 2)


def test_a_copy_within_one_batch_is_a_duplicate(receiver: Receiver, caller: Caller) -> None:
    caller.post(body(event("a"), event("a"), event("b")))
    stats = receiver.stats()
    assert (stats.events, stats.ids, stats.duplicates) == (3, 2, 1)


def test_ids_alone_are_kept_as_sixteen_bytes_each() -> None:
    texts = [str(uuid.uuid4()) for _ in range(100)]
    odd = ["order-1", texts[0].upper(), texts[0].replace("-", ""), "é"]
    with Receiver(keep="ids") as receiver:
        caller = Caller(receiver.url)
        caller.post(body(*map(event, texts)))
        assert receiver.acknowledged_ids() == b"".join(uuid.UUID(text).bytes for text in texts)
        caller.post(json.dumps({"batch": [{"messageId": text} for text in odd]}).encode())
        caller.connection.close()
        assert receiver.ids == 104
        assert receiver.requests == []
        assert receiver.events == []
        assert all(map(receiver.acknowledged, [*texts, *odd]))
        assert not receiver.acknowledged("order-2")


def test_gzip_is_unpacked_and_the_sent_length_kept(receiver: Receiver, caller: Caller) -> None:
    data = body(event("a"))
    packed = gzip.compress(data)
    assert caller.post(packed, Content_Encoding="gzip")[0] == 200
    (kept,) = receiver.requests
    assert (kept.sent_bytes, kept.body) == (len(packed), data)


@pytest.mark.parametrize(
    ("data", "encoding", "status"),
    [
        (b"not gzip", "gzip", 400),
        (gzip.compress(body(event()))[:-3], "gzip", 400),
        (body(event()), "br", 415),
        (b"{", "identity", 400),
        (b'{"batch":[NaN]}', "identity", 400),
        (b'{"batch":[],"x":"\xff"}', "identity", 400),
    ],
)
@pytest.mark.parametrize("keep", ["all", "ids"])
def test_what_cannot_be_read_is_refused(keep: Any, data: bytes, encoding: str, status: int) -> None:
    with Receiver(keep=keep) as receiver:
        caller = Caller(receiver.url)
        assert caller.post(data, Content_Encoding=encoding)[0] == status
        assert caller.post(body(event()))[0] == 200, "the connection goes on"
        caller.connection.close()
        assert len(receiver.violations) == 1
        assert receiver.stats().ids == 1


@pytest.mark.parametrize(("reset", "kept"), [("before", 0), ("during", 0), ("after", 1)])
def test_a_reset_cuts_the_connection_without_an_answer(reset: Any, kept: int) -> None:
    with Receiver([Answer(reset=reset)]) as receiver:
        caller = Caller(receiver.url)
        data = body(*(event() for _ in range(1_000)))
        with pytest.raises(ConnectionError):
            caller.post(data)
        caller.connection.close()
        assert caller.post(data)[0] == 200, "a fresh connection is served"
        caller.connection.close()
        stats = receiver.stats()
        assert (stats.requests, stats.resets, stats.acknowledged, stats.ids) == (2, 1, 1, 1_000)
        assert len(receiver.requests) == kept + 1
        assert stats.repeats == 1_000 * kept
        assert [request.status for request in receiver.requests] == [None] * kept + [200]


def test_a_cut_answer_acknowledges_nothing() -> None:
    with Receiver([Answer(cut_bytes=9)]) as receiver:
        caller = Caller(receiver.url)
        with pytest.raises((ConnectionError, http.client.BadStatusLine)):
            caller.post(body(event()))
        caller.connection.close()
        assert receiver.ids == 0
        assert receiver.stats().resets == 1


def test_a_dripping_answer_takes_its_time() -> None:
    with Receiver([Answer(drip_seconds=0.002)]) as receiver:
        caller = Caller(receiver.url)
        began = time.monotonic()
        assert caller.post(body(event()))[0] == 200
        assert time.monotonic() - began > 0.1
        caller.connection.close()


def test_a_delayed_request_has_arrived_but_is_not_answered() -> None:
    with Receiver([Answer(delay=0.3)]) as receiver:
        caller = Caller(receiver.url)
        thread = threading.Thread(target=caller.post, args=(body(event()),))
        thread.start()
        assert receiver.wait_for(requests=1)
        while not receiver.requests:
            time.sleep(0.001)
        assert receiver.requests[0].status is None
        assert receiver.ids == 0
        assert receiver.wait_for(events=1)
        assert receiver.requests[0].status == 200
        thread.join()
        caller.connection.close()
        assert not receiver.wait_for(events=2, timeout=0.01)


def test_close_ends_a_delayed_answer_and_every_thread() -> None:
    receiver = Receiver([Answer(delay=60)])
    connection = socket.create_connection(("127.0.0.1", receiver.port))
    connection.sendall(b"POST /v1/batch HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    idle = socket.create_connection(("127.0.0.1", receiver.port))
    assert receiver.wait_for(requests=1)
    began = time.monotonic()
    receiver.close()
    receiver.close()
    assert time.monotonic() - began < 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("receiver")]
    connection.close()
    idle.close()


def test_clear_forgets_what_arrived(receiver: Receiver, caller: Caller) -> None:
    caller.post(body(event("a")))
    receiver.clear()
    assert (receiver.requests, receiver.events, receiver.ids) == ([], [], 0)
    caller.post(body(event("a")))
    assert receiver.ids == 1


@pytest.mark.parametrize("wrong", [{"status": 99}, {"reset": "soon"}, {"delay": -1}, {"drip_seconds": -1}])
def test_an_impossible_answer_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Answer(**wrong)


def test_an_unknown_way_to_keep_is_refused() -> None:
    with pytest.raises(ValueError):
        Receiver(keep="some")  # type: ignore[arg-type]
