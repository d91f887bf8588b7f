"""The first request as it would go on the wire, and the first rejects, without a network and without a side effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from sluiceway.errors import InvalidEvent
from sluiceway.importing.clients import Destination, make_client
from sluiceway.importing.faults import Unfit, Unreadable
from sluiceway.importing.rejects import Reject
from sluiceway.importing.rows import BadRow
from sluiceway.importing.running import Job, makers
from sluiceway.importing.speaking import say_to
from sluiceway.secret import SHORTEST_WITH_A_TAIL
from sluiceway.transport import GZIP_MIN_BYTES, Request, Response

_ROWS = 1_000
_SHOWN_EVENTS = 3
_SHOWN_REJECTS = 10
_SECRET_HEADERS = ("authorization",)


class DryRun(msgspec.Struct, kw_only=True):
    """What was found: the request in lines, the rejects, and how many rows were looked at."""

    request: list[str]
    rejects: list[Reject]
    rows: int
    sent: int
    left_out: Mapping[str, int]
    note: str = ""


class _Keeping:
    """A transport that keeps the first request, and tells the client that all is well."""

    def __init__(self) -> None:
        self.first: Request | None = None

    def send(self, request: Request) -> Response:
        self.first = self.first or request
        return Response(status=200, body=b"{}")

    def close(self) -> None:
        """Nothing is open."""


def dry_run(job: Job) -> DryRun:
    """Make events of the first rows, up to a thousand, and show what would be sent first. Raises Misuse."""
    keeping = _Keeping()
    # Nothing is sent before all of it is there, so that the first request is as full as it would be.
    unhurried = {**job.to.options, "flush_at": _ROWS + 1, "flush_interval": 600.0}
    client: Any = make_client(msgspec.structs.replace(job.to, options=unhurried), transport=keeping)
    left_out: Counter[str] = Counter()
    make_for = makers(job, datetime.now(timezone.utc).replace(microsecond=0), left_out)
    say = say_to(job.to.vendor, client)
    found = DryRun(request=[], rejects=[], rows=0, sent=0, left_out=left_out)
    most = min(_ROWS, job.limit or _ROWS)
    try:
        for number, path in enumerate(job.files.paths):
            make = make_for(path)
            name = path if len(job.files.paths) > 1 else ""
            try:
                for chunk in job.files.open(number).chunks():
                    for line, row in zip(chunk.lines, chunk.rows, strict=True):
                        if found.rows >= most:
                            break
                        found.rows += 1
                        if isinstance(row, BadRow):
                            found.rejects.append(Reject(0, name, line, row.reason, row.message, b"", row.text))
                            continue
                        try:
                            found.sent += bool(say(make(row, line)))
                        except (Unfit, InvalidEvent) as error:
                            found.rejects.append(_reject(name, line, error))
                    if found.rows >= most:
                        break
            except Unreadable as error:
                found.note = f"{path} cannot be read further: {error}"
            if found.rows >= most:
                break
        client.flush(timeout=30.0)
    finally:
        client.close(timeout=5.0)
    if keeping.first is not None:
        found.request = shown(client, job.to, keeping.first)
    found.rejects = found.rejects[:_SHOWN_REJECTS]
    return found


def shown(client: Any, to: Destination, request: Request) -> list[str]:
    """Return a request in lines: method and address, headers, body. The key is masked wherever it stands."""
    endpoint, gzip = client._options.endpoint, client._options.gzip
    packed = gzip and len(request.body) >= GZIP_MIN_BYTES
    headers = {"Host": endpoint.url.partition("://")[2].partition("/")[0], **request.headers}
    headers["Content-Length"] = f"{len(request.body):,} bytes" + (", before gzip" if packed else "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    address = endpoint.url.partition("://")
    authority = address[2].partition("/")[0]
    lines = [f"{request.method} {address[0]}://{authority}{request.path}"]
    for name, value in headers.items():
        hidden = repr(to.key) if name.lower() in _SECRET_HEADERS else value
        lines.append(f"{name}: {hidden}")
    document = msgspec.json.decode(request.body)
    for holder in ("batch", "events"):
        events = document.get(holder)
        if isinstance(events, list) and len(events) > _SHOWN_EVENTS:
            document[holder] = [*events[:_SHOWN_EVENTS], f"… and {len(events) - _SHOWN_EVENTS:,} more"]
    key, masked = to.key.reveal(), repr(to.key)
    document = {name: masked if value == key else value for name, value in document.items()}
    text = "\n".join([*lines, "", msgspec.json.format(msgspec.json.encode(document), indent=2).decode()])
    # Wherever else it may stand, in an event for instance; but the few letters of a test's key are everywhere.
    return (text if len(key) < SHORTEST_WITH_A_TAIL else text.replace(key, masked)).splitlines()


def _reject(name: str, line: int, error: Unfit | InvalidEvent) -> Reject:
    if isinstance(error, Unfit):
        return Reject(0, name, line, error.reason, error.message, b"")
    return Reject(0, name, line, "invalid", f"{error.field} {error.message}", b"")
