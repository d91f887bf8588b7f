"""The document about adding a vendor: its example is a fifth vendor, and works as it stands there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import sluiceway
from sluiceway import InvalidEvent, RetryPolicy
from sluiceway.testing import MemoryTransport
from sluiceway.vendors import base

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "adding-a-vendor.md"
KEY = "example-key"
WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
WAYS: dict[str, Any] = {"native": None, "checked": [lambda event: event]}


@pytest.fixture(scope="module")
def page() -> Iterator[ModuleType]:
    """The document's code, run as a module of its own."""
    [code] = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    module = ModuleType("the_example_of_the_document")
    sys.modules[module.__name__] = module
    exec(compile(code, str(DOCUMENT), "exec"), vars(module))
    yield module
    del sys.modules[module.__name__]


@pytest.mark.parametrize("way", WAYS)
def test_a_fifth_vendor_delivers(page: ModuleType, way: str) -> None:
    transport = MemoryTransport()
    with page.Example(KEY, transport=transport, middleware=WAYS[way]) as client:
        assert client.record("Sold", 7, 19.95, {"colour": "red"}, timestamp=WHEN, message_id="e-1") is True
        assert client.person("7", {"plan": "pro"}, timestamp=WHEN, message_id="e-2") is True
        assert client.stats().delivered == 2
    first, second = [request.body for request in transport.requests]
    event = (
        b'{"kind":"record","id":"e-1","at":"2013-01-01T05:00:00.000Z","name":"Sold","person":"7","amount":19.95,'
        b'"details":{"colour":"red"}}'
    )
    assert re.fullmatch(rb'\{"sent":".{24}","batch":\[' + re.escape(event) + rb"\]\}", first)
    assert json.loads(second)["batch"] == [
        {"kind": "person", "id": "e-2", "at": "2013-01-01T05:00:00.000Z", "person": "7", "traits": {"plan": "pro"}}
    ]
    [headers] = {tuple(request.headers.items()) for request in transport.requests}
    assert headers == (
        ("X-Api-Key", KEY),
        ("Content-Type", "application/json"),
        ("User-Agent", f"sluiceway/{sluiceway.__version__}"),
    )
    assert {request.path for request in transport.requests} == {"/v2/events"}


@pytest.mark.parametrize("way", WAYS)
def test_its_rules_are_those_of_its_page(page: ModuleType, way: str) -> None:
    transport = MemoryTransport()
    with page.Example(KEY, transport=transport, middleware=WAYS[way], strict=True) as client:
        for call, told in [
            (lambda: client.record(person_id="p"), "name is required"),
            (lambda: client.record("x" * 81, "p"), "name must have at most 80 characters, not 81"),
            (lambda: client.record("Sold", "p", True), "amount must be a number, not bool"),
            (lambda: client.person("p"), "traits is required"),
        ]:
            with pytest.raises(InvalidEvent) as caught:
                call()
            assert str(caught.value) == told
        assert client.record("x" * 80, "p")
    assert len(transport.requests) == 1


def test_its_verdicts_are_acted_on_by_the_sender_that_serves_all_vendors(page: ModuleType) -> None:
    policy = RetryPolicy(base_seconds=0.0)
    transport = MemoryTransport([503, 200, 422, 401])
    with page.Example(KEY, transport=transport, retry=policy) as client:
        assert [client.record("Sold", "p") for _ in range(3)] == [True] * 3
        stats = client.stats()
    assert (stats.delivered, stats.attempts) == (1, 4)
    assert stats.failed_by_reason == {"rejected": 1, "unauthorized": 1}


def test_its_regions_and_its_key_have_its_own_names(page: ModuleType) -> None:
    assert page.Example(KEY, region="eu")._options.endpoint.url == "https://eu.example.com/v2/events"
    with pytest.raises(sluiceway.ConfigError, match=r"^api_key must not be empty"):
        page.Example("")


def test_every_name_that_the_document_points_at_exists() -> None:
    text = DOCUMENT.read_text()
    for holder, name in re.findall(r"`(Vendor|Call|Field|Limits|Sending|Envelope)\.(\w+)`", text):
        assert name in getattr(base, holder).__struct_fields__, f"{holder}.{name}"
    for path in re.findall(r"`((?:python|tests|docs|examples)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    rows = re.findall(r"^\| .*\?.* \| (.+) \|$", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    known = {*base.Vendor.__struct_fields__, "Call", "Field", "Sending"}
    assert named <= known
