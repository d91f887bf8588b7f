"""The vendors' rules for one event, and the quick look that must never pass what they object to."""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.testing.strict.amplitude import Amplitude
from sluiceway.testing.strict.capture import Capture
from sluiceway.testing.strict.posthog import PostHog
from sluiceway.testing.strict.quick import Quick
from sluiceway.testing.strict.rudderstack import RudderStack
from sluiceway.testing.strict.segment import Segment
from sluiceway.vendors.amplitude_page import AMPLITUDE
from sluiceway.vendors.base import Call, Field, Vendor
from sluiceway.vendors.posthog_page import POSTHOG, POSTHOG_V1
from sluiceway.vendors.rudderstack_page import RUDDERSTACK
from sluiceway.vendors.rules import faults, with_min_id_length
from sluiceway.vendors.segment import SEGMENT

from .arrivals import ID_KEYS, TIME, VENDORS, body, event

PAGES = {
    "segment": SEGMENT,
    "rudderstack": RUDDERSTACK,
    "posthog": POSTHOG,
    "capture": POSTHOG_V1,
    "amplitude": AMPLITUDE,
}
QUICK: dict[str, Quick] = {
    "segment": Segment()._quick,
    "rudderstack": RudderStack()._quick,
    "posthog": PostHog()._quick,
    "capture": Capture()._quick,
    "amplitude": Amplitude()._quick,
}


def found(vendor: str, told: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the kinds and keys of an event's faults, after the quick look has found the same among good events."""
    expected = faults(PAGES[vendor], told)
    look = quick_look(vendor, [event(vendor), told, event(vendor)])
    assert look.faults == ({1: expected} if expected else {})
    return [(fault.kind, fault.key) for fault in expected]


def quick_look(vendor: str, events: list[dict[str, Any]]) -> Any:
    """Look through a batch as the receiver does."""
    raws = [msgspec.Raw(json.dumps(told).encode()) for told in events]
    look = QUICK[vendor].look(body(vendor, *events), raws)
    assert len(look.ids) == len(events)
    return look


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_good_event_has_no_fault(vendor: str) -> None:
    assert found(vendor, event(vendor)) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_id_must_be_there_and_be_a_text_within_the_limit(vendor: str) -> None:
    key, page = ID_KEYS[vendor], PAGES[vendor]
    good = event(vendor)
    assert found(vendor, good | {key: None}) == [("missing", key)]
    assert found(vendor, good | {key: ""}) == [("missing", key)]
    assert found(vendor, good | {key: 7}) == [("wrong_type", key)]
    if page.id_format == "uuid":
        assert found(vendor, good | {key: "order-1"}) == [("invalid", key)]
        assert found(vendor, good | {key: str(uuid.uuid4()).upper()}) == []
        return
    most = page.limits.max_id_chars
    assert found(vendor, good | {key: "x" * most}) == []
    assert found(vendor, good | {key: "x" * (most + 1)}) == [("too_long", key)]


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_time_must_be_there_in_the_vendors_form(vendor: str) -> None:
    key = PAGES[vendor].time_key
    good = event(vendor)
    assert found(vendor, good | {key: None}) == [("missing", key)]
    assert found(vendor, good | {key: True}) == [("wrong_type", key)]
    if vendor == "amplitude":
        assert found(vendor, good | {key: TIME}) == [("wrong_type", key)]
        assert found(vendor, good | {key: 1.5}) == [("wrong_type", key)]
        return
    assert found(vendor, good | {key: 1_356_998_400_000}) == [("wrong_type", key)]
    assert found(vendor, good | {key: "2013-01-01"}) == [("invalid", key)]
    assert found(vendor, good | {key: "2013-01-01T10:15:00"}) == [("invalid", key)], "of which zone?"
    assert found(vendor, good | {key: "2013-02-30T10:15:00Z"}) == [("invalid", key)]
    assert found(vendor, good | {key: "2013-01-01T10:15:00.123456+02:00"}) == []


EITHER = ("missing", "userId or anonymousId")
LONG = "x" * 1_025


def nested(depth: int) -> Any:
    """Return a map with so many maps in each other."""
    value: Any = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("vendor", "changed", "faulty"),
    [
        ("segment", {"userId": None}, [EITHER]),
        ("segment", {"userId": ""}, [EITHER]),
        ("segment", {"userId": None, "anonymousId": "a"}, []),
        ("segment", {"userId": 7, "anonymousId": None}, []),
        ("segment", {"userId": ["u"]}, [("wrong_type", "userId")]),
        ("segment", {"event": None}, [("missing", "event")]),
        ("segment", {"event": 7}, [("wrong_type", "event")]),
        ("segment", {"properties": []}, [("wrong_type", "properties")]),
        ("segment", {"properties": None, "context": {}, "unknown": [1]}, []),
        ("segment", {"type": "import"}, [("invalid", "type")]),
        ("segment", {"type": "page"}, []),
        ("segment", {"type": "group"}, [("missing", "groupId")]),
        ("segment", {"type": "alias", "userId": None}, [("missing", "previousId"), ("missing", "userId")]),
        ("rudderstack", {"userId": " \t", "anonymousId": ""}, [EITHER]),
        ("rudderstack", {"type": "merge"}, [("invalid", "type")]),
        ("rudderstack", {"type": "merge", "userId": None}, [("invalid", "type"), EITHER]),
        ("rudderstack", {"channel": None}, []),
        ("rudderstack", {"sentAt": None}, [("missing", "sentAt")]),
        ("rudderstack", {"sentAt": "now"}, [("invalid", "sentAt")]),
        ("rudderstack", {"timestamp": 7}, [("wrong_type", "timestamp")]),
        ("rudderstack", {"type": "identify", "context": {"traits": []}}, [("wrong_type", "context.traits")]),
        ("posthog", {"event": ""}, [("missing", "event")]),
        ("posthog", {"distinct_id": ""}, [("missing", "distinct_id")]),
        ("posthog", {"distinct_id": None, "$distinct_id": "u"}, []),
        ("posthog", {"distinct_id": None, "properties": {"distinct_id": "u"}}, []),
        ("posthog", {"distinct_id": 7}, []),
        ("posthog", {"properties": []}, [("wrong_type", "properties")]),
        ("posthog", {"properties": {"$groups": "acme"}}, [("wrong_type", "properties.$groups")]),
        ("posthog", {"$set": []}, [("wrong_type", "$set")]),
        ("posthog", {"offset": "1"}, [("wrong_type", "offset")]),
        ("posthog", {"type": "capture", "library": "posthog-node"}, []),
        ("posthog", {"event": "$identify", "$set": {"a": 1}}, []),
        ("posthog", {"event": "$set"}, []),
        ("posthog", {"event": "$pageview"}, []),
        (
            "posthog",
            {"event": "$pageview", "properties": {"$current_url": 7}},
            [("wrong_type", "properties.$current_url")],
        ),
        (
            "posthog",
            {"event": "$pageview", "distinct_id": None},
            [("missing", "distinct_id"), ("missing", "properties.$current_url")],
        ),
        ("posthog", {"event": "$create_alias"}, [("missing", "properties.alias")]),
        ("posthog", {"event": "$create_alias", "properties": {"alias": "b"}}, []),
        ("posthog", {"event": "$create_alias", "properties": {"alias": "null"}}, [("invalid", "properties.alias")]),
        (
            "posthog",
            {"event": "$groupidentify"},
            [("missing", "properties.$group_type"), ("missing", "properties.$group_key")],
        ),
        ("capture", {"distinct_id": 7}, [("wrong_type", "distinct_id")]),
        ("capture", {"distinct_id": " "}, [("missing", "distinct_id")]),
        ("capture", {"distinct_id": None, "properties": {"distinct_id": "u"}}, [("missing", "distinct_id")]),
        ("capture", {"event": "é" * 100}, []),
        ("capture", {"event": "é" * 100 + "a"}, [("too_long", "event")]),
        ("capture", {"distinct_id": "x" * 201}, [("too_long", "distinct_id")]),
        ("capture", {"session_id": 7}, [("wrong_type", "session_id")]),
        ("capture", {"options": {"cookieless_mode": "yes"}}, [("invalid", "options.cookieless_mode")]),
        ("capture", {"options": {"cookieless_mode": "TRUE", "product_tour_id": 3}}, []),
        ("capture", {"options": {"product_tour_id": 1.5}}, [("invalid", "options.product_tour_id")]),
        ("capture", {"options": []}, [("wrong_type", "options")]),
        ("amplitude", {"user_id": None}, [("missing", "user_id or device_id")]),
        ("amplitude", {"user_id": None, "event_type": "$groupidentify"}, []),
        ("amplitude", {"user_id": None, "device_id": "device-1"}, []),
        ("amplitude", {"user_id": "abcd"}, [("id_length", "user_id")]),
        ("amplitude", {"user_id": "AnOnymous"}, [("invalid", "user_id")]),
        ("amplitude", {"user_id": 1_234_567}, [("wrong_type", "user_id")]),
        ("amplitude", {"event_type": ""}, [("missing", "event_type")]),
        ("amplitude", {"price": "1"}, [("wrong_type", "price")]),
        ("amplitude", {"price": True}, [("wrong_type", "price")]),
        ("amplitude", {"quantity": 1.5}, [("wrong_type", "quantity")]),
        ("amplitude", {"event_properties": {"a": ["", {"b": LONG}]}}, [("too_long", "event_properties")]),
        ("amplitude", {"event_properties": {LONG: "key"}}, []),
        ("amplitude", {"event_properties": nested(40)}, []),
        ("amplitude", {"event_properties": nested(41)}, [("too_deep", "event_properties")]),
        ("amplitude", {"groups": {name: ["x", "y"] for name in "abcde"}}, []),
        ("amplitude", {"groups": {name: ["x", "y", "z"] for name in "abcde"}}, [("invalid", "groups")]),
        ("amplitude", {"groups": dict.fromkeys("abcdef", "x")}, [("invalid", "groups")]),
    ],
)
def test_what_each_vendor_objects_to(vendor: str, changed: dict[str, Any], faulty: list[tuple[str, str]]) -> None:
    told = {key: value for key, value in (event(vendor) | changed).items() if value is not None}
    assert found(vendor, told) == faulty
    assert found(vendor, event(vendor) | changed) == faulty, "null is absence"


@pytest.mark.parametrize("number", ["1e999", "9" * 400, "9" * 5_000])
@pytest.mark.parametrize("key", ["properties", "event"])
def test_a_number_of_any_size_is_read(number: str, key: str) -> None:
    told = json.dumps(event("segment", event_id="a", **{key: "N"})).replace('"N"', number).encode()
    data = b'{"batch":[%b]}' % told
    look = QUICK["segment"].look(data, [msgspec.Raw(told)])
    assert [(fault.kind, fault.key) for fault in look.faults[0]] == [("wrong_type", key)]


def test_no_fault_tells_a_value() -> None:
    bad = {
        "type": "secret",
        "messageId": ["secret"],
        "timestamp": "secret",
        "userId": {"secret": 1},
        "event": ["secret"],
    }
    for page in PAGES.values():
        assert "secret" not in " ".join(map(str, faults(page, bad | {"event_type": "secret", "user_id": "s3"})))


def test_a_client_may_ask_for_other_shortest_ids() -> None:
    short = event("amplitude", user_id="ab")
    assert faults(with_min_id_length(AMPLITUDE, 2), short) == []
    [fault] = faults(with_min_id_length(AMPLITUDE, 3), short)
    assert fault.kind == "id_length"


def test_a_page_of_another_vendor_needs_nothing_but_itself() -> None:
    calls = (Call(name="note", fields=(Field(argument="who", key="who", kind="id", required=True, max_chars=3),)),)
    page: Vendor = msgspec.structs.replace(SEGMENT, name="fifth", calls=calls, id_key="id", time_key="at")
    assert faults(page, {"id": "a", "at": TIME, "who": "bob"}) == []
    [fault] = faults(page, {"id": "a", "at": TIME, "who": "carol"})
    assert str(fault) == "who has 5 characters, limit 3"


# -- the quick look


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Texts that mean something somewhere, besides any text: ids that are refused, times, names of special events.
    | st.sampled_from(["", " ", "0", "null", "abcd", "user-1", TIME, "2013-01-01 10:15:00Z", "$create_alias", "$set"])
    | st.sampled_from(["track", "alias", "identify", "true", LONG, str(uuid.UUID(int=7)), "UNKNOWN", "$groupidentify"])
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["alias", "$groups", "cookieless_mode", "a"]), inner)
        | st.just(dict.fromkeys("abcdef", "x"))
    ),
    max_leaves=4,
)


def keys_of(vendor: str) -> list[str]:
    """Return all keys that mean something to a vendor."""
    page = PAGES[vendor]
    fields = {field.key for call in page.calls for field in call.fields if not field.inside}
    constants = {key for call in page.calls for key in call.constants}
    return sorted({*fields, *constants, page.id_key, page.time_key, "sentAt", "$set", "offset", "timestamp"})


@pytest.mark.parametrize("vendor", VENDORS)
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_the_quick_look_passes_nothing_that_has_a_fault(vendor: str, data: st.DataObject) -> None:
    changes = st.dictionaries(st.sampled_from(keys_of(vendor)), JSON, max_size=3)
    events = [event(vendor) | data.draw(changes) for _ in range(data.draw(st.integers(1, 3)))]
    look = quick_look(vendor, events)
    assert look.faults == {at: wrong for at, told in enumerate(events) if (wrong := faults(PAGES[vendor], told))}
    said = [told.get(ID_KEYS[vendor]) for told in events]
    assert [one for one in look.ids if not one.startswith("\0")] == [
        one for one in said if isinstance(one, str) and one
    ]


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_quick_look_does_not_look_closely_at_good_events(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def closely(*_arguments: object) -> None:
        raise AssertionError("a good event was suspected")

    monkeypatch.setattr(Quick, "faults", closely)
    further = {"properties": {"a": [1, {"b": None}]}, "event_properties": {"text": "x" * 900}}
    assert quick_look(vendor, [event(vendor, **further), event(vendor)]).faults == {}


@pytest.mark.parametrize("depth", [38, 39, 40, 41, 42, 80])
@pytest.mark.parametrize("form", ["maps", "alternating", "with brackets in texts"])
def test_depth_is_seen_to_the_level(depth: int, form: str) -> None:
    value: Any = {}
    for level in range(depth - 1):
        value = [value] if form != "maps" and level % 2 else {"a": value}
        value = [value, "}]"] if form == "with brackets in texts" and not level % 2 else value
    depth = depth if form != "with brackets in texts" else depth + depth // 2
    look = quick_look("amplitude", [event("amplitude"), event("amplitude", event_properties={"a": value})])
    assert ("too_deep" in {fault.kind for fault in look.faults.get(1, [])}) == (depth + 1 > 40)
    assert 0 not in look.faults


@pytest.mark.parametrize(
    ("text", "is_long"),
    [("x" * 1_024, False), (LONG, True), ('"' * 1_025, True), ("é" * 1_024, False), ("\n" * 1_025, True)],
)
def test_a_long_text_is_seen_to_the_character(text: str, is_long: bool) -> None:
    assert bool(quick_look("amplitude", [event("amplitude", event_properties={"a": text})]).faults) == is_long
