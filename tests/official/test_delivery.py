"""A thousand mixed calls of each official client arrive: each once, as its vendor's, and the vendor takes them all."""

from __future__ import annotations

from typing import Any

import pytest

from .needed import needs_node
from .page import Page
from .programs import run

SPEC_TYPES = {"track", "identify", "page", "screen", "group", "alias"}
V1 = {"POSTHOG_CAPTURE_MODE": "v1"}

# The program, where its client is pointed at, its options, and its environment.
PYTHON: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
    ("deliver_segment.py", "", {}, {}),
    ("deliver_segment.py", "/segment", {"gzip": True, "upload_size": 40}, {}),
    ("deliver_segment.py", "/segment/", {"thread": 3}, {}),
    ("deliver_rudderstack.py", "", {}, {}),
    ("deliver_rudderstack.py", "/rudderstack", {"gzip": False, "upload_size": 30}, {}),
    ("deliver_posthog.py", "", {}, {}),
    ("deliver_posthog.py", "/posthog", {"gzip": True, "flush_at": 20}, {}),
    ("deliver_posthog.py", "/posthog", {"historical_migration": True, "disable_geoip": False}, {}),
    ("deliver_posthog.py", "", {"capture_mode": "v1"}, {}),
    ("deliver_posthog.py", "/posthog", {"capture_mode": "v1", "capture_compression": "gzip"}, {}),
    ("deliver_posthog.py", "", {"capture_compression": "deflate"}, V1),
    ("deliver_posthog.py", "", {"capture_compression": "zstd"}, V1),
    ("deliver_amplitude.py", "/2/httpapi", {}, {}),
    ("deliver_amplitude.py", "/batch", {"use_batch": True}, {}),
    (
        "deliver_amplitude.py",
        "/amplitude/2/httpapi",
        {"flush_queue_size": 70, "flush_interval_millis": 500, "min_id_length": 1},
        {},
    ),
    ("deliver_amplitude.py", "/amplitude/batch", {"flush_interval_millis": 100}, {}),
]
NODE: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
    ("deliver_segment.mjs", "", {}, {}),
    ("deliver_segment.mjs", "/segment", {"flushAt": 100, "flushInterval": 100}, {}),
    ("deliver_rudderstack.mjs", "", {}, {}),
    ("deliver_rudderstack.mjs", "/rudderstack", {"gzip": False, "flushAt": 50}, {}),
    ("deliver_posthog.mjs", "", {}, {}),
    ("deliver_posthog.mjs", "/posthog", {"disableCompression": True, "flushAt": 1, "maxBatchSize": 50}, {}),
    ("deliver_posthog.mjs", "", {}, V1),
    ("deliver_posthog.mjs", "/posthog/", {"disableCompression": True}, V1),
    ("deliver_amplitude.mjs", "/2/httpapi", {}, {}),
    ("deliver_amplitude.mjs", "/amplitude/2/httpapi", {"flushQueueSize": 30, "minIdLength": 1}, {}),
    ("deliver_amplitude.mjs", "/batch", {"useBatch": True}, {}),
]


def arrives(page: Page, program: str, where: str, options: dict[str, Any], environment: dict[str, str]) -> None:
    vendor = program.partition("_")[2].partition(".")[0]
    said = run(program, page.url + where, options=options, environment=environment)
    assert said["errors"] == []
    assert said["accepted"] == 1_000
    counters = page.counters()
    assert page.violations() == []
    assert counters["events"] == 1_000
    assert counters["by_vendor"][vendor]["delivered"] == 1_000
    rows = page.rows()
    assert len(rows) == 1_000
    assert len({row["id"] for row in rows}) == 1_000
    assert {row["vendor"] for row in rows} == {vendor}
    assert {row["verdict"] for row in rows} == {"delivered"}
    assert not {mark for row in rows for mark in row["marks"]} & {"duplicate", "retried", "future", "late"}
    if vendor in ("segment", "rudderstack"):
        assert {row["type"] for row in rows} == SPEC_TYPES


@pytest.mark.parametrize(("program", "where", "options", "environment"), PYTHON)
def test_python(page: Page, program: str, where: str, options: dict[str, Any], environment: dict[str, str]) -> None:
    arrives(page, program, where, options, environment)


@needs_node
@pytest.mark.parametrize(("program", "where", "options", "environment"), NODE)
def test_node(page: Page, program: str, where: str, options: dict[str, Any], environment: dict[str, str]) -> None:
    arrives(page, program, where, options, environment)
