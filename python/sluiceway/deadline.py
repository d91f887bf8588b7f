"""A connected socket whose every send and receive ends by an absolute deadline, with few system calls.

A timeout set by `settimeout` bounds one call, so a peer that drips a byte a second is never late; and in that mode
CPython polls before each call and gives the GIL up each time, which costs up to 5 ms a call while the main thread
computes. So where the kernel can do it (a plain socket, Linux, off the main thread) the socket blocks and the kernel
ends the wait (SO_SNDTIMEO, SO_RCVTIMEO): a 500 KB body leaves in one call. The timeout is set anew only when it would
be wrong by more than a few milliseconds. TLS sockets retry inside OpenSSL and get `settimeout`; so does the main
thread, where Python restarts a call that a signal interrupted with the full kernel timeout.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import os
import socket
import ssl
import struct
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# How far a timeout may be off before it is set again: the most by which a deadline is overrun.
_SLACK_SECONDS = 0.02

# Elsewhere a timeout of the kernel bounds each wait inside a call instead of the call (macOS), or the structure that
# holds it has another shape (32 bits).
_KERNEL_HAS_TIMEOUTS = sys.platform == "linux" and sys.maxsize > 2**32

_RECEIVE_BYTES = 16_384

# All that one response may be: interim responses, head, and 64 KiB of body even in chunks of one byte. http.client
# alone would read interim responses without end and a head of 6 MiB.
_MAX_RESPONSE_BYTES = 524_288

# The application may have given SIGPIPE its default action back; a closed connection must not end the process.
_NO_SIGPIPE = getattr(socket, "MSG_NOSIGNAL", 0)


class Exchange:
    """One attempt at one request: until when it may take, and what has happened on the wire so far."""

    __slots__ = (
        "aborted",
        "connect_seconds",
        "deadline",
        "ended",
        "kind",
        "received",
        "renews",
        "reused",
        "sent",
        "sock",
        "unsent",
        "until",
    )

    def __init__(
        self, deadline: float, connect_seconds: float, *, until: float | None = None, renews: bool = False
    ) -> None:
        self.deadline = deadline
        self.until = until
        """When somebody stops waiting for it, so that a name look-up must be over, too."""
        self.connect_seconds = connect_seconds
        self.renews = renews
        """Whether it must go over a new connection."""
        self.kind = "connect"
        """What a failing system call means now: "connect", "tls" or "closed"."""
        self.reused = False
        """Whether it went over a connection that had been used before."""
        self.sent = False
        """Whether a byte of the request may have left."""
        self.unsent: OSError | None = None
        """Why the rest of the request has not left; there may be an answer all the same."""
        self.received = 0
        """How many bytes of the response have arrived."""
        self.ended = False
        """Whether the server has closed its side."""
        self.sock: socket.socket | DeadlineSocket | None = None
        """What it waits for now."""
        self.aborted = False
        """Whether `abort` has been called."""

    def abort(self) -> None:
        """End it from another thread, as far as it has a socket that can be shut."""
        self.aborted = True
        if isinstance(self.sock, DeadlineSocket):
            self.sock.abort()
        elif self.sock is not None:
            _shut(self.sock)

    def abandon(self) -> None:
        """Close our copy of the descriptor in a forked child, whose copy of the thread will never run again."""
        if isinstance(self.sock, DeadlineSocket):
            self.sock.abandon()


class DeadlineSocket:
    """Owns a connected socket, and is one as far as http.client needs it. Not for concurrent use, except `abort`."""

    __slots__ = (
        "__weakref__",
        "_blocking",
        "_flags",
        "_gathers",
        "_kernel",
        "_left_over",
        "_monotonic",
        "_receive_timeout",
        "_send_timeout",
        "_sock",
        "_timeout",
        "exchange",
    )

    exchange: Exchange
    """The request that the socket is used for now."""

    def __init__(self, sock: socket.socket, monotonic: Callable[[], float], exchange: Exchange) -> None:
        """Take `sock` over; deadlines are in the seconds of `monotonic`."""
        self.exchange = exchange
        self._sock = sock
        self._monotonic = monotonic
        # gevent's sockets wait in their hub, whatever the kernel was told.
        self._kernel = _KERNEL_HAS_TIMEOUTS and type(sock) is socket.socket and type(sock).__module__ == "socket"
        self._gathers = hasattr(sock, "sendmsg") and not isinstance(sock, ssl.SSLSocket)
        self._flags = _NO_SIGPIPE if self._gathers else 0
        self._left_over = False
        self._blocking = False
        self._timeout = -1.0
        self._send_timeout = -1.0
        self._receive_timeout = -1.0

    def send(self, head: bytes, body: bytes) -> None:
        """Send both as one message. Raises TimeoutError at the deadline, OSError when the connection fails."""
        if not self._gathers:
            # One write for OpenSSL: a copy of the body costs less than a second call.
            self._send_all(memoryview(head + body))
            return
        self._arm(socket.SO_SNDTIMEO)
        try:
            count = self._sock.sendmsg((head, body), (), self._flags)
        except BlockingIOError:
            raise TimeoutError from None
        self.exchange.sent = True
        if count < len(head):
            self._send_all(memoryview(head)[count:])
            count = len(head)
        self._send_all(memoryview(body)[count - len(head) :])

    def _send_all(self, rest: memoryview) -> None:
        while rest:
            self._arm(socket.SO_SNDTIMEO)
            # A call of OpenSSL that fails may have sent some of its records.
            self.exchange.sent |= not self._gathers
            try:
                rest = rest[self._sock.send(rest, self._flags) :]
            except BlockingIOError:
                raise TimeoutError from None
            self.exchange.sent = True

    def receive_into(self, buffer: Any) -> int:
        """Read what has arrived; 0 at the end of the stream. Raises TimeoutError at the deadline, or OSError."""
        exchange = self.exchange
        if exchange.received > _MAX_RESPONSE_BYTES:
            raise http.client.HTTPException("the response is too large")
        self._arm(socket.SO_RCVTIMEO)
        try:
            count = self._sock.recv_into(buffer)
        except BlockingIOError:
            raise TimeoutError from None
        exchange.received += count
        exchange.ended = not count
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the stream that http.client reads a response from; it asks for mode "rb"."""
        # The raw stream keeps the descriptor open until the response is read, also when the connection lets go first.
        return _Stream(_Incoming(self, self._sock.makefile("rb", buffering=0)))

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: the exchange has a deadline."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    @property
    def in_step(self) -> bool:
        """Whether nothing that has been read from the kernel is left over behind the last response."""
        return not self._left_over and not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def leave_over(self) -> None:
        """Note that something came behind a response."""
        self._left_over = True

    def abort(self) -> None:
        """End a send or receive of another thread. Writes no TLS close."""
        _shut(self._sock)

    def abandon(self) -> None:
        """Close the descriptor, even under a response that is being read."""
        with contextlib.suppress(OSError):
            os.close(self._sock.detach())

    def close(self) -> None:
        """Close the descriptor. Writes nothing: in a forked child the connection is still the parent's."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def __del__(self) -> None:
        """Close what was never closed: a client that is collected is not worth a ResourceWarning to its user."""
        self.close()

    def _arm(self, option: int) -> None:
        """Make the next call end by the deadline. Raises TimeoutError when it has passed."""
        left = self.exchange.deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError
        # Rounded up, so that the next request's timeout is found already set.
        bound = math.ceil(left / _SLACK_SECONDS) * _SLACK_SECONDS
        if not self._kernel or threading.get_ident() == threading.main_thread().ident:
            if self._blocking or self._timeout != bound:
                self._sock.settimeout(bound)
                self._blocking = False
                self._timeout = bound
            return
        if not self._blocking:
            self._sock.settimeout(None)
            self._blocking = True
        if (self._send_timeout if option == socket.SO_SNDTIMEO else self._receive_timeout) == bound:
            return
        seconds, fraction = divmod(bound, 1.0)
        self._sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", int(seconds), int(fraction * 1e6)))
        if option == socket.SO_SNDTIMEO:
            self._send_timeout = bound
        else:
            self._receive_timeout = bound


def _shut(sock: socket.socket) -> None:
    # SSLSocket.shutdown would drop the TLS object under the other thread's feet.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Incoming(io.RawIOBase):
    """A response as it arrives, read within the deadline of its exchange."""

    def __init__(self, sock: DeadlineSocket, raw: Any) -> None:
        super().__init__()
        self.sock = sock
        self.is_dry = False
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return 0 if self.is_dry else self.sock.receive_into(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Stream(io.BufferedReader):
    """A response, which http.client closes when it has read it to its end."""

    def __init__(self, incoming: _Incoming) -> None:
        super().__init__(incoming, _RECEIVE_BYTES)
        self._incoming = incoming

    def close(self) -> None:
        if not self.closed:
            # What was read ahead and belongs to no response would be half of something on this connection.
            self._incoming.is_dry = True
            if self.peek(1):
                self._incoming.sock.leave_over()
        super().close()
