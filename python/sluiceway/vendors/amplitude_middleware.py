"""Amplitude's form of middleware: ``f(payload, next)``, each function calling the next one.

A function that does not call ``next`` drops the event. One that raises, calls ``next`` twice, or hands on something
that is no event, drops it too: it may be one that was to be changed, and sending it as it was is the worse mistake.
Functions of the common form, ``f(event) -> event | None``, may stand in the same chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from sluiceway.errors import ConfigError
from sluiceway.middleware import MiddlewareFault, name_of
from sluiceway.values import EPOCH, to_utc


class Payload(msgspec.Struct):
    """What goes from one function to the next. Change ``event``, replace it, or hand on a payload of your own."""

    event: dict[str, Any]
    """The event as it will be on the wire, a copy: ``{"event_type": …, "user_id": …}``. Its ``time`` is in
    milliseconds; a time or an ``insert_id`` that the caller left out is set later."""
    extra: Any = None
    """What the call was given as ``extra``, as it is. Never sent."""


Next: TypeAlias = Callable[["Payload | Mapping[str, Any]"], None]
"""Hands a payload, or a mapping with an ``event``, on to the rest of the chain; once, before the function ends."""

PayloadMiddleware: TypeAlias = Callable[[Payload, Next], None]


class Step:
    """A function of either form, as one of the chain calls it."""

    __slots__ = ("_function", "_takes_next", "name")

    def __init__(self, function: Callable[..., Any]) -> None:
        """Find out the form of a function. Raises ConfigError for one of neither."""
        self._function = function
        self._takes_next = _takes_next(function)
        self.name = name_of(function)

    def __call__(self, payload: Payload, hand_on: Next) -> None:
        """Run the function. Raises what it raises, and MiddlewareFault for a wrong answer."""
        if self._takes_next:
            answer = self._function(payload, hand_on)
            if hasattr(answer, "__await__"):
                # Closed, or Python would complain about a coroutine that nobody awaits.
                getattr(answer, "close", lambda: None)()
                raise MiddlewareFault(f"{self.name} is async: it cannot run inside a call")
            return
        answer = self._function(payload.event)
        if answer is not None:
            hand_on(Payload(answer, payload.extra))


def run(chain: Sequence[Callable[..., Any]], event: dict[str, Any], extra: Any) -> dict[str, Any] | None:
    """Pass the event through the chain, in order. None when a function dropped it.

    Runs user code: may block as long as that does. Raises MiddlewareFault; lets BaseException through.
    """
    time = event.get("time")
    milliseconds = None
    if isinstance(time, datetime):
        event["time"] = milliseconds = (to_utc(time) - EPOCH) // _MILLISECOND
    passage = _Passage(chain)
    passage.hand_on(0, Payload(event, extra))
    if passage.fault is not None:
        raise passage.fault
    answer = passage.arrived()
    if answer is not None and milliseconds is not None and answer.get("time") == milliseconds:
        # A number near 1970 would be read as seconds; what nobody changed stays the moment that it was.
        answer["time"] = time
    return answer


_MILLISECOND = (EPOCH - EPOCH).resolution * 1_000


class _Passage:
    """One event on its way through the chain."""

    def __init__(self, chain: Sequence[Callable[..., Any]]) -> None:
        self._chain = chain
        self._last: Payload | None = None
        self.fault: MiddlewareFault | None = None

    def hand_on(self, place: int, payload: Payload) -> None:
        """Run the function at a place of the chain, which runs those behind it."""
        if place == len(self._chain):
            self._last = payload
            return
        step = self._chain[place]
        hand = _Hand(self, place + 1)
        try:
            step(payload, hand)
        except MiddlewareFault as fault:
            self.fault = self.fault or fault
        except Exception as error:
            # The cause is cut off on purpose: its text and its frames may hold the event.
            self.fault = self.fault or MiddlewareFault(f"{name_of_step(step)} raised {type(error).__name__}")
        finally:
            hand.used = True

    def arrived(self) -> dict[str, Any] | None:
        """The event at the end of the chain, as it is now that every function has ended."""
        if self._last is None:
            return None
        if not isinstance(self._last.event, dict):
            raise MiddlewareFault(f"the last function left {type(self._last.event).__name__} for an event, not a dict")
        return self._last.event


class _Hand:
    """The ``next`` of one function."""

    __slots__ = ("_passage", "_place", "used")

    def __init__(self, passage: _Passage, place: int) -> None:
        self._passage = passage
        self._place = place
        self.used = False

    def __call__(self, payload: Payload | Mapping[str, Any]) -> None:
        passage = self._passage
        if self.used:
            passage.fault = passage.fault or MiddlewareFault("next was called twice, or after its function had ended")
            raise passage.fault
        self.used = True
        if isinstance(payload, Mapping):
            payload = Payload(payload.get("event"), payload.get("extra"))  # type: ignore[arg-type]
        if not isinstance(payload, Payload) or not isinstance(payload.event, dict):
            passage.fault = passage.fault or MiddlewareFault("next was called with something else than a payload")
            raise passage.fault
        passage.hand_on(self._place, payload)


def name_of_step(step: Callable[..., Any]) -> str:
    """The name under which a message may speak of a function of the chain."""
    return step.name if isinstance(step, Step) else name_of(step)


def _takes_next(function: Callable[..., Any]) -> bool:
    from inspect import signature  # slow to import, and few clients have middleware

    try:
        parameters = signature(function)
    except (TypeError, ValueError):  # written in C: the documented form is assumed
        return True
    for count in (2, 1):
        try:
            parameters.bind(*range(count))
        except TypeError:
            continue
        return count == 2
    raise ConfigError("middleware", "must take a payload and the function to call next, or an event alone")
