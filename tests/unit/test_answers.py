"""The words in which the vendors answer, and the script that hands them out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluiceway.testing import Answer, Receiver, answers
from sluiceway.testing.script import Prompter

from .arrivals import arriving, body, event


def said(answer: Answer) -> dict[str, Any]:
    """Return the JSON of an answer."""
    assert answer.headers["Content-Type"] == "application/json"
    document: dict[str, Any] = json.loads(answer.body or b"")
    return document


def test_plain_words_and_documents() -> None:
    answer = answers.plain(429, "slow down", {"Retry-After": "7"})
    assert (answer.status, answer.body, answer.headers["Retry-After"]) == (429, b"slow down", "7")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert said(answers.document(503, {"a": 1})) == {"a": 1}


def test_amplitudes_words() -> None:
    assert said(answers.amplitude_invalid({"time": [0, 3]})) == {
        "code": 400,
        "error": "Invalid field values on some events",
        "events_with_invalid_fields": {"time": [0, 3]},
        "events_with_missing_fields": {},
    }
    missing = said(answers.amplitude_invalid(missing={"event_type": [1]}))
    assert (missing["error"], missing["events_with_missing_fields"]) == (
        "Request missing required field",
        {"event_type": [1]},
    )
    lengths = said(answers.amplitude_invalid(id_lengths={"user_id": [2]}))
    assert lengths["error"] == "Invalid id length for user_id or device_id"
    assert lengths["events_with_invalid_id_lengths"] == {"user_id": [2]}
    assert said(answers.amplitude_missing("api_key"))["missing_field"] == "api_key"
    assert said(answers.amplitude_bad_key())["error"].startswith("Invalid API key: ")
    silenced = said(answers.amplitude_silenced(["device-1"], [4]))
    assert (silenced["silenced_devices"], silenced["silenced_events"]) == (["device-1"], [4])


def test_posthogs_words() -> None:
    error = answers.posthog_error(503, "service_unavailable", headers={"Retry-After": "1"})
    assert said(error)["error"] == "service_unavailable"
    assert error.headers["Retry-After"] == "1"
    assert answers.posthog_result("ok") == {"result": "ok"}
    assert answers.posthog_result("drop", "rejected") == {"result": "drop", "details": "rejected"}
    reply = answers.posthog_results({})
    assert callable(reply)
    answer = reply(arriving("capture", body("capture", event("capture"))))
    assert isinstance(answer, Answer)
    assert "Retry-After" not in answer.headers


def test_an_answer_says_what_it_was_given_and_else_what_the_vendor_says() -> None:
    assert Answer().saying(b"ok", {"A": "b"}) == Answer(body=b"ok", headers={"A": "b"})
    assert Answer(headers={"A": "mine"}).saying(b"ok", {"A": "b"}).headers == {"A": "mine"}
    assert Answer(body=b"").saying(b"ok", {"A": "b"}) == Answer(body=b"")


def test_a_refusal_comes_as_the_answer_would_have() -> None:
    scripted = Answer(200, {"A": "b"}, delay=1.0, cut_bytes=3, drip_seconds=0.5, reset="after")
    refusal = scripted.instead(answers.plain(400, "no"))
    assert (refusal.status, refusal.body, refusal.delay, refusal.cut_bytes) == (400, b"no", 1.0, 3)
    assert (refusal.drip_seconds, refusal.reset) == (0.5, "after")


def test_a_script_is_consumed_in_order_and_then_the_default() -> None:
    request = arriving("amplitude", body("amplitude", event("amplitude")))
    prompter = Prompter([503, lambda _arriving: 429, Answer(404)], lambda _arriving: answers.plain(200, "ok"))
    prompter.add([lambda _arriving: answers.amplitude_throttled(["user-1"]), 500])
    told = [prompter.next(request) for _ in range(7)]
    assert [answer.status for answer in told] == [503, 429, 404, 429, 500, 200, 200]
    assert said(told[3])["throttled_events"] == [0]
    assert Prompter(lambda _arriving: lambda _arriving: 201, 200).next(request).status == 201


def test_an_impossible_status_is_refused_at_once() -> None:
    with pytest.raises(ValueError):
        Receiver([99])
    with pytest.raises(ValueError):
        Receiver(default=99)
    with Receiver() as receiver, pytest.raises(ValueError):
        receiver.answer(600)
