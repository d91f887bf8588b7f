"""Faults to be injected: which requests they hit, and what is answered instead of the vendor's own words."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from sluiceway.testing.answers import Answer, amplitude_error, amplitude_invalid, document, posthog_result
from sluiceway.testing.strict.detect import VENDORS
from sluiceway.testing.strict.reading import Reading, as_dict

Kind: TypeAlias = Literal[
    "status_429",
    "status_500",
    "status_503",
    "status_413",
    "status_400",
    "status_401",
    "amplitude_indexes",
    "amplitude_throttle",
    "posthog_results",
    "delay",
    "reset",
    "reset_half",
    "black_hole",
    "bad_body",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_FAULTS = 50
MAX_DELAY_SECONDS = 3600.0
MAX_RETRY_AFTER_SECONDS = 86_400

_ONLY_FOR = {"amplitude_indexes": "amplitude", "amplitude_throttle": "amplitude", "posthog_results": "posthog"}


class Fault(msgspec.Struct, kw_only=True):
    """One fault: for the next `times` requests (None: until it is taken back), each hit with `percent` (None: 100).

    `vendor` and `path` (the beginning of the request's path, the vendor's prefix aside) narrow it. `retry_after` is in
    seconds, 0 for none; `delay_seconds` is how long "delay" waits and "black_hole" is silent; `indexes` are those of
    the events that an answer names.
    """

    id: int = 0
    kind: Kind
    times: int | None = None
    percent: float | None = None
    vendor: str | None = None
    path: str | None = None
    retry_after: int = 0
    delay_seconds: float = 0.0
    indexes: list[int] = []
    hits: int = 0

    def complaint(self) -> str:
        """Return what is wrong with it, in words for its author; empty if nothing is."""
        if self.times is not None and not 1 <= self.times <= 1_000_000:
            return "times must be 1 to 1000000, or null for every request"
        if self.percent is not None and not 0 < self.percent <= 100:
            return "percent must be more than 0 and at most 100, or null for all"
        if self.vendor is not None and self.vendor not in VENDORS:
            return f"vendor must be one of {', '.join(VENDORS)}, or null for all"
        if not 0 <= self.retry_after <= MAX_RETRY_AFTER_SECONDS:
            return f"retry_after must be 0 to {MAX_RETRY_AFTER_SECONDS} seconds"
        if not 0 <= self.delay_seconds <= MAX_DELAY_SECONDS:
            return f"delay_seconds must be 0 to {MAX_DELAY_SECONDS:.0f}"
        if self.path is not None and not self.path.startswith("/"):
            return "path must begin with a slash, such as /v1/batch, or be null for all"
        if len(self.indexes) > 2_500 or any(index < 0 for index in self.indexes):
            return "indexes must be 2500 numbers from 0 at most"
        wanted = _ONLY_FOR.get(self.kind)
        if wanted is not None and self.vendor not in (None, wanted):
            return f"{self.kind} is a fault of {wanted}'s alone"
        return ""

    def fits(self, vendor: str, path: str) -> bool:
        """Whether it is meant for a request of this vendor at this path."""
        if self.vendor not in (None, vendor) or _ONLY_FOR.get(self.kind, vendor) != vendor:
            return False
        if self.kind == "posthog_results" and not path.startswith("/i/v1/"):
            return False
        return self.path is None or path.startswith(self.path)


class Faults:
    """The faults that wait, in the order in which they were asked for; the first that fits hits. One thread only."""

    def __init__(self, changed: Callable[[], None], chance: Callable[[], float] = random.random) -> None:
        self._changed = changed
        self._chance = chance
        self._ids = count(1)
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Take a fault whose `complaint` is empty; returns it with its id. Raises ValueError beyond 50 of them."""
        if len(self._waiting) >= MAX_FAULTS:
            raise ValueError(f"{MAX_FAULTS} faults are waiting already: take some back first")
        fault.id = next(self._ids)
        fault.hits = 0
        self._waiting.append(fault)
        self._changed()
        return fault

    def remove(self, fault_id: int) -> bool:
        """Take one back; False if it is gone already."""
        before = len(self._waiting)
        self._waiting = [fault for fault in self._waiting if fault.id != fault_id]
        if len(self._waiting) != before:
            self._changed()
        return len(self._waiting) != before

    def clear(self) -> None:
        """Take all of them back."""
        self._waiting = []
        self._changed()

    def all(self) -> list[Fault]:
        """Return those that wait."""
        return list(self._waiting)

    def hit(self, vendor: str, path: str) -> Fault | None:
        """Return the fault that hits this request, counted; None for most requests."""
        for fault in self._waiting:
            if not fault.fits(vendor, path):
                continue
            if fault.percent is not None and self._chance() * 100 >= fault.percent:
                continue
            fault.hits += 1
            if fault.times is not None:
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
            self._changed()
            return fault
        return None


def answer(fault: Fault, reading: Reading) -> Answer | None:
    """Return what is answered to a request with these events; None where the vendor's own answer stands."""
    if fault.kind.startswith("status_"):
        wait = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
        return Answer(int(fault.kind.removeprefix("status_")), wait)
    if fault.kind == "amplitude_indexes":
        return amplitude_invalid({"event_properties": _indexes(fault, reading) or [0]})
    if fault.kind == "amplitude_throttle":
        return _throttled(fault, reading)
    if fault.kind == "posthog_results":
        return _results(fault, reading)
    if fault.kind == "bad_body":
        return Answer(200, {"Content-Type": "application/json"}, b'{"this is": "not what was agreed on')
    return None


def _indexes(fault: Fault, reading: Reading) -> list[int]:
    """Those of the fault that the request has; without any, its first."""
    return sorted({index for index in fault.indexes if index < len(reading.events)}) or [0][: len(reading.events)]


def _throttled(fault: Fault, reading: Reading) -> Answer:
    """429 that names the users and devices of some events, and all of their events."""
    events = [as_dict(raw) or {} for raw in reading.events]
    users: dict[str, int] = {}
    devices: dict[str, int] = {}
    for index in _indexes(fault, reading):
        for names, key in ((users, "user_id"), (devices, "device_id")):
            if isinstance(name := events[index].get(key), str):
                names[name] = 31
                break  # a user is throttled as that, and only who has no user by the device
    throttled = [
        at for at, event in enumerate(events) if event.get("user_id") in users or event.get("device_id") in devices
    ]
    return amplitude_error(
        429,
        "Too many requests for some devices and users",
        eps_threshold=30,
        throttled_users=users,
        throttled_devices=devices,
        throttled_events=throttled,
        exceeded_daily_quota_users={},
        exceeded_daily_quota_devices={},
    )


def _results(fault: Fault, reading: Reading) -> Answer:
    """200 of capture V1 that drops the first of some events and wants the others again."""
    said: dict[str, Any] = {uuid: posthog_result("ok") for uuid in reading.ids}
    hit: Sequence[int] = _indexes(fault, reading)
    for place, index in enumerate(hit):
        said[reading.ids[index]] = posthog_result("drop" if place == 0 else "retry")
    return document(200, {"results": said}, {"Retry-After": str(fault.retry_after or 1)} if len(hit) > 1 else None)
