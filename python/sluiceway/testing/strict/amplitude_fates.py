"""What an answer of Amplitude's that is no success says of each event of its request.

Read off the answer as it goes out, whoever wrote it: the receiver's own words and a script's are told alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from sluiceway.testing.answers import Answer
from sluiceway.testing.strict.reading import Fate, as_dict

_BY_FIELD = ("events_with_invalid_fields", "events_with_missing_fields", "events_with_invalid_id_lengths")


def said_status(answer: Answer) -> int:
    """The status that counts: the body's own `code`, as Amplitude's clients have it, or the answer's."""
    code = _document(answer).get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else answer.status


def fates(answer: Answer, events: Sequence[msgspec.Raw]) -> Fate | list[Fate]:
    """Return what becomes of the events: all the same, or one for each."""
    said, status = _document(answer), said_status(answer)
    if isinstance(said.get("missing_field"), str):
        return "refused"
    if status in (400, 413) and len(events) == 1 and not str(said.get("error", "")).startswith("Invalid API key"):
        return "refused"
    if status not in (400, 429):
        return "open"
    refused = {at for key in _BY_FIELD for indices in _map(said, key).values() for at in _indices(indices)}
    refused.update(_indices(said.get("silenced_events")))
    later = set(_indices(said.get("throttled_events")))
    over = _names(said, "exceeded_daily_quota_users"), _names(said, "exceeded_daily_quota_devices")
    throttled = _names(said, "throttled_users"), _names(said, "throttled_devices")
    if any((*over, *throttled)):
        for at, raw in enumerate(events):
            event = as_dict(raw) or {}
            user, device = event.get("user_id"), event.get("device_id")
            if user in over[0] or device in over[1]:
                refused.add(at)
            if user in throttled[0] or device in throttled[1]:
                later.add(at)
    if not (refused or later):
        return "open"
    return ["refused" if at in refused else "later" if at in later else "open" for at in range(len(events))]


def _document(answer: Answer) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(answer.body or b"")
    except msgspec.MsgspecError:
        return {}
    return said if isinstance(said, dict) else {}


def _map(said: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = said.get(key)
    return value if isinstance(value, dict) else {}


def _names(said: Mapping[str, Any], key: str) -> frozenset[str]:
    value = said.get(key)
    return (
        frozenset(name for name in value if isinstance(name, str)) if isinstance(value, (dict, list)) else frozenset()
    )


def _indices(value: object) -> Iterator[int]:
    if isinstance(value, list):
        yield from (at for at in value if isinstance(at, int) and not isinstance(at, bool))
