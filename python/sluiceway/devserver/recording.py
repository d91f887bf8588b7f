"""What has been judged is counted, compared with what came before, and kept: all of it, or a sample when there is much.

All of it happens on the server's own thread, before the answer leaves: who has read an answer finds the count there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from sluiceway.devserver.columns import columns
from sluiceway.devserver.counters import Counters
from sluiceway.devserver.duplicates import Seen, Unsettled
from sluiceway.devserver.masking import Masker, keys_in_event, keys_of, masked_headers, masked_path
from sluiceway.devserver.reasons import NOTE
from sluiceway.devserver.remarks import DUPLICATE, FUTURE, LATE, skewed, unreadable
from sluiceway.devserver.sampling import Sampler, spread
from sluiceway.devserver.shapes import Event, Mark, Request, Row
from sluiceway.devserver.store import Store
from sluiceway.devserver.tables import UNREADABLE
from sluiceway.devserver.timing import Clock, odd_times
from sluiceway.devserver.verdicts import Verdicts
from sluiceway.testing.strict.reading import Reading, as_dict

MAX_EVENT_CHARS = 256 * 1024
"""Of an event's JSON; of a longer one the beginning is kept."""

MAX_ANSWER_CHARS = 2048


class Taken(msgspec.Struct, kw_only=True):
    """One request, judged, as it is to be recorded."""

    number: int
    vendor: str
    method: str
    path: str
    headers: Mapping[str, str]
    arrived: float
    clock: Clock
    sent_nbytes: int
    body: bytes
    reading: Reading
    outlines: Sequence[Any]
    keys: list[str]
    """The keys that its body names."""
    is_historical: bool = False
    verdicts: Verdicts
    status: int | None
    answer: bytes
    fault: str
    attempt: int
    connection: str
    duration_ms: float


class Recorder:
    """Counters, memory of ids, and the way into the store. One thread only."""

    def __init__(self, store: Store, monotonic: Callable[[], float], now: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._now = now
        self._seen = Seen()
        self._unsettled = Unsettled()
        self._sampler = Sampler()
        self._seqs = count(store.last_seq + 1)
        self.numbers = count(store.last_number + 1)
        self.counters = Counters(now())

    @property
    def is_sampling(self) -> bool:
        """Whether some of what came in the last seconds was not kept."""
        return self._sampler.is_sampling(self._monotonic())

    def told(self) -> dict[str, Any]:
        """Return the counters, as JSON has them."""
        told = self.counters.told(self._now(), stored=self._store.count, sampling=self.is_sampling)
        return {**told, "not_stored": told["not_stored"] + self._store.failed}

    def clear(self) -> None:
        """Forget counts and ids."""
        self._seen.clear()
        self._unsettled.clear()
        self.counters.clear(self._now())

    def record(self, taken: Taken) -> None:
        """Count a request, and hand what is kept of it to the store."""
        verdicts = taken.verdicts
        attempts = self._compare(taken)
        self._mark_times(taken)
        kept = self._keep(taken, attempts)
        self.counters.request(taken.sent_nbytes)
        self.counters.not_stored += verdicts.nevents - kept
        self.counters.count(taken.vendor, verdicts.counts(), verdicts.mark_counts(), taken.arrived)

    def _compare(self, taken: Taken) -> dict[int, int]:
        """Find duplicates and retried events; returns the attempts that came before, by index."""
        verdicts, reading = taken.verdicts, taken.reading
        if not reading.ids:
            return {}
        hashes = _hashes(taken)
        before = self._unsettled.attempts(hashes)
        retried = list(before) if taken.attempt < 2 else range(verdicts.nevents)
        verdicts.mark("retried", retried)
        came = verdicts.taken()
        whole = len(came) == len(hashes)
        again = self._seen.note(hashes if whole else [hashes[at] for at in came])
        for place in again:
            _duplicate(taken, came[place])
        if verdicts.base == "retry" or "retry" in verdicts.but.values():
            later = [at for at in range(verdicts.nevents) if verdicts.of(at) == "retry"]
            counts = {place: before[at] for place, at in enumerate(later) if at in before}
            self._unsettled.note([hashes[at] for at in later], counts)
        return before

    def _mark_times(self, taken: Taken) -> None:
        clock, verdicts = taken.clock, taken.verdicts
        if clock.is_skewed and verdicts.nevents:
            verdicts.common_marks.append("skew")
            verdicts.common.append(skewed(clock))
        now = taken.arrived if clock.sent is None else clock.sent
        future, late = odd_times([event.time for event in taken.outlines], now)
        verdicts.mark("future", future, FUTURE[taken.vendor])
        if not taken.is_historical:
            verdicts.mark("late", late, LATE[taken.vendor])

    def _keep(self, taken: Taken, attempts: Mapping[int, int]) -> int:
        verdicts = taken.verdicts
        room = self._sampler.take(verdicts.nevents, self._monotonic())
        sampled: list[Mark] = ["sampled"] if room < verdicts.nevents else []
        masker = Masker([*taken.keys, *keys_of(taken.headers, taken.path.partition("?")[2])])
        chosen = spread(verdicts.nevents, room, verdicts.flagged()) if room else []
        events = [self._event(taken, at, attempts.get(at, 0) + 1, sampled, masker) for at in chosen]
        if not verdicts.nevents and verdicts.base != "delivered":
            events = [self._unread(taken)]
        # A request of which nothing is kept is told by the counters alone, unless it is itself worth a look.
        request = _request(taken, masker) if events or not verdicts.nevents else None
        if not self._store.keep(request, events):
            self._sampler.left_out(self._monotonic())
            return 0
        if sampled:
            self.counters.marks["sampled"] += len(events)
        return min(len(events), verdicts.nevents)

    def _unread(self, taken: Taken) -> Event:
        """A row for a request in which nobody could find an event: what was in it is lost all the same.

        Nothing of its body is kept: where it cannot be read, its key cannot be found to be masked.
        """
        verdicts = taken.verdicts
        reasons = [unreadable(taken.body), *verdicts.common]
        row = Row(
            seq=next(self._seqs),
            received=taken.arrived,
            vendor=taken.vendor,
            type=UNREADABLE,
            event="(unreadable request)",
            user="",
            anonymous="",
            id="",
            verdict=verdicts.base,
            reason=reasons[-1].text if len(reasons) > 1 else reasons[0].text,
            marks=["retried"] if taken.attempt > 1 else [],
            attempt=taken.attempt,
            request=taken.number,
            nbytes=len(taken.body),
            library="",
        )
        return Event(row, '""', reasons)

    def _event(self, taken: Taken, at: int, attempt: int, sampled: Sequence[Mark], masker: Masker) -> Event:
        raw, verdicts, reading = taken.reading.events[at], taken.verdicts, taken.reading
        event = as_dict(raw) or {}
        plain = bytes(raw).decode("utf-8", "replace")
        if own := keys_in_event(plain, event):
            masker = Masker([*own, *masker.keys])
        text = masker.text(plain)
        if text != plain:  # before anything is cut: half a key would not be known
            event, text = _read_again(text)
        said = columns(taken.vendor, event, taken.headers)
        reasons = verdicts.reasons(at)
        event_id = reading.ids[at]
        row = Row(
            seq=next(self._seqs),
            received=taken.arrived,
            vendor=taken.vendor,
            type=said.type,
            event=said.event,
            user=said.user,
            anonymous=said.anonymous,
            id="" if event_id.startswith("\0") else masker.text(event_id)[:200],
            verdict=verdicts.of(at),
            reason=next((reason.text for reason in reasons if reason.kind != NOTE), ""),
            marks=list(dict.fromkeys((*verdicts.marks(at), *sampled))),
            attempt=max(attempt, taken.attempt),
            request=taken.number,
            nbytes=len(raw),
            library=said.library,
        )
        return Event(row, text[:MAX_EVENT_CHARS], reasons)


def _read_again(text: str) -> tuple[dict[str, Any], str]:
    """Return an event and its JSON without the keys that were in it.

    What somebody sends as a key may be a piece of JSON, and without it the rest is none: then that is told as a text.
    """
    try:
        return as_dict(msgspec.Raw(text.encode())) or {}, text
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}, msgspec.json.encode(text).decode()


def _hashes(taken: Taken) -> list[int]:
    """Of ids within their vendor's scope: Amplitude folds them per device, the others by themselves."""
    salt = _SALTS[taken.vendor]
    ids = taken.reading.ids
    if taken.vendor == "amplitude":
        pairs = zip(ids, (event.other for event in taken.outlines), strict=True)
        return [hash((one, other if isinstance(other, str) else None, salt)) for one, other in pairs]
    if any(one[:1] == "\0" for one in ids):  # an event without an id is no copy of any other
        return [hash((one, taken.number)) if one[:1] == "\0" else hash(one) ^ salt for one in ids]
    return [hash(one) ^ salt for one in ids]


_SALTS = {"segment": 0, "rudderstack": 0x5A5A5A5A, "posthog": 0x3C3C3C3C3C, "amplitude": 1}


def _duplicate(taken: Taken, at: int) -> None:
    verdicts = taken.verdicts
    if taken.vendor != "rudderstack":
        verdicts.but[at] = "duplicate"
    verdicts.mark("duplicate", [at], DUPLICATE[taken.vendor])


def _request(taken: Taken, masker: Masker) -> Request:
    return Request(
        number=taken.number,
        received=taken.arrived,
        vendor=taken.vendor,
        method=taken.method,
        path=masked_path(taken.path, masker)[:2048],
        status=taken.status,
        answer=masker.text(taken.answer.decode("utf-8", "replace"))[:MAX_ANSWER_CHARS],
        fault=taken.fault,
        headers=masked_headers(taken.headers, masker),
        nbytes_sent=taken.sent_nbytes,
        nbytes=len(taken.body),
        events=taken.verdicts.nevents,
        attempt=taken.attempt,
        client=masker.text(taken.headers.get("user-agent", ""))[:200],
        connection=taken.connection,
        duration_ms=round(taken.duration_ms, 3),
    )
