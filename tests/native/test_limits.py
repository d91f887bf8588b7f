"""Row 62, the limits to the byte: of an event, of a request's body with its envelope, and of the events in a request.

A size is that of the bytes as sent. A larger client measures it first, so no test knows how an event is written.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway import ConfigError, InvalidEvent
from sluiceway.testing import MemoryTransport

from .clients import ENVELOPE_BYTES, KEY, ROOMY, STAMP, Kept, Ringed, strict
from .test_parity import properties

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.transport import Request, Response

LIMIT = 32_768
CANARY = "canary-of-the-payload"
ROOM = Kept(**ROOMY)


def measure(event: dict[str, Any]) -> int:
    """The bytes of a track event as sent."""
    ROOM.clear()
    assert ROOM.track(**event) is True
    return len(ROOM.last())


def plain(fill: str) -> dict[str, Any]:
    return {"user_id": "u", "event": "E", "properties": {"a": fill}, "timestamp": STAMP}


def own_id(fill: str) -> dict[str, Any]:
    return {**plain(fill), "message_id": '"' * 50}


def merged(fill: str) -> dict[str, Any]:
    return {**plain("x"), "context": {"ip": "10.0.0.1", "locale": fill}}


def own_library(fill: str) -> dict[str, Any]:
    return {**plain("x"), "context": {"library": {"name": fill}}}


def no_defaults(fill: str) -> dict[str, Any]:
    return {"anonymous_id": fill, "event": "E", "integrations": {"All": False}, "context": {}}


def in_the_name(fill: str) -> dict[str, Any]:
    return {"user_id": "u", "event": fill or "E"}


def in_a_key(fill: str) -> dict[str, Any]:
    return {"user_id": "u", "event": "E", "properties": {fill: {}}}


def among_numbers(fill: str) -> dict[str, Any]:
    moment = datetime(2013, 1, 1, 5, 0, 0, 1, timezone.utc)
    odd = [0.1, -1e300, 2**63, -(2**63), 10**300, 10**400, float("nan"), moment, moment.replace(microsecond=0)]
    return plain(fill) | {"properties": {"odd": [*odd, UUID(int=1), None, True, {}, [], [[]]] * 2, "a": fill}}


def nested(fill: str) -> dict[str, Any]:
    value: Any = fill
    for level in range(60):
        value = [value] if level % 2 else {"key": value, "kex": [fill[:3]]}
    return plain("x") | {"properties": {"a": value}}


def long_way(fill: str) -> dict[str, Any]:
    return {**plain(fill), "user_id": 7, "properties": {"set": {1}, "a": fill}}


SHAPES: list[Callable[[str], dict[str, Any]]] = [
    plain,
    own_id,
    merged,
    own_library,
    no_defaults,
    in_the_name,
    in_a_key,
    among_numbers,
    nested,
    long_way,
]
# What the text is made of: its bytes as sent are its bytes here, or twice as many for the escapes.
FILLINGS = {"ascii": "x", "two bytes": "\u00e9", "three bytes": "\u20ac", "four bytes": "\U0001f600", "escapes": '"'}


def fill_up(make: Callable[[str], dict[str, Any]], text: str, size: int) -> dict[str, Any]:
    """An event of exactly that size: of so many of the text, and one-byte characters where no whole one fits."""
    each = measure(make("xxxx" + text)) - measure(make("xxxx"))
    count = (size - measure(make("xxxx"))) // each
    rest = size - measure(make("xxxx" + text * count))
    event = make("x" * (4 + rest) + text * count)
    assert measure(event) == size
    return event


# Above 4,096 bytes, what doubles when it is escaped may be let through to fail when it is encoded: tested below.
EXACT = [(limit, text) for limit in (LIMIT, 4_097, 4_096) for text in FILLINGS if text != "escapes" or limit == 4_096]


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
@pytest.mark.parametrize(("limit", "filling"), EXACT)
def test_an_event_of_exactly_the_limit_is_sent_and_one_byte_more_is_refused(
    limit: int, filling: str, make: Callable[[str], dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    text = FILLINGS[filling]
    client = Kept(max_event_bytes=limit)
    for size in (limit - 1, limit):
        client.clear()
        event = fill_up(make, text, size)
        assert client.track(**event) is True
        assert len(client.last()) == size
    over = fill_up(make, text, limit + 1)
    client.clear()
    assert client.track(**over) is False
    assert not client.memory.requests
    assert f"takes at least {limit + 1:,} bytes; the limit is {limit:,}" in caplog.text
    assert client.stats().refused == {"event_too_large": 1}
    assert client.stats().balanced


@pytest.mark.parametrize(("text", "least"), [('"', 16_384), ("\n", 16_384), ("\x01", 16_384)])
def test_escapes_above_half_the_limit_are_refused_at_the_call_with_their_size(
    text: str, least: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = Kept()
    event = plain(text * least)
    assert client.track(**event) is False
    assert client.stats().refused == {"event_too_large": 1}
    assert f"takes at least {measure(event):,} bytes" in caplog.text


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
@pytest.mark.parametrize("text", ['"', "\\", "\t", "\x00", "\x1f"])
def test_escapes_up_to_the_limit_are_sent(text: str, size: int) -> None:
    client = Kept()
    assert client.track(**fill_up(plain, text, size)) is True
    assert len(client.last()) == size


OVER: dict[str, Callable[[], dict[str, Any]]] = {
    "a byte over, of doubled characters": lambda: fill_up(plain, '"', LIMIT + 1),
    "a byte over, of six-fold characters": lambda: fill_up(plain, "\x00", LIMIT + 1),
    "six-fold characters below half": lambda: plain("\x01" * 16_000),
    "floats": lambda: plain("") | {"properties": {"a": [52.123456789012345] * 4_000}},
    "wide integers": lambda: plain("") | {"properties": {"a": [2**62] * 8_000}},
}


@pytest.mark.parametrize("make", OVER.values(), ids=OVER)
def test_what_grows_beyond_the_limit_unforeseen_is_never_sent_and_ends_once(make: Callable[[], dict[str, Any]]) -> None:
    event = make()
    assert measure(event) > LIMIT
    client = Kept()
    told: list[Any] = []
    taken = client.track(**event, callback=lambda error, batch: told.append(error))
    stats = client.stats()
    if taken:
        assert (stats.refused, stats.failed_by_reason) == ({}, {"event_too_large": 1})
    else:
        assert (stats.refused, stats.failed_by_reason) == ({"event_too_large": 1}, {})
    assert stats.balanced
    assert (stats.pending, stats.reserved_events, stats.reserved_bytes) == (0, 0, 0)
    assert client.track("u", "E") is True
    assert [event["event"] for event in client.memory.events] == ["E"]
    client.close()
    assert [(error.reason, error.sent) for error in told] == [("event_too_large", "no")]


def test_the_callback_of_an_event_that_failed_late_waits_for_no_other_event() -> None:
    class Threaded(MemoryTransport):
        inline = False

    told = threading.Event()
    with Kept(transport=Threaded()) as client:
        assert client.track("u", "E", {"a": "\x01" * 16_000}, callback=lambda error, batch: told.set()) is True
        assert told.wait(5), "the worker went back to sleep without telling it"


@pytest.mark.parametrize("call", ["identify", "track", "page", "screen", "group", "alias"])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_every_call_has_the_same_limit(call: str, size: int) -> None:
    required = {"track": {"event": "E"}, "group": {"group_id": "g"}, "alias": {"previous_id": "p"}}.get(call, {})
    arguments = {"user_id": "u", "timestamp": STAMP, "message_id": "m", **required}
    ROOM.clear()
    getattr(ROOM, call)(**arguments, context={"a": ""})
    fill = "\u00e9" * ((size - len(ROOM.last())) // 2) + "x" * ((size - len(ROOM.last())) % 2)
    client = Kept()
    assert getattr(client, call)(**arguments, context={"a": fill}) is (size <= LIMIT)
    assert [len(request.body) for request in client.memory.requests] == [size + ENVELOPE_BYTES] * (size <= LIMIT)


def test_an_oversize_event_is_named_with_its_size_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = Kept()
        event = fill_up(lambda fill: plain(CANARY + fill), "x", LIMIT + 1)
        assert client.track(**event) is False
        [record] = [each for each in caplog.records if each.name == "sluiceway"]
        assert "track" in record.getMessage()
        assert "32,769" in record.getMessage()
        assert CANARY not in caplog.text + repr(client) + repr(client.stats())
        with pytest.raises(InvalidEvent) as caught:
            Kept(strict=True).track(**event)
    assert caught.value.field == "track"
    assert "32,769" in str(caught.value)
    assert CANARY not in repr(caught.value) + caplog.text


@settings(deadline=None, max_examples=100)
@given(properties, st.integers(40, 3_000), st.booleans())
def test_whatever_is_in_it_an_event_is_taken_up_to_its_size_and_not_beyond(
    value: dict[str, Any], extra: int, checked: bool
) -> None:
    event = {"user_id": "u", "event": "E", "properties": {**value, "extra": "x" * extra}, "timestamp": STAMP}
    size = measure(event)
    middleware = [lambda event: event] if checked else None
    assert Kept(max_event_bytes=size, middleware=middleware).track(**event) is True
    client = Kept(max_event_bytes=size - 1, middleware=middleware)
    taken = client.track(**event)
    assert not client.memory.requests
    assert client.stats().balanced
    if size - 1 <= 4_096:
        assert taken is False, "there, every event is measured at the call"
        assert client.stats().refused == {"event_too_large": 1}


def test_a_refused_size_is_the_threads_own() -> None:
    # The size of the last refusal is kept for the log line: two threads must not read each other's.
    client = Ringed(strict=True)
    wrong: list[Any] = []

    def refuse(size: int) -> None:
        event = fill_ups[size]
        for _ in range(200):
            try:
                client.track(**event)
            except InvalidEvent as error:
                if f"{size:,}" not in str(error):
                    wrong.append((size, str(error)))

    fill_ups = {size: fill_up(plain, "x", size) for size in (LIMIT + 1, LIMIT + 2, LIMIT + 3)}
    threads = [threading.Thread(target=refuse, args=(size,)) for size in fill_ups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert client.stats().refused == {"event_too_large": 600}


class Gated(MemoryTransport):
    """Holds the first request back until it is opened, so that a backlog builds up behind it."""

    inline = False

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.entered = threading.Event()

    def send(self, request: Request) -> Response:
        self.entered.set()
        assert self.opened.wait(30)
        return super().send(request)


def bodies(events: list[dict[str, Any]], **options: Any) -> list[bytes]:
    """The request bodies in which these events leave, when they all wait at once."""
    transport = Gated()
    client = Kept(transport=transport, flush_at=10**6, flush_interval=3_600.0, **options)
    assert client.track("u", "first, to hold the worker") is True
    assert transport.entered.wait(30)
    taken = [client.track(**event) for event in events]
    assert all(taken)
    transport.opened.set()
    assert client.flush(30).ok
    assert client.close(30).ok
    assert client.stats().balanced
    [_, *rest] = [request.body for request in transport.requests]
    assert sum(len(strict(body)["batch"]) for body in rest) == len(events)
    return rest


@pytest.mark.parametrize("text", ["x", "\u20ac"])
@pytest.mark.parametrize("max_batch_bytes", [LIMIT + ENVELOPE_BYTES, 65_536, 500_000])
@pytest.mark.parametrize("step", [-1, 0, 1])
def test_a_body_is_filled_to_the_byte_and_never_over(max_batch_bytes: int, text: str, step: int) -> None:
    size = max_batch_bytes + step
    count = -(-(size - ENVELOPE_BYTES) // 30_000)
    share, last = divmod(size - ENVELOPE_BYTES - (count - 1), count)
    events = [fill_up(plain, text, share + (last if number == count - 1 else 0)) for number in range(count)]
    sent = bodies(events, max_batch_bytes=max_batch_bytes)
    assert max(map(len, sent)) <= max_batch_bytes
    if step <= 0:
        assert [len(body) for body in sent] == [size]
    else:
        assert [len(strict(body)["batch"]) for body in sent] == [count - 1, 1]


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(250, 4_000), min_size=1, max_size=40), st.integers(4_500, 12_000))
def test_bodies_are_as_full_as_they_can_be_and_keep_the_order(sizes: list[int], max_batch_bytes: int) -> None:
    events = [
        fill_up(lambda fill, number=number: plain(fill) | {"user_id": f"{number:03}"}, "x", size)  # type: ignore[misc]
        for number, size in enumerate(sizes)
    ]
    sent = bodies(events, max_event_bytes=4_000, max_batch_bytes=max_batch_bytes)
    users = [[event["userId"] for event in strict(body)["batch"]] for body in sent]
    assert [user for each in users for user in each] == [f"{number:03}" for number in range(len(sizes))]
    assert all(len(body) <= max_batch_bytes for body in sent)
    for body, behind in zip(sent, users[1:], strict=False):
        assert len(body) + 1 + sizes[int(behind[0])] > max_batch_bytes, "the next event would have fitted"


@pytest.mark.parametrize(("events", "requests"), [(2_499, [2_499]), (2_500, [2_500]), (2_501, [2_500, 1])])
def test_a_request_holds_2500_events_and_no_more(events: int, requests: list[int]) -> None:
    sent = bodies([{"user_id": "u", "event": "E"}] * events, max_batch_bytes=2_000_000)
    assert [len(strict(body)["batch"]) for body in sent] == requests


def test_the_limits_of_the_vendor_hold_without_an_option() -> None:
    sent = bodies([{"user_id": "u", "event": "E", "message_id": "m"}] * 6_000)
    assert [len(strict(body)["batch"]) for body in sent] == [2_500, 2_500, 1_000]
    assert max(map(len, sent)) <= 500_000


@pytest.mark.parametrize("key", ["k", KEY, "k" * 200])
def test_the_envelope_counts_with_the_key_that_is_in_it(key: str) -> None:
    from sluiceway import Segment
    from sluiceway.vendors.segment import SEGMENT

    around = SEGMENT.envelope_bytes(key)
    Segment(key, transport=MemoryTransport(), max_event_bytes=1_000, max_batch_bytes=1_000 + around)
    with pytest.raises(ConfigError):
        Segment(key, transport=MemoryTransport(), max_event_bytes=1_000, max_batch_bytes=999 + around)
