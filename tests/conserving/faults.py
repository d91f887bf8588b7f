"""What the receiver answers: at random (seeded) and in each vendor's words. Called in the receiver's process.

Each function takes the seed and returns a script. Nothing here says `Retry-After` for more than no time: the run is to
see many faults, not to wait.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from sluiceway.testing import Answer, Arriving, answers

# Stands in the events that RudderStack and PostHog refuse a whole batch for, and in no others.
POISON = "Poisoned for the conservation run"

_POISON = POISON.encode()
_NO_WAIT = {"Retry-After": "0"}

Choice = tuple[int, Answer | Callable[[Arriving], Answer | None]]

COMMON: tuple[Choice, ...] = (
    (70, Answer()),
    (4, Answer(413, body=b"")),
    (6, Answer(429, _NO_WAIT, b"")),
    (6, Answer(500, body=b"")),
    (6, Answer(503, body=b"")),
    (4, Answer(reset="before")),
    (4, Answer(reset="after")),
)


def segment(seed: int) -> Any:
    """A third of the answers are faults of the endpoint."""
    return _script(seed, COMMON)


def rudderstack(seed: int) -> Any:
    """A poisoned event costs its batch; so does, now and then, nothing at all."""
    refusal = answers.plain(400, "request neither has anonymousId nor userId\n")
    return _script(seed, (*COMMON, (2, refusal)), poison=refusal)


def posthog(seed: int) -> Any:
    """As RudderStack's, in PostHog's words."""
    refusal = answers.plain(400, "event submitted without a distinct_id")
    return _script(seed, (*COMMON, (2, refusal)), poison=refusal)


def capture(seed: int) -> Any:
    """Of some requests a few events are dropped and a few are wanted again, all others being taken."""
    chance = random.Random(f"{seed}-results")
    refusal = answers.posthog_error(400, "invalid_event_uuid")

    def results(arriving: Arriving) -> Answer:
        said = {}
        for event in arriving.batch:
            [result] = chance.choices(("ok", "warning", "retry", "drop"), (90, 4, 5, 1))
            said[event["uuid"]] = answers.posthog_result(result)
        return answers.document(200, {"results": said}, _NO_WAIT)

    return _script(seed, (*COMMON, (20, results), (1, refusal)))


def amplitude(seed: int) -> Any:
    """Some requests name events at fault by index, some users and devices to be slowed down, or over their quota."""
    chance = random.Random(f"{seed}-names")

    def some(count: int, most: int) -> list[int]:
        return sorted(chance.sample(range(count), min(count, chance.randint(1, most))))

    def invalid(arriving: Arriving) -> Answer:
        count = len(arriving.batch)
        lists = {"time": some(count, 2), "price": some(count, 1)}
        if chance.random() < 0.5:
            return answers.amplitude_invalid(lists)
        return answers.amplitude_invalid(
            lists, missing={"event_type": some(count, 2)}, id_lengths={"user_id": [count + 9]}
        )

    def throttled(arriving: Arriving) -> Answer | None:
        named = [arriving.batch[at] for at in some(len(arriving.batch), 2)]
        # Of somebody with both, one is named: that alone has to hold the events back.
        users = [event["user_id"] for event in named if "user_id" in event]
        devices = [event["device_id"] for event in named if "user_id" not in event]
        return _computed(answers.amplitude_throttled(users, devices), arriving)

    def over_quota(arriving: Arriving) -> Answer | None:
        [named] = chance.sample(arriving.batch, 1)
        others = [event["user_id"] for event in chance.sample(arriving.batch, 1) if "user_id" in event]
        users = [named["user_id"]] if "user_id" in named else []
        devices = [] if users else [named["device_id"]]
        reply = answers.amplitude_throttled(others, quota_users=users, quota_devices=devices)
        return _computed(reply, arriving)

    return _script(seed, (*COMMON, (5, invalid), (6, throttled), (1, over_quota)))


def _computed(reply: answers.Reply, arriving: Arriving) -> Answer:
    answer = reply(arriving) if callable(reply) else reply
    assert isinstance(answer, Answer)
    return answer


def _script(seed: int, choices: Sequence[Choice], *, poison: Answer | None = None) -> Callable[[Arriving], Answer]:
    chance = random.Random(seed)
    lock = threading.Lock()
    weights, answers_to_choose = zip(*choices, strict=True)

    def answer(arriving: Arriving) -> Answer:
        with lock:  # the computed answers draw lots of their own
            [chosen] = chance.choices(answers_to_choose, weights)
            told = chosen(arriving) if callable(chosen) else chosen
        would_take = told is None or (told.status < 300 and not told.reset)
        if poison is not None and would_take and _POISON in arriving.body:
            return poison
        return told or Answer()

    return answer
