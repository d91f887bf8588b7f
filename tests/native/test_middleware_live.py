"""Row 63, in a whole client: what middleware does later changes nothing, and who waits in it waits alone."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from .clients import Kept, Ringed, strict

PATIENCE_SECONDS = 20.0


@pytest.mark.parametrize("answer", ["the same", "another"])
def test_row_63_what_middleware_changes_later_is_not_sent(answer: str) -> None:
    kept: list[dict[str, Any]] = []

    def step(event: dict[str, Any]) -> dict[str, Any]:
        event = event if answer == "the same" else {**event, "properties": dict(event["properties"])}
        event["properties"]["list"].append("in time")
        kept.append(event)
        return event

    client = Ringed(middleware=[step])
    given = {"list": ["the caller's"], "deep": {"a": [1]}}
    assert client.track("u", "E", given) is True
    assert given == {"list": ["the caller's"], "deep": {"a": [1]}}, "the caller's own objects are not middleware's"
    kept[0]["properties"]["list"].append("late")
    kept[0]["properties"]["deep"]["a"].clear()
    kept[0]["event"] = "another name"
    given["list"].append("later still")
    [event] = [strict(body) for body in client.take()]
    assert event["event"] == "E"
    assert event["properties"] == {"list": ["the caller's", "in time"], "deep": {"a": [1]}}


def test_row_63_who_sleeps_in_middleware_holds_up_nobody_else() -> None:
    asleep, awake = threading.Event(), threading.Event()

    def step(event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "slow":
            asleep.set()
            assert awake.wait(PATIENCE_SECONDS)
        return event

    client = Ringed(middleware=[step])
    slow = threading.Thread(target=client.track, args=("u", "slow"))
    slow.start()
    assert asleep.wait(PATIENCE_SECONDS)
    started = time.monotonic()
    assert [client.track("u", "quick") for _ in range(100)] == [True] * 100
    assert client.stats().accepted == 100
    assert time.monotonic() - started < PATIENCE_SECONDS / 2
    awake.set()
    slow.join(PATIENCE_SECONDS)
    assert [strict(body)["event"] for body in client.take()] == ["quick"] * 100 + ["slow"]
    assert client.stats().balanced


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, 0),
        (7, 1),
        ("text", 1),
        ([], 1),
        (True, 1),
        (ValueError("canary-of-the-payload"), 1),
        (StopIteration("canary-of-the-payload"), 1),
    ],
    ids=repr,
)
def test_row_63_whatever_else_middleware_answers_the_event_is_refused(
    answer: Any, told: int, caplog: pytest.LogCaptureFixture
) -> None:
    def step(event: dict[str, Any]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = Kept(middleware=[step])
    assert [client.track("u", "E", {"a": "canary-of-the-payload"}) for _ in range(3)] == [False] * 3
    stats = client.stats()
    assert stats.refused == {"middleware": 3}
    assert stats.balanced
    assert not client.memory.requests
    assert len(caplog.records) == told, "what is dropped on purpose is no warning"
    assert "canary" not in caplog.text
