"""What the receiver of a campaign answers: as the vendor does, but for events that it refuses by their index."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from sluiceway.testing import Answer, Arriving, answers

POISON = "XX"
"""A carrier whose flights Amplitude does not take here."""


def refusing(seed: int) -> Callable[[Arriving], Answer]:
    """Refuse what Amplitude names by index: nothing of such a request is taken, and the rest is sent again."""

    def answer(arriving: Arriving) -> Answer:
        bad = [
            index
            for index, event in enumerate(arriving.batch)
            if event.get("event_properties", {}).get("carrier") == POISON
        ]
        return answers.amplitude_invalid({"event_properties": bad}) if bad else Answer(200)

    return answer


def slow(seed: int) -> Callable[[Arriving], Answer]:
    """Answer late, so that a good part of what was read has not been acknowledged at any moment."""
    draw = random.Random(seed)
    refuse = refusing(seed)

    def answer(arriving: Arriving) -> Answer:
        return msgspec.structs.replace(refuse(arriving), delay=draw.uniform(0.05, 0.35))

    return answer
