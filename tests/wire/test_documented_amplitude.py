"""What Amplitude's documents promise, row by row, in its Python form and against the strict receiver.

The documents are the page of the Node SDK (amplitude/amplitude-dev-center, docs/data/sdks/node), the page about
middleware beside it, the READMEs of amplitude/Amplitude-Node, and the HTTP V2 and Batch references. Options have
test_documented_amplitude_options.py, event keys test_documented_amplitude_keys.py. The code samples are the files of
examples/amplitude, which run in tests/lifecycle/test_amplitude_examples.py; `SAMPLES` says which is which.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sluiceway import Amplitude, ConfigError, Identify, OfflineRetryHandler, Payload, RetryPolicy
from sluiceway.testing import Answer, MemoryTransport, Receiver, answers
from sluiceway.vendors.amplitude_middleware import Next

KEY = "documented-api-key"
SOON = RetryPolicy(base_seconds=0.001, cap_seconds=0.001)
EXAMPLES = Path(__file__).parents[2] / "examples" / "amplitude"

# Rows that are a slip of the documents, of v1.x only, or of the language.
LEFT_OUT = {
    "await, Promise<Response> of logEvent, identify, flush": "of the language; sync=True, flush() and callback= tell",
    "the response of the first send resolves logEvent (5.4.1)": "a quirk: a callback is told how the event ended",
    "payload.event.eventType in the middleware sample": "a slip: the event has event_type, as its other samples say",
    "payload.event.deviceId in the middleware sample": "a slip: the event has device_id",
    "event.extra.groups in the middleware sample": "a slip: extra stands in the payload, not in the event",
    "{ extra.anonymousId } in the middleware sample": "a slip: no JavaScript; extra goes along as any object",
    "ampli.eventWithGroups, Ampli SDK": "a product of its own, generated from a tracking plan",
    "next event loop": "of the language: sent as soon as the worker looks, what came until then together",
    "a flush sends everything in one request (section 6)": "a quirk: over the server's limits; here within them",
    "SKIPPED_RESPONSE, status words (5.6)": "of the language: a call returns False, stats() counts the reason",
    "`next` called later does nothing useful (5.7)": "kept: nothing, and the late caller is told",
    "the queue keeps the original event object (5.7)": "a quirk: replacing the event takes effect here",
    "the caller's event object is mutated by annotation (5.7)": "a quirk: it never is",
    "a throwing middleware rejects the promise (5.7)": "of the language: the event is dropped and counted",
    "plugins BEFORE, ENRICHMENT, DESTINATION (AP, AT)": "of the newer clients: middleware is the documented form",
    "groups: {} on each identify (5.2)": "a quirk: the key is there when there are groups",
    "Invalid API key is retried twelve times (5.4.1)": "a quirk: fatal and loud",
    "one POST for each user and device in retry (5.4.1)": "a quirk: only throttled users and devices go alone",
    "events without ids are pruned in silence (5.4.1)": "a quirk: refused at the call",
}
SAMPLES = {
    "Initialize the SDK: init(API_KEY), init(API_KEY, options), getInstance": "instances.py",
    "Configure batching behavior": "batching.py",
    "batch mode: the Batch API's address": "batching.py",
    "EU data residency": "eu.py",
    "Send events": "log_event.py",
    "Middleware: logging and filtering": "middleware.py",
    "Middleware: remove PII, enrich, groups from extra": "middleware_enrich.py",
    "Middleware: forward to other services": "middleware_forward.py",
    "Middleware: client-side validation": "middleware_validate.py",
    "README: OfflineRetryHandler": "offline_retry.py",
    "README: retryClass of your own": "own_retry.py",
    "identify README": "identify.py",
    "identify README: identifyUser and logEvent": "identify_event.py",
    "identify README: group identify": "group_identify.py",
    "http-v2-api, batch-event-upload-api: the events of the samples": "http_api_events.py",
    "Python client: revenue, set_group": "revenue.py",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(vendor="amplitude") as receiver:
        yield receiver
        assert receiver.violations == []


def at_once(receiver: Receiver, **options: Any) -> Amplitude:
    return Amplitude(KEY, server_url=receiver.url, sync=True, **options)


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_type"] for event in events]


def test_every_sample_of_the_documents_is_an_example() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAMPLES.values())


# -- protocols.md, section 6


def test_amplitude_flush_on_next_event_loop(receiver: Receiver) -> None:
    """Neither a flush, nor a timer to wait for, nor 16,000 events; what is logged together goes together."""
    with Amplitude(KEY, server_url=receiver.url) as client:
        for number in range(50):
            assert client.log_event({"event_type": f"E{number}", "user_id": "user-1"})
        assert receiver.wait_for(events=50, timeout=5)
        assert types(receiver.events) == [f"E{number}" for number in range(50)]
        assert len(receiver.requests) < 10


def test_amplitude_buffer_16000(receiver: Receiver) -> None:
    """Held back, as many events as the buffer holds go by themselves; what fills a request does not wait for more."""
    hold = {"upload_interval_in_sec": 3_600}
    with Amplitude(KEY, server_url=receiver.url, max_cached_events=50, **hold) as client:
        for number in range(49):
            client.track(f"E{number}", user_id="user-1")
        assert not receiver.wait_for(events=1, timeout=0.2)
        client.track("E49", user_id="user-1")
        assert receiver.wait_for(events=50, timeout=5)
    receiver.clear()
    with Amplitude(KEY, server_url=receiver.url, **hold) as client:
        for number in range(16_000):
            client.track("E", user_id=f"user-{number}")
        assert receiver.wait_for(events=8 * 1_999, timeout=30)
        assert client.close().ok
    assert len(receiver.events) == 16_000
    assert max(len(request.batch) for request in receiver.requests) < 2_000


def test_amplitude_retry_class_offline_retry_handler_base_retry_handler() -> None:
    with Receiver([503, 200], vendor="amplitude") as receiver:
        handler = OfflineRetryHandler(KEY, server_url=receiver.url)
        with Amplitude(KEY, retry_class=handler, sync=True) as client:
            client.track("first", user_id="user-1")
            assert (receiver.events, handler.saved) == ([], 1)
            client.track("second", user_id="user-1")
            assert types(receiver.events) == ["first", "second"]
            stats = client.stats()
        assert (stats.handed_over, stats.delivered, stats.failed) == (1, 1, 0)
        handler.close()


@pytest.mark.parametrize("path", ["/2/httpapi", "/batch"])
def test_amplitude_server_url_for_batch_mode_and_eu(receiver: Receiver, path: str) -> None:
    with Amplitude(KEY, server_url=receiver.url + path, sync=True) as client:
        assert client.track("E", user_id="user-1")
    assert {request.path for request in receiver.requests} == {path}
    assert Amplitude(KEY, server_zone="EU").get_options()["server_url"] == "https://api.eu.amplitude.com/2/httpapi"


# -- what the issue asks of all vendors


def test_callback_error_batch_per_call_and_on_flush(receiver: Receiver) -> None:
    told: list[Any] = []
    receiver.answer(200, Answer(404))
    with Amplitude(KEY, server_url=receiver.url, upload_interval_in_sec=3_600) as client:
        event = {"event_type": "E", "user_id": "user-1"}
        assert client.log_event(event, None, lambda error, batch: told.append((error, len(batch))))
        assert client.flush(10, callback=lambda error, batch: told.append((error, batch.status)))
        assert client.track("F", user_id="user-1", callback=lambda error, batch: told.append(error.reason))
        client.flush(10, callback=lambda error, batch: told.append((error.reason, batch.status)))
    assert told == [(None, 1), (None, 200), "rejected", ("rejected", 404)]


def test_on_error_is_loud_without_a_log_line(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.answer(answers.amplitude_bad_key())
    told: list[Any] = []
    with at_once(receiver, on_error=lambda error, batch: told.append((error.reason, len(batch)))) as client:
        assert not client.track("E", user_id="user-1")
        assert client.stats().failed_by_reason == {"unauthorized": 1}
    assert told == [("unauthorized", 1)]
    assert caplog.records == []


def test_enable_false_checks_and_sends_nothing(receiver: Receiver) -> None:
    told: list[Any] = []
    with Amplitude(KEY, server_url=receiver.url, enable=False) as client:
        assert client.track("E", user_id="user-1", callback=lambda error, batch: told.append(error))
        assert not client.track("E", user_id="four")
        assert client.flush(5).ok
    assert (told, receiver.requests) == ([None], [])


@pytest.mark.parametrize(
    "moment", [datetime(2014, 4, 1, 19, 42, 58), "2014-04-01T19:42:58Z", 1_396_381_378, 1_396_381_378_000]
)
def test_historical_timestamp(receiver: Receiver, moment: Any) -> None:
    with at_once(receiver) as client:
        assert client.track("E", user_id="user-1", time=moment)
    assert [event["time"] for event in receiver.events] == [1_396_381_378_000]


def test_several_clients_with_different_options(receiver: Receiver) -> None:
    with (
        at_once(receiver, min_id_length=1) as one,
        Amplitude("other-api-key", server_url=receiver.url + "/batch", sync=True) as other,
    ):
        assert one.track("one", user_id="u")
        assert not other.track("other", user_id="u")
        assert other.track("other", user_id="user-1")
    first, second = receiver.requests
    assert (first.path, first.document["api_key"], first.document["options"]) == (
        "/2/httpapi",
        KEY,
        {"min_id_length": 1},
    )
    assert (second.path, second.document["api_key"], "options" in second.document) == ("/batch", "other-api-key", False)


def test_flush_at_1_in_development(receiver: Receiver) -> None:
    with Amplitude(KEY, server_url=receiver.url, flush_at=1, upload_interval_in_sec=3_600) as client:
        client.track("E", user_id="user-1")
        assert receiver.wait_for(events=1, timeout=5)


@pytest.mark.parametrize("options", [{"flush_at": 0, "flush_interval": 0}, {"flush_at": 0}, {}])
def test_flush_at_and_flush_interval_0_send_at_once(receiver: Receiver, options: dict[str, Any]) -> None:
    with Amplitude(KEY, server_url=receiver.url, **options) as client:
        client.track("E", user_id="user-1")
        assert receiver.wait_for(events=1, timeout=5)


def test_short_lived_process_and_lambda(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        assert all(client.track("E", user_id="user-1") for _ in range(3))
    assert [len(request.batch) for request in receiver.requests] == [1, 1, 1]
    with Amplitude(KEY, server_url=receiver.url, upload_interval_in_sec=3_600) as client:
        client.track("F", user_id="user-1")
    assert types(receiver.events)[3:] == ["F"]


def test_ids_are_fixed_at_the_call() -> None:
    with Receiver([503, 500, 200], vendor="amplitude") as receiver:
        with at_once(receiver, retry=SOON) as client:
            assert client.track("E", user_id="user-1")
        bodies = {request.body for request in receiver.requests}
        assert (len(receiver.requests), len(bodies)) == (3, 1)


# -- 5.7, middleware


def test_middleware_signature_and_order(receiver: Receiver) -> None:
    seen: list[tuple[str, Any]] = []

    def logging_middleware(payload: Payload, hand_on: Next) -> None:
        seen.append((payload.event["event_type"], payload.extra))
        hand_on(payload)

    def filtering_middleware(payload: Payload, hand_on: Next) -> None:
        if payload.event["event_type"] != "Filtered":
            hand_on(payload)

    with at_once(receiver) as client:
        assert client.add_event_middleware(logging_middleware).add_event_middleware(filtering_middleware) is client
        assert not client.log_event({"event_type": "Filtered", "user_id": "user-1"}, {"a": 1})
        assert client.log_event({"event_type": "Sent", "user_id": "user-1"})
        assert client.stats().refused == {"middleware": 1}
    assert seen == [("Filtered", {"a": 1}), ("Sent", None)]
    assert types(receiver.events) == ["Sent"]


def test_middleware_may_replace_the_event(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        client.add_event_middleware(
            lambda payload, hand_on: hand_on(Payload({**payload.event, "event_type": "Replaced"}, payload.extra))
        )
        assert client.track("E", user_id="user-1")
    assert types(receiver.events) == ["Replaced"]


def test_an_event_of_a_middleware_that_raises_is_not_sent(receiver: Receiver) -> None:
    def raising(_payload: Payload, _hand_on: Next) -> None:
        raise ValueError("Invalid event")

    with at_once(receiver) as client:
        client.add_event_middleware(raising)
        assert not client.track("E", user_id="user-1")
    assert receiver.requests == []


def test_middleware_runs_on_the_callers_thread_and_sees_library_and_plan_as_they_are_sent(receiver: Receiver) -> None:
    seen: list[Any] = []

    def looking(payload: Payload, hand_on: Next) -> None:
        seen.append((threading.get_ident(), dict(payload.event)))
        hand_on(payload)

    with at_once(receiver, middleware=[looking], plan={"branch": "main"}) as client:
        assert client.track("E", user_id="user-1", plan={"version": "1"}, event_properties={"a": 1})
    [(thread, event)] = seen
    assert thread == threading.get_ident()
    assert event == {
        "event_type": "E",
        "user_id": "user-1",
        "event_properties": {"a": 1},
        "plan": {"branch": "main", "version": "1"},
    }


# -- special events and instances


def test_identify_user_and_device_and_log_event_are_the_same(receiver: Receiver) -> None:
    """ "Equivalent way to call identify" of the identify README."""
    identify = Identify().set("start_date", "March 3rd").add("num_clicks", 4).unset("needs_to_activate")
    with at_once(receiver) as client:
        assert client.identify("USER_ID", "DEVICE_ID", identify)
        assert client.log_event(identify.identify_user("USER_ID", "DEVICE_ID"))
    one, other = ({**event, "insert_id": "", "time": 0} for event in receiver.events)
    assert one == other
    assert one["user_properties"] == {
        "$set": {"start_date": "March 3rd"},
        "$add": {"num_clicks": 4},
        "$unset": {"needs_to_activate": "-"},
    }


def test_identify_group_and_log_event_are_the_same(receiver: Receiver) -> None:
    identify = Identify().set("seats", 5)
    with at_once(receiver) as client:
        assert client.group_identify("org", "acme", identify)
        assert client.log_event(identify.identify_group("org", "acme"))
    one, other = ({**event, "insert_id": "", "time": 0, "device_id": ""} for event in receiver.events)
    assert one == other


def test_init_and_get_instance(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluiceway.vendors.amplitude._instances", {})
    client = Amplitude.init(KEY, server_url=receiver.url, sync=True)
    other = Amplitude.init("other", instance_name="other", server_url=receiver.url, sync=True)
    assert Amplitude.instance() is client
    assert Amplitude.instance("other") is other
    with pytest.raises(ConfigError):
        Amplitude.instance("third")


# -- the promises of the API references


def test_string_character_limit(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        assert client.track("E", user_id="user-1", event_properties={"a": "x" * 2_000}, city="y" * 1_025)
        assert client.stats().replaced == {"text": 2}
    [event] = receiver.events
    assert (len(event["event_properties"]["a"]), len(event["city"])) == (1_024, 1_024)


def test_a_200_that_ingested_less_is_a_delivery() -> None:
    """ "events_ingested" of a success does not say which: nothing could be sent again."""
    body = json.dumps({"code": 200, "events_ingested": 0}).encode()
    with Receiver([Answer(200, body=body)], vendor="amplitude") as receiver, at_once(receiver) as client:
        assert client.track("E", user_id="user-1")
        assert client.stats().delivered == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.track("E"),
        lambda client: client.track("E", user_id="four"),
        lambda client: client.track("", user_id="user-1"),
        lambda client: client.track("E", user_id="user-1", time="yesterday"),
        lambda client: client.track("E", user_id="anonymous"),
    ],
)
def test_what_the_server_would_refuse_never_leaves(receiver: Receiver, call: Callable[[Amplitude], bool]) -> None:
    with at_once(receiver) as client:
        assert call(client) is False
        assert client.stats().refused == {"invalid": 1}
    assert receiver.requests == []


def test_memory_transport_reads_its_events() -> None:
    transport = MemoryTransport()
    assert Amplitude(KEY, transport=transport).track("E", user_id="user-1")
    assert types(transport.events) == ["E"]
