"""Connections as they are below HTTP: counted, and cut with a reset where a fault asks for one.

uvicorn's applications do not see their sockets; its protocol does. So it is told of each connection as it comes and
goes, and an application finds its own by the peer's address.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

_GRACE_SECONDS = 0.05
"""Between the first half of an answer and the reset, so that the half is seen."""


class Connections:
    """The open connections of one server, by their peer. One thread only."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def made(self, transport: asyncio.Transport) -> None:
        """Note one that was accepted."""
        self._open[_peer(transport)] = transport
        # uvicorn writes head and body one after the other, and asyncio leaves sockets alone that were not made by name
        # of their protocol: without this, the second waits 40 ms for the client's delayed acknowledgement of the first.
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def lost(self, transport: asyncio.Transport | None) -> None:
        """Note one that is gone."""
        if transport is not None:
            self._open.pop(_peer(transport), None)

    def reset(self, client: tuple[str, int]) -> None:
        """Cut a connection with a TCP reset: what either side has not read is lost."""
        transport = self._open.get(client)
        if transport is None or transport.is_closing():
            return
        linger_not(transport)
        transport.abort()

    async def send_half(self, client: tuple[str, int], whole: bytes) -> None:
        """Send the first half of an answer, and cut the connection a moment later."""
        transport = self._open.get(client)
        if transport is None or transport.is_closing():
            return
        transport.write(whole[: max(len(whole) // 2, 1)])
        await asyncio.sleep(_GRACE_SECONDS)
        self.reset(client)

    def all(self) -> list[asyncio.Transport]:
        """Return those that are open."""
        return list(self._open.values())


def linger_not(transport: asyncio.Transport) -> None:
    """Have the connection's close send RST instead of FIN."""
    outer = transport.get_extra_info("socket")
    if outer is None:
        return
    # A second descriptor of the same socket: event loops hand out a likeness that has not every method.
    with suppress(OSError), socket.socket(fileno=os.dup(outer.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def protocol_class(connections: Connections) -> type[asyncio.Protocol]:
    """Return uvicorn's own protocol, httptools' where it is installed, telling of its connections."""
    try:
        uvicorns: Any = import_module("uvicorn.protocols.http.httptools_impl").HttpToolsProtocol
    except ImportError:
        uvicorns = import_module("uvicorn.protocols.http.h11_impl").H11Protocol

    class Told(uvicorns):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            connections.made(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.lost(self.transport)
            super().connection_lost(exc)

    told: type[asyncio.Protocol] = Told
    return told


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    name = transport.get_extra_info("peername") or ("", 0)
    return name[0], name[1]
