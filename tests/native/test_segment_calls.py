"""What each call of the Segment client looks like on the wire, and that nothing of the caller's is touched."""

from __future__ import annotations

import base64
import copy
import inspect
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sluiceway import Segment, __version__
from sluiceway.testing import MemoryTransport

KEY = "canarycanarycanary7f3d"
LIBRARY = {"library": {"name": "sluiceway", "version": __version__}}
WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
STAMP = "2013-01-01T05:00:00.000Z"


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def client(transport: MemoryTransport) -> Iterator[Segment]:
    with Segment(KEY, transport=transport) as client:
        yield client


@pytest.mark.parametrize(
    ("call", "wire"),
    [
        (
            lambda client: client.identify("u", {"plan": "pro"}, timestamp=WHEN, message_id="m"),
            {"type": "identify", "userId": "u", "traits": {"plan": "pro"}, "context": LIBRARY},
        ),
        (
            lambda client: client.track("u", "E", {"a": 1}, timestamp=WHEN, message_id="m"),
            {"type": "track", "userId": "u", "event": "E", "properties": {"a": 1}, "context": LIBRARY},
        ),
        (
            lambda client: client.page("u", "Docs", "Start", {"a": 1}, timestamp=WHEN, message_id="m"),
            {
                "type": "page",
                "userId": "u",
                "category": "Docs",
                "name": "Start",
                "properties": {"a": 1},
                "context": LIBRARY,
            },
        ),
        (
            lambda client: client.screen(None, None, "Start", anonymous_id="a", timestamp=WHEN, message_id="m"),
            {"type": "screen", "anonymousId": "a", "name": "Start", "properties": {}, "context": LIBRARY},
        ),
        (
            lambda client: client.group("u", "g", {"seats": 3}, timestamp=WHEN, message_id="m"),
            {"type": "group", "userId": "u", "groupId": "g", "traits": {"seats": 3}, "context": LIBRARY},
        ),
        (
            lambda client: client.alias("before", "after", timestamp=WHEN, message_id="m"),
            {"type": "alias", "previousId": "before", "userId": "after", "context": LIBRARY},
        ),
    ],
    ids=["identify", "track", "page", "screen", "group", "alias"],
)
@pytest.mark.parametrize("long_way", [False, True], ids=["native", "checked"])
def test_each_call_has_its_shape(call: Callable[[Segment], bool], wire: dict[str, Any], long_way: bool) -> None:
    transport = MemoryTransport()
    client = Segment(KEY, transport=transport, middleware=[lambda event: event] if long_way else None)
    assert call(client) is True
    assert transport.events == [{"messageId": "m", "timestamp": STAMP, "integrations": {}, **wire}]


@pytest.mark.parametrize(
    ("method", "order"),
    [
        ("identify", "user_id traits context timestamp anonymous_id integrations message_id"),
        ("track", "user_id event properties context timestamp anonymous_id integrations message_id"),
        ("page", "user_id category name properties context timestamp anonymous_id integrations message_id"),
        ("screen", "user_id category name properties context timestamp anonymous_id integrations message_id"),
        ("group", "user_id group_id traits context timestamp anonymous_id integrations message_id"),
        ("alias", "previous_id user_id context timestamp integrations message_id"),
    ],
)
def test_positions_are_those_of_the_official_python_client(method: str, order: str) -> None:
    parameters = list(inspect.signature(getattr(Segment, method)).parameters.values())[1:]
    positional = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert positional == order.split()
    assert [each.name for each in parameters if each.kind is each.KEYWORD_ONLY] == ["callback"]


def test_the_body_carries_key_and_a_fresh_time_of_fixed_length(client: Segment, transport: MemoryTransport) -> None:
    client.track("u", "E")
    body = json.loads(transport.requests[0].body)
    assert list(body) == ["batch", "sentAt", "writeKey"]
    assert body["writeKey"] == KEY
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["sentAt"])


def test_every_request_is_authenticated_and_says_who_sends(client: Segment, transport: MemoryTransport) -> None:
    client.track("u", "E")
    headers = transport.requests[0].headers
    assert headers["Authorization"] == "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == f"sluiceway/{__version__}"
    assert transport.requests[0].path == "/v1/batch"


def test_ids_and_times_are_stamped_once_and_are_new_for_each_event(client: Segment, transport: MemoryTransport) -> None:
    for _ in range(3):
        client.track("u", "E")
    ids = {event["messageId"] for event in transport.events}
    assert len(ids) == 3
    assert all(UUID(each).version == 7 for each in ids)
    ages = [
        datetime.now(timezone.utc) - datetime.fromisoformat(e["timestamp"][:-1] + "+00:00") for e in transport.events
    ]
    assert all(-1 < age.total_seconds() < 10 for age in ages)


def test_a_callers_own_library_wins_and_other_context_is_kept(client: Segment, transport: MemoryTransport) -> None:
    client.track("u", "E", context={"ip": "10.0.0.1"})
    client.track("u", "E", context={"library": {"name": "mine"}})
    assert [event["context"] for event in transport.events] == [
        {"ip": "10.0.0.1", **LIBRARY},
        {"library": {"name": "mine"}},
    ]


@pytest.mark.parametrize("odd", [False, True], ids=["native", "checked"])
def test_nothing_of_the_callers_is_changed_or_kept(client: Segment, transport: MemoryTransport, odd: bool) -> None:
    properties: dict[str, Any] = {"list": [1], "odd": {Decimal("1.5")} if odd else None}
    context: dict[str, Any] = {"ip": "10.0.0.1"}
    before = copy.deepcopy((properties, context))
    client.track("u", "E", properties, context)
    assert (properties, context) == before
    sent = copy.deepcopy(transport.events[0]["properties"])
    properties["list"].append(2)
    assert transport.events[0]["properties"] == sent == {"list": [1], "odd": [1.5] if odd else None}


def test_odd_values_take_the_long_way_and_arrive_plain(client: Segment, transport: MemoryTransport) -> None:
    client.track(7, "E", {"id": UUID(int=1), "price": Decimal("39.95"), 5: {3, 1, 2}}, timestamp=1_357_016_400)
    event = transport.events[0]
    assert event["userId"] == "7"
    assert event["timestamp"] == STAMP
    assert event["properties"] == {"id": str(UUID(int=1)), "price": 39.95, "5": [1, 2, 3]}


def test_middleware_may_change_add_and_drop(transport: MemoryTransport) -> None:
    def redact(event: dict[str, Any]) -> dict[str, Any] | None:
        if event["event"] == "Secret":
            return None
        event["properties"]["email"] = "***"
        return {**event, "_metadata": {"by": "redact"}}

    client = Segment(KEY, transport=transport, middleware=[redact])
    mine = {"email": "ada@example.com"}
    assert client.track("u", "Open", mine) is True
    assert client.track("u", "Secret", mine) is False
    assert mine == {"email": "ada@example.com"}
    [event] = transport.events
    assert event["properties"] == {"email": "***"}
    assert event["_metadata"] == {"by": "redact"}
    assert event["context"] == LIBRARY
    assert client.stats().refused == {"middleware": 1}
    assert client.stats().balanced
