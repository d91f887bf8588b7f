"""The least of a WSGI app."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import shared


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    said = json.dumps(shared.answer(environ["PATH_INFO"], dict(parse_qsl(environ["QUERY_STRING"])))).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(said)))])
    return [said]


application = app
