"""The testing kit as type checkers see it: held by mypy --strict and by pyright in strict mode, never run."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import ANY

from sluiceway.testing import (
    CapturedEvent,
    CapturedEvents,
    Clock,
    Expected,
    Ids,
    KitOptions,
    RefusedCall,
    StrictServer,
    assert_aliased,
    assert_grouped,
    assert_identified,
    assert_nothing_tracked,
    assert_paged,
    assert_screened,
    assert_sent,
    assert_tracked,
    assertion_for,
    capture,
    captured_events,
)


def sluiceway_options() -> KitOptions:
    """Be the fixture."""
    return {"strict": True, "freeze": "2026-01-01T00:00:00Z", "ids": True, "vendor": "segment"}


def test_of_a_user(
    sluiceway_events: CapturedEvents, sluiceway_clock: Clock, sluiceway_ids: Ids, sluiceway_server: StrictServer
) -> None:
    """Use each fixture."""
    event: CapturedEvent = assert_tracked("Sold", user_id="u", properties={"n": 1, "any": ANY}, times=2, exact=True)
    words: tuple[str, str, str, str | None, str | None, str | None] = (
        event.vendor,
        event.type,
        event.event,
        event.user_id,
        event.anonymous_id,
        event.id,
    )
    maps: list[dict[str, Any]] = [event.properties, event.traits, event.context, event.groups, event.wire]
    moment: datetime | None = event.timestamp
    expected: Expected = {"distinct_id": re.compile("^u"), "event_properties": {"n": int}}
    found: list[CapturedEvent] = [
        assert_tracked("Sold", **expected),
        assert_identified("u", traits={"plan": "pro"}),
        assert_paged("Start"),
        assert_screened(name="Home"),
        assert_grouped("acme", groups={"company": "acme"}),
        assert_aliased("old", user_id="u"),
        assert_sent(type="track", wire={"event": "Sold"}),
        sluiceway_events[0],
        *sluiceway_events[1:],
        *sluiceway_events.named("Sold"),
        *sluiceway_events.of_user(42),
        *sluiceway_events.of_type("page"),
    ]
    assert_nothing_tracked("Sold", vendor="posthog")
    refused: list[RefusedCall] = sluiceway_events.refused
    clock: Clock = sluiceway_events.freeze(datetime(2026, 1, 1))
    later: datetime = clock.move(timedelta(seconds=1))
    ids: Ids = sluiceway_events.number_ids()
    sluiceway_clock.move(1.5)
    sluiceway_ids.restart()
    sluiceway_server.answer(503)
    address: str = sluiceway_server.url
    with capture(strict=True, freeze=1_600_000_000, ids=True) as inner:
        same: CapturedEvents = inner
    text: str = assertion_for("segment", event.wire)
    print(words, maps, moment, found, refused, later, ids, address, same, text, captured_events())
