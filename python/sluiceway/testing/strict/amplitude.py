"""A strict Amplitude, HTTP V2 and batch: it names the events it does not like, and takes nothing of their request.

After the HTTP V2 API and the Batch Event Upload API ("Responses", "Upload limit"), and what its clients read in an
answer. Texts over 1,024 characters and values nested over 40 deep are against the documents; what the server does with
them is not said, so they are noted and taken.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from sluiceway.testing.answers import Answer, amplitude_error, amplitude_invalid, amplitude_missing, document
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.strict import opening
from sluiceway.testing.strict.amplitude_fates import fates, said_status
from sluiceway.testing.strict.quick import NO_OBJECT, Look, Quick
from sluiceway.testing.strict.reading import Limits, Reading, Told
from sluiceway.testing.wire import Malformed
from sluiceway.vendors.amplitude_page import AMPLITUDE, ID_ARGUMENTS, PATH
from sluiceway.vendors.rules import with_min_id_length

# "Under 1 MB with fewer than 2000 events", and 20 MB with 2,000 of them.
LIMITS = Limits(max_body_bytes=999_999, max_batch_events=1_999)
BATCH_LIMITS = Limits(max_body_bytes=20_000_000, max_batch_events=2_000)

WRONG_PATH = amplitude_error(400, "Invalid request path")
NO_BODY = amplitude_error(400, "Missing request body")
NOT_JSON = amplitude_error(400, "Invalid JSON request body")
NOT_AN_EVENT = amplitude_error(400, "Invalid event JSON")
TOO_LARGE = amplitude_error(413, "Payload too large")

_ERRORS = {
    413: "Payload too large",
    429: "Too many requests for some devices and users",
    500: "Internal server error",
    503: "Service unavailable",
}
# Absent, the server makes one itself.
_FILLED_IN = frozenset({"insert_id", "time"})
_EITHER_ID = " or ".join(ID_ARGUMENTS)


class _Options(msgspec.Struct, gc=False):
    min_id_length: int | None = None


class _Envelope(msgspec.Struct, gc=False):
    events: list[msgspec.Raw] | None = None
    api_key: Any = None
    options: _Options | None = None


_envelope = msgspec.json.Decoder(_Envelope).decode


class Amplitude:
    """Reads and answers as Amplitude does."""

    owner_keys = ("user_id", "device_id")

    def __init__(self) -> None:
        self._quick = Quick(AMPLITUDE, "events", suspicious=_in_groups)
        self._with_min_id_length: dict[int, Quick] = {}

    def read(self, arriving: Arriving, limits: Limits) -> Reading:
        """Read a request of either API; whatever is wrong with it has its answer."""
        path = opening.path_of(arriving)
        is_batch = opening.is_batch(path)
        if not is_batch and not path.endswith(PATH):
            return Reading(violations=["path: neither /2/httpapi nor /batch"], refusal=WRONG_PATH)
        if not arriving.body_bytes:
            return Reading(violations=["body: empty"], refusal=NO_BODY)
        try:
            body, envelope = opening.opened_or_mended(arriving.body, _envelope)
        except Malformed as error:
            return Reading(violations=[f"body: {error}"], refusal=NOT_JSON)
        if envelope is None:
            return Reading(violations=["envelope: no object with a list of events"], refusal=NOT_JSON)
        events = envelope.events or []
        look = self._for(envelope.options).look(body, events)
        large = list(opening.too_large(body, events, limits.over(BATCH_LIMITS if is_batch else LIMITS)))
        wrong = [*large, *opening.told(look)]
        reading = Reading(look.ids, events, wrong, body_bytes=len(body), faults=look.faults)
        reading.refusal = _refusal(look, all_of_them=is_batch)
        if not (isinstance(envelope.api_key, str) and envelope.api_key):
            reading.violations.append("authentication: no api_key")
            reading.refusal = amplitude_missing("api_key")
        elif not events:
            reading.violations.append("events: none")
            reading.refusal = amplitude_missing("events")
        elif large:
            reading.refusal = TOO_LARGE
        if not opening.is_json(arriving):
            reading.violations.append("content-type: not application/json")
        return reading

    def tell(self, answer: Answer, reading: Reading) -> Told:
        """Complete an answer in Amplitude's JSON, and read in it what becomes of each event."""
        if answer.body is None:
            said = _success(reading) if answer.status < 300 else _error(answer.status)
            answer = answer.saying(said.body or b"", said.headers)
        if said_status(answer) < 300:
            return Told(answer, "acknowledged")
        return Told(answer, fates(answer, reading.events))

    def _for(self, options: _Options | None) -> Quick:
        """The look through events whose ids may be shorter than usual, or must be longer."""
        least = None if options is None else options.min_id_length
        if least is None:
            return self._quick
        if least not in self._with_min_id_length:
            page = with_min_id_length(AMPLITUDE, least)
            self._with_min_id_length[least] = Quick(page, "events", suspicious=_in_groups)
        return self._with_min_id_length[least]


def _success(reading: Reading) -> Answer:
    said = {
        "code": 200,
        "events_ingested": len(reading.events),
        "payload_size_bytes": reading.body_bytes,
        "server_upload_time": time.time_ns() // 1_000_000,
    }
    return document(200, said)


def _error(status: int) -> Answer:
    return amplitude_error(status, _ERRORS.get(status, "Error"))


def _refusal(look: Look, *, all_of_them: bool) -> Answer | None:
    """400 with the indices by field: HTTP V2 names the first event at fault for each, batch all of them."""
    invalid: dict[str, list[int]] = {}
    missing: dict[str, list[int]] = {}
    id_lengths: dict[str, list[int]] = {}
    for at, faults in look.faults.items():
        for fault in faults:
            if fault == NO_OBJECT:
                return NOT_AN_EVENT
            if fault.kind in ("wrong_type", "invalid"):
                _name(invalid, [fault.key], at)
            elif fault.kind == "id_length":
                _name(id_lengths, [fault.key], at)
            elif fault.kind == "missing" and fault.key not in _FILLED_IN:
                _name(missing, ID_ARGUMENTS if fault.key == _EITHER_ID else [fault.key], at)
    if not (invalid or missing or id_lengths):
        return None
    lists = (
        (_first(invalid), _first(missing), _first(id_lengths)) if not all_of_them else (invalid, missing, id_lengths)
    )
    return amplitude_invalid(lists[0], missing=lists[1], id_lengths=lists[2])


def _in_groups(events: Sequence[Any]) -> list[int]:
    """Events that name groups: the documents bound their number."""
    return [at for at, event in enumerate(events) if event.groups is not None]


def _name(lists: dict[str, list[int]], keys: Iterable[str], at: int) -> None:
    for key in keys:
        lists.setdefault(key, []).append(at)


def _first(lists: Mapping[str, list[int]]) -> dict[str, list[int]]:
    return {key: indices[:1] for key, indices in lists.items()}
