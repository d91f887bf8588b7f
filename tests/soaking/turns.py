"""How the server misbehaves, in turns, each a few seconds long. Called in the receiver's process."""

from __future__ import annotations

import os
import time
from typing import Any

from sluiceway.testing import Answer, Arriving

TURN_VARIABLE = "SLUICEWAY_SOAK_TURN_SECONDS"
# A client waits a second for an answer.
TIMEOUT_SECONDS = 1.0

TURNS: tuple[tuple[str, Answer], ...] = (
    ("healthy", Answer()),
    ("silent", Answer(delay=3 * TIMEOUT_SECONDS)),
    ("503", Answer(503)),
    ("drips", Answer(drip_seconds=0.2)),
    ("resets before", Answer(reset="before")),
    ("healthy", Answer()),
    ("resets inside", Answer(reset="during")),
    ("resets behind", Answer(reset="after")),
    ("asks to wait", Answer(429, {"Retry-After": "1"})),
    ("cuts its answer", Answer(cut_bytes=12)),
    ("slow", Answer(delay=0.3)),
)


def take_turns(_seed: int) -> Any:
    """Return a script that begins with the first request and goes round."""
    seconds = float(os.environ[TURN_VARIABLE])
    began: list[float] = []

    def answer(_arriving: Arriving) -> Answer:
        if not began:
            began.append(time.monotonic())
        return TURNS[int((time.monotonic() - began[0]) / seconds) % len(TURNS)][1]

    return answer
