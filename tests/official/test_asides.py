"""Beyond the calls that everybody makes: what PostHog's clients ask for besides, and texts cut inside an emoji."""

from __future__ import annotations

import json

import pytest

from .needed import needs_node
from .page import Page
from .programs import run


@pytest.mark.parametrize("program", ["asides_posthog.py", pytest.param("asides_posthog.mjs", marks=needs_node)])
@pytest.mark.parametrize("where", ["", "/posthog"])
def test_posthogs_clients_ask_for_flags_in_vain_but_in_peace(page: Page, program: str, where: str) -> None:
    said = run(program, page.url + where)
    assert said["errors"] == []
    assert (said["flag"], said["flags"]) == (None, {})
    assert page.violations() == []
    assert {row["event"] for row in page.rows()} == {
        "$feature_flag_called", "$ai_generation", "$exception", "at once",
    }  # fmt: skip


@needs_node
@pytest.mark.parametrize(
    ("program", "where"),
    [("deliver_segment.mjs", ""), ("deliver_rudderstack.mjs", ""), ("deliver_amplitude.mjs", "/2/httpapi")],
)
def test_half_of_a_surrogate_pair_is_taken(page: Page, program: str, where: str) -> None:
    said = run(program, page.url + where, calls=100, half=True)
    assert (said["accepted"], said["errors"]) == (100, [])
    assert page.violations() == []
    shown = [json.loads(page.ask(f"events/{row['seq']}")["json"]) for row in page.rows()]
    assert any("cut \ufffd" in str(event) for event in shown), "as most vendors read it"


@needs_node
def test_posthog_refuses_a_batch_with_half_of_a_surrogate_pair(page: Page) -> None:
    """Its server reads JSON with serde, which takes no such escape; the client drops the batch after that."""
    said = run("deliver_posthog.mjs", page.url, calls=100, options={"flushAt": 100}, half=True)
    assert said["accepted"] < 100
    assert said["errors"]
    counters = page.counters()
    assert counters["by_vendor"]["posthog"]["delivered"] == said["accepted"] == len(page.rows(verdict="delivered"))
    [lost, *_] = page.rows(verdict="refused")
    assert (lost["vendor"], lost["type"]) == ("posthog", "request"), "the page shows what was lost as one request"
