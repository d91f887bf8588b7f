"""What a test sees of all that was sent while it ran: the events in order, and the calls that were refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from sluiceway.testing import showing
from sluiceway.testing.asserting import Expected, Wanted, find, find_none
from sluiceway.testing.captured import CapturedEvent
from sluiceway.testing.matching import matches
from sluiceway.testing.stamps import Clock, Ids, Stamps

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Unpack

    from sluiceway.testing.refused import RefusedCall


class CapturedEvents(Sequence[CapturedEvent]):
    """The events that were accepted, in order, as a sequence. Safe to read while other threads send.

    The ``assert_…`` methods are the functions of `sluiceway.testing` of the same names.
    """

    def __init__(self, stamps: Stamps | None = None) -> None:
        self._events: list[CapturedEvent] = []
        self._refused: list[RefusedCall] = []
        self._notes: list[str] = []
        self._stamps = stamps or Stamps()

    # -- what was sent

    @overload
    def __getitem__(self, at: int) -> CapturedEvent: ...
    @overload
    def __getitem__(self, at: slice) -> list[CapturedEvent]: ...
    def __getitem__(self, at: int | slice) -> CapturedEvent | list[CapturedEvent]:
        return self._events[at]

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[CapturedEvent]:
        return iter(list(self._events))

    def __eq__(self, other: object) -> bool:
        """Compare with a list of events: ``assert sluiceway_events == []``."""
        if isinstance(other, CapturedEvents):
            return self is other
        return list(self) == other if isinstance(other, list) else NotImplemented

    __hash__ = object.__hash__

    def named(self, event: Any) -> list[CapturedEvent]:
        """Return the events of that name, or whose name a matcher takes."""
        return [each for each in self if matches(event, each.event)]

    def of_user(self, user_id: Any) -> list[CapturedEvent]:
        """Return the events of that user. An int or a UUID is taken as the text that it is sent as."""
        return [each for each in self if matches(user_id, each.user_id) or str(user_id) == each.user_id]

    def of_type(self, kind: str) -> list[CapturedEvent]:
        """Return the events of a type: ``track``, ``identify``, ``page``, ``screen``, ``group`` or ``alias``."""
        return [each for each in self if each.type == kind]

    @property
    def refused(self) -> list[RefusedCall]:
        """The calls that were refused, in order, each with its reason; a copy."""
        return list(self._refused)

    def clear(self) -> None:
        """Forget what was sent and refused so far."""
        self._events.clear()
        self._refused.clear()

    # -- what a test asks

    def assert_sent(self, event: Any = None, *, type: str = "", **expected: Unpack[Expected]) -> CapturedEvent:  # noqa: A002
        """Return the first event of any type, or of ``type``, that is as expected; else raise AssertionError."""
        __tracebackhide__ = True
        return self._find("assert_sent", type, event, expected)

    def assert_tracked(self, event: Any = None, **expected: Unpack[Expected]) -> CapturedEvent:
        """Return the first track (PostHog: capture) that is as expected; else raise AssertionError."""
        __tracebackhide__ = True
        return self._find("assert_tracked", "track", event, expected)

    def assert_identified(self, user_id: Any = None, /, **expected: Unpack[Expected]) -> CapturedEvent:
        """Return the first identify that is as expected; else raise AssertionError."""
        __tracebackhide__ = True
        return self._find("assert_identified", "identify", None, _with("user_id", user_id, expected))

    def assert_paged(self, name: Any = None, **expected: Unpack[Expected]) -> CapturedEvent:
        """Return the first page (PostHog: ``$pageview``) that is as expected; else raise AssertionError."""
        __tracebackhide__ = True
        return self._find("assert_paged", "page", name, expected)

    def assert_screened(self, name: Any = None, **expected: Unpack[Expected]) -> CapturedEvent:
        """Return the first screen that is as expected; else raise AssertionError."""
        __tracebackhide__ = True
        return self._find("assert_screened", "screen", name, expected)

    def assert_grouped(self, group_id: Any = None, /, **expected: Unpack[Expected]) -> CapturedEvent:
        """Return the first group (group identify) that is as expected; else raise AssertionError."""
        __tracebackhide__ = True
        return self._find("assert_grouped", "group", None, _with("group_id", group_id, expected))

    def assert_aliased(self, previous_id: Any = None, /, **expected: Unpack[Expected]) -> CapturedEvent:
        """Return the first alias that is as expected; else raise AssertionError."""
        __tracebackhide__ = True
        return self._find("assert_aliased", "alias", None, _with("previous_id", previous_id, expected))

    def assert_nothing_tracked(self, event: Any = None, **expected: Unpack[Expected]) -> None:
        """Raise AssertionError if any event, of whichever type, was sent that is as described.

        Without arguments: if anything was sent at all.
        """
        __tracebackhide__ = True
        find_none(self, self._refused, self._notes, Wanted("assert_nothing_tracked", "", event, expected))

    def _find(self, function: str, kind: str, event: Any, expected: Any) -> CapturedEvent:
        __tracebackhide__ = True
        return find(self, self._refused, self._notes, Wanted(function, kind, event, expected))

    # -- clock and ids

    def freeze(self, moment: datetime | str | float = "2026-01-01T00:00:00Z") -> Clock:
        """Stop the clock of what is captured from now on, at a moment.

        It is a datetime (a naive one means UTC), ISO 8601 text, or Unix seconds. A time that a call
        gives is kept. Returns the clock, which can be moved.
        """
        return self._stamps.freeze(moment)

    @property
    def clock(self) -> Clock | None:
        """The clock that stands still, if one does."""
        return self._stamps.clock

    def number_ids(self) -> Ids:
        """Give each event captured from now on that brings no id of its own the next of a fixed row of UUIDs."""
        return self._stamps.number()

    # -- what a test that fails is shown

    def __repr__(self) -> str:
        told = showing.counted(len(self), "event")
        if self._refused:
            told += f", {len(self._refused)} refused"
        first = ", ".join(showing.title(event) for event in self._events[:3])
        more = ", …" if len(self) > 3 else ""
        return f"<CapturedEvents: {told}{': ' if first else ''}{first}{more}>"

    def __str__(self) -> str:
        """Tell all of it, as a table of lines."""
        return "\n".join([*showing.rows(self._events, self._refused), *self._notes]) or "nothing sent, nothing refused"

    # -- the capture's side

    def add(self, event: CapturedEvent) -> None:
        """Append an event."""
        self._events.append(event)

    def add_refused(self, call: RefusedCall) -> None:
        """Append a call that was refused."""
        self._refused.append(call)

    def note(self, text: str) -> None:
        """Have a line told to whoever is told that a test fails. The same line is told once."""
        if text not in self._notes:
            self._notes.append(text)


def _with(name: str, value: Any, expected: Any) -> Any:
    if value is None:
        return expected
    if name in expected:
        raise TypeError(f"{name!r} is given twice")
    return {name: value, **expected}
