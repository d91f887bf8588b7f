"""Middleware: the user's functions from event to event, run in order on the caller's thread, failing closed.

A function that raises, or that answers with something else than a dict, drops the event: it may be the one that was to
take a password out, and sending the event as it was is the worse mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]
"""An event in the vendor's words, as it will be on the wire: ``{"type": "track", "userId": …, "properties": …}``."""

Middleware: TypeAlias = Callable[[Event], "Event | None"]
"""Take an event, answer the event to send (the same or another one), or None to drop it."""


class MiddlewareFault(Exception):
    """A middleware raised or answered with a wrong type. Its text names the function and a type, never the event."""


def run(chain: Sequence[Middleware], event: Event, _extra: Any = None) -> Event | None:
    """Pass the event through every function, in order. None as soon as one drops it.

    Runs user code: may block as long as that does. Raises MiddlewareFault; lets BaseException through.
    """
    for step in chain:
        try:
            answer = step(event)
        except Exception as error:
            # The cause is cut off on purpose: its text and its frames may hold the event.
            raise MiddlewareFault(f"{name_of(step)} raised {type(error).__name__}") from None
        if answer is None:
            return None
        if not isinstance(answer, dict):
            raise MiddlewareFault(f"{name_of(step)} answered with {type(answer).__name__}, not with a dict or None")
        event = answer
    return event


def name_of(step: object) -> str:
    """The name under which a message may speak of a callable: its own, or its type's."""
    return str(getattr(step, "__qualname__", None) or type(step).__qualname__)
