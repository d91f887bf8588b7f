"""The recipes of docs/scope.md that need no host: they run as they are printed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluiceway import Segment, scope
from sluiceway.testing import MemoryTransport

PAGE = (Path(__file__).parents[2] / "docs" / "scope.md").read_text()


def blocks(heading: str) -> list[str]:
    """The Python of a part of the page."""
    [part] = re.findall(rf"(?ms)^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", PAGE)
    return re.findall(r"(?s)```python\n(.*?)```", part)


@pytest.fixture
def memory() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def client(memory: MemoryTransport) -> Iterator[Segment]:
    with Segment("key", transport=memory) as client:
        yield client


def test_the_first_sample(client: Segment, memory: MemoryTransport) -> None:
    [sample] = blocks("Scopes")
    lines = sample.replace('client = Segment("WRITE_KEY")\n', "")
    exec(lines, {"client": client})
    first, second = memory.events
    assert (first["userId"], first["anonymousId"]) == (second["userId"], second["anonymousId"]) == ("u1", "a1")
    assert first["context"]["groupId"] == second["context"]["groupId"] == "c5"
    assert (second["context"]["ip"], second["context"]["locale"]) == ("203.0.113.7", "de-DE")


def test_threads(client: Segment, memory: MemoryTransport) -> None:
    [sample] = blocks("Threads")
    exec(sample, {"client": client, "scope": scope})
    assert [event["userId"] for event in memory.events] == ["u1"]


async def get(app: Any, name: str, *headers: tuple[bytes, bytes]) -> None:
    connection = {
        "type": "http",
        "method": "GET",
        "path": f"/{name}",
        "raw_path": b"",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"user-agent", name.encode()), *headers],
    }
    received = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if received.is_set():
            await asyncio.Event().wait()
        received.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(connection, receive, send)
    assert sent[0]["status"] == 200


def test_starlette(client: Segment, memory: MemoryTransport) -> None:
    """Two requests at once, one of a user: in the endpoint, in a dependency's thread, in the stream and afterwards."""
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    middleware, dependency = blocks("ASGI: Starlette, FastAPI")
    names: dict[str, Any] = {"Request": Request, "scope": scope}
    exec(middleware, names)
    exec(dependency, names)

    async def endpoint(request: Request) -> StreamingResponse:
        client.track(event="before login")
        await asyncio.sleep(0.01)
        if "x-user" in request.headers:
            await asyncio.to_thread(names["current_user"], request)

        async def body() -> Any:
            for number in range(2):
                client.track(event="streamed")
                yield f"{number}"
                await asyncio.sleep(0)

        client.track(event="after login")
        return StreamingResponse(body(), background=BackgroundTask(client.track, event="background"))

    async def through(request: Request, call_next: Any) -> Any:
        answer = await call_next(request)
        client.track(event="after the endpoint")
        return answer

    app = Starlette(routes=[Route("/{name}", endpoint)])
    app.add_middleware(BaseHTTPMiddleware, dispatch=through)
    app.add_middleware(names["ScopeMiddleware"])

    async def main() -> None:
        user = (b"x-user", b"u1")
        await asyncio.gather(
            get(app, "one", (b"cookie", b"visitor=a1"), user),
            get(app, "two", (b"cookie", b"visitor=a2")),
            get(app, "three", (b"cookie", b"visitor='; drop"), user),
        )

    asyncio.run(main())
    seen: dict[str, set[Any]] = {}
    for event in memory.events:
        page = event["context"]["page"]["path"]
        assert event["context"]["userAgent"] == page[1:]
        seen.setdefault(page, set()).add((event["event"], event.get("userId"), event.get("anonymousId")))
    said = ["after login", "streamed", "background", "after the endpoint"]
    assert seen["/one"] == {("before login", None, "a1"), *((name, "u1", "a1") for name in said)}
    assert seen["/two"] == {(name, None, "a2") for name in ["before login", *said]}
    # Nobody is known before the login there, so the first event is refused.
    assert seen["/three"] == {(name, "u1", None) for name in said}
    assert scope.current() == {}
