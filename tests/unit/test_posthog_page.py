"""PostHog's page: what its calls make of their arguments, in v0 and in V1, and what stands around the events."""

from __future__ import annotations

import json
from collections import UserDict
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest

from sluiceway.errors import InvalidEvent
from sluiceway.events import check, from_dict, to_dict
from sluiceway.shapes import shape
from sluiceway.vendors.base import Sending, Vendor
from sluiceway.vendors.posthog_calls import CAPTURE, GROUP_IDENTIFY, ILLEGAL_IDS, PAGE_VIEW, SET_ONCE
from sluiceway.vendors.posthog_page import LIMITS_V1, POSTHOG, POSTHOG_V1, page

PAGES = pytest.mark.parametrize("vendor", [POSTHOG, POSTHOG_V1], ids=["v0", "v1"])
SENDING = Sending(
    sent_at=1_767_323_045.678,
    created_at=1_767_323_040.0,
    attempt=2,
    request_id="0190b3f2-7e1c-7000-8000-000000000001",
)


def event(name: str, vendor: Vendor = POSTHOG, *, uuid: Any = None, **arguments: Any) -> dict[str, Any]:
    """Return an event as middleware sees it: what the caller said, in the vendor's words."""
    [call] = [call for call in vendor.calls if call.name == name]
    values = [arguments.pop(field.argument, None) for field in call.fields]
    assert not arguments, "the call has no such argument"
    return to_dict(vendor, call, check(vendor, call, uuid, None, values))


def refused(name: str, vendor: Vendor = POSTHOG, **arguments: Any) -> str:
    """Return the argument for which an event is refused."""
    with pytest.raises(InvalidEvent) as caught:
        event(name, vendor, **arguments)
    return caught.value.field


# -- the two versions


def test_the_numbers_are_those_of_the_calls() -> None:
    names = [call.name for call in POSTHOG.calls]
    assert names == ["capture", "identify", "alias", "group_identify", "set", "set_once", "page_view"]
    at = {number: names[number] for number in (CAPTURE, GROUP_IDENTIFY, SET_ONCE, PAGE_VIEW)}
    assert at == {0: "capture", 3: "group_identify", 5: "set_once", 6: "page_view"}


def test_both_versions_take_the_same_arguments_in_the_same_order() -> None:
    for v0, v1 in zip(POSTHOG.calls, POSTHOG_V1.calls, strict=True):
        arguments = [field.argument for field in v0.fields]
        more = [field.argument for field in v1.fields]
        assert (v1.name, more) == (v0.name, [*arguments, "options", "session_id", "window_id"])
        assert len(set(more)) == len(more)


@PAGES
@pytest.mark.parametrize("extras", [False, True])
def test_every_call_has_a_shape(vendor: Vendor, extras: bool) -> None:
    for call in vendor.calls:
        assert shape(vendor, call, "1.0", extras=extras).places


def test_v0_names_the_library_in_every_event_and_v1_in_none() -> None:
    for call in POSTHOG.calls:
        [owner] = [field for field in call.fields if field.key == "properties"]
        assert owner.ours is not None
        assert owner.ours("1.2.3") == {"$lib": "sluiceway", "$lib_version": "1.2.3"}
    assert {field.ours for call in POSTHOG_V1.calls for field in call.fields} == {None}


# -- what completes an event


@pytest.mark.parametrize("name", ["capture", "page_view"])
def test_an_event_of_nobody_gets_an_id_and_makes_no_person(name: str) -> None:
    own = {"event": "E"} if name == "capture" else {"url": "https://example.com"}
    mine = {"a": 1}
    first, second = (event(name, properties=mine, **own) for _ in range(2))
    assert UUID(first["distinct_id"]) != UUID(second["distinct_id"])
    assert (first["properties"]["$process_person_profile"], first["properties"]["a"]) == (False, 1)
    assert mine == {"a": 1}
    v1 = event(name, POSTHOG_V1, properties=mine, **own)
    assert v1["options"] == {"process_person_profile": False}
    assert "$process_person_profile" not in v1["properties"]


def test_an_event_of_nobody_keeps_what_the_caller_says_of_the_person() -> None:
    mine = {"$process_person_profile": True}
    assert event("capture", event="E", properties=mine)["properties"] == mine
    assert event("capture", POSTHOG_V1, event="E", properties=mine)["options"] == {"process_person_profile": True}


@pytest.mark.parametrize("name", ["identify", "set", "set_once", "alias"])
def test_calls_about_a_person_need_one(name: str) -> None:
    own = {"alias": "other"} if name == "alias" else {"properties": {"a": 1}}
    assert refused(name, **own) == "distinct_id"


@pytest.mark.parametrize("name", ["set", "set_once"])
def test_what_is_to_be_set_must_be_given(name: str) -> None:
    assert refused(name, distinct_id="u") == "properties"


@PAGES
@pytest.mark.parametrize(
    ("given", "wire"),
    [
        ({}, {}),
        ({"properties": {"a": 1}}, {"$set": {"a": 1}}),
        ({"properties": {"a": 1}, "set_once": {"b": 2}}, {"$set": {"a": 1}, "$set_once": {"b": 2}}),
        ({"properties": {"$set": {"a": 1}}}, {"$set": {"a": 1}}),
        (
            {"properties": {"$set": {"a": 1}, "$set_once": {"b": 2}, "c": 3}},
            {"$set": {"c": 3, "a": 1}, "$set_once": {"b": 2}},
        ),
        (
            {"properties": {"$set_once": {"b": 2, "c": 3}}, "set_once": {"b": 4}},
            {"$set": {}, "$set_once": {"b": 4, "c": 3}},
        ),
        ({"properties": {"$anon_distinct_id": "x", "a": 1}}, {"$set": {"a": 1}, "$anon_distinct_id": "x"}),
        ({"anon_distinct_id": 7}, {"$anon_distinct_id": "7"}),
        ({"properties": {"$anon_distinct_id": "x"}, "anon_distinct_id": "y"}, {"$set": {}, "$anon_distinct_id": "y"}),
    ],
)
def test_identify_takes_its_properties_in_either_form(
    vendor: Vendor, given: dict[str, Any], wire: dict[str, Any]
) -> None:
    before = json.dumps(given)
    told = event("identify", vendor, distinct_id="u", **given)
    assert told == {"event": "$identify", "distinct_id": "u"} | ({"properties": wire} if wire else {})
    assert json.dumps(given) == before


@pytest.mark.parametrize("given", [{"$set": 1}, {"$set_once": []}, {"$set": "text", "a": 1}])
def test_identify_refuses_parts_that_are_no_maps(given: dict[str, Any]) -> None:
    assert refused("identify", distinct_id="u", properties=given) in given


@pytest.mark.parametrize(
    "illegal", [*ILLEGAL_IDS, "NULL", "'None'", '"Anonymous"', "[object Object]", "NaN", " ", "\t\n"]
)
def test_ids_that_posthog_never_merges_are_refused(illegal: str) -> None:
    assert refused("alias", distinct_id="u", alias=illegal) == "alias"
    assert refused("alias", distinct_id=illegal, alias="u") == "distinct_id"
    assert refused("identify", distinct_id="u", anon_distinct_id=illegal) == "anon_distinct_id"
    assert refused("identify", distinct_id=illegal, anon_distinct_id="x") == "distinct_id"
    assert refused("identify", distinct_id="u", properties={"$anon_distinct_id": illegal}) == "anon_distinct_id"


def test_ids_that_are_never_merged_may_be_captured_and_identified() -> None:
    assert event("capture", event="E", distinct_id="anonymous")["distinct_id"] == "anonymous"
    assert event("identify", distinct_id="guest")["distinct_id"] == "guest"


@pytest.mark.parametrize("zero", [0, "0"])
def test_the_id_zero_is_a_mistake_in_either_form(zero: Any) -> None:
    assert refused("alias", distinct_id="u", alias=zero) == "alias"


@pytest.mark.parametrize(("one", "other"), [("u", "u"), (5, "5"), (UUID(int=1), str(UUID(int=1)))])
def test_an_id_is_not_its_own_alias(one: Any, other: Any) -> None:
    assert refused("alias", distinct_id=one, alias=other) == "alias"


@PAGES
def test_alias_sends_the_id_that_stays_and_the_one_from_before(vendor: Vendor) -> None:
    assert event("alias", vendor, distinct_id="user:123", alias="user:12345") == {
        "event": "$create_alias",
        "distinct_id": "user:123",
        "properties": {"distinct_id": "user:123", "alias": "user:12345"},
    }


@pytest.mark.parametrize("wrong", [None, "", 1.5, True, b"x", ["x"]])
def test_alias_refuses_what_is_no_id(wrong: Any) -> None:
    assert refused("alias", distinct_id="u", alias=wrong) == "alias"
    assert refused("alias", distinct_id=wrong, alias="u") == "distinct_id"


def test_a_group_names_somebody_by_itself() -> None:
    told = event("group_identify", group_type="company", group_key=5, properties={"employees": 11})
    assert told["distinct_id"] == "$company_5"
    assert told["properties"] == {"$group_type": "company", "$group_key": "5", "$group_set": {"employees": 11}}
    assert event("group_identify", group_type="c", group_key="k", distinct_id="u")["distinct_id"] == "u"


@pytest.mark.parametrize("wrong", [None, "", 1.5, True])
def test_a_group_needs_type_and_key(wrong: Any) -> None:
    assert refused("group_identify", group_type=wrong, group_key="k") == "group_type"
    assert refused("group_identify", group_type="t", group_key=wrong) == "group_key"


def test_set_stands_beside_the_properties_in_v0_and_among_them_in_v1() -> None:
    for name in ("set", "set_once"):
        told = {"event": f"${name}", "distinct_id": "u"}
        assert event(name, distinct_id="u", properties={"a": 1}) == told | {f"${name}": {"a": 1}}
        v1 = event(name, POSTHOG_V1, distinct_id="u", properties={"a": 1})
        assert v1 == told | {"properties": {f"${name}": {"a": 1}}}


@PAGES
@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [("disable_geoip", "$geoip_disable", False), ("groups", "$groups", {"company": "id:5"})],
)
def test_what_has_an_argument_may_be_given_among_the_properties(
    vendor: Vendor, argument: str, key: str, value: Any
) -> None:
    as_argument = event("capture", vendor, event="E", distinct_id="u", properties={"a": 1}, **{argument: value})
    as_property = event("capture", vendor, event="E", distinct_id="u", properties={"a": 1, key: value})
    assert as_argument == as_property


class Broken(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("canary")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("canary")

    def __len__(self) -> int:
        return 1

    def __contains__(self, key: object) -> bool:
        return True


@PAGES
def test_a_mapping_that_raises_is_the_callers_mistake(vendor: Vendor) -> None:
    assert refused("capture", vendor, event="E", properties=Broken()) == "properties"
    assert refused("capture", vendor, event="E", distinct_id="u", properties=Broken()) == "properties"
    assert refused("identify", vendor, distinct_id="u", properties=Broken()) == "properties"


@PAGES
@pytest.mark.parametrize("wrong", [7, "text", [1]])
def test_properties_must_be_a_mapping(vendor: Vendor, wrong: Any) -> None:
    for more in ({}, {"distinct_id": "u"}):
        assert refused("capture", vendor, event="E", properties=wrong, **more) == "properties"


# -- what V1 promotes

BOOLS = [
    *[(value, True) for value in (True, 1, 2, -1, 0.5, "true", " TRUE ", "1")],
    *[(value, False) for value in (False, 0, 0.0, "false", "False", "0")],
    *[(value, None) for value in (None, "", "yes", "no", "2", [], {}, [True])],
]
TEXTS = [("t-1", "t-1"), (7, "7"), (UUID(int=7), str(UUID(int=7))), (True, None), (1.5, None), ([], None), (None, None)]
PROMOTED = [
    *[
        (key, name, *case)
        for key, name in {
            "$cookieless_mode": "cookieless_mode",
            "$ignore_sent_at": "disable_skew_correction",
            "$process_person_profile": "process_person_profile",
        }.items()
        for case in BOOLS
    ],
    *[("$product_tour_id", "product_tour_id", *case) for case in TEXTS],
]


@pytest.mark.parametrize("wrap", [dict, UserDict])
@pytest.mark.parametrize(("key", "name", "value", "sent"), PROMOTED)
def test_v1_moves_an_option_out_of_the_properties(key: str, name: str, value: Any, sent: Any, wrap: Any) -> None:
    told = event("capture", POSTHOG_V1, event="E", distinct_id="u", properties=wrap({"a": 1, key: value}))
    assert told["properties"] == {"a": 1}
    assert told.get("options", {}) == ({} if sent is None else {name: sent})


@pytest.mark.parametrize(("key", "name"), [("$session_id", "session_id"), ("$window_id", "window_id")])
@pytest.mark.parametrize(("value", "sent"), [*TEXTS, ("", None)])
def test_v1_moves_session_and_window_beside_the_properties(key: str, name: str, value: Any, sent: Any) -> None:
    told = event("page_view", POSTHOG_V1, url="https://example.com", distinct_id="u", properties={key: value})
    assert told.get(name) == sent
    assert told["properties"] == {"$current_url": "https://example.com"}


def test_v1_leaves_out_a_library_of_the_callers() -> None:
    properties = {"$lib": "mine", "$lib_version": "9", "a": 1}
    assert event("capture", POSTHOG_V1, event="E", distinct_id="u", properties=properties)["properties"] == {"a": 1}
    assert properties == {"$lib": "mine", "$lib_version": "9", "a": 1}


def test_v0_leaves_all_of_them_where_they_are() -> None:
    properties = {"$process_person_profile": "no", "$session_id": 7, "$window_id": "w", "$ignore_sent_at": 1}
    assert event("capture", event="E", distinct_id="u", properties=properties)["properties"] == properties


def test_v1_promotes_what_middleware_adds_and_keeps_what_it_found() -> None:
    call = POSTHOG_V1.calls[CAPTURE]
    was = check(POSTHOG_V1, call, None, None, ["E", "u", None, {"$session_id": "s", "$cookieless_mode": True}])
    told = to_dict(POSTHOG_V1, call, was)
    told["properties"]["$process_person_profile"] = "false"
    again = to_dict(POSTHOG_V1, call, from_dict(POSTHOG_V1, call, told, was))
    assert again["options"] == {"cookieless_mode": True, "process_person_profile": False}
    assert (again["session_id"], again["properties"]) == ("s", {})


@pytest.mark.parametrize("name", ["identify", "alias", "group_identify", "set"])
@PAGES
def test_an_event_that_middleware_only_looked_at_is_the_same(vendor: Vendor, name: str) -> None:
    own: dict[str, dict[str, Any]] = {
        "identify": {"distinct_id": "u", "properties": {"$set_once": {"b": 1}}, "anon_distinct_id": "x"},
        "alias": {"distinct_id": "u", "alias": "x"},
        "group_identify": {"group_type": "t", "group_key": "k"},
        "set": {"distinct_id": "u", "properties": {"a": 1}},
    }
    [call] = [call for call in vendor.calls if call.name == name]
    was = check(vendor, call, None, None, [own[name].get(field.argument) for field in call.fields])
    told = to_dict(vendor, call, was)
    assert to_dict(vendor, call, from_dict(vendor, call, told, was)) == told


@pytest.mark.parametrize("illegal", ["null", "u"])
def test_what_middleware_makes_of_an_alias_is_checked(illegal: str) -> None:
    [call] = [call for call in POSTHOG.calls if call.name == "alias"]
    was = check(POSTHOG, call, None, None, ["u", None, None, "x"])
    told = to_dict(POSTHOG, call, was)
    told["properties"]["alias"] = illegal
    with pytest.raises(InvalidEvent, match="alias"):
        from_dict(POSTHOG, call, told, was)


# -- limits


@PAGES
@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_an_id_is_not_blank(vendor: Vendor, blank: str) -> None:
    assert refused("capture", vendor, event="E", distinct_id=blank) == "distinct_id"


@pytest.mark.parametrize("argument", ["event", "distinct_id"])
def test_v1_refuses_texts_that_the_server_would_drop(argument: str) -> None:
    own = {"event": "E", "distinct_id": "u"}
    assert event("capture", POSTHOG_V1, **own | {argument: "x" * 200})[argument] == "x" * 200
    assert refused("capture", POSTHOG_V1, **own | {argument: "x" * 201}) == argument
    assert event("capture", POSTHOG_V1, **own | {argument: "\u20ac" * 66})[argument] == "\u20ac" * 66
    assert refused("capture", POSTHOG_V1, **own | {argument: "\u20ac" * 67}) == argument
    assert event("capture", POSTHOG, **own | {argument: "x" * 201})[argument] == "x" * 201


def test_an_answer_of_v1_names_every_event_within_what_is_read_of_it() -> None:
    longest = {"result": "drop", "details": "malformed_event_properties_and_more"}
    told = {str(UUID(int=number)): longest for number in range(LIMITS_V1.max_batch_events)}
    assert len(json.dumps({"results": told}, separators=(",", ":"))) <= 64 * 1024


@PAGES
def test_an_own_id_must_be_a_uuid(vendor: Vendor) -> None:
    assert (vendor.id_key, vendor.id_argument, vendor.id_format) == ("uuid", "uuid", "uuid")
    assert vendor.limits.max_id_chars == 36
    assert event("capture", vendor, uuid=UUID(int=1), event="E", distinct_id="u")["uuid"] == str(UUID(int=1))


# -- what all events share


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_super_properties_are_part_of_every_event_where_it_says_nothing_else(mode: Any) -> None:
    vendor = page(mode, super_properties={"service": "api", "$is_server": True})
    for call in vendor.calls:
        shared = {field.key: field.default for field in call.fields if field.argument.startswith("super_properties.")}
        assert shared == {"service": b'"api"', "$is_server": b"true"}
        assert shape(vendor, call, "1.0").places
    mine = {"service": "own", "a": 1}
    assert event("capture", vendor, event="E", distinct_id="u", properties=mine)["properties"] == mine


def test_v1_promotes_super_properties_too() -> None:
    shared = {"$process_person_profile": "false", "$session_id": "s", "service": "api"}
    vendor = page("v1", super_properties=shared)
    fields = {field.argument: field for field in vendor.calls[CAPTURE].fields}
    assert fields["options"].default == b'{"process_person_profile":false}'
    assert (fields["session_id"].default, fields["window_id"].default) == (b'"s"', b"")
    assert {key for key in fields if key.startswith("super")} == {"super_properties.service"}
    told = event("capture", vendor, event="E", distinct_id="u", properties={"$cookieless_mode": True})
    assert told["options"] == {"process_person_profile": False, "cookieless_mode": True}
    mine = {"$process_person_profile": True, "$session_id": "mine", "$window_id": "w"}
    told = event("capture", vendor, event="E", distinct_id="u", properties=mine)
    assert told["options"] == {"process_person_profile": True}
    assert (told["session_id"], told["window_id"]) == ("mine", "w")
    assert shared == {"$process_person_profile": "false", "$session_id": "s", "service": "api"}


@pytest.mark.parametrize(("disable", "sent"), [(True, b"true"), (False, b"false")])
def test_the_place_of_the_server_is_left_alone_unless_told_otherwise(disable: bool, sent: bytes) -> None:
    for mode in ("v0", "v1"):
        for call in page(mode, disable_geoip=disable).calls:
            assert {field.default for field in call.fields if field.key == "$geoip_disable"} == {sent}


# -- what stands around


@pytest.mark.parametrize(("historical", "end"), [(False, b"}"), (True, b',"historical_migration":true}')])
def test_v0_envelope(historical: bool, end: bytes) -> None:
    around = page("v0", historical_migration=historical).envelope('k"ey', SENDING)
    assert around.head == b'{"api_key":"k\\"ey","batch":['
    assert around.tail == b'],"sent_at":"2026-01-02T03:04:05.678Z"' + end
    assert around.event_tail == b""


@pytest.mark.parametrize(("historical", "start"), [(False, b""), (True, b'"historical_migration":true,')])
def test_v1_envelope_has_the_time_of_the_first_attempt_and_no_key(historical: bool, start: bytes) -> None:
    around = page("v1", historical_migration=historical).envelope("key", SENDING)
    assert around.head == b'{"created_at":"2026-01-02T03:04:00.000Z",' + start + b'"batch":['
    assert (around.tail, around.event_tail) == (b"]}", b"")


def test_v0_headers() -> None:
    assert POSTHOG.headers("key", "1.2.3") == {"Content-Type": "application/json", "User-Agent": "sluiceway/1.2.3"}
    assert POSTHOG.attempt_headers(SENDING) == {}


def test_v1_headers() -> None:
    assert POSTHOG_V1.headers("key", "1.2.3") == {
        "Authorization": "Bearer key",
        "Content-Type": "application/json",
        "User-Agent": "sluiceway/1.2.3",
        "PostHog-Sdk-Info": "sluiceway/1.2.3",
    }
    assert POSTHOG_V1.attempt_headers(SENDING) == {
        "PostHog-Attempt": "2",
        "PostHog-Request-Id": "0190b3f2-7e1c-7000-8000-000000000001",
        "PostHog-Request-Timestamp": "2026-01-02T03:04:05.678Z",
    }


@PAGES
def test_the_length_of_an_envelope_never_varies(vendor: Vendor) -> None:
    around = vendor.envelope("key", SENDING)
    assert vendor.envelope_bytes("key") == len(around.head) + len(around.tail)
