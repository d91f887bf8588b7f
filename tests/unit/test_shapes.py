"""How a page's words become the text between the values, and where a caller's own entries go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from sluiceway.errors import InvalidEvent
from sluiceway.events import check, from_dict, to_dict
from sluiceway.shapes import shape
from sluiceway.vendors.base import Call, Field
from sluiceway.vendors.segment import SEGMENT

GEOIP = Field(argument="disable_geoip", key="$geoip_disable", kind="any", default=b"true", inside="properties")
PROPERTIES = Field(argument="properties", key="properties", kind="map", ours=lambda version: {"$lib": version})
GROUPS = Field(argument="groups", key="$groups", kind="map", inside="properties")
LABEL = Field(argument="label", key="label", kind="label")
CAPTURE = Call(name="capture", constants={"event": "E"}, fields=(GEOIP, PROPERTIES, GROUPS, LABEL))


def text_of(call: Call, given: Mapping[str, str], *, extras: bool = False) -> str:
    """Write an event as the engine would, with ``given`` values as JSON text."""
    laid_out = shape(SEGMENT, call, "1.0", extras=extras)
    text = laid_out.head.decode() + ',"id":0'
    text = text.replace("{,", "{")
    for place, argument in zip(laid_out.places, [*(field.argument for field in call.fields), "extras"], strict=False):
        text += place.get("before", b"").decode()
        prefix = place.get("prefix", b"," + msgspec.json.encode(place["key"]) + b":").decode()
        value = given.get(argument)
        if value is not None:
            text += ("," + value[1:-1]) if place["kind"] == "spread" else prefix + value
        elif place.get("default"):
            text += prefix + place["default"].decode()
    return text + laid_out.tail.decode()


@pytest.mark.parametrize(
    ("given", "event"),
    [
        ({}, {"properties": {"$lib": "1.0", "$geoip_disable": True}}),
        ({"properties": '{"a":1}'}, {"properties": {"$lib": "1.0", "$geoip_disable": True, "a": 1}}),
        (
            {"properties": '{"a":1}', "groups": '{"company":"x"}', "label": '"L"', "disable_geoip": "false"},
            {
                "properties": {"$lib": "1.0", "$geoip_disable": False, "a": 1, "$groups": {"company": "x"}},
                "label": "L",
            },
        ),
        ({"extras": '{"z":2}'}, {"properties": {"$lib": "1.0", "$geoip_disable": True}, "z": 2}),
    ],
)
def test_inner_fields_and_our_entries_stand_in_the_map(given: dict[str, str], event: dict[str, Any]) -> None:
    text = text_of(CAPTURE, given, extras="extras" in given)
    assert msgspec.json.decode(text) == {"event": "E", "id": 0, **event}


def test_a_map_that_ends_the_event_is_closed() -> None:
    call = msgspec.structs.replace(CAPTURE, fields=(GEOIP, PROPERTIES, GROUPS))
    for extras in ({}, {"extras": '{"z":2}'}):
        document = msgspec.json.decode(text_of(call, extras, extras=bool(extras)))
        assert document["properties"] == {"$lib": "1.0", "$geoip_disable": True}
        assert document.get("z") == (2 if extras else None)


def test_a_map_without_entries_of_ours_begins_with_what_is_always_there() -> None:
    bare = msgspec.structs.replace(PROPERTIES, ours=None)
    call = msgspec.structs.replace(CAPTURE, fields=(GEOIP, bare, GROUPS))
    assert msgspec.json.decode(text_of(call, {}))["properties"] == {"$geoip_disable": True}
    for fields in ((bare, GEOIP), (GROUPS, GEOIP, bare)):
        with pytest.raises(ValueError, match="let another be first"):
            shape(SEGMENT, msgspec.structs.replace(CAPTURE, fields=fields), "1.0")


def test_a_field_inside_a_map_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="no map of it"):
        shape(SEGMENT, Call(name="c", fields=(GROUPS,)), "1.0")


def test_the_end_of_every_event_is_the_vendors() -> None:
    vendor = msgspec.structs.replace(SEGMENT, event_tail=b',"sentAt":""')
    assert shape(vendor, SEGMENT.calls[0], "1.0").tail == b',"sentAt":""}'


def test_the_callers_map_is_watched_for_what_has_a_place_of_its_own() -> None:
    places = shape(SEGMENT, CAPTURE, "1.0").places
    assert places[1]["watched"] == ["$lib", "$geoip_disable", "$groups"]


def values(**given: Any) -> dict[str, Any]:
    event = check(SEGMENT, CAPTURE, None, None, [given.get(field.argument) for field in CAPTURE.fields])
    return dict(zip([field.argument for field in CAPTURE.fields], event.values, strict=True))


def test_what_the_map_brings_goes_to_its_place() -> None:
    mine = {"$groups": {"company": "x"}, "$lib": "mine", "$geoip_disable": False, "a": 1}
    taken = values(properties=mine)
    assert taken["groups"] == {"company": "x"}
    assert taken["disable_geoip"] is False
    assert taken["properties"] == {"a": 1}
    assert len(mine) == 4, "the caller's map is the caller's"


def test_an_argument_wins_over_the_map_and_two_maps_become_one() -> None:
    mine = {"$groups": {"company": "x", "team": "t"}, "$geoip_disable": False}
    taken = values(properties=mine, groups={"company": "y"}, disable_geoip=True)
    assert taken["groups"] == {"company": "y", "team": "t"}
    assert taken["disable_geoip"] is True


class Raising(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("canary")

    def __iter__(self) -> Any:
        raise RuntimeError("canary")

    def __len__(self) -> int:
        return 1


def test_a_map_that_raises_is_refused_by_name() -> None:
    with pytest.raises(InvalidEvent, match="properties raised RuntimeError") as caught:
        values(properties=Raising())
    assert "canary" not in str(caught.value)


def test_middleware_sees_the_event_as_on_the_wire_and_may_change_all_of_it() -> None:
    given = [False, {"a": 1}, {"company": "x"}, None]
    event = check(SEGMENT, CAPTURE, None, None, given)
    told = to_dict(SEGMENT, CAPTURE, event)
    assert told == {"event": "E", "properties": {"a": 1, "$geoip_disable": False, "$groups": {"company": "x"}}}
    told["properties"]["$groups"]["team"] = "t"
    told["properties"]["b"] = 2
    told["event"] = "F"
    told["more"] = 3
    after = from_dict(SEGMENT, CAPTURE, told, event)
    assert after.values == (False, {"a": 1, "b": 2}, {"company": "x", "team": "t"}, None)
    assert after.extras == {"more": 3}


@pytest.mark.parametrize(
    ("kind", "value", "taken"),
    [
        ("number", 1, 1),
        ("number", 1.5, 1.5),
        ("int", 7, 7),
        ("int", 2**64 - 1, 2**64 - 1),
        ("number", True, InvalidEvent),
        ("number", float("nan"), InvalidEvent),
        ("number", "1", InvalidEvent),
        ("int", 1.5, InvalidEvent),
        ("int", True, InvalidEvent),
        ("int", 2**64, InvalidEvent),
    ],
)
def test_numbers(kind: Any, value: Any, taken: Any) -> None:
    call = Call(name="c", fields=(Field(argument="n", key="n", kind=kind),))
    if taken is InvalidEvent:
        with pytest.raises(InvalidEvent, match=r"^n must be"):
            check(SEGMENT, call, None, None, [value])
    else:
        assert check(SEGMENT, call, None, None, [value]).values == (taken,)


@pytest.mark.parametrize("value", ["abcd", 1234, "x" * 11, "Anonymous", "anonymous"])
def test_texts_that_the_vendor_does_not_take(value: Any) -> None:
    field = Field(argument="user", key="user", kind="id", min_chars=5, max_chars=10, refused=("anonymous",))
    with pytest.raises(InvalidEvent, match="user"):
        check(SEGMENT, Call(name="c", fields=(field,)), None, None, [value])
    assert check(SEGMENT, Call(name="c", fields=(field,)), None, None, ["abcde"]).values == ("abcde",)


def test_prepare_completes_the_arguments() -> None:
    def prepare(arguments: dict[str, Any]) -> None:
        assert arguments.keys() == {"user", "hidden", "message_id", "timestamp"}
        arguments["hidden"] = {"by": "prepare"}
        arguments["user"] = arguments["user"] or "somebody"

    fields = (
        Field(argument="user", key="user", kind="id", required=True),
        Field(argument="hidden", key="hidden", kind="map"),
    )
    event = check(SEGMENT, Call(name="c", fields=fields, prepare=prepare), None, None, [None])
    assert event.values == ("somebody", {"by": "prepare"})


@pytest.mark.parametrize("own_id", ["not one", 7, "", "12345678123456781234567812345678x"])
def test_an_id_that_must_be_a_uuid_and_is_none_is_lost(own_id: Any) -> None:
    vendor = msgspec.structs.replace(SEGMENT, id_format="uuid")
    call = Call(name="c", fields=())
    event = check(vendor, call, own_id, None, [])
    assert (event.message_id, event.lost_id) == (None, True)
    given = check(vendor, call, "12345678-1234-5678-1234-567812345678", None, [])
    assert (given.message_id, given.lost_id) == ("12345678-1234-5678-1234-567812345678", False)
