"""Whether a 2xx reads like the vendor's own answer: what one may doubt about it, though the status decides. Pure.

A 2xx also comes from a captive portal, a proxy's error page, a load balancer without a backend, or the wrong host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

Doubt: TypeAlias = Literal["", "suspect", "mismatch"]
"""suspect: this is not how the vendor answers. mismatch: the vendor says that it took another number of events."""

Doubter: TypeAlias = Callable[[int, Mapping[str, str], bytes, int], Doubt]
"""(status, headers, body, number of events sent) -> what is to be doubted about a 2xx."""

# These say by themselves that there is no body, or that it is somebody else's business.
_WITHOUT_BODY = frozenset({204, 205})


def doubt_json(status: int, headers: Mapping[str, str], body: bytes, events: int) -> Doubt:
    """Doubt what is no JSON object, for a vendor that answers one: Segment and PostHog."""
    return "" if status in _WITHOUT_BODY or _object(body) is not None else "suspect"


def doubt_text(status: int, headers: Mapping[str, str], body: bytes, events: int) -> Doubt:
    """Doubt what is empty or markup, for a vendor that answers a word of text: RudderStack."""
    if status in _WITHOUT_BODY:
        return ""
    is_markup = body.lstrip().startswith(b"<") or "html" in headers.get("content-type", "").lower()
    return "suspect" if is_markup or not body.strip() else ""


def doubt_count(status: int, headers: Mapping[str, str], body: bytes, events: int) -> Doubt:
    """Doubt what is no JSON object, or names another number of events in ``events_ingested``: Amplitude."""
    if status in _WITHOUT_BODY:
        return ""
    answer = _object(body)
    if answer is None:
        return "suspect"
    ingested = answer.get("events_ingested")
    return "mismatch" if type(ingested) is int and ingested != events else ""


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
