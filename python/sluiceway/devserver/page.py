"""The page's files: read once at the start, from a fixed folder, served by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

STATIC = Path(__file__).parent / "static"

# Anything else in the folder is not served.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
}


def files(folder: Path = STATIC) -> dict[str, tuple[bytes, str]]:
    """Return the bytes and the type of each file of the page."""
    return {
        path.name: (path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in _TYPES
    }


def page_routes(served: Mapping[str, tuple[bytes, str]]) -> list[BaseRoute]:
    """Return the routes of the page and its files."""

    async def index(_request: Request) -> Response:
        return _file(served, "index.html")

    async def static(request: Request) -> Response:
        return _file(served, request.path_params["name"])

    return [Route("/", _endpoint(index)), Route("/static/{name}", _endpoint(static))]


def to_the_slash(request: Request) -> Response:
    """Send `/debug/TOKEN` to `/debug/TOKEN/`, from where the page finds its files."""
    return RedirectResponse(f"/debug/{request.path_params['token']}/", 308)


def _endpoint(function: Callable[[Request], Any]) -> Callable[[Request], Any]:
    return function


def _file(served: Mapping[str, tuple[bytes, str]], name: str) -> Response:
    found = served.get(name)
    if found is None:
        return Response("no such file", 404, media_type="text/plain")
    return Response(found[0], media_type=found[1])
