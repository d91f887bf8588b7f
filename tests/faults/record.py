"""What reached a server, in its own words: every request, and every event in it. No client's counter goes into it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

ID_KEYS = ("messageId", "uuid", "insert_id")
PAYLOAD_KEYS = ("properties", "event_properties")


class Entry(msgspec.Struct, frozen=True):
    """One event of one request."""

    id: str
    digest: str
    """Of the whole event but for its moment of sending, so that copies can be compared."""
    payload: Any
    """The properties, as they were read."""
    attempt: int
    """How many times the id has come so far, this time included."""
    connection: int
    request: int


class Seen(msgspec.Struct, kw_only=True, eq=False):
    """One request that was read to its end."""

    number: int
    connection: int
    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    head: bytes
    sent_body: bytes
    """As it came, compressed if it was."""
    entries: list[Entry] = []
    arrived_seconds: float = 0.0
    """When its last byte was there, on the clock of `time.monotonic()`."""
    told: int | None = None
    """The status of a head that was sent to its end; None when the client cannot have read a verdict."""
    answered_seconds: float = 0.0

    @property
    def body(self) -> bytes:
        """The body, unpacked."""
        return unpacked(self.headers, self.sent_body)

    @property
    def ids(self) -> list[str]:
        return [entry.id for entry in self.entries]

    @property
    def retry(self) -> int:
        """What its header counts; 0 without one."""
        return int(self.headers.get("x-retry-count", "0"))

    @property
    def is_taken(self) -> bool:
        return self.told is not None and 200 <= self.told <= 299


class Record:
    """Every request that was read to its end, in that order. Thread-safe."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.fragments = 0
        """Requests of which only a part was read."""
        self._times: dict[str, int] = {}
        self._changed = threading.Condition()

    def arrived(self, connection: int, head: bytes, sent_body: bytes) -> Seen:
        """Write a request down."""
        line, _, rest = head.decode("latin-1").partition("\r\n")
        method, target, _ = line.split(" ", 2)
        headers = {}
        for field in rest.split("\r\n"):
            name, _, value = field.partition(":")
            headers[name.strip().lower()] = value.strip()
        with self._changed:
            seen = Seen(
                number=len(self.requests),
                connection=connection,
                method=method,
                target=target,
                headers=headers,
                head=head,
                sent_body=sent_body,
                arrived_seconds=time.monotonic(),
            )
            for event in events_of(unpacked(headers, sent_body)):
                seen.entries.append(self._entry(event, seen))
            self.requests.append(seen)
            self._changed.notify_all()
        return seen

    def broke_off(self) -> None:
        """Count a request that will not be read to its end."""
        with self._changed:
            self.fragments += 1
            self._changed.notify_all()

    def told(self, seen: Seen, status: int) -> None:
        """Note that the whole head of an answer has been handed to the kernel."""
        with self._changed:
            seen.told = status
            seen.answered_seconds = time.monotonic()
            self._changed.notify_all()

    def wait_for(self, enough: Callable[[Record], object], timeout: float = 20.0) -> bool:
        """Block until a function of this record is true; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(enough(self)), timeout)

    @property
    def entries(self) -> list[Entry]:
        """Every event of every request."""
        return [entry for seen in self.requests for entry in seen.entries]

    @property
    def ids(self) -> set[str]:
        return {entry.id for entry in self.entries}

    @property
    def taken(self) -> set[str]:
        """The ids of requests whose client was told a 2xx."""
        return {id_ for seen in self.requests if seen.is_taken for id_ in seen.ids}

    @property
    def statuses(self) -> list[int | None]:
        return [seen.told for seen in self.requests]

    def of(self, id_: str) -> list[Seen]:
        """The requests that carried an id, in their order."""
        return [seen for seen in self.requests if id_ in seen.ids]

    def _entry(self, event: Mapping[str, Any], seen: Seen) -> Entry:
        id_ = next((str(event[key]) for key in ID_KEYS if key in event), "")
        payload = next((event[key] for key in PAYLOAD_KEYS if key in event), None)
        self._times[id_] = self._times.get(id_, 0) + 1
        return Entry(id_, digest(event), payload, self._times[id_], seen.connection, seen.number)


def digest(event: Mapping[str, Any]) -> str:
    """A hash of an event, without the moment of sending that RudderStack's events carry."""
    lasting = {key: value for key, value in event.items() if key != "sentAt"}
    return hashlib.blake2b(json.dumps(lasting, sort_keys=True).encode(), digest_size=16).hexdigest()


def unpacked(headers: Mapping[str, str], sent_body: bytes) -> bytes:
    """A body as it was before it was compressed."""
    return zlib.decompress(sent_body, 31) if headers.get("content-encoding") == "gzip" else sent_body


def events_of(body: bytes) -> Iterable[Mapping[str, Any]]:
    """The events of a request, whatever the vendor's envelope calls them; none of a body that is something else."""
    try:
        document = json.loads(body)
    except ValueError:
        return ()
    for key in ("batch", "events"):
        if isinstance(document, dict) and isinstance(document.get(key), list):
            return document[key]
    return ()
