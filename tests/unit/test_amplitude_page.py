"""Amplitude's page: what an event may be, what is refused, what is cut, and what every request has around it."""

from __future__ import annotations

import inspect
import json
from collections import ChainMap, OrderedDict, UserDict
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from sluiceway import __version__
from sluiceway.errors import InvalidEvent
from sluiceway.testing import MemoryTransport
from sluiceway.vendors.amplitude import Amplitude
from sluiceway.vendors.amplitude_event import EventOptions
from sluiceway.vendors.amplitude_identify import Identify
from sluiceway.vendors.amplitude_page import (
    AMPLITUDE,
    BATCH_LIMITS,
    FIELDS,
    INVALID_IDS,
    LIMITS,
    envelope,
    headers,
    owner,
)
from sluiceway.vendors.amplitude_values import Plan, Revenue
from sluiceway.vendors.base import Envelope, Owner, Sending

SENDING = Sending(sent_at=0.0, created_at=0.0, attempt=3, request_id="r")
WAYS = pytest.mark.parametrize("middleware", [None, [lambda event: event]], ids=["native", "checked"])


def sent(send: Callable[[Amplitude], bool], **options: Any) -> dict[str, Any]:
    """The one event that a call makes, without what the client adds to each."""
    transport = MemoryTransport()
    assert send(Amplitude("key", transport=transport, **options))
    [event] = transport.events
    assert event.pop("library") == f"sluiceway/{__version__}"
    assert UUID(event.pop("insert_id")).version == 7
    assert abs(event.pop("time") / 1000 - datetime.now(timezone.utc).timestamp()) < 60
    return event


def refused(send: Callable[[Amplitude], bool], **options: Any) -> InvalidEvent:
    """The mistake for which a call is refused; without ``strict`` it is counted and told, and nothing is raised."""
    transport = MemoryTransport()
    with pytest.raises(InvalidEvent) as raised:
        send(Amplitude("key", transport=transport, strict=True, **options))
    lenient = Amplitude("key", transport=transport, **options)
    assert send(lenient) is False
    assert dict(lenient.stats().refused) == {"invalid": 1}
    assert transport.requests == []
    return raised.value


# -- the page


def test_the_methods_take_the_fields_in_the_pages_order() -> None:
    parameters = list(inspect.signature(inspect.unwrap(Amplitude.track)).parameters.values())
    names = [parameter.name for parameter in parameters]
    assert names == ["self", *(field.argument for field in FIELDS), "time", "insert_id", "extra", "callback"]
    assert {parameter.kind for parameter in parameters[2:]} == {inspect.Parameter.KEYWORD_ONLY}
    of_its_own = {"event_type", "revenue"}
    assert set(names[1:]) - of_its_own == set(EventOptions.__annotations__)


def test_every_key_of_the_documents_is_there_once() -> None:
    documented = """user_id device_id event_type event_properties user_properties groups group_properties
        $skip_user_properties_sync app_version version_name platform os_name os_version device_brand
        device_manufacturer device_model carrier country region city dma language price quantity revenue productId
        revenueType currency location_lat location_lng ip idfa idfv adid android_id android_app_set_id event_id
        session_id library plan ingestion_metadata partner_id user_agent uuid"""
    assert sorted(field.key for field in FIELDS) == sorted(documented.split())
    assert (AMPLITUDE.id_key, AMPLITUDE.time_key) == ("insert_id", "time")


def test_the_envelope_is_key_events_and_options() -> None:
    assert envelope('k"1"', SENDING) == Envelope(b'{"api_key":"k\\"1\\"","events":[', b"]}")
    assert envelope("key", SENDING, min_id_length=7) == Envelope(
        b'{"api_key":"key","events":[', b'],"options":{"min_id_length":7}}'
    )


def test_the_headers_hold_no_key_and_no_count_of_attempts() -> None:
    assert headers("key", "1.2.3") == {
        "Content-Type": "application/json",
        "Accept": "*/*",
        "User-Agent": "sluiceway/1.2.3",
    }
    assert AMPLITUDE.attempt_headers(SENDING) == {}


def test_the_limits_are_the_documents() -> None:
    assert (LIMITS.max_batch_bytes, LIMITS.max_batch_events) == (999_999, 1_999)
    assert (BATCH_LIMITS.max_batch_bytes, BATCH_LIMITS.max_batch_events) == (5 * 1024 * 1024, 2_000)
    assert {LIMITS.max_text_chars, BATCH_LIMITS.max_text_chars, LIMITS.max_id_chars} == {1_024}
    assert {LIMITS.max_depth, BATCH_LIMITS.max_depth} == {40}


@pytest.mark.parametrize(
    ("event", "whose"),
    [
        (b'{"event_type":"E","user_id":"u","device_id":"d"}', Owner("u", "d")),
        (b'{"event_properties":{"user_id":"no"},"device_id":"d"}', Owner("", "d")),
        (b'{"user_id":"\\u00e9\\ud83d\\ude00\\""}', Owner('\u00e9\U0001f600"', "")),
        (b"{}", Owner()),
        (b'{"user_id":null}', Owner()),
        (b'{"user_id":5}', Owner()),
        (b"[]", Owner()),
        (b"", Owner()),
        (b'{"user_id":"\xff"}', Owner()),
    ],
)
def test_whose_an_event_is(event: bytes, whose: Owner) -> None:
    assert owner(event) == whose


# -- an event


@WAYS
def test_the_callers_own_id_time_and_library_win(middleware: Any) -> None:
    transport = MemoryTransport()
    client = Amplitude("key", transport=transport, middleware=middleware)
    when = datetime(2014, 4, 1, 19, 42, 58, 123_999, timezone.utc)
    assert client.track("E", user_id="user-1", time=when, insert_id="own-1", library="http/1.0")
    assert client.log_event(
        {"event_type": "E", "user_id": "user-1", "time": 1396381378123, "insert_id": "own-2", "library": "http/1.0"}
    )
    one, other = transport.events
    assert (one["time"], one["insert_id"], one["library"]) == (1396381378123, "own-1", "http/1.0")
    assert (other["time"], other["insert_id"], other["library"]) == (1396381378123, "own-2", "http/1.0")


@pytest.mark.parametrize(
    "moment",
    [
        1_396_381_378_123,
        1_396_381_378.123,
        "2014-04-01T19:42:58.123Z",
        "2014-04-01T21:42:58.123+02:00",
        datetime(2014, 4, 1, 19, 42, 58, 123_000),
        datetime(2014, 4, 1, 19, 42, 58, 123_000, timezone.utc),
    ],
)
@WAYS
def test_a_time_in_every_form_is_sent_in_milliseconds(moment: Any, middleware: Any) -> None:
    transport = MemoryTransport()
    client = Amplitude("key", transport=transport, middleware=middleware)
    assert client.track("E", user_id="user-1", time=moment)
    assert client.log_event({"event_type": "E", "user_id": "user-1", "time": moment})
    assert client.identify("user-1", None, Identify().set("a", 1), time=moment)
    assert [event["time"] for event in transport.events] == [1396381378123] * 3


@pytest.mark.parametrize("moment", ["yesterday", True, [1], float("nan"), 10**30])
def test_what_is_no_time_is_refused(moment: Any) -> None:
    assert refused(lambda client: client.track("E", user_id="user-1", time=moment)).field == "time"
    given = {"event_type": "E", "user_id": "user-1", "time": moment}
    assert refused(lambda client: client.log_event(given)).field == "time"


@pytest.mark.parametrize(
    ("given", "text"),
    [("user-1", "user-1"), (12345, "12345"), (UUID(int=7), "00000000-0000-0000-0000-000000000007"), ("x" * 1024,) * 2],
)
@pytest.mark.parametrize("name", ["user_id", "device_id"])
@WAYS
def test_an_id_is_sent_as_text(name: str, given: Any, text: str, middleware: Any) -> None:
    event = sent(lambda client: client.track("E", **{name: given}), middleware=middleware)
    assert event == {"event_type": "E", name: text}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "empty"),
        ("four", "at least 5 characters, not 4"),
        (1234, "at least 5 characters, not 4"),
        ("x" * 1_025, "at most 1024 characters, not 1025"),
        (True, "not bool"),
        (1.5, "not float"),
        (b"user-1", "not bytes"),
        (["user-1"], "not list"),
        *[(text, "mistake" if len(text) >= 5 else "at least 5 characters") for text in INVALID_IDS],
        *[(text.upper(), "mistake" if len(text) >= 5 else "at least 5 characters") for text in INVALID_IDS],
    ],
)
@pytest.mark.parametrize("name", ["user_id", "device_id"])
def test_an_id_that_amplitude_would_not_take_is_refused(name: str, given: Any, why: str) -> None:
    error = refused(lambda client: client.track("E", **{name: given}))
    assert (error.field, why in error.message) == (name, True), error
    error = refused(lambda client: client.log_event({"event_type": "E", "device_id": "device-1", name: given}))
    assert error.field == name


@pytest.mark.parametrize("text", INVALID_IDS)
def test_an_invalid_id_is_refused_also_where_short_ones_are_taken(text: str) -> None:
    error = refused(lambda client: client.track("E", user_id=text), min_id_length=1)
    assert "mistake" in error.message


def test_min_id_length_is_checked_at_the_call() -> None:
    assert sent(lambda client: client.track("E", user_id="u"), min_id_length=1) == {"event_type": "E", "user_id": "u"}
    error = refused(lambda client: client.track("E", user_id="user-1"), min_id_length=7)
    assert "at least 7 characters, not 6" in error.message


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda client: client.track("", user_id="user-1"), "event_type"),
        (lambda client: client.track(None, user_id="user-1"), "event_type"),
        (lambda client: client.track(3, user_id="user-1"), "event_type"),
        (lambda client: client.track("E"), "user_id or device_id"),
        (lambda client: client.log_event({"user_id": "user-1"}), "event_type"),
        (lambda client: client.log_event({"event_type": "E"}), "user_id or device_id"),
        (lambda client: client.log_event("E"), "event"),
        (lambda client: client.log_event(None), "event"),
        (lambda client: client.log_event([("event_type", "E")]), "event"),
        (lambda client: client.identify("user-1", None, None), "identify"),
        (lambda client: client.identify("user-1", None, {"$set": {"a": 1}}), "identify"),
        (lambda client: client.identify("user-1", None, Identify()), "identify"),
        (lambda client: client.identify(None, None, Identify().set("a", 1)), "user_id or device_id"),
        (lambda client: client.group_identify("org", "acme", Identify()), "identify"),
        (lambda client: client.group_identify("org", "acme", Identify().remove("a", 1)), "identify"),
        (lambda client: client.group_identify("org", "acme", None), "identify"),
        (lambda client: client.group_identify("", "acme", Identify().set("a", 1)), "group_type"),
        (lambda client: client.group_identify(5, "acme", Identify().set("a", 1)), "group_type"),
        (lambda client: client.group_identify("org", "", Identify().set("a", 1)), "group_name"),
        (lambda client: client.set_group("org", [], user_id="user-1"), "group_name"),
        (lambda client: client.set_group("org", ["a", 5], user_id="user-1"), "group_name"),
        (lambda client: client.set_group(None, "acme", user_id="user-1"), "group_type"),
        (lambda client: client.set_group("org", "acme"), "user_id or device_id"),
        (lambda client: client.revenue(3.99, user_id="user-1"), "revenue"),
        (lambda client: client.revenue(Revenue(), user_id="user-1"), "price or revenue"),
        (lambda client: client.revenue(Revenue(1.0, 0), user_id="user-1"), "quantity"),
        (lambda client: client.revenue(Revenue(1.0)), "user_id or device_id"),
        (lambda client: client.revenue(Revenue(1.0), user_id="user-1", event_properties=5), "event_properties"),
        (
            lambda client: client.track("E", user_id="user-1", skip_user_properties_sync="y"),
            "skip_user_properties_sync",
        ),
        (lambda client: client.track("E", user_id="user-1", skip_user_properties_sync=1), "skip_user_properties_sync"),
        (lambda client: client.log_event({"event_type": "E", "user_id": "user-1", "plan": "main"}), "plan"),
    ],
)
def test_a_mistake_names_its_argument(call: Callable[[Any], bool], field: str) -> None:
    assert refused(call).field == field


def test_a_mapping_that_raises_is_refused() -> None:
    class Raising(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise RuntimeError("a secret")

        def __iter__(self) -> Iterator[str]:
            return iter(["event_type"])

        def __len__(self) -> int:
            return 1

    error = refused(lambda client: client.log_event(Raising()))
    assert (error.field, error.message) == ("event", "raised RuntimeError while it was read")
    error = refused(lambda client: client.track("E", user_id="user-1", plan=Raising()), plan={"branch": "main"})
    assert (error.field, error.message) == ("plan", "raised RuntimeError while it was read")


@pytest.mark.parametrize("name", ["identify", "group_identify", "set_group", "revenue"])
def test_an_argument_that_no_event_has_is_a_type_error(name: str) -> None:
    client: Any = Amplitude("key", transport=MemoryTransport())
    identify = Identify().set("a", 1)
    positional = {
        "identify": ("user-1", None, identify),
        "group_identify": ("org", "acme", identify),
        "set_group": ("org", "acme"),
        "revenue": (Revenue(1.0),),
    }[name]
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'user_propertes'"):
        getattr(client, name)(*positional, user_propertes={})
    with pytest.raises(TypeError, match=rf"{name}\(\) has its own 'event_type'"):
        getattr(client, name)(*positional, event_type="E")


def test_what_a_method_says_itself_is_not_said_by_an_option() -> None:
    client: Any = Amplitude("key", transport=MemoryTransport())
    with pytest.raises(TypeError, match=r"identify\(\) has its own 'user_properties'"):
        client.identify("user-1", None, Identify().set("a", 1), user_properties={})
    with pytest.raises(TypeError, match=r"set_group\(\) has its own 'groups'"):
        client.set_group("org", "acme", user_id="user-1", groups={})


def test_log_event_takes_pythons_spelling_and_keys_of_its_own() -> None:
    given = {
        "event_type": "E",
        "user_id": "user-1",
        "product_id": "sku",
        "revenueType": "refund",
        "skip_user_properties_sync": True,
        "user_creation_time": 5,
        "absent": None,
        "carrier": None,
    }
    before = dict(given)
    assert sent(lambda client: client.log_event(given)) == {
        "event_type": "E",
        "user_id": "user-1",
        "productId": "sku",
        "revenueType": "refund",
        "$skip_user_properties_sync": True,
        "user_creation_time": 5,
    }
    assert given == before


@pytest.mark.parametrize("kind", [dict, OrderedDict, UserDict, MappingProxyType, ChainMap])
@WAYS
def test_log_event_takes_every_mapping(kind: Callable[[Any], Mapping[Any, Any]], middleware: Any) -> None:
    given = kind({"event_type": "E", "user_id": "user-1", "event_properties": kind({"a": 1}), 7: kind({"b": (1, 2)})})
    event = sent(lambda client: client.log_event(given), middleware=middleware)
    assert event == {"event_type": "E", "user_id": "user-1", "event_properties": {"a": 1}, "7": {"b": [1, 2]}}


def test_a_callback_of_log_event_is_told() -> None:
    told: list[Any] = []
    client = Amplitude("key", transport=MemoryTransport())
    assert client.log_event({"event_type": "E", "user_id": "user-1"}, None, lambda *of: told.append(of))
    assert client.log_event(
        {"event_type": "E", "user_id": "user-1", "new_key": 1}, callback=lambda *of: told.append(of)
    )
    assert [(error, len(batch)) for error, batch in told] == [(None, 1), (None, 1)]


# -- special events


def test_a_group_has_no_user_so_its_event_has_a_device_that_nobody_has() -> None:
    calls: list[Callable[[Amplitude], bool]] = [
        lambda client: client.group_identify("org", "acme", Identify().set("a", 1)),
        lambda client: client.log_event(
            {"event_type": "$groupidentify", "groups": {"org": "acme"}, "group_properties": {"$set": {"a": 1}}}
        ),
    ]
    events = [sent(call) for call in calls]
    devices = {event.pop("device_id") for event in events}
    assert len(devices) == 2
    assert {len(device) for device in devices} == {32}
    assert (
        events
        == [{"event_type": "$groupidentify", "groups": {"org": "acme"}, "group_properties": {"$set": {"a": 1}}}] * 2
    )
    for owned in ({"user_id": "user-1"}, {"device_id": "device-1"}):
        event = sent(lambda client, owned=owned: client.group_identify("org", "acme", Identify().set("a", 1), **owned))
        assert {key: event[key] for key in ("user_id", "device_id") if key in event} == owned


def test_groups_of_an_identify_are_those_of_the_event() -> None:
    event = sent(lambda client: client.identify("user-1", None, Identify().set("a", 1).set_group("org", "acme")))
    assert event == {
        "event_type": "$identify",
        "user_id": "user-1",
        "user_properties": {"$set": {"a": 1, "org": "acme"}},
        "groups": {"org": "acme"},
    }
    event = sent(lambda client: client.identify("user-1", None, Identify().set("a", 1), groups={"org": "b"}))
    assert event["groups"] == {"org": "b"}
    both = Identify().set_group("org", "acme")
    event = sent(lambda client: client.identify("user-1", None, both, groups={"org": "b", "team": "c"}))
    assert event["groups"] == {"org": "acme", "team": "c"}
    assert refused(lambda client: client.identify("user-1", None, both, groups=5)).field == "groups"


def test_a_revenue_is_sent_beside_further_properties() -> None:
    event = sent(
        lambda client: client.revenue(
            Revenue(3.99, 2, properties={"a": 1}), device_id="device-1", event_properties={"b": 2, "$price": 0}
        )
    )
    assert event == {
        "event_type": "revenue_amount",
        "device_id": "device-1",
        "event_properties": {"a": 1, "b": 2, "$price": 3.99, "$quantity": 2},
    }


def test_ignored_operations_are_logged_at_the_clients_level(caplog: pytest.LogCaptureFixture) -> None:
    identify = Identify().set("secret-name", "secret").set("secret-name", "again").remove("x", 1)
    for level, lines in (("none", 0), ("error", 0), ("warn", 1), ("verbose", 1)):
        caplog.clear()
        client = Amplitude("key", transport=MemoryTransport(), log_level=level)  # type: ignore[arg-type]
        assert client.identify("user-1", None, identify)
        text = [record.getMessage() for record in caplog.records if "Identify" in record.getMessage()]
        assert len(text) == lines, level
        assert "secret" not in "".join(text)
    caplog.clear()
    client = Amplitude("key", transport=MemoryTransport(), log_level="warn")
    assert client.group_identify("org", "acme", Identify().set("a", 1).remove("b", 1))
    assert "$remove is ignored: it is not for groups" in caplog.text


# -- plans


@pytest.mark.parametrize(
    ("option", "own", "merged"),
    [
        ({"branch": "main", "version": "1"}, None, {"branch": "main", "version": "1"}),
        ({"branch": "main", "version": "1"}, {"version": "2"}, {"branch": "main", "version": "2"}),
        ({"branch": "main"}, Plan(version_id="9"), {"branch": "main", "versionId": "9"}),
        (Plan(branch="main"), {"source": "web"}, {"branch": "main", "source": "web"}),
        (None, Plan(source="web"), {"source": "web"}),
        (None, {"source": "web"}, {"source": "web"}),
        (None, None, None),
    ],
)
@WAYS
def test_a_plan_is_that_of_the_options_and_the_events_own_wins(
    option: Any, own: Any, merged: Any, middleware: Any
) -> None:
    event = sent(lambda client: client.track("E", user_id="user-1", plan=own), plan=option, middleware=middleware)
    assert event.get("plan") == merged
    given = {"event_type": "E", "user_id": "user-1", "plan": own}
    assert sent(lambda client: client.log_event(given), plan=option, middleware=middleware).get("plan") == merged
    assert given["plan"] is own


@WAYS
def test_ingestion_metadata_is_merged_likewise(middleware: Any) -> None:
    options = {"ingestion_metadata": {"source_name": "ampli", "source_version": "1"}, "middleware": middleware}
    event = sent(
        lambda client: client.track("E", user_id="user-1", ingestion_metadata={"source_version": "2"}), **options
    )
    assert event["ingestion_metadata"] == {"source_name": "ampli", "source_version": "2"}
    event = sent(lambda client: client.identify("user-1", None, Identify().set("a", 1)), **options)
    assert event["ingestion_metadata"] == {"source_name": "ampli", "source_version": "1"}


# -- limits


@WAYS
def test_texts_are_cut_and_counted_and_ids_are_not(middleware: Any) -> None:
    transport = MemoryTransport()
    client = Amplitude("key", transport=transport, middleware=middleware)
    long = "\u00e9" * 1_025
    assert client.track(
        long, user_id="user-1", event_properties={"a": [long, {"b": long}], long: "key"}, carrier="x" * 1_024
    )
    [event] = transport.events
    cut = "\u00e9" * 1_024
    assert event["event_type"] == cut
    assert event["event_properties"] == {"a": [cut, {"b": cut}], long: "key"}
    assert event["carrier"] == "x" * 1_024
    assert client.stats().replaced["text"] == 3


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels - 1):
        inner = {"a": inner}
    return inner


@WAYS
def test_forty_levels_are_taken_and_one_more_is_refused(middleware: Any) -> None:
    transport = MemoryTransport()
    client = Amplitude("key", transport=transport, middleware=middleware)
    assert client.track("E", user_id="user-1", event_properties=nested(40))
    assert not client.track("E", user_id="user-1", event_properties=nested(41))
    assert not client.log_event({"event_type": "E", "user_id": "user-1", "user_properties": nested(41)})
    assert len(transport.events) == 1
    assert dict(client.stats().refused) == {"unserializable": 2}


def test_an_insert_id_has_at_most_1024_characters() -> None:
    assert refused(lambda client: client.track("E", user_id="user-1", insert_id="x" * 1_025)).field == "insert_id"
    transport = MemoryTransport()
    assert Amplitude("key", transport=transport).track("E", user_id="user-1", insert_id="x" * 1_024)
    assert transport.events[0]["insert_id"] == "x" * 1_024


@pytest.mark.parametrize(("use_batch", "most"), [(False, 990_000), (True, 5_000_000)])
def test_an_event_is_as_large_as_a_request_allows(use_batch: bool, most: int) -> None:
    transport = MemoryTransport()
    client = Amplitude("key", transport=transport, use_batch=use_batch)
    room = most - 200
    texts = ["x" * 1_000] * (room // 1_003)
    assert client.track("E", user_id="user-1", event_properties={"a": texts})
    assert not client.track("E", user_id="user-1", event_properties={"a": [*texts, *texts[:2]]})
    assert dict(client.stats().refused) == {"event_too_large": 1}
    [request] = transport.requests
    assert most - 2_000 < len(request.body) < most


class Collecting(MemoryTransport):
    inline = False


def test_a_request_stays_below_a_million_bytes_and_two_thousand_events() -> None:
    transport = Collecting()
    with Amplitude("key", transport=transport, upload_interval_in_sec=3_600) as client:
        for _ in range(4_500):
            assert client.track("E", user_id="user-1")
        for _ in range(30):
            assert client.track("E", user_id="user-1", event_properties={"a": ["x" * 1_000] * 100})
        assert client.flush(30).ok
    counts = [len(json.loads(request.body)["events"]) for request in transport.requests]
    assert sum(counts) == 4_530
    assert max(counts) == 1_999
    sizes = [len(request.body) for request in transport.requests]
    assert 850_000 < max(sizes) < 1_000_000
