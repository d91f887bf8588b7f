"""A retry handler of the user's: asked once for each batch, and believed."""

from __future__ import annotations

from typing import Any

import pytest

from sluiceway.errors import DeliveryError
from sluiceway.handover import Retry
from sluiceway.retry import RetryPolicy
from sluiceway.stats import FlushResult
from sluiceway.transport import KeptResponse, Response
from sluiceway.vendors.amplitude_judge import judge

from .fakes import FakeBatch, Rig, answer, keeper


class Handler:
    """Answers from a list; an exception in it is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[list[Any]] = []

    def send_events_with_retry(self, events: list[dict[str, Any]]) -> Response:
        self.calls.append(events)
        answer = self.answers.pop(0) if self.answers else Response(status=200)
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]


def rig_of(handler: Handler, **how: Any) -> tuple[Rig, list[DeliveryError]]:
    told: list[DeliveryError] = []
    rig = Rig(
        inline=True,
        judged_by=judge,
        retry_handler=handler,
        lanes=keeper(),
        on_error=lambda error, report: told.append(error),
        policy=RetryPolicy(delays=(1.0, 1.0)),
        **how,
    )
    return rig, told


KEPT = dict.fromkeys("abc", "handed_over")
EXHAUSTED = dict.fromkeys("abc", "failed.retries_exhausted")
REJECTED = dict.fromkeys("abc", "failed.rejected")
NAMED = b'{"code":400,"events_with_invalid_fields":{"time":[0,7]},"silenced_events":[2]}'
THROTTLED = b'{"code":429,"throttled_events":[0],"events_with_missing_fields":{"e":[1]}}'


@pytest.mark.parametrize(
    ("response", "ends", "sent", "status"),
    [
        (Response(status=200), dict.fromkeys("abc", "delivered"), None, None),
        (KeptResponse(status=200), dict.fromkeys("abc", "delivered"), None, None),
        (answer(400, NAMED), {**REJECTED, "b": "failed.retries_exhausted"}, "no", 400),
        (answer(429, THROTTLED), {**EXHAUSTED, "b": "failed.rejected"}, "no", 429),
        (answer(429, b'{"throttled_users":{"u":9}}'), EXHAUSTED, "no", 429),
        (answer(400, b'{"missing_field":"event_type"}'), REJECTED, "no", 400),
        (answer(400, b'{"error":"Invalid API key: 1"}'), dict.fromkeys("abc", "failed.unauthorized"), "no", 400),
        (answer(401), dict.fromkeys("abc", "failed.unauthorized"), "no", 401),
        (answer(404), REJECTED, "no", 404),
        (answer(429), EXHAUSTED, "no", 429),
        (answer(413), EXHAUSTED, "no", 413),
        (answer(500), EXHAUSTED, "maybe", 500),
        (answer(503), EXHAUSTED, "no", 503),
        (Response(status=0), EXHAUSTED, "maybe", None),
        (KeptResponse(status=0), KEPT, "maybe", None),
        (KeptResponse(status=503), KEPT, "maybe", 503),
        (KeptResponse(status=404), KEPT, "maybe", 404),
        (KeptResponse(status=400, body=NAMED), {**REJECTED, "b": "handed_over"}, None, 400),
        (ConnectionError("user@example.com"), EXHAUSTED, "maybe", None),
        (None, EXHAUSTED, "maybe", None),
        ({"status": 200}, EXHAUSTED, "maybe", None),
        (Response(status="200"), EXHAUSTED, "maybe", None),  # type: ignore[arg-type]
    ],
)
def test_the_response_says_how_each_event_ends(
    response: Any, ends: dict[str, str], sent: str | None, status: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler(response)
    rig, told = rig_of(handler)
    assert rig.carry("a", "b", "c") == []
    rig.delivery.run_pending()
    assert rig.queue.ends == ends
    assert handler.calls == [["a", "b", "c"]], "nothing is tried again on top"
    assert rig.transport.requests == []
    assert sorted(rig.queue.released) == ["a", "b", "c"]
    if sent is not None:
        assert {(error.sent, error.status) for error in told} == {(sent, status)}
    assert {error.reason for error in told} == {end.removeprefix("failed.") for end in ends.values()} - {"delivered"}
    assert "example.com" not in caplog.text


def test_no_answer_keeps_the_next_batch_from_the_handler() -> None:
    """Neither a refused key, nor a Retry-After, nor a 413: what to make of those is the handler's affair."""
    handler = Handler(answer(401), answer(503, retry_after="100"), answer(413), answer(400))
    rig, _ = rig_of(handler)
    for name in "abcde":
        rig.queue.push(name, name + name)
    began = rig.clock.now
    assert rig.worker.drain(began)
    assert [call[0] for call in handler.calls] == list("abcde")
    assert rig.clock.now == began
    assert rig.queue.ends["ee"] == "delivered"


def test_nobody_waits_in_a_lane_where_a_handler_retries() -> None:
    handler = Handler(answer(429, b'{"throttled_users":{"u":9},"exceeded_daily_quota_devices":{"e":1}}'))
    rig, _ = rig_of(handler)
    rig.queue.push("u/d/1", "v/e/2")
    rig.queue.push("u/d/3")
    began = rig.clock.now
    assert rig.worker.drain(began)
    assert rig.queue.ends == {
        "u/d/1": "failed.retries_exhausted",
        "v/e/2": "failed.rejected",
        "u/d/3": "delivered",
    }


def test_the_handler_gets_what_a_request_would_have_shown() -> None:
    handler = Handler()
    rig, _ = rig_of(handler)
    rig.sender._envelope = lambda sending: rig_envelope(b'9"')
    rig.carry("event-0")
    assert handler.calls == [["event-9"]]


def rig_envelope(event_tail: bytes) -> Any:
    from sluiceway.vendors.base import Envelope

    return Envelope(b"", b"", event_tail)


def test_a_flush_knows_what_the_handler_keeps() -> None:
    rig, told = rig_of(Handler(KeptResponse(status=0), answer(404)))
    rig.queue.push("a", "b")
    rig.queue.push("c")
    assert rig.worker.flush(rig.clock.now + 1) == FlushResult(handed_over=2, failed=1)
    assert [(error.reason, error.sent, error.status) for error in told] == [
        ("handed_over", "maybe", None),
        ("rejected", "no", 404),
    ]
    assert FlushResult(handed_over=2).ok


def test_an_attempt_without_a_request_of_ours_is_counted_all_the_same() -> None:
    rig, _ = rig_of(Handler())
    rig.carry("a")
    assert rig.sender.progress.attempts == 1
    assert rig.sender.progress.last_success == rig.clock.time()


def test_a_handler_is_whatever_has_the_method() -> None:
    assert isinstance(Handler(), Retry)
    assert not isinstance(FakeBatch(["a"], [0]), Retry)


def test_the_worker_survives_a_handler_that_exits() -> None:
    rig = Rig(judged_by=judge, retry_handler=Handler(SystemExit(3)))
    rig.queue.push("a")
    rig.queue.push("b")
    flush = rig.flushing.open()
    rig.worker.start()
    assert flush.done.wait(10)
    assert rig.flushing.result(flush) == FlushResult(failed=1, delivered=1)
    assert rig.queue.ends == {"a": "failed.retries_exhausted", "b": "delivered"}
    rig.worker.close(rig.clock.now)
