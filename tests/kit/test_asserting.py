"""The assertions: what matches, and what is said when nothing does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from uuid import UUID

import pytest
from tests.kit.conftest import Clients

from sluiceway import Amplitude, Identify, PostHog, RudderStack, Segment
from sluiceway.testing import (
    CapturedEvents,
    assert_aliased,
    assert_grouped,
    assert_identified,
    assert_nothing_tracked,
    assert_paged,
    assert_screened,
    assert_sent,
    assert_tracked,
    captured_events,
)
from sluiceway.testing.captured import captured


def said(*events: dict[str, Any], vendor: str = "segment") -> CapturedEvents:
    collection = CapturedEvents()
    for event in events:
        collection.add(captured(vendor, event))
    return collection


def track(name: str = "Sold", user: str = "user-1", **properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": name, "userId": user, "properties": properties}


def failure(events: CapturedEvents, *args: Any, **expected: Any) -> list[str]:
    with pytest.raises(AssertionError) as raised:
        events.assert_tracked(*args, **expected)
    return str(raised.value).splitlines()


# -- what matches


class Colour(Enum):
    RED = "red"


MATCHING: list[tuple[Any, Any]] = [
    (39.95, 39.95),
    (3, 3.0),
    (ANY, {"a": 1}),
    (str, "text"),
    (int, 3),
    (float, 1.5),
    (bool, True),
    (re.compile("^sku-"), "sku-1"),
    (lambda value: value > 3, 4),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": {"b": ANY}}, {"a": {"b": [1], "c": 2}}),
    ([1, {"a": 1}], [1, {"a": 1, "b": 2}]),
    ((1, 2), [1, 2]),
    (None, None),
    (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (Decimal("39.95"), 39.95),
    (Colour.RED, "red"),
    (date(2026, 1, 2), "2026-01-02"),
    (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05Z"),
    (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00.000Z"),
    ({1: "a"}, {"1": "a"}),
    (float("nan"), float("nan")),
    ({}, {"a": 1}),
]
DIFFERING: list[tuple[Any, Any]] = [
    (39.95, 36.0),
    (1, True),
    (False, 0),
    ("1", 1),
    (str, 3),
    (int, True),
    (int, 1.5),
    (re.compile("^sku-"), "other"),
    (re.compile("^sku-"), 3),
    (lambda value: value > 3, 2),
    (lambda value: value > 3, "text"),
    ({"a": 1}, {"a": 2}),
    ({"a": None}, {}),
    ({"a": 1}, "text"),
    ([1, 2], [1]),
    ([1], [1, 2]),
    ([2, 1], [1, 2]),
    (None, 0),
    (UUID(int=7), "7"),
    (Colour.RED, "RED"),
    (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:06Z"),
]


@pytest.mark.parametrize(("expected", "sent"), MATCHING)
def test_it_matches(expected: Any, sent: Any) -> None:
    said(track(value=sent)).assert_tracked("Sold", properties={"value": expected})


@pytest.mark.parametrize(("expected", "sent"), DIFFERING)
def test_it_differs(expected: Any, sent: Any) -> None:
    told = failure(said(track(value=sent)), "Sold", properties={"value": expected})
    assert any(line.strip().startswith("properties['value']") for line in told)


@dataclass
class Item:
    sku: str
    price: Decimal


@pytest.mark.parametrize(
    "value",
    [
        UUID(int=7),
        datetime(2026, 1, 2, 3, 4, 5, 678_901),
        datetime(2026, 1, 2, 3, 4, 5, 678_901, timezone(timedelta(hours=2))),
        date(2026, 1, 2),
        time(3, 4),
        timedelta(seconds=90),
        Decimal("39.95"),
        Colour.RED,
        {1},
        (1, (2, 3)),
        b"text",
        Path("/tmp"),
        Item("sku-1", Decimal("1.5")),
        {"nested": [UUID(int=7), {"at": date(2026, 1, 2)}]},
        {2: "two", None: "none"},
        2**70,
        -(2**63),
        1e300,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_given_to_the_call_may_be_expected(
    clients: Clients, sluiceway_events: CapturedEvents, value: Any
) -> None:
    for client in (clients(Segment), clients(RudderStack)):
        assert client.track("u", "Sold", {"value": value})
    clients(PostHog).capture("Sold", distinct_id="u", properties={"value": value})
    clients(Amplitude).track("Sold", user_id="user-1", event_properties={"value": value})
    assert_tracked("Sold", properties={"value": value}, times=4)
    assert_tracked("Sold", properties={"value": value}, exact=True, times=4)


def test_an_object_with_an_equality_of_its_own_decides() -> None:
    class Even:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, int) and other % 2 == 0

        __hash__ = object.__hash__

    events = said(track(n=4))
    events.assert_tracked(properties={"n": Even()})
    failure(said(track(n=3)), properties={"n": Even()})


def test_exact_allows_no_other_properties() -> None:
    events = said(track(a=1, b={"c": 2, "d": 3}))
    events.assert_tracked("Sold", properties={"a": 1, "b": {"c": 2}})
    events.assert_tracked("Sold", properties={"a": 1, "b": {"c": 2, "d": 3}}, exact=True)
    told = failure(events, "Sold", properties={"a": 1, "b": {"c": 2}}, exact=True)
    assert "  properties['b']['d']: not expected, sent 3" in told


def test_exact_leaves_out_what_the_client_writes_itself(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    clients(PostHog).capture("Sold", distinct_id="u", properties={"n": 1})
    clients(Segment).track("u", "Sold", {"n": 1}, {"locale": "de"})
    assert_tracked("Sold", vendor="posthog", properties={"n": 1}, exact=True)
    assert_tracked("Sold", vendor="posthog", properties={"$lib": "sluiceway", "$geoip_disable": True})
    assert_tracked("Sold", vendor="segment", context={"locale": "de"}, exact=True)
    assert_tracked("Sold", vendor="segment", context={"library": {"name": "sluiceway"}})


def test_an_id_may_be_given_as_the_call_takes_it(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    clients(Segment).track(42, "Sold", anonymous_id=UUID(int=7))
    assert_tracked("Sold", user_id=42, anonymous_id=UUID(int=7))
    assert_tracked("Sold", user_id="42")
    assert [event.user_id for event in sluiceway_events.of_user(42)] == ["42"]


def test_none_says_that_there_is_none() -> None:
    events = said({"type": "track", "event": "Sold", "anonymousId": "a"})
    events.assert_tracked("Sold", user_id=None)
    failure(said(track()), "Sold", user_id=None)


def test_a_timestamp_in_any_form() -> None:
    events = said({**track(), "timestamp": "2026-01-02T03:04:05.678Z"})
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_900, timezone.utc)
    for form in (moment, "2026-01-02T03:04:05.678Z", "2026-01-02T04:04:05.678+01:00", ANY, datetime):
        events.assert_tracked("Sold", timestamp=form)
    failure(events, "Sold", timestamp="2026-01-02T03:04:06Z")


def test_the_number_of_events() -> None:
    events = said(track(n=1), track(n=2), track("Other"))
    assert events.assert_tracked("Sold", times=2).properties == {"n": 1}
    events.assert_tracked("Sold", properties={"n": 2}, times=1)
    told = failure(events, "Sold", times=3)
    assert told[0] == "2 events are as expected, not 3: assert_tracked('Sold', times=3)"
    for wrong in (0, -1, True):
        with pytest.raises(ValueError, match="times must be 1 or more"):
            events.assert_tracked("Sold", times=wrong)


def test_nothing_tracked() -> None:
    said().assert_nothing_tracked()
    events = said(track(n=1))
    events.assert_nothing_tracked("Other")
    events.assert_nothing_tracked("Sold", properties={"n": 2})
    for args, expected in (((), {}), (("Sold",), {}), ((), {"properties": {"n": 1}})):
        with pytest.raises(AssertionError, match="1 event is as expected, but none should be"):
            events.assert_nothing_tracked(*args, **expected)


def test_each_type_has_its_assertion(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    for client in (clients(Segment), clients(RudderStack)):
        sluiceway_events.clear()
        client.identify("user-1", {"plan": "pro"})
        client.page("user-1", "Docs", "Start", {"url": "/"})
        client.screen("user-1", name="Home")
        client.group("user-1", "acme", {"size": 10})
        client.alias("old", "user-1")
        assert_identified("user-1", traits={"plan": "pro"})
        assert_paged("Start", properties={"url": "/"}, wire={"category": "Docs"})
        assert_screened("Home", user_id="user-1")
        assert_grouped("acme", traits={"size": 10})
        assert_aliased("old", user_id="user-1")
        assert_sent("Start", type="page")
        for wrong in (
            lambda: assert_identified("user-2"),
            lambda: assert_paged("Home"),
            lambda: assert_screened("Start"),
            lambda: assert_grouped("other"),
            lambda: assert_aliased("user-1"),
            assert_tracked,
            lambda: assert_sent("Start", type="screen"),
        ):
            with pytest.raises(AssertionError):
                wrong()


def test_the_words_of_posthog(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    client = clients(PostHog)
    client.capture("Sold", distinct_id="user-1", properties={"n": 1}, groups={"company": "acme"})
    client.identify("user-1", {"plan": "pro"})
    client.page_view("https://example.com/", distinct_id="user-1")
    client.group_identify("company", "acme", {"size": 10})
    assert_tracked("Sold", distinct_id="user-1", properties={"n": 1}, groups={"company": "acme"})
    assert_tracked("$pageview", properties={"$current_url": "https://example.com/"})
    assert_paged(distinct_id="user-1")
    assert_identified("user-1", traits={"plan": "pro"})
    assert_grouped("acme", groups={"company": "acme"}, traits={"size": 10})


def test_the_words_of_amplitude(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    client = clients(Amplitude)
    client.track("Sold", user_id="user-1", device_id="device-1", event_properties={"n": 1}, price=3.5, insert_id="i-1")
    client.identify("user-1", identify=Identify().set("plan", "pro"))
    assert_tracked(event_type="Sold", event_properties={"n": 1}, device_id="device-1", insert_id="i-1")
    assert_tracked("Sold", wire={"price": 3.5}, context={"price": 3.5})
    assert_identified("user-1", user_properties={"plan": "pro"})


def test_a_wrong_word_is_a_type_error() -> None:
    events = said(track())
    with pytest.raises(TypeError, match=r"assert_tracked\(\) got an unexpected keyword argument 'propertys'"):
        events.assert_tracked("Sold", propertys={})  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="another word for it"):
        events.assert_tracked("Sold", user_id="u", distinct_id="u")
    with pytest.raises(TypeError, match="given twice"):
        events.assert_identified("u", user_id="u")


def test_without_a_capture_it_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="ask for the fixture sluiceway_events"):
        assert_tracked("Sold")


def test_the_functions_ask_what_is_captured_now(sluiceway_events: CapturedEvents) -> None:
    assert captured_events() is sluiceway_events
    assert_nothing_tracked()


# -- what is said when nothing matches


def test_the_nearest_event_and_where_it_differs() -> None:
    events = said(
        track("Signed Up"),
        track("Item Purchased", user="user-2", revenue=39.95, items=[{"sku": "a"}]),
        track("Item Purchased", revenue=36.0, items=[{"sku": "b"}]),
        track("Item Viewed", revenue=39.95),
    )
    told = failure(events, "Item Purchased", user_id="user-1", properties={"revenue": 39.95, "items": [{"sku": "b"}]})
    assert told[:6] == [
        (
            "no event is as expected: assert_tracked('Item Purchased', user_id='user-1', "
            "properties={'revenue': 39.95, 'items': [{'sku': 'b'}]})"
        ),
        "nearest: #3 of 4, track 'Item Purchased' of 'user-1'",
        "  properties['revenue']",
        "    expected: 39.95",
        "    sent:     36.0",
        "4 events sent:",
    ]


def test_a_mistyped_name_finds_its_event() -> None:
    events = said(track("Signed Up"), track("Item Purchased"), track("Order Completed"))
    told = failure(events, "Item purchased")
    assert told[1:5] == [
        "nearest: #2 of 3, track 'Item Purchased' of 'user-1'",
        "  event",
        "    expected: 'Item purchased'",
        "    sent:     'Item Purchased'",
    ]


def test_what_was_not_sent_and_what_is_of_another_type() -> None:
    told = failure(said(track(a=1)), "Sold", properties={"a": 1, "b": 2})
    assert "  properties['b']: not sent, expected 2" in told
    told = failure(said({"type": "page", "name": "Sold", "userId": "u"}), "Sold")
    assert told[2:5] == ["  type", "    expected: 'track'", "    sent:     'page'"]


def test_a_long_text_is_shown_where_it_differs() -> None:
    text = "x" * 500
    told = failure(said(track(text=text + "sent" + "y" * 500)), "Sold", properties={"text": text + "expected"})
    assert told[3].startswith("    expected: …[476:] 'xxxxxxxxxxxxxxxxxxxxxxxxexpected'")
    assert told[4].startswith("    sent:     …[476:] 'xxxxxxxxxxxxxxxxxxxxxxxxsentyyyy")
    assert max(map(len, told)) < 260


def test_there_is_no_wall_of_text() -> None:
    events = said(*(track(f"Event {number}", **{f"p{at}": "v" * 300 for at in range(50)}) for number in range(200)))
    told = failure(events, "Event 7", properties={f"p{at}": "w" * 300 for at in range(50)})
    assert len(told) < 60
    assert max(map(len, told)) < 400
    assert "  … and 42 more" in told
    assert any("188 more" in line for line in told)


def test_calls_that_were_refused_are_shown(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    clients(Segment).track("", "Sold")
    with pytest.raises(AssertionError, match=r"refused: track\('Sold'\): user_id must not be empty \(invalid\)"):
        assert_tracked("Sold")


def test_nothing_at_all_is_said_in_one_line() -> None:
    told = failure(said(), "Sold")
    assert told == ["no event is as expected: assert_tracked('Sold')", "nothing was sent, and nothing refused"]


def test_a_value_whose_repr_raises_is_shown_nevertheless() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("secret")

        def __eq__(self, other: object) -> bool:
            raise ValueError("secret")

        __hash__ = object.__hash__

    told = failure(said(track(a=1)), "Sold", properties={"a": Broken()})
    assert "    expected: <Broken whose repr raised ValueError>" in told


# -- the collection


def test_it_is_a_sequence() -> None:
    events = said(track("A"), track("B"), track("A", user="user-2"))
    assert len(events) == 3
    assert events
    assert not said()
    assert [event.event for event in events] == ["A", "B", "A"]
    assert [event.event for event in events[:2]] == ["A", "B"]
    assert events[-1] in events
    assert events.index(events[1]) == 1
    assert len(events.named("A")) == 2
    assert len(events.named(re.compile("[AB]"))) == 3
    assert len(events.of_user("user-1")) == 2
    assert len(events.of_type("track")) == 3
    assert events == list(events)
    assert events != []
    assert said() == []
    events.clear()
    assert events == []


def test_its_repr_is_one_line_and_its_text_a_table() -> None:
    events = said(track("A", n=1), track("B"), track("C"), track("D"))
    assert repr(events) == (
        "<CapturedEvents: 4 events: track 'A' of 'user-1', track 'B' of 'user-1', track 'C' of 'user-1', …>"
    )
    assert str(events).splitlines()[0] == "#1  segment  track  'A'  'user-1'  n=1"
    assert str(said()) == "nothing sent, nothing refused"
    assert repr(said()) == "<CapturedEvents: 0 events>"
