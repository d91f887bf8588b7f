"""Rows 58 to 61: the small run of `make bad-inputs`, and that it would notice."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sluiceway import values

from .clients import Kept

TESTS = Path(__file__).parents[1]


@pytest.fixture
def hostile(caplog: pytest.LogCaptureFixture) -> Iterator[ModuleType]:
    """The campaign, which is a part of a script."""
    sys.path.insert(0, str(TESTS))
    try:
        from hostile import campaign

        with caplog.at_level(logging.CRITICAL, "sluiceway"):
            yield campaign
    finally:
        sys.path.remove(str(TESTS))


def test_rows_58_to_61_hostile_values_are_refused_or_arrive_as_documented(hostile: ModuleType) -> None:
    seed = random.SystemRandom().randrange(2**32)
    outcome = hostile.run(10_000, seed)
    assert outcome.faults == [], f"seed {seed}"
    # Of each kind enough that the run means something.
    assert outcome.compared > 7_000
    assert outcome.refused.keys() == {"invalid", "unserializable", "event_too_large"}
    assert min(outcome.refused.values()) > 20
    assert min(outcome.stats.replaced[kind] for kind in ("nonfinite", "surrogate", "integer")) > 100


PLANTED: dict[str, tuple[str, Any]] = {
    "a decimal is rounded": ("_number", float),
    "a set keeps its own order": ("_in_order", lambda value: sorted(value, reverse=True)),
    "a key loses its kind": ("_key", repr),
    "a time is an hour off": ("to_utc", lambda value: value.replace(tzinfo=values.timezone.utc)),
    "a declared class is a text": ("_declared", lambda value, kind: NotImplemented),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_campaign_notices_when(name: str, hostile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    where, planted = PLANTED[name]
    monkeypatch.setattr(values, where, planted)
    assert hostile.run(4_000, 7).faults


def test_the_campaign_notices_a_call_that_raises(hostile: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(self: Any, *_: Any) -> bool:
        raise ValueError

    monkeypatch.setattr(hostile.Kept, "_submit", raising)
    assert any("raised" in fault for fault in hostile.run(100, 7).faults)


@pytest.mark.parametrize("argument", ["user_id", "event", "properties", "message_id", "timestamp", "context"])
def test_row_58_what_an_argument_itself_raises_while_it_is_looked_at_is_said_of_it(argument: str) -> None:
    class Metaclass(type):
        def __getattr__(cls, name: str) -> Any:
            raise RuntimeError("canary-of-the-payload")

    class Guarded(metaclass=Metaclass):
        @property  # type: ignore[misc]
        def __class__(self) -> type:
            raise RuntimeError("canary-of-the-payload")

    client = Kept()
    assert client.track(**{"user_id": "u", "event": "E", argument: Guarded()}) is False
    assert client.stats().refused == {"invalid": 1}
