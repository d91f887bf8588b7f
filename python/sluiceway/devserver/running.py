"""The server as a whole: its parts put together, and uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route

import sluiceway as package
from sluiceway.devserver.cutting import Connections, protocol_class
from sluiceway.devserver.faults import KINDS, Faults
from sluiceway.devserver.ingestion import Ingestion
from sluiceway.devserver.page import files, page_routes, to_the_slash
from sluiceway.devserver.pointing import front_text
from sluiceway.devserver.recording import Recorder, Taken
from sluiceway.devserver.routes import routes
from sluiceway.devserver.security import Guard
from sluiceway.devserver.shapes import Event
from sluiceway.devserver.store import Store
from sluiceway.devserver.stream import Hub
from sluiceway.testing.strict.detect import VENDORS, vendor_name

DEFAULT_PORT = 8765
MAX_EVENTS = 50_000

_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


class DevServer:
    """The local server behind `sluiceway dev`: listens from its construction until `close()`.

    `port` 0 takes a free one. `db` is a file that keeps the events for the next start; without one they are in memory.
    `vendor` reads what comes at the root (by default path and body tell). `token` is the page's, by default a new one;
    with the one of before, a page that is open goes on after a restart. `told` is called on the server's thread with
    each request that was judged. Binds 127.0.0.1, and ::1 where that is to be had.

    Raises ValueError for a token that could be guessed, OSError when the port is taken, and `StoreError` when `db`
    cannot be used.
    """

    def __init__(
        self,
        port: int = DEFAULT_PORT,
        *,
        db: str | None = None,
        max_events: int = MAX_EVENTS,
        vendor: str | None = None,
        redacts: bool = True,
        token: str | None = None,
        told: Callable[[Taken], None] | None = None,
    ) -> None:
        vendor = vendor_name(vendor)
        self.token = secrets.token_urlsafe(24) if token is None else _checked(token)
        self._sockets = _listen(port)
        self.port: int = self._sockets[0].getsockname()[1]
        self.redacts = redacts
        self._loop: asyncio.AbstractEventLoop | None = None
        try:
            self.store = Store(db, max_events, self._stored)
        except BaseException:
            self._let_go()
            raise
        try:
            self._put_together(vendor, told or (lambda _taken: None))
        except BaseException:
            self.store.close()
            self._let_go()
            raise
        self._thread = threading.Thread(target=self._run, name="sluiceway-dev", daemon=True)
        self._thread.start()
        if not self._started.wait(_START_SECONDS):
            self.close()
            raise RuntimeError("the server did not start")

    @property
    def url(self) -> str:
        """The address to give to a client as its host."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def page(self) -> str:
        """The address of the page, token included: whoever has it sees the events."""
        return f"{self.url}/debug/{self.token}/"

    def state(self) -> dict[str, Any]:
        """Return what the page begins with."""
        return {
            "version": package.__version__,
            "url": self.url,
            "vendors": list(VENDORS),
            "db": self.store.name,
            "max_events": self.store.max_events,
            "redacts": self.redacts,
            "trouble": self.store.trouble,
            "counters": self._counters(),
            "faults": self.faults.all(),
            "fault_kinds": list(KINDS),
        }

    def forget(self) -> None:
        """Forget counters and ids."""
        self.recorder.clear()

    def close(self) -> None:
        """Stop at once: streams end, open requests are cut, what waits is written. May be called twice."""
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._end)
            self._thread.join(_STOP_SECONDS)
        self.store.close()
        self._let_go()

    def __enter__(self) -> DevServer:
        """Return the server, which is already listening."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the server."""
        self.close()

    def _put_together(self, vendor: str | None, told: Callable[[Taken], None]) -> None:
        self.connections = Connections()
        self.recorder = Recorder(self.store, time.monotonic, time.time)
        self.faults = Faults(self._faults_changed)
        self.hub = Hub(self.state, self._counters, self.faults.all)
        self._ingestion = Ingestion(
            self.recorder, self.faults, self.connections, vendor=vendor, front=front_text(self.url), told=told
        )
        self._started = threading.Event()
        self._server = _Server(self._config(), self._has_started)

    # -- the event loop's thread

    def _config(self) -> uvicorn.Config:
        inner = Starlette(
            routes=[
                Route("/debug/{token}", to_the_slash),
                Mount("/debug/{token}", routes=routes(self, page_routes(files()))),
                Mount("/", app=self._ingestion),
            ]
        )
        return uvicorn.Config(
            Guard(inner, port=self.port, token=self.token),
            http=protocol_class(self.connections),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )

    def _run(self) -> None:
        # On uvloop's event loop where it is installed; uvicorn knows how.
        self._server.run(sockets=self._sockets)

    def _has_started(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started.set()

    def _end(self) -> None:
        self.hub.close()
        self._ingestion.close()
        self._server.end()

    def _counters(self) -> dict[str, Any]:
        self.recorder.counters.connections = len(self.connections)
        return self.recorder.told()

    def _faults_changed(self) -> None:
        self.hub.faults()

    def _stored(self, events: list[Event]) -> None:
        """Called on the store's thread: what is found from now on is told to the pages."""
        if events and self._loop is not None:
            with suppress(RuntimeError):  # the server has ended meanwhile
                self._loop.call_soon_threadsafe(self.hub.rows, events)

    def _let_go(self) -> None:
        for listener in self._sockets:
            listener.close()


def _checked(token: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]{24,200}", token) is None:
        raise ValueError("the token must have 24 to 200 letters, digits, hyphens and underscores")
    return token


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is up. On a thread that is not the main one it leaves signals alone."""

    def __init__(self, config: uvicorn.Config, has_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._has_started = has_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept."""
        await super().startup(sockets=sockets)
        self._ended = asyncio.Event()
        self._has_started()

    async def main_loop(self) -> None:
        """Wait for the end, without looking for it ten times a second as uvicorn does for its own sake."""
        await self._ended.wait()

    def end(self) -> None:
        """Stop accepting, and end. On the event loop's thread."""
        self.should_exit = True
        self._ended.set()


def _listen(port: int) -> list[socket.socket]:
    """Listen on 127.0.0.1, and beside it on ::1, since `localhost` may be either."""
    first = socket.create_server(("127.0.0.1", port), backlog=512)
    found = [first]
    with suppress(OSError):  # no IPv6 here, or somebody else's port there
        found.append(socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6, backlog=512))
    return found
