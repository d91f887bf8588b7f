"""The page's API under `/debug/TOKEN/`: reading as JSON, the stream, and the few changes that it may make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

import msgspec
from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from sluiceway.devserver.asserting import assertion
from sluiceway.devserver.export import lines
from sluiceway.devserver.faults import Fault, Faults
from sluiceway.devserver.redaction import redact
from sluiceway.devserver.shapes import MARKS, VERDICTS
from sluiceway.devserver.store import Store
from sluiceway.devserver.stream import Hub
from sluiceway.devserver.tables import Filter

MAX_LIMIT = 1_000
MAX_SEQ = 2**62
MAX_JSON_BYTES = 64 * 1024
PING_SECONDS = 15


class Desk(Protocol):
    """What the API needs of its server."""

    store: Store
    faults: Faults
    hub: Hub
    redacts: bool

    def state(self) -> dict[str, Any]:
        """Return what the page begins with."""
        ...

    def forget(self) -> None:
        """Forget counters and ids."""
        ...


class Wrong(Exception):
    """A request that cannot be answered as it is; the text says what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def routes(desk: Desk, page: list[BaseRoute]) -> list[BaseRoute]:
    """Return the routes below the token, the page's own files among them."""
    api = [
        Route("/state", _plain(lambda _request: desk.state())),
        Route("/events", _asking(lambda request: _events(desk, request))),
        Route("/events/{seq:int}", _asking(lambda request: _event(desk, request))),
        Route("/requests/{number:int}", _asking(lambda request: _request(desk, request))),
        Route("/export.jsonl", _answering(lambda request: _export(desk, request))),
        Route("/stream", _answering(lambda request: _stream(desk, request))),
        Route("/faults", _asking(lambda request: _add_fault(desk, request)), methods=["POST"]),
        Route("/faults", _plain(lambda _request: _clear_faults(desk)), methods=["DELETE"]),
        Route("/faults/{id:int}", _plain(lambda request: _remove_fault(desk, request)), methods=["DELETE"]),
        Route("/clear", _asking(lambda _request: _clear(desk)), methods=["POST"]),
    ]
    return [Mount("/api", routes=api), *page]


def _json(said: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(said), status, media_type="application/json")


def _plain(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(answer(request))
        except Wrong as wrong:
            return _json({"error": wrong.text}, wrong.status)

    return endpoint


def _asking(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(await answer(request))
        except Wrong as wrong:
            return _json({"error": wrong.text}, wrong.status)

    return endpoint


def _answering(answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            return answer(request)
        except Wrong as wrong:
            return _json({"error": wrong.text}, wrong.status)

    return endpoint


def _filter(request: Request) -> Filter:
    given: Mapping[str, str] = request.query_params
    wanted = Filter(**{name: given.get(name, "")[:1000] for name in Filter.__struct_fields__})
    if wanted.verdict and wanted.verdict not in VERDICTS:
        raise Wrong(400, f"verdict must be one of {', '.join(VERDICTS)}")
    if wanted.mark and wanted.mark not in MARKS:
        raise Wrong(400, f"mark must be one of {', '.join(MARKS)}")
    return wanted


def _number(request: Request, name: str, default: int, most: int) -> int:
    given = request.query_params.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        raise Wrong(400, f"{name} must be a number from 0")
    return min(int(given), most)


async def _events(desk: Desk, request: Request) -> Any:
    rows, more = await asyncio.wrap_future(
        desk.store.rows(
            _filter(request),
            before=_number(request, "before", MAX_SEQ, MAX_SEQ),
            after=_number(request, "after", 0, MAX_SEQ),
            limit=max(_number(request, "limit", 100, MAX_LIMIT), 1),
        )
    )
    return {"events": rows, "more": more}


def _reveals(desk: Desk, request: Request) -> bool:
    return not desk.redacts or request.query_params.get("reveal") == "1"


async def _event(desk: Desk, request: Request) -> Any:
    found = await asyncio.wrap_future(desk.store.event(request.path_params["seq"]))
    if found is None:
        raise Wrong(404, "this event is not kept any more: the oldest go first (see --max-events)")
    event, of_request, attempts = found
    text, redacted = (event.json, False) if _reveals(desk, request) else redact(event.json)
    return {
        "row": event.row,
        "json": text,
        "redacted": redacted,
        "reasons": event.reasons,
        "request": of_request,
        "attempts": attempts,
        "pytest": assertion(event.row.vendor, text),
    }


async def _request(desk: Desk, request: Request) -> Any:
    found = await asyncio.wrap_future(desk.store.request(request.path_params["number"]))
    if found is None:
        raise Wrong(404, "this request is not kept any more: the oldest go first (see --max-events)")
    return {"request": found[0], "events": found[1]}


def _export(desk: Desk, request: Request) -> Response:
    reveals = _reveals(desk, request)
    body: AsyncIterator[bytes] = lines(desk.store, _filter(request), reveals=reveals)
    headers = {"Content-Disposition": 'attachment; filename="events.jsonl"'}
    return StreamingResponse(body, headers=headers, media_type="application/jsonl")


def _stream(desk: Desk, request: Request) -> Response:
    return EventSourceResponse(desk.hub.listen(_filter(request)), ping=PING_SECONDS, send_timeout=30)


async def _add_fault(desk: Desk, request: Request) -> Any:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_JSON_BYTES:
            raise Wrong(413, f"a fault has at most {MAX_JSON_BYTES} bytes")
    try:
        given = msgspec.json.decode(bytes(body), type=dict[str, Any])
        fault = msgspec.convert({name: value for name, value in given.items() if value is not None}, Fault)
    except msgspec.ValidationError as error:
        raise Wrong(400, f"not a fault: {error}") from None
    except msgspec.MsgspecError:
        raise Wrong(400, "not a fault: no JSON object") from None
    if complaint := fault.complaint():
        raise Wrong(400, complaint)
    try:
        return desk.faults.add(fault)
    except ValueError as error:
        raise Wrong(409, str(error)) from None


def _clear_faults(desk: Desk) -> dict[str, Any]:
    desk.faults.clear()
    return {}


def _remove_fault(desk: Desk, request: Request) -> Any:
    if not desk.faults.remove(request.path_params["id"]):
        raise Wrong(404, "this fault is gone already")
    return {}


async def _clear(desk: Desk) -> Any:
    desk.forget()
    await asyncio.wrap_future(desk.store.clear())
    desk.forget()  # what came meanwhile was forgotten with the rest
    desk.hub.cleared()
    return {}
