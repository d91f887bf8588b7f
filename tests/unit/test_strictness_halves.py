"""Half of a surrogate pair, as a program writes it that cuts a text inside an emoji: who reads it and who does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .arrivals import body, event, read, told

HALF = "cut \ud83d"
TAKING = ("segment", "rudderstack", "amplitude")


def with_text(vendor: str, text: str) -> bytes:
    """Return a batch of two events; the first has the text in its properties, escaped as every client escapes it."""
    key = "event_properties" if vendor == "amplitude" else "properties"
    return body(vendor, event(vendor, **{key: {"text": text}}), event(vendor))


@pytest.mark.parametrize("vendor", TAKING)
@pytest.mark.parametrize("text", [HALF, "\udc00", "\udc00\ud83d", "\ud83d\ud83d\ude00", "\\\ud83d", '"\ud83d"'])
def test_most_vendors_take_half_of_a_pair(vendor: str, text: str) -> None:
    data = with_text(vendor, text)
    assert b"\\ud" in data
    reading = read(vendor, data)
    assert (reading.violations, reading.refusal) == ([], None)
    assert told(vendor, data).fates == "acknowledged"
    first: dict[str, Any] = json.loads(bytes(reading.events[0]))
    [kept] = (first.get("properties") or first["event_properties"]).values()
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert kept == whole


@pytest.mark.parametrize("vendor", ["posthog", "capture"])
def test_posthog_refuses_the_batch(vendor: str) -> None:
    reading = read(vendor, with_text(vendor, HALF))
    assert reading.refusal is not None
    assert reading.refusal.status == 400


@pytest.mark.parametrize("vendor", TAKING)
def test_an_escaped_backslash_is_no_escape_and_other_faults_stay_faults(vendor: str) -> None:
    data = with_text(vendor, "\\ud83d and \ud83d")
    assert b"\\\\ud83d and \\ud83d" in data
    first = json.loads(bytes(read(vendor, data).events[0]))
    [kept] = (first.get("properties") or first["event_properties"]).values()
    assert kept == "\\ud83d and \ufffd"
    for broken in (data.replace(b'\\ud83d"', b'\\ud8"'), data[:-1], data.replace(b'\\ud83d"', b'\xed\xa0\xbd"')):
        assert told_status(vendor, broken) == 400


def told_status(vendor: str, data: bytes) -> int:
    """Return the status of the refusal, whichever way the vendor's room tells it."""
    from sluiceway.testing.wire import Malformed

    try:
        return told(vendor, data).answer.status
    except Malformed as malformed:
        return malformed.status
