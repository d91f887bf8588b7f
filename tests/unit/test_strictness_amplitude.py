"""A strict Amplitude: it names what is wrong by index, and takes nothing of a request that it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluiceway.testing import Answer, Limits, answers

from .arrivals import KEY, arriving, body, event, read, told


def one(**fields: Any) -> dict[str, Any]:
    """Return one event."""
    return event("amplitude", **fields)


def refused(data: bytes, path: str = "/2/httpapi") -> dict[str, Any]:
    """Return what a refusal says; its `code` is its status."""
    answer = told("amplitude", data, path=path).answer
    said: dict[str, Any] = json.loads(answer.body or b"")
    assert said["code"] == answer.status
    return said


def test_a_good_request_is_told_what_was_taken() -> None:
    data = body(
        "amplitude", one(), one(user_id=None, device_id="device-1"), one(event_type="$groupidentify", user_id=None)
    )
    reading = read("amplitude", data)
    assert (reading.violations, reading.refusal) == ([], None)
    answered = told("amplitude", data)
    said = json.loads(answered.answer.body or b"")
    assert answered.fates == "acknowledged"
    assert (said["code"], said["events_ingested"], said["payload_size_bytes"]) == (200, 3, len(data))
    assert isinstance(said["server_upload_time"], int)


def test_http_v2_names_the_first_event_of_each_field_and_batch_all() -> None:
    bad = [
        {"time": "now"},
        {"time": 1.5},
        {"event_type": None},
        {"user_id": None},
        {"event_type": ""},
        {"device_id": "ab"},
    ]
    data = body("amplitude", one(), *(one() | fields for fields in bad))
    assert refused(data) == {
        "code": 400,
        "error": "Invalid field values on some events",
        "events_with_invalid_fields": {"time": [1]},
        "events_with_missing_fields": {"event_type": [3], "user_id": [4], "device_id": [4]},
        "events_with_invalid_id_lengths": {"device_id": [6]},
    }
    said = refused(data, "/batch")
    assert said["events_with_invalid_fields"] == {"time": [1, 2]}
    assert said["events_with_missing_fields"]["event_type"] == [3, 5]
    assert told("amplitude", data).fates == ["open", "refused", "open", "refused", "refused", "open", "refused"]
    assert told("amplitude", data, path="/batch").fates == ["open", *["refused"] * 6]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"event_type": None}, ("missing", "event_type")),
        ({"event_type": 7}, ("invalid", "event_type")),
        ({"user_id": 7}, ("invalid", "user_id")),
        ({"user_id": "Unknown"}, ("invalid", "user_id")),
        ({"device_id": "00000000-0000-0000-0000-000000000000"}, ("invalid", "device_id")),
        ({"user_id": "abcd"}, ("id_lengths", "user_id")),
        ({"insert_id": 7}, ("invalid", "insert_id")),
        ({"event_properties": []}, ("invalid", "event_properties")),
        ({"session_id": "1"}, ("invalid", "session_id")),
        ({"price": "1"}, ("invalid", "price")),
    ],
)
def test_each_fault_is_named_under_its_field(fields: dict[str, Any], said: tuple[str, str]) -> None:
    lists = {"invalid": "events_with_invalid_fields", "missing": "events_with_missing_fields"}
    lists["id_lengths"] = "events_with_invalid_id_lengths"
    data = body("amplitude", one(), one() | fields)
    assert read("amplitude", data).violations
    assert refused(data)[lists[said[0]]] == {said[1]: [1]}


@pytest.mark.parametrize(
    ("fields", "objection"),
    [
        ({"insert_id": None}, "insert_id is missing"),
        ({"time": None}, "time is missing"),
        ({"event_properties": {"a": "x" * 1_025}}, "event_properties has a text of 1025 characters, limit 1024"),
    ],
)
def test_what_the_server_fills_in_or_does_not_speak_of_is_noted_and_taken(
    fields: dict[str, Any], objection: str
) -> None:
    reading = read("amplitude", body("amplitude", one() | fields))
    assert (reading.violations, reading.refusal) == ([f"event 0: {objection}"], None)


def test_the_shortest_id_is_what_the_options_say() -> None:
    short = one(user_id="ab")
    assert refused(body("amplitude", short, options={}))["events_with_invalid_id_lengths"] == {"user_id": [0]}
    for _ in range(2):
        assert read("amplitude", body("amplitude", short, options={"min_id_length": 2})).violations == []
        assert read("amplitude", body("amplitude", short, options={"min_id_length": 3})).refusal is not None
        assert read("amplitude", body("amplitude", one(), options={"min_id_length": 7})).refusal is not None


@pytest.mark.parametrize(
    ("data", "error", "missing"),
    [
        (b"", "Missing request body", None),
        (b"{", "Invalid JSON request body", None),
        (b"[]", "Invalid JSON request body", None),
        (body("amplitude", one(), api_key=None), "Request missing required field", "api_key"),
        (body("amplitude", one(), api_key=""), "Request missing required field", "api_key"),
        (body("amplitude", one(), events=None), "Request missing required field", "events"),
        (body("amplitude"), "Request missing required field", "events"),
        (body("amplitude", one(), 7), "Invalid event JSON", None),
    ],
)
def test_a_request_that_is_none_names_no_event(data: bytes, error: str, missing: str | None) -> None:
    said = refused(data)
    assert (said["code"], said["error"], said.get("missing_field")) == (400, error, missing)
    assert read("amplitude", data).violations
    assert KEY not in repr(read("amplitude", data).violations)


def test_another_path_is_no_endpoint() -> None:
    assert refused(body("amplitude", one()), "/httpapi")["error"] == "Invalid request path"
    assert told("amplitude", body("amplitude", one()), path="/proxy/batch/").answer.status == 200


def test_http_v2_wants_less_than_1_mb_and_2_000_events() -> None:
    texts = {f"key-{number}": "x" * 1_000 for number in range(900)}
    rest = 999_999 - len(body("amplitude", one(event_properties=texts), one(event_properties={"a": [""]})))
    fill = ["x" * 1_000] * (rest // 1_003) + ["x" * (rest % 1_003)]
    fits = body("amplitude", one(event_properties=texts), one(event_properties={"a": fill}))
    fits += b" " * (999_999 - len(fits))
    assert read("amplitude", fits).violations == []
    assert refused(fits + b" ") == {"code": 413, "error": "Payload too large"}
    assert told("amplitude", fits + b" ", path="/batch").answer.status == 200
    many = [one() for _ in range(2_001)]
    assert told("amplitude", body("amplitude", *many[:1_999])).answer.status == 200
    assert told("amplitude", body("amplitude", *many[:2_000])).answer.status == 413
    assert told("amplitude", body("amplitude", *many[:2_000]), path="/batch").answer.status == 200
    assert told("amplitude", body("amplitude", *many), path="/batch").answer.status == 413
    assert read("amplitude", body("amplitude", one()), Limits(max_body_bytes=10)).refusal is not None


# -- what a scripted answer means for the events


def fates(answer: answers.Reply, *events: dict[str, Any]) -> Any:
    """Return what becomes of the events under an answer."""
    data = body("amplitude", *events)
    while not isinstance(answer, Answer):
        answer = Answer(answer) if isinstance(answer, int) else answer(arriving("amplitude", data))
    return told("amplitude", data, answer).fates


THREE = (one(user_id="user-1"), one(user_id="user-2", device_id="device-2"), one(user_id=None, device_id="device-3"))


def test_named_indices_are_refused_and_nothing_is_taken() -> None:
    assert fates(answers.amplitude_invalid({"time": [0, 2, 99, -1]}), *THREE) == ["refused", "open", "refused"]
    assert fates(answers.amplitude_invalid(missing={"event_type": [1]}), *THREE) == ["open", "refused", "open"]
    assert fates(answers.amplitude_invalid(id_lengths={"user_id": [0]}), *THREE) == ["refused", "open", "open"]
    assert fates(answers.amplitude_silenced(["device-3"], [2]), *THREE) == ["open", "open", "refused"]
    assert fates(answers.amplitude_missing("events"), *THREE) == "refused"
    assert fates(answers.amplitude_bad_key(), *THREE) == "open"
    assert fates(answers.amplitude_bad_key(), THREE[0]) == "open", "the key is at fault, not the event"


def test_throttled_users_and_devices_wait_and_those_over_the_quota_are_refused() -> None:
    assert fates(answers.amplitude_throttled(["user-2"]), *THREE) == ["open", "later", "open"]
    assert fates(answers.amplitude_throttled(devices=["device-3"]), *THREE) == ["open", "open", "later"]
    assert fates(answers.amplitude_throttled(events=[0]), *THREE) == ["later", "open", "open"]
    assert fates(answers.amplitude_throttled(["user-2"], events=[]), *THREE) == ["open", "later", "open"]
    assert fates(answers.amplitude_throttled(devices=["device-3"], events=[0]), *THREE) == ["later", "open", "later"]
    assert fates(answers.amplitude_throttled(quota_users=["user-1"]), *THREE) == ["refused", "open", "open"]
    both = answers.amplitude_throttled(["user-1"], quota_users=["user-1"], quota_devices=["device-3"])
    assert fates(both, *THREE) == ["refused", "open", "refused"]


def test_a_throttling_answer_names_whom_and_which() -> None:
    reply = answers.amplitude_throttled(["user-2", "user-9"], ["device-3"])
    assert callable(reply)
    answer = reply(arriving("amplitude", body("amplitude", *THREE)))
    assert isinstance(answer, Answer)
    said = json.loads(answer.body or b"")
    assert (said["code"], said["throttled_events"]) == (429, [1, 2])
    assert said["throttled_users"].keys() == {"user-2", "user-9"}
    assert said["throttled_devices"].keys() == {"device-3"}


def test_the_code_in_the_body_counts_before_the_status() -> None:
    assert (
        fates(answers.document(200, {"code": 400, "events_with_invalid_fields": {"time": [0]}}), *THREE)[0] == "refused"
    )
    assert fates(answers.document(500, {"code": 200}), *THREE) == "acknowledged"
    assert fates(answers.plain(200, "hello"), *THREE) == "acknowledged"
    assert fates(answers.plain(503, "hello"), *THREE) == "open"
    assert fates(Answer(413), *THREE) == "open"
    assert fates(Answer(413), THREE[0]) == "refused"


@pytest.mark.parametrize("status", [400, 413, 429, 503])
def test_a_scripted_status_comes_as_json(status: int) -> None:
    said = json.loads(told("amplitude", body("amplitude", one(), one()), Answer(status)).answer.body or b"")
    assert said["code"] == status
    assert said["error"]
