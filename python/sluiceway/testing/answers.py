"""What the receiver answers: one `Answer` for each request, taken from a script."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from sluiceway.testing.arriving import Arriving

Reset: TypeAlias = Literal[False, "before", "during", "after"]


class Answer(msgspec.Struct, frozen=True):
    """One answer of the receiver; the plain one is `200` with `{"success":true}`, which is what Segment says.

    `delay` is in seconds and passes before the first byte of the answer. `reset` cuts the connection with a TCP
    reset instead of answering: "before" the body of the request is read, "during" it (after half of it), or "after"
    it has been read and kept. `cut_bytes` sends that many bytes of the answer and then resets: such a request counts
    as not acknowledged, whatever the client makes of it. `drip_seconds` pauses between any two bytes of the answer,
    which no time limit on a single read will notice.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b'{"success":true}'
    delay: float = 0.0
    reset: Reset = False
    cut_bytes: int | None = None
    drip_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what would only show much later, on a thread of the receiver.

        Raises ValueError.
        """
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be 200 to 599, not {self.status}")
        if self.reset not in (False, "before", "during", "after"):
            raise ValueError('reset must be False, "before", "during" or "after"')
        if self.delay < 0 or self.drip_seconds < 0:
            raise ValueError("delay and drip_seconds are seconds from 0")

    @property
    def told(self) -> int | None:
        """The status that the client is told in a whole answer; None when the connection is cut."""
        return None if self.reset or self.cut_bytes is not None else self.status


Script: TypeAlias = Sequence[Answer | int] | Callable[[Arriving], Answer | int]
"""Answers (or bare statuses) consumed in order and then the default, or a function of the arriving request."""


class Prompter:
    """Hands out the answers of a script, one for each request, from any thread."""

    def __init__(self, script: Script | None, default: Answer | int) -> None:
        self._lock = threading.Lock()
        self._default = as_answer(default)
        self._decide = script if callable(script) else None
        self._answers = deque(as_answer(answer) for answer in (() if script is None or callable(script) else script))

    def next(self, arriving: Arriving) -> Answer:
        """Return the answer to this request. Raises whatever a scripted function raises."""
        if self._decide is not None:
            return as_answer(self._decide(arriving))
        with self._lock:
            return self._answers.popleft() if self._answers else self._default

    def add(self, answers: Sequence[Answer | int]) -> None:
        """Append answers to those not yet consumed."""
        with self._lock:
            self._answers.extend(map(as_answer, answers))


def as_answer(answer: Answer | int) -> Answer:
    """Return an answer for a bare status; anything but a 2xx says nothing in its body."""
    if isinstance(answer, Answer):
        return answer
    return Answer(answer) if 200 <= answer < 300 else Answer(answer, body=b"")
