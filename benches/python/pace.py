"""Calling at a steady pace, as a server under load does: sleep until the next call is due, call, note how long it took.

Sleeping hands the processor and the interpreter lock back between calls, so each call finds cold caches and whatever
the client's own thread is doing: that is the point.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from events import Call, Properties


class Paced(NamedTuple):
    """What was measured, a number per call."""

    took_ns: array[int]
    late_ns: array[int]
    """How long after its due time a call was begun: what the host program itself loses to the client's thread."""


def paced(call: Callable[[str, str, Properties], Any], calls: list[Call], per_second: int, seconds: float) -> Paced:
    """Make `per_second` calls for so many seconds, going round in `calls`."""
    period_ns = 1_000_000_000 // per_second
    count = int(per_second * seconds)
    took, late = array("q", bytes(8 * count)), array("q", bytes(8 * count))
    now, sleep = time.perf_counter_ns, time.sleep
    due = now() + period_ns
    for index in range(count):
        wait = due - now()
        if wait > 0:
            sleep(wait / 1e9)
        user, event, properties = calls[index % len(calls)]
        began = now()
        call(user, event, properties)
        ended = now()
        took[index] = ended - began
        late[index] = began - due
        due += period_ns
    return Paced(took, late)


def percentile(values: array[int], fraction: float) -> int:
    """Return the value that `fraction` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]
