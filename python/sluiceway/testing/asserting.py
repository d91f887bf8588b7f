"""Find the event that a test expects, or say which one comes nearest and where it differs. Pure.

no event is as expected: assert_tracked('Item Purchased', user_id='user-1', properties={'revenue': 39.95})
nearest: #2 of 2, track 'Item Purchased' of 'user-1'
  properties['revenue']
    expected: 39.95
    sent:     36.0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

from sluiceway.testing import showing
from sluiceway.testing.captured import CapturedEvent, spelled_out
from sluiceway.testing.matching import NOT_THERE, Difference, differences, matches, same_moment

if TYPE_CHECKING:
    from sluiceway.testing.refused import RefusedCall

_MOST_DIFFERENCES = 8
_MAPS = ("properties", "traits", "context", "groups")


class Expected(TypedDict, total=False):
    """What a test may say of an event. Anything may be a matcher; what is not said is not looked at.

    A mapping names the entries that matter, at any depth; with ``exact=True`` there may be no others. ``times`` is how
    many events have to match, exactly; without it one or more. The words of PostHog and Amplitude mean the same as the
    ones that all vendors share: ``distinct_id`` is ``user_id``, ``event_properties`` is ``properties``.
    """

    vendor: Any
    user_id: Any
    anonymous_id: Any
    previous_id: Any
    group_id: Any
    properties: Any
    traits: Any
    context: Any
    groups: Any
    timestamp: Any
    id: Any
    wire: Any
    """Entries of the event as it was sent, for what has no name here."""
    times: int
    exact: bool

    event_type: Any
    distinct_id: Any
    device_id: Any
    event_properties: Any
    user_properties: Any
    group_properties: Any
    message_id: Any
    insert_id: Any
    uuid: Any
    time: Any


_SAME = {
    "event_type": "event",
    "distinct_id": "user_id",
    "device_id": "anonymous_id",
    "event_properties": "properties",
    "user_properties": "traits",
    "group_properties": "traits",
    "message_id": "id",
    "insert_id": "id",
    "uuid": "id",
    "time": "timestamp",
}
_ORDER = ("event", *(name for name in Expected.__annotations__ if name not in {*_SAME, "times", "exact"}))


class Wanted:
    """What one assertion asks for, read and checked. Raises TypeError for a word that no event has."""

    def __init__(self, function: str, kind: str, event: Any, expected: Mapping[str, Any]) -> None:
        """``kind`` is the type that the event must have; empty: any. An ``event`` of None is any name."""
        self.function = function
        self.kind = kind
        self.exact = bool(expected.get("exact", False))
        self.times: int | None = expected.get("times")
        if self.times is not None and (isinstance(self.times, bool) or self.times < 1):
            raise ValueError("times must be 1 or more: that nothing was sent says assert_nothing_tracked()")
        self.fields: dict[str, Any] = {} if event is None else {"event": event}
        for name, value in expected.items():
            field = _SAME.get(name, name)
            if name in ("times", "exact"):
                continue
            if field not in _ORDER:
                raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
            if field in self.fields:
                raise TypeError(f"{function}() got {field!r} twice: {name!r} is another word for it")
            self.fields[field] = value
        self._given = ([repr_of(event)] if event is not None else []) + [
            f"{name}={repr_of(value)}" for name, value in expected.items()
        ]

    def __str__(self) -> str:
        """Tell the assertion as it was written."""
        return f"{self.function}({', '.join(self._given)})"

    def fits(self, event: CapturedEvent) -> bool:
        """Return whether it is of the type. Whoever names ``$pageview`` means it, whichever type that is."""
        if not self.kind or event.type == self.kind:
            return True
        if self.kind != "track" or self.fields.get("event") is None or event.vendor not in ("posthog", "amplitude"):
            return False
        return bool(event.event) and matches(self.fields["event"], event.event)

    def differences(self, event: CapturedEvent) -> list[Difference]:
        """Return where an event is not as asked for, its type aside."""
        found: list[Difference] = []
        for field in _ORDER:
            if field in self.fields:
                found += self._differences(field, self.fields[field], event)
        return found

    def matches(self, event: CapturedEvent) -> bool:
        """Return whether an event is all that was asked for."""
        return self.fits(event) and not self.differences(event)

    def _differences(self, field: str, expected: Any, event: CapturedEvent) -> list[Difference]:
        sent = getattr(event, field)
        if field == "wire":
            # Named entries, whatever `exact` says of the others.
            return differences(field, expected, sent)
        if field in _MAPS:
            if isinstance(expected, Mapping):
                # What the client wrote there counts only where it is named.
                full = spelled_out(event, field)
                sent = {**sent, **{key: full[key] for key in expected if key in full}}
            return differences(field, expected, sent, exact=self.exact)
        if field == "timestamp":
            return [] if same_moment(expected, sent) else [Difference(field, expected, _printed(sent))]
        if isinstance(expected, (int, UUID)) and not isinstance(expected, bool):
            expected = str(expected)
        return differences(field, expected, sent)


def find(
    events: Sequence[CapturedEvent], refused: Sequence[RefusedCall], notes: Sequence[str], wanted: Wanted
) -> CapturedEvent:
    """Return the first event that matches. Raises AssertionError, also when another number of them does than asked."""
    __tracebackhide__ = True
    found = [event for event in events if wanted.matches(event)]
    if found and wanted.times in (None, len(found)):
        return found[0]
    if found:
        lines = [f"{_as_expected(len(found))}, not {wanted.times}: {wanted}"]
    else:
        lines = [f"no event is as expected: {wanted}", *_nearest(events, wanted)]
    raise _failure([*lines, *_sent(events, refused, notes)])


def find_none(
    events: Sequence[CapturedEvent], refused: Sequence[RefusedCall], notes: Sequence[str], wanted: Wanted
) -> None:
    """Raise AssertionError when an event matches."""
    __tracebackhide__ = True
    found = [event for event in events if wanted.matches(event)]
    if found:
        lines = [f"{_as_expected(len(found))}, but none should be: {wanted}"]
        raise _failure([*lines, *_sent(events, refused, notes)])


def _failure(lines: Sequence[str]) -> AssertionError:
    """Mark the error as one that tells what was sent, so that the plugin does not tell it again."""
    error = AssertionError("\n".join(lines))
    error.tells_what_was_sent = True  # type: ignore[attr-defined]
    return error


def repr_of(value: Any) -> str:
    """A value in an assertion that is told again."""
    return showing.value(value, 120)


def _as_expected(number: int) -> str:
    return "1 event is as expected" if number == 1 else f"{number} events are as expected"


def _nearest(events: Sequence[CapturedEvent], wanted: Wanted) -> list[str]:
    """The event that comes nearest, and where it differs."""
    if not events:
        return []
    at, event = max(enumerate(events), key=lambda each: (_likeness(each[1], wanted), each[0]))
    found = wanted.differences(event)
    lines = [f"nearest: #{at + 1} of {len(events)}, {showing.title(event)}"]
    if not wanted.fits(event):
        found.insert(0, Difference("type", wanted.kind, event.type))
    for difference in found[:_MOST_DIFFERENCES]:
        expected, sent = showing.pair(difference.expected, difference.sent)
        if difference.expected is NOT_THERE:
            lines.append(f"  {difference.path}: not expected, sent {sent}")
        elif difference.sent is NOT_THERE:
            lines.append(f"  {difference.path}: not sent, expected {expected}")
        else:
            lines += [f"  {difference.path}", f"    expected: {expected}", f"    sent:     {sent}"]
    if len(found) > _MOST_DIFFERENCES:
        lines.append(f"  … and {len(found) - _MOST_DIFFERENCES} more")
    return lines


def _likeness(event: CapturedEvent, wanted: Wanted) -> float:
    """How near an event comes: its name first, then its type, its owner, and how much of the rest is right."""
    found = wanted.differences(event)
    wrong = {difference.path.partition("[")[0] for difference in found}
    said = sum(_leaves(value) for value in wanted.fields.values()) or 1
    likeness = 2.0 * wanted.fits(event) + ("user_id" not in wrong) + 2.0 * max(0.0, 1.0 - len(found) / said)
    if "event" in wanted.fields:
        likeness += 6.0 * _alike(wanted.fields["event"], event.event)
    return likeness


def _leaves(value: Any) -> int:
    return sum(map(_leaves, value.values())) if isinstance(value, Mapping) else 1


def _alike(expected: Any, sent: str) -> float:
    if matches(expected, sent):
        return 1.0
    if not isinstance(expected, str):
        return 0.0
    from difflib import SequenceMatcher  # for tests that fail

    return SequenceMatcher(None, expected.lower()[:200], sent.lower()[:200]).ratio() * 0.9


def _sent(events: Sequence[CapturedEvent], refused: Sequence[RefusedCall], notes: Sequence[str]) -> list[str]:
    """What there was instead."""
    if not events and not refused:
        return ["nothing was sent, and nothing refused", *notes]
    told = f"{showing.counted(len(events), 'event')} sent"
    if refused:
        told += f", {showing.counted(len(refused), 'call')} refused"
    return [f"{told}:", *(f"  {row}" for row in showing.rows(events, refused)), *notes]


def _printed(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
