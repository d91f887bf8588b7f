"""RudderStack's page: the shape of each call, what is ours in it, what is refused, and the time at each event's end."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from unittest import mock
from uuid import UUID

import pytest

from sluiceway import InvalidEvent, RetryPolicy, RudderStack, __version__
from sluiceway.testing import MemoryTransport
from sluiceway.vendors.base import Sending
from sluiceway.vendors.rudderstack_page import RUDDERSTACK

KEY = "canarycanarycanary7f3d"
URL = "https://hosted.rudderlabs.com"
LIBRARY = {"name": "sluiceway", "version": __version__}
WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
STAMP = "2013-01-01T05:00:00.000Z"
TAIL_BYTES = len(',"sentAt":"2013-01-01T05:00:00.000Z"}')

WAYS: dict[str, Any] = {"native": None, "checked": [lambda event: event]}


def sent(call: Callable[[RudderStack], bool], way: str = "native", **options: Any) -> dict[str, Any]:
    """Return the one event that a call sends, as it is in the body."""
    transport = MemoryTransport()
    with RudderStack(KEY, URL, transport=transport, middleware=WAYS[way], **options) as client:
        assert call(client) is True
    [request] = transport.requests
    [event] = json.loads(request.body)["batch"]
    assert isinstance(event, dict)
    return event


def refused(call: Callable[[RudderStack], bool], way: str = "native") -> str:
    """Return what a strict client says of a call, after a client of the usual kind has answered False."""
    transport = MemoryTransport()
    with RudderStack(KEY, URL, transport=transport, middleware=WAYS[way]) as client:
        assert call(client) is False
        assert client.stats().refused == {"invalid": 1}
    strict = RudderStack(KEY, URL, transport=transport, middleware=WAYS[way], strict=True)
    with strict, pytest.raises(InvalidEvent) as caught:
        call(strict)
    assert transport.requests == []
    return str(caught.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("call", "wire"),
    [
        (
            lambda client, **common: client.identify("u", {"plan": "pro"}, **common),
            {"type": "identify", "userId": "u", "context": {"library": LIBRARY, "traits": {"plan": "pro"}}},
        ),
        (
            lambda client, **common: client.track("u", "E", {"a": 1}, **common),
            {"type": "track", "userId": "u", "event": "E", "properties": {"a": 1}},
        ),
        (
            lambda client, **common: client.page("u", "Food", "Pizza", {"a": 1}, **common),
            {"type": "page", "userId": "u", "category": "Food", "name": "Pizza", "properties": {"a": 1}},
        ),
        (
            lambda client, **common: client.screen(None, None, "Pizza", anonymous_id=UUID(int=1), **common),
            {"type": "screen", "anonymousId": str(UUID(int=1)), "name": "Pizza", "properties": {}},
        ),
        (
            lambda client, **common: client.group(7, 8, {"seats": 3}, **common),
            {"type": "group", "userId": "7", "groupId": "8", "traits": {"seats": 3}},
        ),
        (
            lambda client, **common: client.alias("before", "after", **common),
            {"type": "alias", "previousId": "before", "userId": "after"},
        ),
        (
            lambda client, **common: client.alias("before", anonymous_id="a", traits={"plan": "pro"}, **common),
            {"type": "alias", "previousId": "before", "anonymousId": "a", "traits": {"plan": "pro"}},
        ),
    ],
    ids=["identify", "track", "page", "screen", "group", "alias", "alias of an anonymous id"],
)
def test_each_call_has_its_shape(call: Callable[..., bool], wire: dict[str, Any], way: str) -> None:
    event = sent(lambda client: call(client, timestamp=WHEN, message_id="m"), way)
    assert event.pop("sentAt")
    assert event == {
        "channel": "server",
        "messageId": "m",
        "originalTimestamp": STAMP,
        "timestamp": STAMP,
        "context": {"library": LIBRARY},
        "integrations": {"All": True},
        **wire,
    }


@pytest.mark.parametrize(
    ("method", "order", "keywords"),
    [
        ("identify", "user_id traits context timestamp anonymous_id integrations message_id", "callback"),
        ("track", "user_id event properties context timestamp anonymous_id integrations message_id", "callback"),
        ("page", "user_id category name properties context timestamp anonymous_id integrations message_id", "callback"),
        (
            "screen",
            "user_id category name properties context timestamp anonymous_id integrations message_id",
            "callback",
        ),
        ("group", "user_id group_id traits context timestamp anonymous_id integrations message_id", "callback"),
        (
            "alias",
            "previous_id user_id context timestamp integrations message_id",
            "anonymous_id traits callback",
        ),
    ],
)
def test_positions_are_those_of_the_official_python_client(method: str, order: str, keywords: str) -> None:
    parameters = list(inspect.signature(getattr(RudderStack, method)).parameters.values())[1:]
    assert [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD] == order.split()
    assert [each.name for each in parameters if each.kind is each.KEYWORD_ONLY] == keywords.split()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("theirs", [{"name": "theirs", "version": "9"}, None, "theirs", []])
def test_the_library_is_always_ours(theirs: Any, way: str) -> None:
    context = {"ip": "10.0.0.1", "library": theirs}
    event = sent(lambda client: client.track("u", "E", context=context), way)
    assert event["context"] == {"library": LIBRARY, "ip": "10.0.0.1"}
    assert context["library"] is theirs
    assert sent(lambda client: client.track("u", "E", context={}), way)["context"] == {"library": LIBRARY}


@pytest.mark.parametrize("way", WAYS)
def test_the_traits_of_identify_stand_in_the_context_where_the_argument_wins(way: str) -> None:
    context = {"traits": {"plan": "free", "friends": 21}, "ip": "10.0.0.1"}
    event = sent(lambda client: client.identify("u", {"plan": "pro"}, context), way)
    assert event["context"]["traits"] == {"plan": "pro", "friends": 21}
    assert event["context"]["ip"] == "10.0.0.1"
    assert "traits" not in event
    assert context == {"traits": {"plan": "free", "friends": 21}, "ip": "10.0.0.1"}
    assert sent(lambda client: client.identify("u", context=context), way)["context"]["traits"] == context["traits"]
    # Of any other call they are the caller's own.
    assert sent(lambda client: client.track("u", "E", context=context), way)["context"]["traits"] == context["traits"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "when", [WHEN, WHEN.replace(tzinfo=None), STAMP, "2013-01-01T06:00:00+01:00", 1_357_016_400, 1_357_016_400_000]
)
def test_a_moment_of_the_callers_is_sent_as_timestamp_too(when: Any, way: str) -> None:
    event = sent(lambda client: client.track("u", "E", timestamp=when), way)
    assert (event["originalTimestamp"], event["timestamp"]) == (STAMP, STAMP)


@pytest.mark.parametrize("way", WAYS)
def test_an_event_of_this_moment_has_an_original_timestamp_only(way: str) -> None:
    event = sent(lambda client: client.track("u", "E"), way)
    assert "timestamp" not in event
    assert len(event["originalTimestamp"]) == 24


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda client: client.identify(), "user_id or anonymous_id is required"),
        (lambda client: client.track("u"), "event is required"),
        (lambda client: client.track("u", ""), "event must not be empty"),
        (lambda client: client.track(None, "E"), "user_id or anonymous_id is required"),
        (lambda client: client.track("", "E"), "user_id must not be empty"),
        (lambda client: client.page(name="Pizza"), "user_id or anonymous_id is required"),
        (lambda client: client.screen(name="Pizza"), "user_id or anonymous_id is required"),
        (lambda client: client.group("u"), "group_id is required"),
        (lambda client: client.group(group_id="g"), "user_id or anonymous_id is required"),
        (lambda client: client.alias(None, "u"), "previous_id is required"),
        (lambda client: client.alias("before"), "user_id or anonymous_id is required"),
        (lambda client: client.alias("before", "after", traits=[1]), "traits must be a mapping, not list"),
        (lambda client: client.track("u", "E", message_id="m" * 513), "message_id must have 1 to 512 characters"),
    ],
)
def test_what_the_server_would_refuse_is_refused_at_the_call(
    call: Callable[[RudderStack], bool], told: str, way: str
) -> None:
    assert refused(call, way).startswith(told)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "blank", [" ", "\t\n", "\u00a0", "\u2003 \u3000", "\u200b", "\ufeff", "\x00", "\u3164", "\u2800"]
)
def test_an_id_of_nothing_visible_would_cost_the_whole_batch_and_is_refused(blank: str, way: str) -> None:
    assert refused(lambda client: client.track(blank, "E"), way) == "user_id must not be blank"
    assert refused(lambda client: client.track("u", "E", anonymous_id=blank), way) == "anonymous_id must not be blank"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("odd", ["é", "\u200bu", " u ", "李", "\U0001f600", "\u0001-"])
def test_an_id_with_something_visible_is_an_id(odd: str, way: str) -> None:
    assert sent(lambda client: client.track(odd, "E"), way)["userId"] == odd


@pytest.mark.parametrize("way", WAYS)
def test_a_page_or_a_screen_without_a_name_is_taken(way: str) -> None:
    assert "name" not in sent(lambda client: client.page("u"), way)
    assert sent(lambda client: client.screen("u", name=""), way)["name"] == ""


# -- the time at the end of every event


@pytest.mark.parametrize("sent_at", [0.0, 1_767_323_045.678, -1e18, 1e18])
def test_the_end_of_an_event_has_one_length_and_is_the_time_of_the_attempt(sent_at: float) -> None:
    around = RUDDERSTACK.envelope(KEY, Sending(sent_at=sent_at, created_at=0.0, attempt=1, request_id=""))
    sealed = b'{"a":1' + RUDDERSTACK.event_tail + b"}"
    assert len(RUDDERSTACK.event_tail + b"}") == TAIL_BYTES
    event = sealed[: -len(around.event_tail)] + around.event_tail
    document = json.loads(around.head + event + around.tail)
    assert document["batch"][0] == {"a": 1, "sentAt": document["sentAt"]}
    assert len(around.head) + len(around.tail) == RUDDERSTACK.envelope_bytes("another key")


def test_the_sent_bytes_of_an_event_do_not_change_but_for_the_time() -> None:
    transport = MemoryTransport([500, 200])
    told: list[Any] = []
    moments = iter([1_767_225_600.0, 1_767_225_601.5])

    class Clocked(MemoryTransport):
        def send(self, request: Any) -> Any:
            clock.return_value = next(moments, 0.0)
            return transport.send(request)

    with mock.patch("time.time", return_value=next(moments)) as clock:
        policy = RetryPolicy(base_seconds=0.0)
        with RudderStack(KEY, URL, transport=Clocked(), retry=policy) as client:
            assert client.track("u", "E", callback=lambda error, batch: told.append((error, batch.events)))
    first, second = [json.loads(request.body) for request in transport.requests]
    assert (first["sentAt"], second["sentAt"]) == ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.500Z")
    for document in (first, second):
        [event] = document["batch"]
        assert event.pop("sentAt") == document["sentAt"]
    assert first["batch"] == second["batch"]
    [(error, [event])] = told
    assert error is None
    assert event["sentAt"] == "2026-01-01T00:00:01.500Z"


def test_the_time_counts_in_the_size_of_an_event_and_of_a_body() -> None:
    transport = MemoryTransport()
    with RudderStack(KEY, URL, transport=transport) as client:
        assert client.track("u", "E", {"fill": ""})
        [event] = transport.requests[0].body[len(b'{"batch":[') :].rsplit(b'],"sentAt":', 1)[:1]
        fill = 32_768 - len(event)
        assert client.track("u", "E", {"fill": "x" * fill}) is True
        assert client.track("u", "E", {"fill": "x" * (fill + 1)}) is False
        assert client.stats().refused == {"event_too_large": 1}


@pytest.mark.parametrize("added", [{"sentAt": "2000-01-01T00:00:00.000Z"}, {"channel": "web"}, {"type": "page"}])
def test_what_the_page_says_of_every_event_middleware_cannot_say_twice(added: dict[str, Any]) -> None:
    transport = MemoryTransport()
    with RudderStack(KEY, URL, transport=transport, middleware=[lambda event: event | added]) as client:
        assert client.track("u", "E")
    [key] = added
    assert transport.requests[0].body.count(b'"%b":' % key.encode()) == (2 if key == "sentAt" else 1)


def test_middleware_may_add_fields_of_its_own_and_sees_no_field_of_ours() -> None:
    seen: list[dict[str, Any]] = []

    def step(event: dict[str, Any]) -> dict[str, Any]:
        seen.append(dict(event))
        return event | {"rudderId": "r"}

    transport = MemoryTransport()
    with RudderStack(KEY, URL, transport=transport, middleware=[step]) as client:
        assert client.identify("u", {"plan": "pro"}, timestamp=WHEN, message_id="m")
    assert seen[0]["context"] == {"traits": {"plan": "pro"}}
    [event] = transport.events
    assert event["rudderId"] == "r"
    assert list(event)[-1] == "sentAt"


def test_requests_are_authenticated_and_say_who_sends() -> None:
    transport = MemoryTransport()
    with RudderStack(KEY, URL + "/v1/batch", transport=transport) as client:
        client.track("u", "E")
    [request] = transport.requests
    assert request.path == "/v1/batch"
    assert dict(request.headers) == {
        "Authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode(),
        "Content-Type": "application/json",
        "User-Agent": f"sluiceway/{__version__}",
    }
    assert list(json.loads(request.body)) == ["batch", "sentAt"]
    assert KEY.encode() not in request.body
