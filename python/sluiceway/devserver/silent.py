"""Silent losses: what a vendor answers with 2xx and makes nothing of, or something else than was meant.

After their documents and sources: Segment's HTTP API ("Errors": 200 for events without ids, and
for more than 2,500 of them), PostHog's person-merge-service.ts (illegal ids), Amplitude's HTTP V2 API (short ids).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway.devserver.reasons import of_fault, of_what_is_filled_in
from sluiceway.devserver.shapes import Reason
from sluiceway.vendors.fault import Fault

# person-merge-service.ts: ids that too many people would share. In lower case; compared without quotes and blanks.
ILLEGAL_IDS = frozenset(
    {
        "anonymous",
        "guest",
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
        "undefined",
        "true",
        "false",
        "[object object]",
        "nan",
        "none",
        "null",
        "0",
        "",
    }
)

MERGES = frozenset({"$identify", "$create_alias", "$merge_dangerously"})
"""Events by which PostHog makes one person of two."""

# Without these Segment and RudderStack fill in what they can.
_FILLED_IN = frozenset({"messageId", "timestamp", "originalTimestamp", "sentAt"})

SEGMENT_MAX_EVENTS = 2_500
SEGMENT_MAX_EVENT_BYTES = 32 * 1024


def is_illegal(distinct_id: Any) -> bool:
    """Whether PostHog makes no person of this id, or one of everybody who sends it."""
    return isinstance(distinct_id, str) and distinct_id.strip().strip("\"'").lower() in ILLEGAL_IDS


def of_segment(at: int, nbytes: int, faults: list[Fault]) -> Iterator[tuple[bool, Reason]]:
    """Yield the reasons of one event that was answered with 200, each with whether the event is lost by it."""
    if at >= SEGMENT_MAX_EVENTS:
        text = f"Segment answers 200 and drops what comes after {SEGMENT_MAX_EVENTS} events. Send smaller batches."
        yield True, Reason("too_many", "batch", text)
    if nbytes > SEGMENT_MAX_EVENT_BYTES:
        text = f"{nbytes} bytes, limit {SEGMENT_MAX_EVENT_BYTES}: Segment drops it. Send less with each event."
        yield True, Reason("too_large", "event", text)
    for fault in faults:
        yield _of_segment(fault)


def _of_segment(fault: Fault) -> tuple[bool, Reason]:
    if fault.kind == "missing" and fault.key in _FILLED_IN:
        filled = "makes one, by which no retry is known." if fault.key == "messageId" else "takes the time of arrival."
        return False, of_what_is_filled_in(fault, f"Segment {filled}")
    if fault.kind == "invalid" and fault.key in _FILLED_IN:
        return False, of_fault("segment", fault, "Segment takes the event at the time of its arrival.")
    if fault.kind == "too_long" and fault.key == "messageId":
        return False, of_fault("segment", fault, "Segment takes the event, but does not fold its duplicates.")
    return True, of_fault("segment", fault, "Segment answers 200 and drops the event.")


def of_rudderstack(faults: list[Fault]) -> Iterator[tuple[bool, Reason]]:
    """Yield what the gateway takes although its destinations may make nothing of it."""
    for fault in faults:
        if fault.key in _FILLED_IN:
            yield False, of_what_is_filled_in(fault, "the gateway fills in its own.")
        else:
            yield False, of_fault("rudderstack", fault, "the gateway takes it, but destinations may drop it.")


def of_posthog(event: Mapping[str, Any], faults: list[Fault]) -> Iterator[tuple[bool, Reason]]:
    """Yield what capture takes and the persons' service then makes nothing of."""
    name, distinct_id = event.get("event"), event.get("distinct_id")
    for fault in faults:
        if fault.kind == "missing" and fault.key.startswith("properties."):
            yield True, of_fault("posthog", fault, "PostHog takes the event and makes nothing of it.")
        elif fault.kind == "missing" and fault.key in ("uuid", "timestamp", "sent_at"):
            yield False, of_what_is_filled_in(fault, "PostHog fills in its own.")
        else:
            yield False, of_fault("posthog", fault, "PostHog takes the event, and may read this differently.")
    inner = event.get("properties")
    properties: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
    if name in MERGES:
        yield from _merge(str(name), distinct_id, properties)
    elif is_illegal(distinct_id):
        text = (
            "distinct_id is on PostHog's list of ids that too many people share: no person is made of it, or one of "
            "all. Send an id of your own."
        )
        yield False, Reason("illegal_id", "distinct_id", text)


def _merge(name: str, distinct_id: Any, properties: Mapping[str, Any]) -> Iterator[tuple[bool, Reason]]:
    key = "alias" if name != "$identify" else "$anon_distinct_id"
    other = properties.get(key)
    for which, value in (("distinct_id", distinct_id), (f"properties.{key}", other)):
        if value is not None and is_illegal(value):
            text = f"{which} is on PostHog's list of illegal ids: it answers 200 and merges nobody. Send another."
            yield True, Reason("illegal_id", which, text)
    if other is not None and other == distinct_id:
        text = f"{name} of an id with itself: PostHog answers 200 and does nothing. Send two different ids."
        yield True, Reason("same_id", f"properties.{key}", text)


def of_amplitude(faults: list[Fault]) -> Iterator[tuple[bool, Reason]]:
    """Yield what Amplitude takes with something changed."""
    for fault in faults:
        if fault.kind == "id_length":
            yield False, of_fault("amplitude", fault, "Amplitude takes the event and removes the id.")
        elif fault.kind == "missing" and fault.key == "insert_id":
            yield False, of_what_is_filled_in(fault, "Amplitude cannot tell a retry from a new event.")
        elif fault.kind == "missing" and fault.key == "time":
            yield False, of_what_is_filled_in(fault, "Amplitude takes the time of its arrival.")
        elif fault.kind in ("too_long", "too_deep"):
            yield False, of_fault("amplitude", fault, "Amplitude takes the event and cuts this.")
        else:
            yield False, of_fault("amplitude", fault, "Amplitude takes the event.")
