"""The receiver as each of the four vendors: who reads a request, who answers it, and what the ledger makes of that."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sluiceway.testing import Answer, Arriving, Receiver, answers
from sluiceway.vendors.amplitude_page import AMPLITUDE
from sluiceway.vendors.posthog_page import POSTHOG_V1

from .arrivals import ID_KEYS, PATHS, VENDORS, body, event, headers, name

Post = Callable[..., tuple[int, Any]]


@contextmanager
def posting(receiver: Receiver, vendor: str) -> Iterator[Post]:
    """Return a function that posts events over one connection and returns the status and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)

    def post(*events: dict[str, Any], path: str | None = None, **around: Any) -> tuple[int, Any]:
        connection.request("POST", path or PATHS[vendor], body(vendor, *events, **around), headers(vendor))
        response = connection.getresponse()
        said = response.read()
        return response.status, json.loads(said) if said[:1] == b"{" else said

    try:
        yield post
    finally:
        connection.close()


SUCCESS = {"segment": {"success": True}, "rudderstack": b"ok", "posthog": {"status": "Ok"}}


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("keep", ["all", "log", "ids"])
def test_each_vendor_takes_and_answers_good_events(vendor: str, is_told: bool, keep: Any) -> None:
    with Receiver(vendor=name(vendor) if is_told else None, keep=keep) as receiver, posting(receiver, vendor) as post:
        first, second = event(vendor), event(vendor)
        status, said = post(first, second)
        assert status == 200
        if vendor == "amplitude":
            assert (said["code"], said["events_ingested"]) == (200, 2)
        elif vendor == "capture":
            assert said["results"].keys() == {first["uuid"], second["uuid"]}
        else:
            assert said == SUCCESS[vendor]
        assert receiver.violations == []
        assert receiver.acknowledged(first[ID_KEYS[vendor]])
        stats = receiver.stats()
        assert (stats.acknowledged, stats.events, stats.ids, stats.refused) == (1, 2, 2, 0)
        assert receiver.events == ([first, second] if keep == "all" else [])
        assert len(receiver.log) == (0 if keep == "ids" else 2)


def test_a_vendor_is_given_by_name_or_by_page() -> None:
    with Receiver(vendor=AMPLITUDE) as receiver, posting(receiver, "amplitude") as post:
        assert post(event("amplitude"))[1]["code"] == 200
    with Receiver(vendor=POSTHOG_V1) as receiver, posting(receiver, "posthog") as post:
        assert post(event("posthog")) == (200, {"status": "Ok"}), "the path tells V1 from v0"
    with pytest.raises(ValueError, match="amplitude"):
        Receiver(vendor="mixpanel")


def test_a_receiver_that_was_told_its_vendor_reads_everything_as_that() -> None:
    with Receiver(vendor="amplitude") as receiver, posting(receiver, "segment") as post:
        assert post(event("segment"))[0] == 400
        assert receiver.violations == ["request 0: path: neither /2/httpapi nor /batch"]


def test_one_path_serves_posthog_and_amplitude() -> None:
    with Receiver() as receiver, posting(receiver, "amplitude") as post, posting(receiver, "posthog") as other:
        assert post(event("amplitude"), path="/batch")[1]["code"] == 200
        assert other(event("posthog"), path="/batch")[1] == {"status": "Ok"}
        assert other(event("segment"), path="/x/v1/batch")[1] == {"success": True}


RUDDERSTACKS: list[dict[str, Any]] = [
    {"channel": "server", "originalTimestamp": None},  # its Python client
    {"channel": None},  # its Node client of 1.0
    {"channel": "web", "originalTimestamp": None},
]


@pytest.mark.parametrize("fields", RUDDERSTACKS)
def test_a_channel_or_an_original_time_tells_rudderstack_from_segment(fields: dict[str, Any]) -> None:
    with Receiver() as receiver, posting(receiver, "rudderstack") as post:
        assert post(event("rudderstack", **fields)) == (200, b"ok")


def test_segments_events_are_not_taken_for_rudderstacks() -> None:
    inside = event("segment", properties={"channel": "web", "originalTimestamp": "now"})
    named = event("segment", channel="web")
    with Receiver() as receiver, posting(receiver, "segment") as post:
        assert post(inside, path="/v1/batch")[1] == {"success": True}
        assert post(named, path="/v1/batch")[1] == {"success": True}, "a key in the body is Segment's way"
        assert post(path="/v1/batch")[1] == {"success": True}
        assert post(path="/v1/batch", writeKey=None, channel="web")[1] == {"success": True}


BAD: dict[str, dict[str, Any]] = {
    "rudderstack": {"userId": None},
    "posthog": {"distinct_id": None},
    "capture": {"uuid": "order-1"},
    "amplitude": {"time": "now"},
}


@pytest.mark.parametrize("vendor", list(BAD))
def test_an_invalid_event_is_refused_and_noted_and_nothing_of_its_batch_is_taken(vendor: str) -> None:
    with Receiver(vendor=name(vendor)) as receiver, posting(receiver, vendor) as post:
        assert post(event(vendor), event(vendor, **BAD[vendor]))[0] == 400
        assert receiver.violations
        assert (receiver.events, receiver.ids) == ([], 0)
        [kept] = receiver.requests
        assert kept.status == 400
        assert "acknowledged" not in kept.fates


def test_the_script_refuses_first_and_the_vendor_what_the_script_would_take() -> None:
    with Receiver([503, Answer(200, delay=0.05)], vendor="posthog") as receiver, posting(receiver, "posthog") as post:
        bad = event("posthog", distinct_id=None)
        assert post(bad)[0] == 503
        began = time.monotonic()
        assert post(bad)[0] == 400
        assert time.monotonic() - began >= 0.05, "as slowly as the script has it"


def test_a_refusal_may_be_cut_as_any_answer() -> None:
    with Receiver([Answer(reset="after")], vendor="posthog") as receiver, posting(receiver, "posthog") as post:
        with pytest.raises(ConnectionError):
            post(event("posthog", distinct_id=None))
        assert receiver.stats().statuses == {}
        assert receiver.stats().resets == 1


def test_an_entry_of_a_script_may_be_computed_from_the_events() -> None:
    def throttles_the_first(arriving: Arriving) -> answers.Reply:
        return answers.amplitude_throttled([arriving.batch[0]["user_id"]])

    script: list[answers.Reply] = [429, throttles_the_first, answers.amplitude_invalid({"time": [1]})]
    with Receiver(script, vendor="amplitude") as receiver, posting(receiver, "amplitude") as post:
        pair = event("amplitude", user_id="user-7"), event("amplitude")
        assert post(*pair)[1]["error"] == "Too many requests for some devices and users"
        status, said = post(*pair)
        assert (status, said["throttled_events"], list(said["throttled_users"])) == (429, [0], ["user-7"])
        assert post(*pair)[1]["events_with_invalid_fields"] == {"time": [1]}
        assert post(*pair)[0] == 200
        assert [kept.fates for kept in receiver.requests] == [
            ["open", "open"],
            ["later", "open"],
            ["open", "refused"],
            ["acknowledged", "acknowledged"],
        ]


def test_what_an_answer_refuses_for_good_must_not_come_again() -> None:
    script = [answers.amplitude_invalid({"time": [1]})]
    with Receiver(script, vendor="amplitude") as receiver, posting(receiver, "amplitude") as post:
        first, second = event("amplitude"), event("amplitude")
        post(first, second)
        assert (receiver.stats().refused, receiver.stats().refused_again) == (1, 0)
        assert receiver.refused_ids() == uuid.UUID(second["insert_id"]).bytes
        post(first)
        assert (receiver.stats().ids, receiver.stats().repeats) == (1, 1)
        post(second)
        stats = receiver.stats()
        assert (stats.refused, stats.refused_again, stats.repeats, stats.duplicates) == (1, 1, 1, 0)


def test_an_event_is_refused_once_however_often_it_is_told() -> None:
    with Receiver([400, 413], vendor="segment") as receiver, posting(receiver, "segment") as post:
        told = event("segment")
        post(told)
        assert (receiver.stats().refused, receiver.stats().refused_again) == (1, 0)
        post(told)
        assert (receiver.stats().refused, receiver.stats().refused_again) == (1, 1)
        assert len(receiver.refused_ids()) == 16


def test_of_a_mixed_answer_some_events_are_taken_and_some_are_not() -> None:
    script = [answers.posthog_results({1: "retry", 2: "drop"})]
    with Receiver(script, vendor="posthog") as receiver, posting(receiver, "capture") as post:
        events = [event("capture") for _ in range(4)]
        assert post(*events)[0] == 200
        assert receiver.events == [events[0], events[3]]
        assert [receiver.acknowledged(told["uuid"]) for told in events] == [True, False, False, True]
        stats = receiver.stats()
        assert (stats.acknowledged, stats.events, stats.ids, stats.refused) == (1, 2, 2, 1)
        assert receiver.wait_for(events=2, timeout=0)
        post(events[1], events[0])
        stats = receiver.stats()
        assert (stats.ids, stats.repeats, stats.duplicates) == (3, 1, 1)
        assert len(receiver.acknowledged_ids()) == 48


def test_the_log_tells_whose_event_came_when_and_what_became_of_it() -> None:
    before = time.monotonic()
    script = [answers.amplitude_throttled(["user-a"]), Answer(delay=0.05)]
    with Receiver(script, vendor="amplitude", keep="log") as receiver, posting(receiver, "amplitude") as post:
        first, second = event("amplitude", user_id="user-a"), event("amplitude", user_id=None, device_id="device-b")
        post(first, second)
        post(second)
        ids = first["insert_id"], second["insert_id"]
        assert [(one.id, one.user, one.device, one.fate, one.request) for one in receiver.log] == [
            (ids[0], "user-a", "", "later", 0),
            (ids[1], "", "device-b", "open", 0),
            (ids[1], "", "device-b", "acknowledged", 1),
        ]
        times = [moment for one in receiver.log[1:] for moment in (one.arrived_seconds, one.answered_seconds)]
        times = [before, *times, time.monotonic()]
        assert times == sorted(times)
        assert receiver.log[2].answered_seconds - receiver.log[2].arrived_seconds >= 0.05, "answered, not arrived"
        assert receiver.requests == []
        receiver.clear()
        assert receiver.log == []


@pytest.mark.parametrize(
    ("vendor", "user", "device"), [("segment", "u", "a"), ("rudderstack", "u", "a"), ("posthog", "u", "")]
)
def test_the_log_knows_the_owner_by_the_vendors_own_keys(vendor: str, user: str, device: str) -> None:
    fields = {"distinct_id": "u"} if vendor == "posthog" else {"userId": "u", "anonymousId": "a"}
    with Receiver(vendor=vendor) as receiver, posting(receiver, vendor) as post:
        post(event(vendor, **fields))
        assert [(one.user, one.device) for one in receiver.log] == [(user, device)]


def test_after_a_reset_nothing_is_said_of_any_event() -> None:
    with Receiver([Answer(reset="after")], vendor="amplitude") as receiver, posting(receiver, "amplitude") as post:
        with pytest.raises(ConnectionError):
            post(event("amplitude"))
        [kept] = receiver.requests
        assert (kept.fates, receiver.log[0].fate, receiver.ids) == (["open"], "open", 0)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_event_has_the_same_bytes_in_every_attempt(vendor: str) -> None:
    with Receiver([503, 503], vendor=name(vendor)) as receiver, posting(receiver, vendor) as post:
        told = event(vendor)
        post(told)
        post(told | ({"sentAt": "2013-01-01T10:15:07.000Z"} if vendor == "rudderstack" else {}))
        assert (receiver.stats().repeats, receiver.stats().mismatches) == (1, 0)
        post(told | {"another": "key"})
        assert (receiver.stats().repeats, receiver.stats().mismatches) == (2, 1)


def test_a_copy_within_a_batch_is_seen_whatever_its_fate() -> None:
    with Receiver([400], vendor="amplitude") as receiver, posting(receiver, "amplitude") as post:
        told = event("amplitude")
        post(told, event("amplitude"), told)
        assert (receiver.stats().repeats, receiver.ids) == (1, 0)
        post(told, told)
        assert (receiver.stats().repeats, receiver.stats().duplicates, receiver.ids) == (2, 1, 1)


def test_a_get_is_answered_and_is_no_batch() -> None:
    with Receiver(vendor="amplitude") as receiver:
        connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        assert receiver.violations == []
        assert [kept.batch for kept in receiver.requests] == [[]]
