"""What each official client does when its vendor fails, and that the record shows it, attempt by attempt."""

from __future__ import annotations

from typing import Any

import pytest

from .needed import NODE, needs_node
from .page import Page
from .programs import run

CALLS = 14  # one batch for all of them

# The program, where, options that keep it short, the environment, and the faults that its client survives.
SURVIVES: list[Any] = [
    ("deliver_segment.py", "", {}, {}, ["status_500", "reset", "status_429"]),
    ("deliver_rudderstack.py", "/rudderstack", {}, {}, ["status_503", "reset"]),
    ("deliver_posthog.py", "", {}, {}, ["reset", "status_429"]),
    ("deliver_posthog.py", "", {"capture_mode": "v1"}, {}, ["status_503"]),
    (
        "deliver_amplitude.py",
        "/2/httpapi",
        {"flush_interval_millis": 100},
        {},
        ["status_500", "status_503"],
    ),
    ("deliver_segment.mjs", "", {}, {}, ["reset", "status_429"]),
    ("deliver_rudderstack.mjs", "", {}, {}, ["status_500", "reset", "status_429"]),
    ("deliver_posthog.mjs", "", {"fetchRetryDelay": 100}, {}, ["status_500", "reset", "status_429"]),
    ("deliver_posthog.mjs", "", {}, {"POSTHOG_CAPTURE_MODE": "v1"}, ["status_503"]),
    ("deliver_amplitude.mjs", "/2/httpapi", {"flushIntervalMillis": 50}, {}, ["status_500"]),
]
STATUSES = {
    "reset": None,
    "posthog_results": 200,
    "status_429": 429,
    "status_500": 500,
    "status_503": 503,
}


@pytest.mark.parametrize(
    ("program", "where", "options", "environment", "kinds"),
    [pytest.param(*case, marks=needs_node if case[0].endswith(".mjs") else ()) for case in SURVIVES],
)
def test_its_own_retries_arrive_and_are_shown_as_attempts(
    page: Page, program: str, where: str, options: dict[str, Any], environment: dict[str, str], kinds: list[str]
) -> None:
    for kind in kinds:
        page.tell("POST", "faults", {"kind": kind, "times": 1, "retry_after": 1})
    said = run(program, page.url + where, calls=CALLS, options=options, environment=environment, flush=False)
    delivered = page.rows(verdict="delivered")
    assert len({row["id"] for row in delivered}) == CALLS
    assert said["accepted"] == CALLS
    last = max(delivered, key=lambda row: row["attempt"])
    attempts = page.ask(f"events/{last['seq']}")["attempts"]
    seen = [attempt["status"] for attempt in attempts]
    assert sorted(map(str, seen[:-1])) == sorted(str(STATUSES[kind]) for kind in kinds)
    assert seen[-1] == 200
    assert [attempt["attempt"] for attempt in attempts] == list(range(1, len(kinds) + 2))
    assert {attempt["verdict"] for attempt in attempts[:-1]} == {"retry"}
    assert attempts[-1]["verdict"] == "delivered"
    assert all(attempt["delay_seconds"] >= 0 for attempt in attempts[1:])


def test_a_batch_that_is_too_large_comes_again_in_parts(page: Page) -> None:
    """PostHog's client for Node halves it; Amplitude's for Python makes less of its next batches."""
    cases = [("deliver_amplitude.py", "/2/httpapi", {"flush_interval_millis": 100}), ("deliver_posthog.mjs", "", {})]
    for program, where, options in cases if NODE else cases[:1]:
        page.tell("POST", "clear")
        page.tell("POST", "faults", {"kind": "status_413", "times": 1})
        said = run(program, page.url + where, calls=CALLS, options=options, flush=False)
        assert (said["accepted"], said["errors"]) == (CALLS, [])
        rows = page.rows()
        assert [row["verdict"] for row in rows] == ["refused"] * CALLS + ["delivered"] * CALLS
        assert program == "deliver_amplitude.py" or len({row["request"] for row in rows[CALLS:]}) == 2
        assert len({row["id"] for row in rows[CALLS:]}) == CALLS
