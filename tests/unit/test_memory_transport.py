"""The transport of the user's own tests: keeps what is sent, answers as told, needs neither thread nor socket."""

from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import pytest

from sluiceway.testing import MemoryTransport
from sluiceway.transport import Request, Response, Transport, TransportError

from .arrivals import PATHS, VENDORS, body, event


def request(*events: dict[str, Any], packed: bool = False) -> Request:
    """Return a request that carries these events."""
    body = json.dumps({"batch": list(events), "sentAt": "2013-01-01T10:15:00.000Z"}).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    return Request(path="/v1/batch", headers=headers, body=gzip.compress(body) if packed else body, deadline=1e9)


def test_it_is_a_transport_that_needs_no_thread() -> None:
    transport: Transport = MemoryTransport()
    before = threading.active_count()
    assert transport.send(request({"event": "a"})).status == 200
    assert threading.active_count() == before
    assert MemoryTransport.inline is True


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_sent_is_kept_and_decoded(packed: bool) -> None:
    transport = MemoryTransport()
    first, second = request({"event": "a"}, {"event": "b"}, packed=packed), request({"event": "c"}, packed=packed)
    transport.send(first)
    transport.send(second)
    assert transport.requests == [first, second]
    assert [event["event"] for event in transport.events] == ["a", "b", "c"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_events_are_found_in_every_vendors_envelope(vendor: str) -> None:
    transport = MemoryTransport()
    told = event(vendor)
    transport.send(Request(path=PATHS[vendor], headers={}, body=body(vendor, told), deadline=1e9))
    assert transport.events == [told]


def test_the_script_answers_first_and_then_200() -> None:
    slow = Response(status=429, headers={"retry-after": "7"})
    transport = MemoryTransport([500, slow])
    transport.answer(204)
    assert transport.send(request({"event": "a"})).status == 500
    assert transport.send(request({"event": "a"})) is slow
    assert transport.events == [], "only acknowledged events count"
    assert [transport.send(request({"event": "a"})).status for _ in range(2)] == [204, 200]
    assert len(transport.requests) == 4
    assert len(transport.events) == 2


def test_a_scripted_error_is_raised_and_the_request_kept() -> None:
    transport = MemoryTransport([TransportError("timeout", "maybe")])
    with pytest.raises(TransportError, match="timeout"):
        transport.send(request({"event": "a"}))
    assert len(transport.requests) == 1
    assert transport.events == []


def test_clear_forgets_what_was_sent() -> None:
    transport = MemoryTransport()
    transport.send(request({"event": "a"}))
    transport.clear()
    assert (transport.requests, transport.events) == ([], [])


def test_what_it_returns_is_a_copy() -> None:
    transport = MemoryTransport()
    transport.requests.append(request())
    transport.events.append({})
    assert (transport.requests, transport.events) == ([], [])


def test_a_closed_one_can_still_be_read_and_used() -> None:
    transport = MemoryTransport()
    transport.send(request({"event": "a"}))
    assert not transport.closed
    transport.close()
    assert transport.closed
    assert len(transport.events) == 1
    assert transport.send(request({"event": "b"})).status == 200
