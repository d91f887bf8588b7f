"""What the receiver answers meanwhile: success, failure, a moment of silence, resets before and after counting."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from sluiceway.testing import Answer, Arriving

_CHOICES = [
    (60, Answer()),
    (10, Answer(delay=0.05)),
    (3, Answer(delay=0.5)),
    (8, Answer(503, body=b"")),
    (4, Answer(500, body=b"")),
    (6, Answer(reset="before")),
    (9, Answer(reset="after")),
]


def endpoint(seed: int) -> Callable[[Arriving], Answer]:
    """Two fifths of the answers are slow or faults; none refuses an event for good."""
    chance = random.Random(seed)
    lock = threading.Lock()
    weights, answers = zip(*_CHOICES, strict=True)

    def answer(_arriving: Arriving) -> Answer:
        with lock:
            return chance.choices(answers, weights)[0]

    return answer
