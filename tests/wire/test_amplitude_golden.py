"""What Amplitude's client sends, byte for byte: each call, and what every request has around its events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeAlias

import pytest

from sluiceway.retry import RetryPolicy
from sluiceway.vendors.amplitude import Amplitude
from sluiceway.vendors.amplitude_identify import Identify
from sluiceway.vendors.amplitude_retry import BaseRetryHandler
from sluiceway.vendors.amplitude_values import IngestionMetadata, Plan, Revenue

from .golden import check, names, wiretap

KEY = 'an-api-key-"quoted"-of-tests'
WHEN = datetime(2013, 1, 1, 5, 0, 0, 123_456, timezone.utc)
OK = (200, b'{"code":200,"events_ingested":1}')

Calls: TypeAlias = Callable[[Amplitude, dict[str, Any]], bool]

# http-v2-api, "Request with many fields", and the keys that the clients send besides.
EVERYTHING: dict[str, Any] = {
    "user_id": "datamonster@gmail.com",
    "device_id": "C8F9E604-F01A-4BD9-95C6-8E5357DF265D",
    "event_properties": {"load_time": 0.8371, "source": "notification", "dates": ["monday", "tuesday"]},
    "user_properties": {"age": 25, "gender": "female", "interests": ["chess", "football", "music"]},
    "groups": {"company_id": "1", "company_name": ["Amplitude", "DataMonster"]},
    "group_properties": {"plan": "enterprise"},
    "skip_user_properties_sync": True,
    "library": "http/1.0",
    "ip": "$remote",
    "session_id": -1,
    "app_version": "2.1.3",
    "version_name": "2.1",
    "platform": "iOS",
    "os_name": "Android",
    "os_version": "4.2.2",
    "device_brand": "Verizon",
    "device_manufacturer": "Apple",
    "device_model": "iPhone 9,1",
    "carrier": "Verizon",
    "country": "United States",
    "region": "California",
    "city": "San Francisco",
    "dma": "San Francisco-Oakland-San Jose, CA",
    "language": "English",
    "price": 4.99,
    "quantity": 3,
    "revenue": -1.99,
    "product_id": "Google Pay Store Product Id",
    "revenue_type": "Refund",
    "currency": "EUR",
    "location_lat": 37.77,
    "location_lng": -122.39,
    "event_id": 23,
    "plan": {"branch": "main", "source": "web", "version": "15", "versionId": "9ec23ba0"},
    "ingestion_metadata": {"source_name": "ampli", "source_version": "2.0.0"},
    "idfa": "AEBE52E7-03EE-455A-B3C4-E57283966239",
    "idfv": "BCCE52E7-03EE-321A-B3D4-E57123966239",
    "adid": "AEBE52E7-03EE-455A-B3C4-E57283966239",
    "android_id": "BCCE52E7-03EE-321A-B3D4-E57123966239",
    "android_app_set_id": "3d7cd0b6-8ce6-4a10-b1ea-5d6a7d29fd53",
    "user_agent": "Mozilla/5.0",
    "partner_id": "partner",
    "uuid": "47c6d5a9-4a0c-4bde-8f26-4c4d4a8a5a11",
}
WIRE_KEYS = {
    "product_id": "productId",
    "revenue_type": "revenueType",
    "skip_user_properties_sync": "$skip_user_properties_sync",
}
TEN = (
    Identify()
    .set("plan", "pro")
    .set_once("first_seen", "2013-01-01")
    .add("logins", 1)
    .append("tags", ["a", "b"])
    .prepend("queue", "first")
    .pre_insert("front", 1.5)
    .post_insert("back", True)
    .remove("old", "x")
    .unset("trial")
)

CALLS: dict[str, Calls] = {
    "track": lambda client, common: client.track("watch_tutorial", user_id="user-1", **common),
    "track-everything": lambda client, common: client.track("watch_tutorial", **EVERYTHING, **common),
    "log-event": lambda client, common: client.log_event(
        {
            "event_type": "Node.js Event",
            "user_id": "datamonster@gmail.com",
            "location_lat": 37.77,
            "location_lng": -122.39,
            "ip": "127.0.0.1",
            "event_properties": {"keyString": "valueString", "keyInt": 11, "keyBool": True},
            **common,
        }
    ),
    "log-event-new-keys": lambda client, common: client.log_event(
        {"event_type": "E", "device_id": "device-1", "user_creation_time": 5, "paying": None, "x": {"y": []}, **common}
    ),
    "identify": lambda client, common: client.identify("user-1", "device-1", TEN, **common),
    "identify-clear-all": lambda client, common: client.identify("user-1", None, Identify().clear_all(), **common),
    "identify-groups": lambda client, common: client.identify(
        None, "device-1", Identify().set_group("org", "acme").add("seats", -2), **common
    ),
    "group-identify": lambda client, common: client.group_identify(
        "org", "acme", Identify().set("seats", 3).set_once("since", 2013).unset("trial"), device_id="device-1", **common
    ),
    "set-group": lambda client, common: client.set_group("org", ["acme", "globex"], user_id="user-1", **common),
    "revenue": lambda client, common: client.revenue(
        Revenue(3.99, 3, "sku", "purchase", "receipt", "signature", {"color": "red"}, None, "EUR"),
        user_id="user-1",
        **common,
    ),
}
# Through the closer look of Python, too, which must write what the engine writes by itself.
WAYS = {"native": None, "checked": [lambda event: event]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_sends_this_request(name: str, way: str) -> None:
    with wiretap(OK) as tap, Amplitude(KEY, server_url=tap.url, middleware=WAYS[way]) as client:
        assert CALLS[name](client, {"time": WHEN, "insert_id": "id-1"})
        assert client.flush(30).ok
    assert len(tap.requests) == 1
    check(f"amplitude/{name}", tap.last)


@pytest.mark.parametrize("way", WAYS)
def test_log_event_sends_what_track_sends(way: str) -> None:
    event = {WIRE_KEYS.get(name, name): value for name, value in EVERYTHING.items()}
    with wiretap(OK) as tap, Amplitude(KEY, server_url=tap.url, middleware=WAYS[way]) as client:
        assert client.log_event({"event_type": "watch_tutorial", "time": WHEN, "insert_id": "id-1", **event})
        assert client.flush(30).ok
    check("amplitude/track-everything", tap.last)


@pytest.mark.parametrize("way", WAYS)
def test_an_event_of_this_moment_has_an_id_and_a_time(way: str) -> None:
    with wiretap(OK) as tap, Amplitude(KEY, server_url=tap.url, middleware=WAYS[way]) as client:
        assert client.track("E", user_id="user-1")
        assert client.flush(30).ok
    uuid = r'(?<="insert_id":")[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?=")'
    check("amplitude/track-now", tap.last, {uuid: "INSERT_ID", r'(?<="time":)\d{13}(?=,)': "NOW"})


@pytest.mark.parametrize("way", WAYS)
def test_a_group_without_a_user_has_a_device_that_nobody_has(way: str) -> None:
    with wiretap(OK) as tap, Amplitude(KEY, server_url=tap.url, middleware=WAYS[way]) as client:
        assert client.group_identify("org", "acme", Identify().set("a", 1), time=WHEN, insert_id="id-1")
        assert client.flush(30).ok
    check("amplitude/group-identify-nobody", tap.last, {r'(?<="device_id":")[0-9a-f]{32}(?=")': "MADE_UP"})


OPTIONS: dict[str, dict[str, Any]] = {
    "option-min-id-length": {"min_id_length": 1},
    "option-use-batch": {"use_batch": True},
    "option-plan": {
        "plan": Plan(branch="main", source="web", version="15", version_id="9ec23ba0"),
        "ingestion_metadata": IngestionMetadata(source_name="ampli", source_version="2.0.0"),
    },
    "option-gzip": {"gzip": True, "min_id_length": 1},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_changes_this(name: str, way: str) -> None:
    with (
        wiretap(OK) as tap,
        Amplitude(KEY, server_url=tap.url, middleware=WAYS[way], **OPTIONS[name]) as client,
    ):
        properties = {"long": "x" * 1_024, "more": "y" * 100} if name == "option-gzip" else None
        assert client.track("E", user_id="user-1", event_properties=properties, time=WHEN, insert_id="id-1")
        assert client.flush(30).ok
    check(f"amplitude/{name}", tap.last)


def test_a_server_url_is_the_whole_address() -> None:
    with wiretap(OK) as tap, Amplitude(KEY, server_url=f"{tap.url}/proxy/batch", sync=True) as client:
        assert client.track("E", user_id="user-1", time=WHEN, insert_id="id-1")
    check("amplitude/option-server-url", tap.last)


def test_an_events_own_plan_is_merged() -> None:
    options: dict[str, Any] = OPTIONS["option-plan"]
    with wiretap(OK) as tap, Amplitude(KEY, server_url=tap.url, sync=True, **options) as client:
        assert client.track(
            "E",
            user_id="user-1",
            plan={"version": "16"},
            ingestion_metadata={"source_name": "own"},
            time=WHEN,
            insert_id="id-1",
        )
    check("amplitude/plan-merged", tap.last)


def test_a_second_attempt_sends_the_same_bytes() -> None:
    with (
        wiretap((503, b""), OK) as tap,
        Amplitude(KEY, server_url=tap.url, sync=True, retry_timeouts=[1]) as client,
    ):
        assert client.track("watch_tutorial", user_id="user-1", time=WHEN, insert_id="id-1")
    assert len(tap.requests) == 2
    for sent in tap.requests:
        check("amplitude/track", sent)


def test_events_of_one_request_are_joined_by_bare_commas() -> None:
    with (
        wiretap(OK) as tap,
        Amplitude(KEY, server_url=tap.url, upload_interval_in_sec=3_600, retry=RetryPolicy()) as client,
    ):
        assert client.track("one", user_id="user-1", time=WHEN, insert_id="id-1")
        assert client.log_event({"event_type": "two", "device_id": "device-1", "time": WHEN, "insert_id": "id-2"})
        assert client.identify("user-1", None, Identify().set("a", 1), time=WHEN, insert_id="id-3")
        assert client.flush(30).ok
    check("amplitude/several", tap.last)


def test_a_retry_handler_sends_what_the_client_would_send() -> None:
    with wiretap(OK) as tap:
        handler = BaseRetryHandler(KEY, server_url=tap.url)
        with Amplitude(KEY, retry_class=handler, sync=True) as client:
            assert client.track("watch_tutorial", user_id="user-1", time=WHEN, insert_id="id-1")
        handler.close()
    check("amplitude/track", tap.last)


def test_no_golden_file_is_left_over() -> None:
    further = {
        "track-now",
        "group-identify-nobody",
        "option-server-url",
        "plan-merged",
        "several",
    }
    assert names("amplitude") == {f"amplitude/{name}" for name in {*CALLS, *OPTIONS, *further}}
