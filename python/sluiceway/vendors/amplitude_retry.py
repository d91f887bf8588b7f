"""Amplitude's retry handlers: what may be given as ``retry_class`` instead of this package's own retries.

A handler is anything with ``send_events_with_retry(events)`` (``handover.Retry``). `BaseRetryHandler` sends once and
has the parts to build another one from; `OfflineRetryHandler` keeps what could not be sent, for machines that are often
without a network.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sluiceway.client import VERSION
from sluiceway.options import Options, resolve
from sluiceway.reading import as_secret
from sluiceway.threads import allocate_lock
from sluiceway.transport import KeptResponse, Request, Response, Transport, TransportError, Urllib3Transport
from sluiceway.vendors.amplitude_options import AmplitudeOptions, Settings, read
from sluiceway.vendors.amplitude_page import owner
from sluiceway.vendors.base import Sending, Vendor
from sluiceway.verdict import Bisect, Delivered, Named, Partial, Reject, Split, Throttled, Unauthorized, Verdict

if TYPE_CHECKING:
    from typing_extensions import Unpack

# Finding one refused event among 2,000 takes 22 requests; beyond this the rest is kept for the next time.
_MAX_REQUESTS = 64

_TOO_LARGE = Response(status=413, body=b'{"code":413,"error":"Payload too large"}')
_NOTHING_TO_SEND = Response(status=200, body=b'{"code":200,"events_ingested":0}')


class BaseRetryHandler:
    """Sends each batch once and retries nothing. Extend it: override `send_events_with_retry`, call its parts.

    Takes the same options as `Amplitude`; those about where, how long and through what to send are what it uses.
    """

    def __init__(self, api_key: str, **options: Unpack[AmplitudeOptions]) -> None:
        """Check the options. Opens no connection. Raises ConfigError."""
        key = as_secret(api_key, "api_key")
        self._settings: Settings
        self._page: Vendor
        self._settings, self._page, general = read(options)
        self._options: Options = resolve(self._page, key, general)
        self._transport: Transport = self._options.transport or Urllib3Transport(
            self._options.endpoint,
            connect_seconds=self._options.connect_timeout,
            gzip=self._options.gzip,
            ssl_context=self._options.ssl_context,
        )

    def send_events_with_retry(self, events: list[dict[str, Any]], /) -> Response:
        """Send the events in one request and return what was answered.

        Events that do not fit into one request are not sent: the answer is a 413 of our own. Raises TransportError when
        there is no answer.
        """
        return self.send(self.encode(events))

    def encode(self, events: Iterable[dict[str, Any]]) -> list[bytes]:
        """Return each event as JSON."""
        return [msgspec.json.encode(event) for event in events]

    def payload(self, events: Sequence[bytes]) -> bytes:
        """Return the body of a request with these events: the key, the events, the options."""
        now = time.time()
        around = self._page.envelope(
            self._options.write_key.reveal(), Sending(sent_at=now, created_at=now, attempt=1, request_id="")
        )
        return around.head + b",".join(events) + around.tail

    def fitting(self, events: Sequence[bytes]) -> int:
        """Return how many of the events, from the first on, fit into one request."""
        room = self._options.max_batch_bytes - self._page.envelope_bytes(self._options.write_key.reveal()) + 1
        for count, event in enumerate(events[: self._options.max_batch_events]):
            room -= len(event) + 1
            if room < 0:
                return count
        return min(len(events), self._options.max_batch_events)

    def send(self, events: Sequence[bytes]) -> Response:
        """Make one request. Blocks for ``request_timeout`` at most. Raises TransportError when there is no answer."""
        if not events:
            return _NOTHING_TO_SEND
        if self.fitting(events) < len(events):
            return _TOO_LARGE
        request = Request(
            path=self._options.endpoint.path,
            headers=self._page.headers(self._options.write_key.reveal(), VERSION),
            body=self.payload(events),
            deadline=time.monotonic() + self._options.timeout,
        )
        return self._transport.send(request)

    def judge(self, response: Response) -> Verdict:
        """Say what a response means for its events."""
        return self._page.judge(response.status, response.headers, response.body, now=time.time())

    def close(self) -> None:
        """Let go of every connection. May be called twice."""
        self._transport.close()

    def __repr__(self) -> str:
        """Tell where it sends, and the last characters of the key at most."""
        return f"<{type(self).__name__} {self._options.write_key!r} {self._options.endpoint.url}>"


class _Saved(msgspec.Struct):
    """An event that waits. ``place`` is where it stands among the events of the call under way; -1 is from before."""

    event: bytes
    place: int = -1


class _Backlog:
    """What one process keeps: a forked child begins with nothing, its parent's events are the parent's to send."""

    __slots__ = ("dropped", "events", "lock", "refused")

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.events: list[_Saved] = []
        self.dropped = 0
        self.refused = 0


class OfflineRetryHandler(BaseRetryHandler):
    """Keeps the events that could not be sent, and sends them before those of the next call, in order.

    At most ``max_cached_events`` are kept, in memory; beyond that the oldest are dropped, and counted. There is no
    timer: ``send_events_with_retry([])`` tries to send what is kept. For several threads, one request at a time.
    """

    def __init__(self, api_key: str, **options: Unpack[AmplitudeOptions]) -> None:
        """Check the options. Opens no connection. Raises ConfigError."""
        super().__init__(api_key, **options)
        self._backlogs: dict[int, _Backlog] = {}

    @property
    def saved(self) -> int:
        """How many events are kept."""
        return len(self._mine().events)

    @property
    def dropped(self) -> int:
        """How many kept events were dropped, because there were too many."""
        return self._mine().dropped

    @property
    def refused(self) -> int:
        """How many kept events Amplitude refused for good when they were sent again."""
        return self._mine().refused

    def send_events_with_retry(self, events: list[dict[str, Any]], /) -> Response:
        """Send what is kept and then these events, in as many requests as that takes. Never raises for the network.

        A success means that all of them arrived. Otherwise the events are kept, or were sent along the way, but for
        those that the answer names as refused; a refusal of all of them, or of the key, is what the server answered.
        """
        backlog = self._mine()
        with backlog.lock:
            line = [*backlog.events]
            line += [_Saved(event, place) for place, event in enumerate(self.encode(events))]
            refused, response = self._send_all(line)
            fresh_left = any(saved.place >= 0 for saved in line)
            is_bad_key = fresh_left and isinstance(self.judge(response), Unauthorized)
            if is_bad_key:
                # Told as what it is, and not kept: nobody would hear of a wrong key before the events are dropped.
                line = [saved for saved in line if saved.place < 0]
            backlog.refused += sum(saved.place < 0 for saved in refused)
            self._keep(backlog, line)
        places = sorted(saved.place for saved in refused if saved.place >= 0)
        if is_bad_key or len(places) == len(events) > 0:
            return response if is_bad_key else _naming(places, Response)
        if places:
            return _naming(places, KeptResponse)
        if fresh_left:
            return KeptResponse(status=response.status, headers=response.headers, body=response.body)
        return response if isinstance(self.judge(response), Delivered) else _NOTHING_TO_SEND

    def _send_all(self, line: list[_Saved]) -> tuple[list[_Saved], Response]:
        """Send from the front of the line until it is empty or something has to wait; what is settled leaves it."""
        refused: list[_Saved] = []
        response = _NOTHING_TO_SEND
        most = self._options.max_batch_events
        for _ in range(_MAX_REQUESTS):
            if not line:
                break
            part = line[:most]
            del part[max(1, self.fitting([saved.event for saved in part])) :]
            try:
                response = self.send([saved.event for saved in part])
            except TransportError:
                return refused, Response(status=0)
            verdict = self.judge(response)
            if isinstance(verdict, Delivered):
                del line[: len(part)]
            elif isinstance(verdict, Split | Bisect) and len(part) > 1:
                most = len(part) // 2
            elif gone := _refused(verdict, part):
                refused += gone
                line[:] = [saved for saved in line if not any(saved is one for one in gone)]
            else:
                break
        return refused, response

    def _keep(self, backlog: _Backlog, line: list[_Saved]) -> None:
        over = max(0, len(line) - self._settings.max_cached_events)
        backlog.dropped += over
        backlog.events = [_Saved(saved.event) for saved in line[over:]]

    def _mine(self) -> _Backlog:
        pid = os.getpid()
        return self._backlogs.get(pid) or self._backlogs.setdefault(pid, _Backlog())


def _refused(verdict: Verdict, part: list[_Saved]) -> list[_Saved]:
    """The events of a request that a verdict ends."""
    if isinstance(verdict, Reject) or (len(part) == 1 and isinstance(verdict, Split | Bisect | Partial)):
        return part
    if isinstance(verdict, Partial):
        return [part[index] for index in sorted(verdict.failed) if index < len(part)]
    if isinstance(verdict, Throttled):
        return [saved for index, saved in enumerate(part) if _is_named(verdict.failed, index, saved.event)]
    return []


def _is_named(named: Named, index: int, event: bytes) -> bool:
    whose = owner(event)
    return index in named.indices or whose.user in named.users or whose.device in named.devices


def _naming(places: list[int], kind: type[Response]) -> Response:
    """The answer that names the refused events by their places among those of the call."""
    body = {
        "code": 400,
        "error": "Invalid field values on some events",
        "events_with_invalid_fields": {"": places},
    }
    return kind(status=400, body=msgspec.json.encode(body))
