"""The assertions as functions: each asks what is captured just now, by the fixture or by `capture`.

They are the methods of `CapturedEvents`, for code that does not hold the collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.testing.asserting import Expected
from sluiceway.testing.captured import CapturedEvent
from sluiceway.testing.collection import CapturedEvents

if TYPE_CHECKING:
    from typing_extensions import Unpack

_open: list[CapturedEvents] = []
"""The collections that are being filled, the innermost last."""


def captured_events() -> CapturedEvents:
    """Return what is captured just now. Raises RuntimeError when nothing is."""
    __tracebackhide__ = True
    if not _open:
        raise RuntimeError(
            "nothing is captured here: ask for the fixture sluiceway_events, or use `with sluiceway.testing.capture():`"
        )
    return _open[-1]


def assert_sent(event: Any = None, *, type: str = "", **expected: Unpack[Expected]) -> CapturedEvent:  # noqa: A002
    """Return the first event of any type, or of ``type``, that is as expected; else raise AssertionError."""
    __tracebackhide__ = True
    return captured_events().assert_sent(event, type=type, **expected)


def assert_tracked(event: Any = None, **expected: Unpack[Expected]) -> CapturedEvent:
    """Return the first track (PostHog: capture) that is as expected; else raise AssertionError.

    ``assert_tracked("Item Purchased", user_id="user-1", properties={"revenue": 39.95})``: what is not named does not
    matter. Any value may be a matcher: ``unittest.mock.ANY``, a type, a compiled regular expression, a function that
    says yes or no. ``times=2`` wants exactly two such events, ``exact=True`` no further properties.
    """
    __tracebackhide__ = True
    return captured_events().assert_tracked(event, **expected)


def assert_identified(user_id: Any = None, /, **expected: Unpack[Expected]) -> CapturedEvent:
    """Return the first identify that is as expected; else raise AssertionError."""
    __tracebackhide__ = True
    return captured_events().assert_identified(user_id, **expected)


def assert_paged(name: Any = None, **expected: Unpack[Expected]) -> CapturedEvent:
    """Return the first page (PostHog: ``$pageview``) that is as expected; else raise AssertionError."""
    __tracebackhide__ = True
    return captured_events().assert_paged(name, **expected)


def assert_screened(name: Any = None, **expected: Unpack[Expected]) -> CapturedEvent:
    """Return the first screen that is as expected; else raise AssertionError."""
    __tracebackhide__ = True
    return captured_events().assert_screened(name, **expected)


def assert_grouped(group_id: Any = None, /, **expected: Unpack[Expected]) -> CapturedEvent:
    """Return the first group (group identify) that is as expected; else raise AssertionError."""
    __tracebackhide__ = True
    return captured_events().assert_grouped(group_id, **expected)


def assert_aliased(previous_id: Any = None, /, **expected: Unpack[Expected]) -> CapturedEvent:
    """Return the first alias that is as expected; else raise AssertionError."""
    __tracebackhide__ = True
    return captured_events().assert_aliased(previous_id, **expected)


def assert_nothing_tracked(event: Any = None, **expected: Unpack[Expected]) -> None:
    """Raise AssertionError if any event, of whichever type, was sent that is as described; without that, if any was."""
    __tracebackhide__ = True
    captured_events().assert_nothing_tracked(event, **expected)


def fill(events: CapturedEvents) -> None:
    """Make a collection the one that the functions ask."""
    _open.append(events)


def done(events: CapturedEvents) -> None:
    """Take a collection away again."""
    # By identity: two empty ones are equal to nobody.
    _open[:] = [each for each in _open if each is not events]
