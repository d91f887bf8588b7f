"""A connected socket whose every send and receive ends by an absolute deadline, with few system calls.

A timeout set by `settimeout` bounds one call, so a peer that drips a byte a second is never late; and in that mode
CPython polls before each call and gives the GIL up each time, which costs up to 5 ms a call while the main thread
computes. So where the kernel can do it (a plain socket, Linux and macOS, off the main thread) the socket blocks and the
kernel ends the wait (SO_SNDTIMEO, SO_RCVTIMEO): a 500 KB body leaves in one call. The timeout is set anew only when it
would be wrong by more than a few milliseconds. TLS sockets retry inside OpenSSL and get `settimeout`; so does the main
thread, where Python restarts a call that a signal interrupted with the full kernel timeout.
"""

from __future__ import annotations

import contextlib
import math
import select
import socket
import ssl
import struct
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# How far a timeout may be off before it is set again: the most by which a deadline is overrun.
_SLACK_SECONDS = 0.02

_KERNEL_HAS_TIMEOUTS = sys.platform in ("linux", "darwin")

_RECEIVE_BYTES = 16_384
# A TLS record holds 16 KiB; the head of a request rides in the first one instead of a record of its own.
_TLS_RECORD_BYTES = 16_384

# The application may have given SIGPIPE its default action back; a closed connection must not end the process.
_NO_SIGPIPE = getattr(socket, "MSG_NOSIGNAL", 0)


class DeadlineSocket:
    """Owns a connected socket. Not for concurrent use, except `abort`."""

    __slots__ = ("_blocking", "_kernel", "_monotonic", "_receive_timeout", "_send_timeout", "_sock", "_timeout", "sent")

    def __init__(self, sock: socket.socket, monotonic: Callable[[], float]) -> None:
        """Take `sock` over; deadlines are in the seconds of `monotonic`."""
        self._sock = sock
        self._monotonic = monotonic
        # gevent's sockets wait in their hub, whatever the kernel was told.
        self._kernel = _KERNEL_HAS_TIMEOUTS and type(sock) is socket.socket and type(sock).__module__ == "socket"
        self._blocking = False
        self._timeout = -1.0
        self._send_timeout = -1.0
        self._receive_timeout = -1.0
        self.sent = False
        """Whether a byte has left since this was last set to False."""

    def send(self, head: bytes, body: bytes, deadline: float) -> None:
        """Send both as one message. Raises TimeoutError at the deadline, OSError when the connection fails."""
        if isinstance(self._sock, ssl.SSLSocket) or not hasattr(self._sock, "sendmsg"):
            first = _TLS_RECORD_BYTES - len(head) if len(head) < _TLS_RECORD_BYTES else 0
            self._send_all(memoryview(head + body[:first]), deadline)
            self._send_all(memoryview(body)[first:], deadline)
            return
        self._arm(socket.SO_SNDTIMEO, deadline)
        try:
            count = self._sock.sendmsg((head, body), (), _NO_SIGPIPE)
        except BlockingIOError:
            raise TimeoutError from None
        self.sent = True
        if count < len(head):
            self._send_all(memoryview(head)[count:], deadline)
            count = len(head)
        self._send_all(memoryview(body)[count - len(head) :], deadline)

    def _send_all(self, rest: memoryview, deadline: float) -> None:
        while rest:
            self._arm(socket.SO_SNDTIMEO, deadline)
            try:
                rest = rest[self._sock.send(rest, _NO_SIGPIPE if self._kernel else 0) :]
            except BlockingIOError:
                raise TimeoutError from None
            self.sent = True

    def receive(self, deadline: float) -> bytes:
        """Return what has arrived, b"" at the end of the stream. Raises TimeoutError at the deadline, or OSError."""
        self._arm(socket.SO_RCVTIMEO, deadline)
        try:
            return self._sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            raise TimeoutError from None

    def quiet(self) -> bool:
        """Return whether nothing has arrived on an idle connection. False means: closed, or out of step."""
        try:
            if hasattr(select, "poll"):
                poll = select.poll()
                poll.register(self._sock, select.POLLIN)
                return not poll.poll(0)
            return not select.select([self._sock], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def abort(self) -> None:
        """End a send or receive of another thread. Writes no TLS close."""
        # SSLSocket.shutdown would drop the TLS object under the other thread's feet.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the descriptor. Writes nothing: in a forked child the connection is still the parent's."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def __del__(self) -> None:
        """Close what was never closed: a client that is collected is not worth a ResourceWarning to its user."""
        self.close()

    def _arm(self, option: int, deadline: float) -> None:
        """Make the next call end by the deadline. Raises TimeoutError when it has passed."""
        left = deadline - self._monotonic()
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
