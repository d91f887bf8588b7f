"""A server that fails as its script says, byte for byte, and writes down every event of every request that it read.

    with FaultServer(status(503), reset_after(40), then=status(200)) as server:
        client = Segment("key", host=server.url, …)

Each request that begins to arrive gets the next act of the script, over all connections in the order of arrival, and
behind the last of them `then`. An act is a function of the `Visit`; ``acts.py`` has the usual ones. `at_accept` are
acts for connections as they are accepted, before anything has been read.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from .peers import Arrived, Peer
from .record import Record, Seen

Act: TypeAlias = "Callable[[Visit], object]"


# JSON, as most vendors answer; RudderStack's client takes it as well.
FINE = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"success":true}'


class Visit:
    """One connection, as an act sees it."""

    def __init__(self, arrived: Arrived, number: int, record: Record) -> None:
        self.number = number
        """How many connections were accepted before it."""
        self.arrived = arrived
        self.record = record
        self.seen: Seen | None = None
        """The request that is being answered, once it was read."""
        self.is_over = False

    @property
    def sock(self) -> socket.socket:
        return self.arrived.sock

    def awaits(self) -> bool:
        """Wait for the first byte of a request; False when the client has gone or nobody serves it any more.

        It is looked at and left where it is, so that an act can count bytes.
        """
        self.seen = None
        if self.is_over:
            return False
        if self.arrived.received:
            return True
        if isinstance(self.sock, ssl.SSLSocket):
            self.arrived.read_bytes(1)
            return bool(self.arrived.received)
        return bool(self.sock.recv(1, socket.MSG_PEEK))

    def read(self) -> Seen | None:
        """Read the request to its end and write it down; None when the client goes away before."""
        if not self.arrived.read():
            self.end(heard=False)
            return None
        self.seen = self.record.arrived(self.number, self.arrived.heads[-1], self.arrived.bodies[-1])
        return self.seen

    def read_bytes(self, count: int) -> None:
        """Read so many bytes of the request and no more. The act has to end the connection."""
        self.arrived.read_bytes(count)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def told(self, status: int) -> None:
        """Note that what was sent so far ends a head with this status. Call it just before the last byte of the head.

        Before, because the client may be told and ask again before this thread runs on.
        """
        if self.seen is not None:
            self.record.told(self.seen, status)

    def drip(self, data: bytes, seconds: float) -> None:
        """Send a byte at a time until the client has gone or the server closes."""
        self.arrived.drip(data, seconds)

    def stall(self) -> None:
        """Do nothing until the server closes."""
        self.arrived.closing.wait(60)

    def end(self, *, heard: bool = True) -> None:
        """Close with FIN. `heard` is False for a request that was not read to its end."""
        if not heard:
            self.record.broke_off()
        self.is_over = True

    def reset(self) -> None:
        """Close with RST."""
        if self.seen is None:
            self.record.broke_off()
        self.is_over = True
        self.arrived.reset()


def fine(visit: Visit) -> None:
    """Read a request and take it."""
    if visit.read() is not None:
        visit.told(200)
        visit.send(FINE)


class FaultServer(Peer):
    """Listens on loopback until closed; `record` is what it saw. A `with` block closes it."""

    def __init__(
        self,
        *script: Act,
        then: Act = fine,
        at_accept: Sequence[Act] = (),
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self.record = Record()
        self._script = deque(script)
        self._then = then
        self._at_accept = deque(at_accept)
        self._numbers = itertools.count()
        self._turn = threading.Lock()
        self._receive_buffer_bytes = receive_buffer_bytes
        super().__init__(self._converse, tls=tls, host=host, port=port)
        if receive_buffer_bytes is not None:
            # Inherited by what is accepted; a smaller one is given, the kernel has a least.
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)

    @property
    def url(self) -> str:
        """The address to give to a client as its host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return len(self.arrivals)

    @property
    def unused(self) -> int:
        """How many acts of the script are left."""
        return len(self._script)

    def then(self, *script: Act, then: Act | None = None) -> None:
        """Append acts to the script; `then` follows them from now on."""
        with self._turn:
            self._script.extend(script)
            if then is not None:
                self._then = then

    def heal(self) -> None:
        """End the fault: forget the rest of the script, and take everything."""
        with self._turn:
            self._script.clear()
            self._at_accept.clear()
            self._then = fine

    def _next(self) -> Act:
        with self._turn:
            return self._script.popleft() if self._script else self._then

    def _converse(self, arrived: Arrived) -> None:
        visit = Visit(arrived, next(self._numbers), self.record)
        with self._turn:
            greeting = self._at_accept.popleft() if self._at_accept else None
        with contextlib.suppress(OSError):
            if greeting is not None:
                greeting(visit)
            while visit.awaits():
                self._next()(visit)
