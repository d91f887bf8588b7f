"""Who may ask: this machine's own programs and pages only, and the debugger's page with its token.

A server on loopback is reached by every web page that a browser on this machine shows: by its name after a change of
DNS (so the Host header is checked), across origins (so Origin is), and blindly (so changes want a header of their own).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
CSRF_HEADER = b"x-sluiceway"

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_OWN = frozenset(name for name, _ in _PAGE_HEADERS)


class Guard:
    """An ASGI application in front of another, which it protects. `port` and `token` are this server's."""

    def __init__(self, app: App, *, port: int, token: str) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(f"{name}:{port}" for name in LOOPBACK_NAMES) | (
            frozenset(LOOPBACK_NAMES) if port == 80 else frozenset()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is not allowed, hand on the rest."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            await refuse(send, 421, "this server answers to 127.0.0.1, localhost and [::1] with its port only")
            return
        if not all(map(is_loopback, origins)):
            await refuse(send, 403, "only pages of this machine may send here")
            return
        path: str = scope["path"]
        if path != "/debug" and not path.startswith("/debug/"):
            await self._app(scope, receive, send)
            return
        given = path.split("/")[2] if path.count("/") >= 2 else ""
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token):
            await refuse(send, 404, "not found: open the page by the address that `sluiceway dev` prints")
            return
        if scope["method"] not in ("GET", "HEAD"):
            if [value for name, value in headers if name == CSRF_HEADER] != [b"1"]:
                await refuse(send, 403, "a change needs the header X-Sluiceway: 1")
                return
            if origins and origins != [f"http://{hosts[0]}"]:
                await refuse(send, 403, "a change must come from the server's own page")
                return
        await self._app(scope, receive, _with_page_headers(send))


def is_loopback(origin: str) -> bool:
    """Whether an Origin header names a page of this machine."""
    try:
        parts = urlsplit(origin)
        name = parts.hostname or ""
        _ = parts.port  # raises for what is no port
    except ValueError:
        return False
    plain = not (parts.path or parts.query or parts.fragment or parts.username is not None)
    return parts.scheme in ("http", "https") and plain and name in ("127.0.0.1", "localhost", "::1")


async def refuse(send: Send, status: int, text: str) -> None:
    """Answer with an error in JSON."""
    body = msgspec.json.encode({"error": text})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *_PAGE_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_page_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in _OWN]
            message = {**message, "headers": [*given, *_PAGE_HEADERS]}
        await send(message)

    return sending
