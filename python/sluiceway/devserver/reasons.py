"""Reasons in words: what a vendor objects to in an event, what follows from it, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

from sluiceway.devserver.shapes import Reason
from sluiceway.vendors.fault import Fault

NAMES = {"segment": "Segment", "rudderstack": "RudderStack", "posthog": "PostHog", "amplitude": "Amplitude"}

_ADVICE: Mapping[str, str] = {
    "missing": "Give it.",
    "wrong_type": "Send the type that the vendor's documents ask for.",
    "invalid": "Send a value of the documented form.",
    "id_length": "Send a longer id, or set options.min_id_length.",
    "too_long": "Send a shorter one.",
    "too_deep": "Flatten it.",
}


NOTE = "note"
"""The kind of a reason that changes nothing: what the vendor fills in by itself."""


def of_what_is_filled_in(fault: Fault, consequence: str) -> Reason:
    """Return a note on something that the vendor does without."""
    return Reason(NOTE, fault.key, f"{fault}: {consequence}")


def of_fault(vendor: str, fault: Fault, consequence: str) -> Reason:
    """Return the reason for one objection, with what it leads to."""
    return Reason(fault.kind, fault.key, f"{fault}: {consequence or NAMES[vendor] + ' objects.'} {_ADVICE[fault.kind]}")


_STATUS: Mapping[int, str] = {
    400: "400: the request was refused as it is, and sending it again would not help.",
    401: "401: the key was not accepted. Check the write key or API key.",
    403: "403: the key may not do this. Check the write key or API key.",
    404: "404: there is nothing at this path, or the source is disabled.",
    408: "408: the request took too long to arrive. It is to be sent again.",
    413: "413: the request was too large. Split the batch and send the halves.",
    415: "415: the encoding or the type of the body was not understood.",
    429: "429: too many requests. It is to be sent again after Retry-After, or after a wait.",
    500: "500: the server failed. It is to be sent again.",
    503: "503: the server is not ready. It is to be sent again.",
}


def of_status(status: int) -> Reason:
    """Return the reason for an answer that concerns all events of a request."""
    text = _STATUS.get(status)
    if text is None:
        text = f"{status}: the server failed. It is to be sent again." if status >= 500 else f"{status}: not taken."
    return Reason("status", str(status), text)


RESET = Reason("reset", "", "The connection was reset before an answer. The events are to be sent again.")
BLACK_HOLE = Reason("black_hole", "", "There was no answer. A client with a timeout sends the events again.")
CUT = Reason(
    "reset_half",
    "",
    "The events were taken, but the answer was cut: the client cannot know, and sends them again. Their ids make the "
    "copies duplicates.",
)
