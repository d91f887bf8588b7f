"""What becomes of each event of a request: one verdict for all of them, and those that have another, with the reasons.

Most batches are good from end to end. So what is the same for all is kept once, and only what differs by event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from sluiceway.devserver.reasons import BLACK_HOLE, CUT, RESET, of_fault, of_status
from sluiceway.devserver.shapes import Mark, Reason, Verdict
from sluiceway.devserver.silent import (
    MERGES,
    SEGMENT_MAX_EVENT_BYTES,
    SEGMENT_MAX_EVENTS,
    is_illegal,
    of_amplitude,
    of_posthog,
    of_rudderstack,
    of_segment,
)
from sluiceway.testing.answers import Answer
from sluiceway.testing.strict.reading import Fate, Reading, as_dict

Ending: TypeAlias = Literal["answered", "cut", "reset", "silent"]
"""How the exchange ends: with an answer, with half of one, with a reset in its place, or with nothing."""

_AGAIN = frozenset({408, 410, 425, 429, 460})


class Verdicts(msgspec.Struct):
    """The verdicts, reasons and marks of one request's events, by index where they are not the same for all."""

    nevents: int
    base: Verdict
    common: list[Reason] = []
    but: dict[int, Verdict] = {}
    own: dict[int, list[Reason]] = {}
    common_marks: list[Mark] = []
    own_marks: dict[int, list[Mark]] = {}

    def of(self, at: int) -> Verdict:
        """The verdict of one event."""
        return self.but.get(at, self.base)

    def reasons(self, at: int) -> list[Reason]:
        """The reasons of one event, its own first."""
        return [*self.own.get(at, ()), *self.common]

    def marks(self, at: int) -> list[Mark]:
        """The marks of one event."""
        return [*self.common_marks, *self.own_marks.get(at, ())]

    def counts(self) -> Counter[Verdict]:
        """How many events have each verdict."""
        counts: Counter[Verdict] = Counter(self.but.values())
        counts[self.base] += self.nevents - len(self.but)
        return counts

    def mark_counts(self) -> Counter[Mark]:
        """How many events have each mark."""
        counts: Counter[Mark] = Counter(mark for marks in self.own_marks.values() for mark in marks)
        for mark in self.common_marks:
            counts[mark] += self.nevents
        return counts

    def flagged(self) -> Iterable[int]:
        """Events that differ from the others, the ones worth keeping in a sample."""
        return dict.fromkeys((*self.but, *self.own_marks, *self.own))

    def taken(self) -> list[int]:
        """Events that the vendor took and made something of."""
        if not self.but:
            return list(range(self.nevents)) if self.base == "delivered" else []
        return [at for at in range(self.nevents) if self.of(at) == "delivered"]

    def mark(self, mark: Mark, indices: Iterable[int], reason: Reason | None = None) -> None:
        """Mark some events."""
        for at in indices:
            self.own_marks.setdefault(at, []).append(mark)
            if reason is not None:
                self.own.setdefault(at, []).append(reason)


def verdicts(
    vendor: str,
    reading: Reading,
    answer: Answer,
    fates: Fate | Sequence[Fate],
    ending: Ending,
    outlines: Sequence[Any],
) -> Verdicts:
    """Judge the events of a request. Pure: no clock, and nothing of what came before."""
    nevents = len(reading.events)
    if ending == "reset":
        return Verdicts(nevents, "retry", [RESET])
    if ending == "silent":
        return Verdicts(nevents, "retry", [BLACK_HOLE])
    named = not isinstance(fates, str) and any(fate != "open" for fate in fates)
    base, common = _of_all(answer.status, fates if isinstance(fates, str) else "open", named=named)
    found = Verdicts(nevents, base, common)
    if not isinstance(fates, str):
        others = base
        if answer.status < 300:
            found.base = "delivered"
        for at, fate in enumerate(fates):
            if (own := _OF_FATE.get(fate, others)) != found.base:
                found.but[at] = own
    if ending == "cut":
        found.common.append(CUT)
    _explain(vendor, reading, found, answer)
    for at, lost, reason in _silent(vendor, reading, outlines, found):
        of_event = found.own.setdefault(at, [])
        if lost:
            found.but[at] = "lost"
        # What the event is lost by comes before what is merely odd about it.
        of_event.insert(0 if lost else len(of_event), reason)
    return found


_OF_FATE: dict[str, Verdict] = {"acknowledged": "delivered", "refused": "refused", "later": "retry"}


def _of_all(status: int, fate: Fate, *, named: bool) -> tuple[Verdict, list[Reason]]:
    if fate != "open":
        return _OF_FATE[fate], [] if fate == "acknowledged" else [of_status(status)]
    if status < 300:  # capture V1 names in its 200 what it wants again
        return "retry", []
    if named:
        text = f"{status}: nothing of this request was taken. What the answer does not name is to be sent again."
        return "retry", [Reason("status", str(status), text)]
    return ("retry" if status >= 500 or status in _AGAIN else "refused"), [of_status(status)]


def _explain(vendor: str, reading: Reading, found: Verdicts, answer: Answer) -> None:
    """Say of refused events what was wrong with them, and of their neighbours whose fault it was."""
    if answer.status < 300:
        for at, detail in reading.dropped.items():
            text = f"{detail}: PostHog takes the batch and drops this event. Correct it before it is sent."
            found.own.setdefault(at, []).append(Reason("dropped", detail, text))
        return
    if reading.refusal is not answer and reading.refusal is not None and answer.status != reading.refusal.status:
        return  # a fault was injected: nobody has looked at the events
    for at, faults in reading.faults.items():
        consequence = "the answer names this event." if found.of(at) == "refused" and found.but else ""
        found.own.setdefault(at, []).extend(of_fault(vendor, fault, consequence) for fault in faults)
    said = [text for text in reading.violations if not text.startswith("event ")]
    found.common.extend(Reason("request", text.partition(":")[0], text) for text in said[:5])


def _silent(
    vendor: str, reading: Reading, outlines: Sequence[Any], found: Verdicts
) -> Iterator[tuple[int, bool, Reason]]:
    """What is lost behind a 2xx, and what is taken in another way than it was meant."""
    if found.base != "delivered":
        return
    faults = reading.faults
    if vendor == "segment":
        looked = {*faults, *range(SEGMENT_MAX_EVENTS, len(reading.events)), *_large(reading)}
        for at in sorted(looked):
            for lost, reason in of_segment(at, len(reading.events[at]), list(faults.get(at, ()))):
                yield at, lost, reason
    elif vendor == "rudderstack":
        for at, of_event in faults.items():
            yield from ((at, lost, reason) for lost, reason in of_rudderstack(list(of_event)))
    elif vendor == "posthog":
        for at in sorted({*faults, *_with_special_ids(outlines)} - reading.dropped.keys()):
            event = as_dict(reading.events[at]) or {}
            yield from ((at, lost, reason) for lost, reason in of_posthog(event, list(faults.get(at, ()))))
    else:
        for at, of_event in faults.items():
            yield from ((at, lost, reason) for lost, reason in of_amplitude(list(of_event)))


def _large(reading: Reading) -> list[int]:
    sizes = list(map(len, reading.events))
    if not sizes or max(sizes) <= SEGMENT_MAX_EVENT_BYTES:
        return []
    return [at for at, nbytes in enumerate(sizes) if nbytes > SEGMENT_MAX_EVENT_BYTES]


def _with_special_ids(outlines: Sequence[Any]) -> list[int]:
    """Events that merge people, and events of ids that PostHog does not like."""
    names = [event.name for event in outlines]
    ids = [event.who for event in outlines]
    found = []
    try:
        if not MERGES.isdisjoint(names):
            found = [at for at, name in enumerate(names) if name in MERGES]
        if any(map(is_illegal, set(ids))):
            found.extend(at for at, one in enumerate(ids) if is_illegal(one))
    except TypeError:  # something that cannot be hashed stands there: look at all of them
        return list(range(len(outlines)))
    return found
