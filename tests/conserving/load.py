"""Producers, and the account that is kept from outside: one byte for each id of ours, and nothing for the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from conserving.drivers import DRIVERS, is_poisoned
from sluiceway.stats import Stats
from sluiceway.testing import ReceiverStats

# Nothing settled for so long means that something is stuck, not slow.
STALLED_SECONDS = 60.0
# One event in so many also asks for a callback of its own.
CALLBACK_EVERY = 1_000
# The first two bytes of an id of ours. The client's own begin with the time, which reaches c0de in the year 8700.
OURS = b"\xc0\xde"

_ACKNOWLEDGED, _FAILED, _REFUSED = 1, 2, 4


class Figures(msgspec.Struct, kw_only=True):
    """Everything that was counted, by the client, by the receiver, and by us from outside."""

    offered: int
    """Calls made."""
    accepted: int
    """Calls answered with True."""
    stats: Stats
    receiver: ReceiverStats
    ours_accepted: int = 0
    """Accepted events that carried an id of ours,"""
    ours_ended: int = 0
    """and those that the receiver acknowledged or the client called failed."""
    strangers: int = 0
    """Ids of ours, acknowledged or refused, that were never given out."""
    failed_told: int = 0
    """Events that on_error was told of."""
    failed_twice: int = 0
    """Events that it was told of more than once."""
    failed_yet_acknowledged: int = 0
    """Events told as failed which the receiver had acknowledged."""
    refused_yet_not_failed: int = 0
    """Events of ours that the receiver refused for good and the client does not call failed."""
    poisoned_yet_acknowledged: int = 0
    callbacks_asked: int = 0
    callbacks_told: int = 0


class Load:
    """Pushes the events and keeps account."""

    def __init__(self, vendor: str, url: str, options: Mapping[str, Any], events: int, threads: int, seed: int) -> None:
        self.shares = [events // threads + (number < events % threads) for number in range(threads)]
        self.ours = [bytearray(share) for share in self.shares]
        self.accepted = [0] * threads
        self.ours_accepted = [0] * threads
        self.callbacks_asked = [0] * threads
        self.callbacks_told = 0
        self.failed: list[str] = []
        self.raised: list[BaseException] = []
        self.driver = DRIVERS[vendor](url, seed, {"on_error": self.on_error, **options})
        self.client = self.driver.client

    def on_error(self, _error: Any, batch: Any) -> None:
        """Remember what the client gave up. Runs on the one callback thread."""
        self.failed.extend(batch.ids)

    def on_outcome(self, _error: Any, _batch: Any) -> None:
        """Count one callback. Runs on the one callback thread."""
        self.callbacks_told += 1

    def start(self) -> list[threading.Thread]:
        """Start the producers."""
        threads = [threading.Thread(target=self._push, args=(number,)) for number in range(len(self.shares))]
        for thread in threads:
            thread.start()
        return threads

    def _push(self, number: int) -> None:
        try:
            self._push_share(number)
        except BaseException as error:
            self.raised.append(error)
            raise

    def _push_share(self, number: int) -> None:
        push = self.driver.push
        accepted = ours_accepted = asked = 0
        for index in range(self.shares[number]):
            ours = index & 1
            event_id = f"c0de{number:04x}-0000-8000-8000-{index:012x}" if ours else None
            callback = None
            if not index % CALLBACK_EVERY:
                callback = self.on_outcome
                asked += 1
            if push(number, index, event_id, callback):
                accepted += 1
                ours_accepted += ours
        self.accepted[number] = accepted
        self.ours_accepted[number] = ours_accepted
        self.callbacks_asked[number] = asked

    def finish(self) -> None:
        """Wait until everything has ended, then close."""
        pending, moved = -1, time.monotonic()
        while (now := self.client.stats().pending) and time.monotonic() - moved < STALLED_SECONDS:
            if now != pending:
                pending, moved = now, time.monotonic()
            self.client.flush(timeout=0.5)
        self.client.close(timeout=5.0)

    def figures(self, receiver: ReceiverStats, acknowledged: bytes, refused: bytes) -> Figures:
        """Compare what was pushed with what arrived."""
        figures = Figures(
            offered=sum(self.shares),
            accepted=sum(self.accepted),
            stats=self.client.stats(),
            receiver=receiver,
            ours_accepted=sum(self.ours_accepted),
            failed_told=len(self.failed),
            failed_twice=len(self.failed) - len(set(self.failed)),
            callbacks_asked=sum(self.callbacks_asked),
            callbacks_told=self.callbacks_told,
        )
        for ids, mark in ((acknowledged, _ACKNOWLEDGED), (refused, _REFUSED)):
            for at in range(0, len(ids), 16):
                if ids[at : at + 2] == OURS and not self._mark(ids[at : at + 16], mark):
                    figures.strangers += 1
        for text in self.failed:
            event_id = bytes.fromhex(text.replace("-", ""))
            if event_id[:2] == OURS:
                self._mark(event_id, _FAILED)
        for marks in self.ours:
            self._judge(marks, figures)
        return figures

    def _judge(self, marks: bytearray, figures: Figures) -> None:
        """Count what the marks of one producer's events say."""
        ends = [sum(marks.count(mark | refused) for refused in (0, _REFUSED)) for mark in range(4)]
        figures.ours_ended += ends[_ACKNOWLEDGED] + ends[_FAILED] + ends[_ACKNOWLEDGED | _FAILED]
        figures.failed_yet_acknowledged += ends[_ACKNOWLEDGED | _FAILED]
        figures.refused_yet_not_failed += marks.count(_REFUSED) + marks.count(_REFUSED | _ACKNOWLEDGED)
        if self.driver.poisons:
            poisoned = (mark for index, mark in enumerate(marks) if is_poisoned(index))
            figures.poisoned_yet_acknowledged += sum(mark & _ACKNOWLEDGED for mark in poisoned)

    def _mark(self, event_id: bytes, mark: int) -> bool:
        number, index = place_of(event_id)
        if number >= len(self.ours) or index >= len(self.ours[number]):
            return False
        self.ours[number][index] |= mark
        return True


def place_of(event_id: bytes) -> tuple[int, int]:
    """Return the producer and the index that an id of ours was made from."""
    return int.from_bytes(event_id[2:4], "big"), int.from_bytes(event_id[10:], "big")
