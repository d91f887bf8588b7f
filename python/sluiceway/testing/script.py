"""The script of a receiver: which answer the next request gets."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from sluiceway.testing.answers import Answer, Computed, Reply
from sluiceway.testing.arriving import Arriving

Script: TypeAlias = Sequence[Reply] | Computed
"""Replies consumed in order and then the default, or a function that answers every request."""


class Prompter:
    """Hands out the answers of a script, one for each request, from any thread."""

    def __init__(self, script: Script | None, default: Reply) -> None:
        self._lock = threading.Lock()
        self._default = _checked(default)
        self._decide = script if callable(script) else None
        self._replies = deque(map(_checked, () if script is None or callable(script) else script))

    def next(self, arriving: Arriving) -> Answer:
        """Return the answer to this request. Raises whatever a scripted function raises."""
        if self._decide is not None:
            return _computed(self._decide, arriving)
        with self._lock:
            reply = self._replies.popleft() if self._replies else self._default
        return _computed(reply, arriving)

    def add(self, replies: Sequence[Reply]) -> None:
        """Append replies to those not yet consumed. Raises ValueError for a status that is none."""
        with self._lock:
            self._replies.extend(map(_checked, replies))


def _checked(reply: Reply) -> Reply:
    return Answer(reply) if isinstance(reply, int) else reply


def _computed(reply: Reply, arriving: Arriving) -> Answer:
    """The answer that a reply stands for; a function may return another."""
    while not isinstance(reply, Answer):
        reply = Answer(reply) if isinstance(reply, int) else reply(arriving)
    return reply
