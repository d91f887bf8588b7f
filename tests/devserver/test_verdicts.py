"""What the server says of an event is what its vendor would do with it: taken, lost in silence, refused, folded."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from .asking import Api
from .made import PATHS, envelope, event, headers, now


def send(api: Api, vendor: str, *events: Any, sent_at: str | None = None) -> tuple[int, bytes]:
    return api.post(PATHS[vendor], envelope(vendor, *events, sent_at=sent_at), headers(vendor, sent_at))


# vendor, what is wrong, the answer's status, the verdict, and a word of the reason.
ONE_EVENT: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("segment", {}, 200, "delivered", ""),
    ("segment", {"userId": None}, 200, "lost", "userId or anonymousId"),
    ("segment", {"userId": ""}, 200, "lost", "userId or anonymousId"),
    ("segment", {"event": None}, 200, "lost", "event is missing"),
    ("segment", {"type": "group"}, 200, "lost", "groupId"),
    ("segment", {"type": "alias"}, 200, "lost", "previousId"),
    ("segment", {"type": "nonsense"}, 200, "lost", "type"),
    ("segment", {"properties": {"text": "x" * 40_000}}, 200, "lost", "32768"),
    ("segment", {"messageId": None}, 200, "delivered", ""),
    ("segment", {"timestamp": None}, 200, "delivered", ""),
    ("segment", {"messageId": "m" * 101}, 200, "delivered", "fold"),
    ("rudderstack", {}, 200, "delivered", ""),
    ("rudderstack", {"userId": None}, 400, "refused", "userId or anonymousId"),
    ("rudderstack", {"userId": "  "}, 400, "refused", "userId or anonymousId"),
    ("posthog", {}, 200, "delivered", ""),
    ("posthog", {"event": ""}, 400, "refused", "event"),
    ("posthog", {"distinct_id": None}, 400, "refused", "distinct_id"),
    ("posthog", {"uuid": "no-uuid"}, 400, "refused", "uuid"),
    ("posthog", {"distinct_id": "anonymous"}, 200, "delivered", "share"),
    ("posthog", {"event": "$identify", "distinct_id": "null"}, 200, "lost", "illegal"),
    ("posthog", {"event": "$create_alias", "properties": {"alias": "undefined"}}, 200, "lost", "illegal"),
    ("posthog", {"event": "$create_alias", "properties": {"alias": "user-1"}}, 200, "lost", "itself"),
    ("posthog", {"event": "$create_alias"}, 200, "lost", "alias"),
    ("posthog", {"event": "$create_alias", "properties": {"alias": "before"}}, 200, "delivered", ""),
    ("posthog", {"event": "$identify", "properties": {"$anon_distinct_id": "guest"}}, 200, "lost", "illegal"),
    ("posthog", {"event": "$groupidentify", "properties": {}}, 200, "lost", "$group_"),
    ("capture", {}, 200, "delivered", ""),
    ("capture", {"event": "e" * 201}, 200, "refused", "event_name_too_long"),
    ("capture", {"distinct_id": ""}, 200, "refused", "missing_distinct_id"),
    ("capture", {"uuid": "no-uuid"}, 400, "refused", "uuid"),
    ("amplitude", {}, 200, "delivered", ""),
    ("amplitude", {"user_id": "me"}, 400, "refused", "user_id"),
    ("amplitude", {"user_id": "unknown"}, 400, "refused", "user_id"),
    ("amplitude", {"user_id": None}, 400, "refused", "user_id or device_id"),
    ("amplitude", {"event_properties": "none"}, 400, "refused", "event_properties"),
    ("amplitude", {"insert_id": None}, 200, "delivered", ""),
    ("amplitude", {"event_properties": {"text": "x" * 1_025}}, 200, "delivered", "1025"),
]


@pytest.mark.parametrize(("vendor", "wrong", "status", "verdict", "word"), ONE_EVENT)
def test_one_event(api: Api, vendor: str, wrong: dict[str, Any], status: int, verdict: str, word: str) -> None:
    assert send(api, vendor, event(vendor, **wrong))[0] == status
    [row] = api.rows()
    assert (row["verdict"], word in row["reason"], bool(row["reason"])) == (verdict, True, bool(word))
    counters = api.counters()["by_vendor"]["posthog" if vendor == "capture" else vendor]
    assert {name: count for name, count in counters.items() if count} == {"events": 1, verdict: 1}


def test_what_is_filled_in_is_a_note_and_no_reason(api: Api) -> None:
    send(api, "segment", event("segment", messageId=None))
    [row] = api.rows()
    reasons = api.ask(f"events/{row['seq']}")["reasons"]
    assert [(reason["kind"], reason["key"]) for reason in reasons] == [("note", "messageId")]


def test_no_reason_holds_a_value_of_the_event(api: Api) -> None:
    for vendor, wrong, *_ in ONE_EVENT:
        values = {"event": "canary-name"} if vendor != "amplitude" else {"event_type": "canary-name"}
        send(api, vendor, event(vendor, **values, **{key: value for key, value in wrong.items() if key not in values}))
    for row in api.rows("limit=100", of=len(ONE_EVENT)):
        assert "canary" not in str(api.ask(f"events/{row['seq']}")["reasons"])


def test_segment_drops_what_comes_after_2500_events(api: Api) -> None:
    assert send(api, "segment", *(event("segment", context=None, properties=None) for _ in range(2_502)))[0] == 200
    counters = api.counters()["by_vendor"]["segment"]
    assert (counters["delivered"], counters["lost"]) == (2_500, 2)
    assert len(api.rows("verdict=lost", of=2)) == 2


@pytest.mark.parametrize(
    "said", [b"no json", b"[]", b'{"batch": 1}', b'{"batch": [{"text": "' + b"x" * 600_000 + b'"}]}']
)
def test_segment_answers_400_to_what_is_no_batch_or_too_large(api: Api, said: bytes) -> None:
    assert api.post(PATHS["segment"], said)[0] == 400


def test_a_bad_neighbour_costs_rudderstacks_and_posthogs_batches(api: Api) -> None:
    for vendor, bad in (("rudderstack", {"userId": None}), ("posthog", {"distinct_id": None})):
        assert send(api, vendor, event(vendor), event(vendor, **bad))[0] == 400
        good, wrong = api.rows(f"vendor={vendor}", of=2)
        assert (good["verdict"], wrong["verdict"]) == ("refused", "refused")
        assert "400" in good["reason"]
        assert "missing" in wrong["reason"]


def test_amplitude_names_events_and_wants_the_others_again(api: Api) -> None:
    assert send(api, "amplitude", event("amplitude"), event("amplitude", user_id="unknown"))[0] == 400
    assert [row["verdict"] for row in api.rows(of=2)] == ["retry", "refused"]


def test_captures_200_tells_the_dropped_from_the_taken(api: Api) -> None:
    assert send(api, "capture", event("capture"), event("capture", event="e" * 201))[0] == 200
    assert [row["verdict"] for row in api.rows(of=2)] == ["delivered", "refused"]


def test_a_dropped_event_hides_no_silent_loss_beside_it(api: Api) -> None:
    merges = event("capture", event="$create_alias", properties={"alias": "user-1"})
    send(api, "capture", event("capture", event="e" * 201), merges, event("capture"))
    assert [row["verdict"] for row in api.rows(of=3)] == ["refused", "lost", "delivered"]


@pytest.mark.parametrize(
    ("vendor", "key", "verdict"),
    [
        ("segment", "messageId", "duplicate"),
        ("rudderstack", "messageId", "delivered"),
        ("posthog", "uuid", "duplicate"),
        ("capture", "uuid", "duplicate"),
        ("amplitude", "insert_id", "duplicate"),
    ],
)
def test_an_id_that_comes_twice_is_folded_where_the_vendor_does(api: Api, vendor: str, key: str, verdict: str) -> None:
    again = event(vendor, **{key: str(uuid.uuid4())})
    send(api, vendor, again, event(vendor))
    send(api, vendor, event(vendor), again)
    first, other, third, copy = api.rows(of=4)
    assert [row["verdict"] for row in (first, other, third)] == ["delivered"] * 3
    assert (copy["verdict"], copy["marks"]) == (verdict, ["duplicate"])
    assert len(api.ask(f"events/{copy['seq']}")["attempts"]) == 2
    assert api.counters()["marks"]["duplicate"] == 1


def test_ids_are_one_vendors_own_and_amplitudes_one_devices(api: Api) -> None:
    same = str(uuid.uuid4())
    send(api, "segment", event("segment", messageId=same))
    send(api, "posthog", event("posthog", uuid=same))
    for device in ("device-1", "device-2"):
        send(api, "amplitude", event("amplitude", insert_id=same, device_id=device))
    assert [row["verdict"] for row in api.rows(of=4)] == ["delivered"] * 4


def test_a_copy_in_the_same_batch_is_noticed_and_events_without_ids_are_no_copies(api: Api) -> None:
    twice = event("segment")
    send(api, "segment", twice, twice)
    send(api, "segment", event("segment", messageId=None), event("segment", messageId=None))
    assert [row["verdict"] for row in api.rows(of=4)] == ["delivered", "duplicate", "delivered", "delivered"]


@pytest.mark.parametrize("vendor", ["segment", "rudderstack", "posthog", "capture"])
def test_a_clock_that_is_wrong_is_marked(api: Api, vendor: str) -> None:
    wrong = now(minutes=-10)
    one = event(vendor, timestamp=wrong, **({"sentAt": wrong} if vendor == "rudderstack" else {}))
    send(api, vendor, one, sent_at=wrong)
    [row] = api.rows()
    assert row["marks"] == ["skew"]
    assert "behind" in row["reason"]


@pytest.mark.parametrize("vendor", ["segment", "rudderstack", "posthog", "capture", "amplitude"])
def test_the_future_and_the_past_are_marked(api: Api, vendor: str) -> None:
    key = "time" if vendor == "amplitude" else "timestamp"
    future: Any = now(days=2) if vendor != "amplitude" else 4_000_000_000_000
    past: Any = "2013-01-01T10:15:00.000+05:00" if vendor != "amplitude" else 1_357_000_000_000
    send(api, vendor, event(vendor, **{key: future}), event(vendor, **{key: past}), event(vendor))
    assert [row["marks"] for row in api.rows(of=3)] == [["future"], ["late"], []]
    marks = api.counters()["marks"]
    assert (marks["future"], marks["late"]) == (1, 1)


def test_a_historical_migration_is_not_late(api: Api) -> None:
    one = event("posthog", timestamp="2013-01-01T10:15:00Z")
    api.post(PATHS["posthog"], envelope("posthog", one) | {"historical_migration": True})
    assert api.rows()[0]["marks"] == []


def test_an_empty_batch_is_a_request_without_events(api: Api) -> None:
    assert send(api, "segment")[0] == 200
    assert send(api, "posthog")[0] == 400
    counters = api.counters()
    assert (counters["requests"], counters["events"]) == (2, 0)
    assert api.ask("requests/2")["request"]["status"] == 400


@pytest.mark.parametrize(
    ("vendor", "said", "word"),
    [
        ("segment", b'{"batch": [{"secret-word": 1},', "no JSON"),
        ("posthog", b'{"api_key": "k", "batch": [{"event": "\\ud83d secret-word"}]}', "lost"),
        ("rudderstack", b"[]", "lost"),
        ("amplitude", b"secret-word", "byte 0"),
        ("capture", b'{"created_at": 5, "batch": 1}', "lost"),
    ],
)
def test_a_request_that_cannot_be_read_has_a_row(api: Api, vendor: str, said: bytes, word: str) -> None:
    assert api.post(PATHS[vendor], said, headers(vendor))[0] == 400
    [row] = api.rows()
    assert (row["type"], row["event"], row["verdict"]) == ("request", "(unreadable request)", "refused")
    detail = api.ask(f"events/{row['seq']}?reveal=1")
    assert any(word in reason["text"] for reason in detail["reasons"])
    assert "secret-word" not in json.dumps(detail)
    assert (detail["json"], detail["pytest"], detail["request"]["status"]) == ('""', "", 400)
    assert api.counters()["events"] == 0
    assert api.send("GET", f"/debug/{api.token}/api/export.jsonl")[2] == b""


def test_what_is_no_json_does_not_end_the_server(api: Api) -> None:
    for vendor, path in PATHS.items():
        for said in (
            b"",
            b"\xff\xfe",
            b"{",
            b'{"batch": [1, null, "x"], "events": [[]]}',
            b"[" * 100_000,
            b"1" * 5_000,
        ):
            status, _ = api.post(path, said, headers(vendor))
            assert status in (200, 400, 401, 500), (vendor, said[:10])
    send(api, "segment", event("segment", properties={"large": 10**400}))
    assert api.counters()["requests"] == len(PATHS) * 6 + 1


def test_odd_texts_and_numbers_are_kept_and_told(api: Api) -> None:
    half = json.dumps(envelope("segment", event("segment", event="half \ud83d of it", properties={"n": 10**30})))
    assert api.post(PATHS["segment"], half.encode(), {"X-Retry-Count": "9" * 5_000})[0] == 200
    assert api.post(PATHS["segment"], envelope("segment", event("segment", event="nul \x00 äöü 😀")))[0] == 200
    first, second = api.rows(of=2)
    assert first["event"].startswith("half ")
    assert (first["attempt"], second["event"]) == (1, "nul \x00 äöü 😀")
    for row in (first, second):
        assert api.ask(f"events/{row['seq']}?reveal=1")["json"]


def test_a_mistake_of_ours_is_a_500_and_tells_no_value(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_arguments: Any) -> None:
        raise RuntimeError("canary-value")

    monkeypatch.setattr("sluiceway.devserver.ingestion.outline", fails)
    assert send(api, "segment", event("segment"))[0] == 500
    assert "RuntimeError in fails" in caplog.text
    assert "canary" not in caplog.text
    monkeypatch.undo()
    assert send(api, "segment", event("segment"))[0] == 200
