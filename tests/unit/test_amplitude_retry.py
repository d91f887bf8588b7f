"""The retry handlers: one send and its parts, and the one that keeps what could not be sent."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import __version__
from sluiceway.errors import ConfigError
from sluiceway.handover import Retry
from sluiceway.testing import MemoryTransport
from sluiceway.testing.memory import Scripted
from sluiceway.transport import KeptResponse, Response, TransportError, Urllib3Transport
from sluiceway.vendors.amplitude import Amplitude
from sluiceway.vendors.amplitude_retry import BaseRetryHandler, OfflineRetryHandler

OFFLINE = TransportError("connect", "no")


def event(name: object, user: str = "user-1") -> dict[str, Any]:
    return {"event_type": str(name), "user_id": user, "insert_id": f"id-{name}"}


def events(*names: object) -> list[dict[str, Any]]:
    return [event(name) for name in names]


def says(status: int, **entries: Any) -> Response:
    return Response(status=status, body=json.dumps({"code": status, **entries}).encode())


def invalid(*indices: int) -> Response:
    return says(400, error="Invalid field values on some events", events_with_invalid_fields={"time": list(indices)})


def names(transport: MemoryTransport) -> list[list[str]]:
    """The events of every request, answered how ever, by their types."""
    return [[event["event_type"] for event in json.loads(request.body)["events"]] for request in transport.requests]


def delivered(transport: MemoryTransport) -> list[str]:
    return [event["event_type"] for event in transport.events]


def base(script: Sequence[Scripted] = (), **options: Any) -> tuple[BaseRetryHandler, MemoryTransport]:
    transport = MemoryTransport(script)
    return BaseRetryHandler("key", transport_class=transport, **options), transport


def offline(script: Sequence[Scripted] = (), **options: Any) -> tuple[OfflineRetryHandler, MemoryTransport]:
    transport = MemoryTransport(script)
    return OfflineRetryHandler("key", transport_class=transport, **options), transport


# -- BaseRetryHandler


@pytest.mark.parametrize("kind", [BaseRetryHandler, OfflineRetryHandler])
def test_it_is_what_retry_class_takes(kind: Callable[..., Retry]) -> None:
    assert isinstance(kind("key"), Retry)
    assert Amplitude("key", retry_class=kind("key"))


def test_it_sends_once_what_the_client_would_send() -> None:
    handler, transport = base(min_id_length=3, server_zone="EU", request_timeout=2)
    before = time.monotonic()
    assert handler.send_events_with_retry(events("a", "b")).status == 200
    [request] = transport.requests
    assert (request.method, request.path) == ("POST", "/2/httpapi")
    assert request.headers == {
        "Content-Type": "application/json",
        "Accept": "*/*",
        "User-Agent": f"sluiceway/{__version__}",
    }
    assert json.loads(request.body) == {
        "api_key": "key",
        "events": events("a", "b"),
        "options": {"min_id_length": 3},
    }
    assert before + 1.5 < request.deadline < before + 30
    assert repr(handler) == "<BaseRetryHandler *** https://api.eu.amplitude.com/2/httpapi>"


@pytest.mark.parametrize("status", [200, 400, 413, 429, 500])
def test_it_retries_nothing_and_returns_what_was_answered(status: int) -> None:
    answer = says(status)
    handler, transport = base([answer])
    assert handler.send_events_with_retry(events("a", "b")) is answer
    assert len(transport.requests) == 1


def test_no_answer_is_raised() -> None:
    handler, _ = base([OFFLINE])
    with pytest.raises(TransportError):
        handler.send_events_with_retry(events("a"))


def test_nothing_is_not_sent() -> None:
    handler, transport = base()
    assert handler.send_events_with_retry([]).status == 200
    assert transport.requests == []


def test_what_does_not_fit_one_request_is_not_sent() -> None:
    handler, transport = base(max_batch_events=3)
    assert handler.send_events_with_retry(events(1, 2, 3, 4)).status == 413
    assert transport.requests == []
    assert handler.send_events_with_retry(events(1, 2, 3)).status == 200


@pytest.mark.parametrize("slack", [-1, 0, 1])
def test_a_body_has_exactly_as_many_bytes_as_are_allowed(slack: int) -> None:
    large = [json.dumps(one).encode() for one in events("x" * 300, "y" * 300, "z" * 300)]
    size = len(b'{"api_key":"key","events":[]}') + sum(map(len, large[:2])) + 1
    handler, transport = base(max_batch_bytes=size + slack, max_event_bytes=512)
    fit = 2 if slack >= 0 else 1
    assert handler.fitting(large) == fit
    assert handler.send(large[:2]).status == (200 if fit == 2 else 413)
    assert [len(request.body) for request in transport.requests] == ([size] if fit == 2 else [])


def test_its_own_transport_goes_where_the_options_say() -> None:
    handler = BaseRetryHandler("key", server_url="https://proxy.example.com/x", gzip=True, connect_timeout=1.5)
    transport = handler._transport
    assert isinstance(transport, Urllib3Transport)
    assert (transport._endpoint.url, transport._gzip, transport._connect_seconds) == (
        "https://proxy.example.com/x",
        True,
        1.5,
    )
    handler.close()
    handler.close()


@pytest.mark.parametrize("kind", [BaseRetryHandler, OfflineRetryHandler])
def test_its_options_are_checked(kind: Callable[..., Retry]) -> None:
    with pytest.raises(ConfigError, match="min_id_length"):
        kind("key", min_id_length=0)
    with pytest.raises(ConfigError, match="api_key"):
        kind("")
    with pytest.raises(ConfigError, match="is not an option"):
        kind("key", min_id=0)


def test_a_handler_can_be_built_from_its_parts() -> None:
    class TwiceAtMost(BaseRetryHandler):
        def send_events_with_retry(self, events: list[dict[str, Any]], /) -> Response:
            encoded = self.encode(events)
            response = self.send(encoded)
            return response if response.status == 200 else self.send(encoded)

    transport = MemoryTransport([500])
    handler = TwiceAtMost("key", transport_class=transport)
    with Amplitude("key", retry_class=handler, sync=True) as client:
        assert client.track("E", user_id="user-1")
    assert names(transport) == [["E"], ["E"]]


# -- OfflineRetryHandler


def test_a_failure_keeps_the_events_and_the_next_call_sends_them_first() -> None:
    handler, transport = offline([OFFLINE, 503])
    first = handler.send_events_with_retry(events("a"))
    assert isinstance(first, KeptResponse)
    assert first.status == 0
    assert handler.saved == 1
    second = handler.send_events_with_retry(events("b"))
    assert isinstance(second, KeptResponse)
    assert second.status == 503
    assert handler.saved == 2
    third = handler.send_events_with_retry(events("c"))
    assert (type(third), third.status, handler.saved) == (Response, 200, 0)
    assert names(transport) == [["a"], ["a", "b"], ["a", "b", "c"]]


def test_a_call_without_events_sends_what_is_kept() -> None:
    handler, transport = offline([OFFLINE])
    handler.send_events_with_retry(events("a", "b"))
    assert handler.send_events_with_retry([]).status == 200
    assert delivered(transport) == ["a", "b"]
    assert handler.send_events_with_retry([]).status == 200
    assert len(transport.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [OFFLINE, 408, 429, 500, 503, 302, says(429, throttled_users={"user-1": 31})],
    ids=lambda answer: str(getattr(answer, "status", answer)),
)
def test_what_may_pass_is_kept(answer: Scripted) -> None:
    handler, _ = offline([answer])
    assert isinstance(handler.send_events_with_retry(events("a", "b")), KeptResponse)
    assert handler.saved == 2


@pytest.mark.parametrize(
    ("answer", "status"),
    [(says(400, missing_field="api_key"), 400), (404, 400), (says(400, error="Missing request body"), 400)],
)
def test_a_refusal_of_the_whole_request_keeps_nothing(answer: Scripted, status: int) -> None:
    handler, _ = offline([answer])
    response = handler.send_events_with_retry(events("a", "b"))
    assert (type(response), response.status) == (Response, status)
    assert json.loads(response.body)["events_with_invalid_fields"] == {"": [0, 1]}
    assert (handler.saved, handler.refused) == (0, 0)


@pytest.mark.parametrize("answer", [invalid(0), invalid(7), says(400), 413])
def test_a_single_event_that_is_refused_is_not_kept(answer: Scripted) -> None:
    handler, transport = offline([answer])
    response = handler.send_events_with_retry(events("a"))
    assert type(response) is Response
    assert json.loads(response.body)["events_with_invalid_fields"] == {"": [0]}
    assert (handler.saved, len(transport.requests)) == (0, 1)


def test_named_events_leave_and_the_others_go_at_once() -> None:
    handler, transport = offline([invalid(1, 1, 9)])
    response = handler.send_events_with_retry(events("a", "b", "c"))
    assert names(transport) == [["a", "b", "c"], ["a", "c"]]
    assert isinstance(response, KeptResponse)
    assert json.loads(response.body)["events_with_invalid_fields"] == {"": [1]}
    assert (handler.saved, handler.refused) == (0, 0)


def test_indices_are_told_as_the_caller_counts() -> None:
    handler, transport = offline([OFFLINE, invalid(1, 2)])
    handler.send_events_with_retry(events("a", "b"))
    response = handler.send_events_with_retry(events("c", "d"))
    assert names(transport)[1:] == [["a", "b", "c", "d"], ["a", "d"]]
    assert json.loads(response.body)["events_with_invalid_fields"] == {"": [0]}
    assert (handler.saved, handler.refused) == (0, 1)


def test_a_400_that_names_nobody_is_searched() -> None:
    handler, transport = offline([400, 400, 200, 400, 200])
    response = handler.send_events_with_retry(events("a", "b", "c", "d"))
    assert names(transport) == [["a", "b", "c", "d"], ["a", "b"], ["a"], ["b"], ["c"], ["d"]]
    assert json.loads(response.body)["events_with_invalid_fields"] == {"": [1]}
    assert delivered(transport) == ["a", "c", "d"]


def test_a_413_halves() -> None:
    handler, transport = offline([413, 413])
    response = handler.send_events_with_retry(events(*range(8)))
    assert [len(request) for request in names(transport)] == [8, 4, 2, 2, 2, 2]
    assert (type(response), response.status) == (Response, 200)


def test_a_search_ends_after_64_requests_and_keeps_the_rest() -> None:
    handler, transport = offline([400] * 200)
    response = handler.send_events_with_retry(events(*range(100)))
    assert len(transport.requests) == 64
    assert isinstance(response, KeptResponse)
    refused = json.loads(response.body)["events_with_invalid_fields"][""]
    assert len(refused) + handler.saved == 100
    assert handler.saved > 0


def test_who_is_over_the_quota_is_refused_and_the_others_are_kept_or_sent() -> None:
    over = {"exceeded_daily_quota_users": {"user-2": 5}, "exceeded_daily_quota_devices": {"device-4": 5}}
    handler, transport = offline([says(429, throttled_users={"user-3": 31}, **over), 503])
    mixed = [event("a"), event("b", "user-2"), event("c", "user-3"), event("d") | {"device_id": "device-4"}]
    response = handler.send_events_with_retry(mixed)
    assert json.loads(response.body)["events_with_invalid_fields"] == {"": [1, 3]}
    assert names(transport) == [["a", "b", "c", "d"], ["a", "c"]]
    assert handler.saved == 2


@pytest.mark.parametrize("answer", [401, says(400, error="Invalid API key: key")])
def test_a_wrong_key_is_told_and_costs_nothing_that_was_kept(answer: Response) -> None:
    handler, _ = offline([OFFLINE, answer])
    handler.send_events_with_retry(events("a"))
    response = handler.send_events_with_retry(events("b"))
    assert type(response) is Response
    assert response.status in (400, 401)
    assert handler.saved == 1


def test_beyond_max_cached_events_the_oldest_are_dropped_and_counted() -> None:
    handler, transport = offline([OFFLINE, OFFLINE], max_cached_events=3)
    handler.send_events_with_retry(events("a", "b"))
    handler.send_events_with_retry(events("c", "d", "e"))
    assert (handler.saved, handler.dropped) == (3, 2)
    handler.send_events_with_retry([])
    assert delivered(transport) == ["c", "d", "e"]


def test_a_backlog_goes_in_requests_within_the_limits() -> None:
    handler, transport = offline([OFFLINE, OFFLINE, 200, OFFLINE], max_batch_events=3)
    handler.send_events_with_retry(events(1, 2, 3))
    handler.send_events_with_retry(events(4, 5))
    response = handler.send_events_with_retry(events(6, 7))
    assert names(transport)[2:] == [["1", "2", "3"], ["4", "5", "6"]]
    assert isinstance(response, KeptResponse)
    assert handler.saved == 4
    assert handler.send_events_with_retry([]).status == 200
    assert delivered(transport) == list("1234567")


def test_events_that_arrived_although_a_later_request_failed_are_not_kept() -> None:
    handler, _ = offline([200, OFFLINE], max_batch_events=2)
    assert isinstance(handler.send_events_with_retry(events(1, 2, 3)), KeptResponse)
    assert handler.saved == 1


def test_threads_take_turns() -> None:
    handler, transport = offline()
    busy: list[int] = []
    overlaps: list[int] = []
    send = transport.send

    def slow(request: Any) -> Response:
        busy.append(1)
        overlaps.append(len(busy))
        try:
            time.sleep(0.001)  # lets the others in, if they may
            return send(request)
        finally:
            busy.pop()

    transport.send = slow  # type: ignore[method-assign]
    threads = [
        threading.Thread(target=lambda: [handler.send_events_with_retry(events(n)) for n in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(overlaps) == {1}
    assert len(transport.events) == 80


def test_a_forked_child_keeps_nothing_of_its_parents() -> None:
    handler, _ = offline([OFFLINE])
    handler.send_events_with_retry(events("a"))
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writing, f"{handler.saved}".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 10) == b"0"
    os.close(reading)
    os.close(writing)
    assert handler.saved == 1


ANSWERS = st.one_of(
    st.just(200),
    st.sampled_from([400, 401, 404, 408, 413, 429, 500, 503]),
    st.just(OFFLINE),
    st.lists(st.integers(0, 12), max_size=4).map(lambda indices: invalid(*indices)),
    st.just(says(429, exceeded_daily_quota_users={"user-2": 1}, throttled_users={"user-3": 31})),
)


@given(st.lists(ANSWERS, max_size=20), st.lists(st.integers(0, 4), min_size=1, max_size=6), st.integers(1, 12))
def test_whatever_happens_each_event_ends_once_and_in_order(
    script: list[Scripted], sizes: list[int], bound: int
) -> None:
    handler, transport = offline(script, max_cached_events=bound, max_batch_events=3)
    number = refused = unauthorized = 0
    for size in sizes:
        batch = [event(number + index, f"user-{1 + (number + index) % 3}") for index in range(size)]
        number += size
        response = handler.send_events_with_retry(batch)
        assert handler.saved <= bound
        if response.status == 401 and type(response) is Response:
            unauthorized += size
        elif response.body and b'"events_with_invalid_fields":{"":' in response.body:
            refused += len(json.loads(response.body)["events_with_invalid_fields"][""])
    arrived = delivered(transport)
    assert len(arrived) == len(set(arrived))
    ended = len(arrived) + refused + handler.refused + handler.dropped + handler.saved
    # A wrong key may be told of events of which some had arrived in an earlier request of the same call.
    assert number - unauthorized <= ended <= number
    assert arrived == sorted(arrived, key=int)
    for user in range(3):
        mine = [name for name in arrived if int(name) % 3 == user]
        assert mine == sorted(mine, key=int)


# -- through a client


def client_with(handler: Retry, **options: Any) -> Amplitude:
    return Amplitude("key", retry_class=handler, sync=True, **options)


def test_what_a_handler_delivers_is_delivered() -> None:
    handler, transport = offline()
    client = client_with(handler)
    assert client.track("E", user_id="user-1")
    assert client.stats().delivered == 1
    assert delivered(transport) == ["E"]


def test_what_a_handler_keeps_is_handed_over_and_its_callback_told() -> None:
    handler, transport = offline([OFFLINE, 503])
    told: list[Any] = []
    client = client_with(handler)
    client.track("a", user_id="user-1", callback=lambda error, batch: told.append(error))
    client.track("b", user_id="user-1", callback=lambda error, batch: told.append(error))
    client.track("c", user_id="user-1", callback=lambda error, batch: told.append(error))
    stats = client.stats()
    assert (stats.accepted, stats.delivered, stats.handed_over, stats.pending) == (3, 1, 2, 0)
    assert [getattr(error, "reason", None) for error in told] == ["handed_over", "handed_over", None]
    assert delivered(transport) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(says(400, missing_field="api_key"), "rejected"), (invalid(0), "rejected"), (401, "unauthorized")],
)
def test_what_a_handler_gives_up_fails(answer: Scripted, reason: str) -> None:
    handler, _ = offline([answer])
    client = client_with(handler)
    client.track("a", user_id="user-1")
    stats = client.stats()
    assert (stats.handed_over, dict(stats.failed_by_reason)) == (0, {reason: 1})


def test_base_sends_once_through_a_client_too() -> None:
    handler, transport = base([503, OFFLINE, invalid(0)])
    client = client_with(handler)
    for name in "abc":
        client.track(name, user_id="user-1")
    assert names(transport) == [["a"], ["b"], ["c"]]
    assert dict(client.stats().failed_by_reason) == {"retries_exhausted": 2, "rejected": 1}
