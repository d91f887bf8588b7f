"""The vendors' ingestion APIs: reads a request, judges it, records it, answers it, or breaks as it was asked to."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping

from sluiceway.devserver.asides import aside
from sluiceway.devserver.cutting import Connections
from sluiceway.devserver.faults import Fault, Faults
from sluiceway.devserver.faults import answer as faulty_answer
from sluiceway.devserver.outline import outline
from sluiceway.devserver.reading import Read, arriving_of, read
from sluiceway.devserver.recording import Recorder, Taken
from sluiceway.devserver.security import Receive, Scope, Send
from sluiceway.devserver.telling import Place, place, takes_events, vendor_of
from sluiceway.devserver.timing import Clock
from sluiceway.devserver.verdicts import Ending, verdicts
from sluiceway.testing.answers import Answer
from sluiceway.testing.arriving import Arriving, unpacked
from sluiceway.testing.strict.reading import Told
from sluiceway.testing.wire import MAX_BODY_BYTES, Malformed, compose

_logger = logging.getLogger("sluiceway")

_DEFAULT_SILENCE_SECONDS = 60.0
_ENDINGS: Mapping[str, Ending] = {"reset": "reset", "reset_half": "cut", "black_hole": "silent"}
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{0,1000}")


class TooLarge(Exception):
    """A body larger than this server reads."""


class Ingestion:
    """An ASGI application. `vendor` reads what no prefix says; `told` gets numbers for the log, one call a request."""

    def __init__(
        self,
        recorder: Recorder,
        faults: Faults,
        connections: Connections,
        *,
        vendor: str | None,
        front: str,
        told: Callable[[Taken], None],
    ) -> None:
        self._recorder = recorder
        self._faults = faults
        self._connections = connections
        self._vendor = vendor
        self._front = front.encode()
        self._told = told
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every wait: delays and black holes are cut."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        arrived = time.time()
        method: str = scope["method"]
        where = place(scope["path"])
        if where.vendor is None and self._vendor is not None:
            where = Place(self._vendor, where.path)
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        shared = _cross_origin(headers)
        if method == "OPTIONS":
            await _send(send, 204, _preflight(headers) | shared, b"")
            return
        if method == "POST" and takes_events(where):
            try:
                body = await _body(receive, headers)
            except TooLarge:
                await _send(send, 413, {"Connection": "close"} | shared, b"")
                return
            if body is None:
                return
            try:
                await self._take(scope, send, where, headers, body, arrived, shared)
            except Exception as error:
                # Its text may hold a value of an event: who it was and where is all that is told.
                _logger.error("the local server failed on a request: %s", _where(error))
                await _send(send, 500, {"Connection": "close"} | shared, b"")
            return
        await self._beside(send, method, where, shared)

    async def _beside(self, send: Send, method: str, where: Place, shared: Mapping[str, str]) -> None:
        said = aside(where)
        if said is not None and method in ("GET", "HEAD", "POST"):
            await _send(send, 200, {"Content-Type": said[0], **shared}, said[1])
        elif where.path == "/" and method in ("GET", "HEAD"):
            await _send(send, 200, {"Content-Type": "text/plain; charset=utf-8"}, self._front)
        elif takes_events(where):
            await _send(send, 405, {"Allow": "POST, OPTIONS", **shared}, b"")
        else:
            who = where.vendor or "no vendor"
            text = f"{who} takes no events at this path. GET / says how to point a client here.\n"
            await _send(send, 404, {"Content-Type": "text/plain; charset=utf-8", **shared}, text.encode())

    async def _take(
        self,
        scope: Scope,
        send: Send,
        where: Place,
        headers: Mapping[str, str],
        body: bytes,
        arrived: float,
        shared: dict[str, str],
    ) -> None:
        started = time.monotonic()
        query = scope["query_string"].decode("latin-1")
        path = where.path + (f"?{query}" if query else "")
        arriving = arriving_of(next(self._recorder.numbers), scope["method"], path, headers, body)
        vendor = vendor_of(where, arriving)
        done = read(arriving, vendor)
        fault = self._faults.hit(vendor, where.path)
        if fault is not None and fault.kind == "delay":
            await self._pause(fault.delay_seconds)
        told, ending = _answered(done, fault)
        client: tuple[str, int] = scope["client"]
        taken = self._judged(done, told, ending, vendor, arriving, scope, arrived)
        taken.fault = fault.kind if fault else ""
        taken.duration_ms = (time.monotonic() - started) * 1000
        self._recorder.record(taken)
        self._told(taken)
        if ending == "reset":
            self._connections.reset(client)
        elif ending == "silent":
            await self._pause((fault.delay_seconds if fault else 0) or _DEFAULT_SILENCE_SECONDS)
            self._connections.reset(client)
        elif ending == "cut":
            whole = compose(told.answer.status, told.answer.headers, told.answer.body or b"", keep_alive=True)
            await self._connections.send_half(client, whole)
        else:
            status = 204 if _is_beacon(query, vendor) and told.answer.status == 200 else told.answer.status
            await _send(send, status, told.answer.headers | shared, told.answer.body or b"")
            return
        await asyncio.sleep(0)  # uvicorn learns of the cut before this request ends without an answer
        await asyncio.sleep(0)

    def _judged(
        self, done: Read, told: Told, ending: Ending, vendor: str, arriving: Arriving, scope: Scope, arrived: float
    ) -> Taken:
        reading, batch = done.reading, done.batch
        body = _unpacked(batch)
        whole = outline(vendor, batch, body, reading)
        client = scope["client"]
        query = scope["query_string"].decode("latin-1")
        return Taken(
            number=arriving.number,
            vendor=vendor,
            method=arriving.method,
            path=scope["path"] + (f"?{query}" if query else ""),
            headers=arriving.headers,
            arrived=arrived,
            clock=Clock(arrived, whole.sent_at),
            sent_nbytes=arriving.body_bytes,
            body=body,
            reading=reading,
            outlines=whole.events,
            keys=whole.keys,
            is_historical=whole.is_historical,
            verdicts=verdicts(vendor, reading, told.answer, told.fates, ending, whole.events),
            status=None if ending != "answered" else told.answer.status,
            answer=told.answer.body or b"" if ending in ("answered", "cut") else b"",
            fault="",
            attempt=arriving.attempt + 1,
            connection=f"{client[0]}:{client[1]}",
            duration_ms=0.0,
        )

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except asyncio.TimeoutError:
            return


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].name}, line {frames[-1].lineno}" if frames else type(error).__name__


def _answered(done: Read, fault: Fault | None) -> tuple[Told, Ending]:
    """What is said to the client, in the vendor's words, and how the exchange ends."""
    reading = done.reading
    answer = faulty_answer(fault, reading) if fault is not None else None
    if answer is None:
        answer = reading.refusal or Answer(200)
    return done.strict.tell(answer, reading), _ENDINGS.get(fault.kind if fault else "", "answered")


def _unpacked(arriving: Arriving) -> bytes:
    """The body as it was before it was packed; as it came if nobody can unpack it."""
    try:
        if arriving.encoding in ("identity", "gzip"):
            return arriving.body
        return unpacked(arriving.sent_body, arriving.encoding)
    except Malformed:
        return arriving.sent_body


def _is_beacon(query: str, vendor: str) -> bool:
    return vendor == "posthog" and "beacon=1" in query.split("&")


async def _body(receive: Receive, headers: Mapping[str, str]) -> bytes | None:
    """Read the whole body; None when the client goes away. Raises `TooLarge`."""
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise TooLarge
    pieces: list[bytes] = []
    nbytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        nbytes += len(piece)
        if nbytes > MAX_BODY_BYTES:
            raise TooLarge
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _cross_origin(headers: Mapping[str, str]) -> dict[str, str]:
    """What a browser wants to read before it lets a page of another port of this machine see the answer."""
    origin = headers.get("origin")
    return {} if origin is None else {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _preflight(headers: Mapping[str, str]) -> dict[str, str]:
    wanted = headers.get("access-control-request-headers", "")
    return {
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": wanted if _HEADER_NAMES.fullmatch(wanted) else "content-type",
        "Access-Control-Max-Age": "600",
    }


async def _send(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    if status not in (204, 304):
        raw.append((b"content-length", str(len(body)).encode()))
    start: MutableMapping[str, object] = {"type": "http.response.start", "status": status, "headers": raw}
    await send(start)
    await send({"type": "http.response.body", "body": body})
