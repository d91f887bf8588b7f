"""What a test offered to a client, and what the client told of it: one of the two sides that the laws compare."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from typing import Any

from sluiceway import Amplitude, BatchReport, DeliveryError, PostHog

# A payload that must never be seen outside a request.
CANARY = "canary-payload-3f1c"

_DROPPED = frozenset({"overflow", "disabled", "purged", "throttled"})
_NAMESPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


class Book:
    """Pushes events of a known payload into a client made with `**book.asks`, and keeps what it is told of each."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.offered: dict[str, dict[str, Any]] = {}
        """Payload by id."""
        self.accepted: set[str] = set()
        self.delivered: Counter[str] = Counter()
        self.failed: dict[str, DeliveryError] = {}
        self.dropped: dict[str, DeliveryError] = {}
        self.handed_over: dict[str, DeliveryError] = {}
        self.told_twice: list[str] = []
        self.reports: list[tuple[DeliveryError | None, BatchReport]] = []
        self._lock = threading.Lock()

    @property
    def asks(self) -> dict[str, Any]:
        """The options by which a client tells this book."""
        return {"on_delivery": lambda report: self.told(None, report), "on_error": self.told}

    def push(self, client: Any, count: int = 1, *, pad: int = 0, **entries: Any) -> list[str]:
        """Offer so many events with `pad` bytes of text each; returns their ids."""
        ids = []
        for _ in range(count):
            with self._lock:
                number = len(self.offered)
                id_ = str(uuid.uuid5(_NAMESPACE, f"{self.seed}-{number}"))
                payload = {"n": number, "text": CANARY + 'é\u2028"\\' + "x" * pad, **entries}
                self.offered[id_] = payload
            if push(client, number, id_, payload) is True:
                with self._lock:
                    self.accepted.add(id_)
            ids.append(id_)
        return ids

    def told(self, error: DeliveryError | None, report: BatchReport) -> None:
        """What the client calls about each batch that has ended."""
        with self._lock:
            self.reports.append((error, report))
            for id_ in report.ids:
                if id_ in self.delivered or id_ in self.failed or id_ in self.dropped or id_ in self.handed_over:
                    self.told_twice.append(id_)
                if error is None:
                    self.delivered[id_] += 1
                elif error.reason in _DROPPED:
                    self.dropped[id_] = error
                elif error.reason == "handed_over":
                    self.handed_over[id_] = error
                else:
                    self.failed[id_] = error

    def reasons(self) -> Counter[tuple[str, str]]:
        """How many events failed, by reason and by whether they may have been sent."""
        return Counter((error.reason, error.sent) for error in self.failed.values())


def push(client: Any, number: int, id_: str, payload: dict[str, Any]) -> object:
    """Offer one event to a client of whichever vendor; returns its answer."""
    user = f"user-{number % 7}"
    if isinstance(client, PostHog):
        return client.capture("Fault Seen", distinct_id=user, properties=payload, uuid=id_)
    if isinstance(client, Amplitude):
        return client.track("Fault Seen", user_id=user, event_properties=payload, insert_id=id_)
    return client.track(user, "Fault Seen", payload, message_id=id_)
