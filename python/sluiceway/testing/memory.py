"""A transport without a thread and without a socket: what is sent stays in memory, for tests of your own code."""

from __future__ import annotations

import gzip
import json
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

from sluiceway.testing.arriving import events_of
from sluiceway.transport import Request, Response, TransportError

Scripted: TypeAlias = int | Response | TransportError
"""A status, a whole response, or the error that `send` raises instead of answering."""


class MemoryTransport:
    """Give it to a client as `transport=`: every call is delivered before it returns, and nothing leaves the process.

    The whole way of an event is the real one (checks, middleware, encoding, batches, verdicts, callbacks); only the
    network is missing. `inline` tells the client to start no thread. Answers come from `script` in order, then 200.

        transport = MemoryTransport()
        client = Segment("key", transport=transport)
        client.track("user-1", "Signed Up")
        assert transport.events[0]["event"] == "Signed Up"

    Safe to use from several threads, and by several clients at once.
    """

    inline = True

    def __init__(self, script: Sequence[Scripted] = ()) -> None:
        self._lock = threading.Lock()
        self._script = deque(script)
        self._requests: list[Request] = []
        self._events: list[dict[str, Any]] = []
        self.closed = False
        """Whether a client has closed it; it goes on answering, because clients may share one."""

    @property
    def requests(self) -> list[Request]:
        """Every request that was sent, refused ones included, in order; a copy."""
        with self._lock:
            return list(self._requests)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of every request answered with 2xx, decoded from the bytes that were sent, in order; a copy."""
        with self._lock:
            return list(self._events)

    def answer(self, *script: Scripted) -> None:
        """Append answers to the script."""
        with self._lock:
            self._script.extend(script)

    def clear(self) -> None:
        """Forget what was sent; the rest of the script stays."""
        with self._lock:
            self._requests.clear()
            self._events.clear()

    def send(self, request: Request) -> Response:
        """Keep the request and answer it at once. Raises TransportError when the script says so."""
        batch = _batch(request)
        with self._lock:
            self._requests.append(request)
            scripted = self._script.popleft() if self._script else 200
            if isinstance(scripted, TransportError):
                raise scripted
            response = Response(status=scripted) if isinstance(scripted, int) else scripted
            if 200 <= response.status < 300:
                self._events.extend(batch)
            return response

    def close(self) -> None:
        """Note that it was closed; what was sent can still be read."""
        self.closed = True


def _batch(request: Request) -> list[dict[str, Any]]:
    encoding = {name.lower(): value for name, value in request.headers.items()}.get("content-encoding")
    return events_of(json.loads(gzip.decompress(request.body) if encoding == "gzip" else request.body))
