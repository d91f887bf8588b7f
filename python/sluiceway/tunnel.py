"""Ask an HTTP proxy for a tunnel: one request, one head of an answer, within a deadline.

http.client would read the answer through a socket that knows timeouts and no deadline, and would quote the proxy's own
words in its exception.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

_MAX_HEAD_BYTES = 65_536

_status = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?![0-9])").match
_head_end = re.compile(rb"\r?\n\r?\n").search


class NoTunnel(OSError):
    """The proxy's answer is none that HTTP knows."""


def ask(
    sock: socket.socket,
    host: str,
    port: int,
    headers: Mapping[str, str],
    deadline: float,
    monotonic: Callable[[], float],
) -> int:
    """Send CONNECT and return the status of the answer; from a 2xx on, the socket leads to the host.

    Raises TimeoutError at the deadline, and OSError when the connection fails or the answer cannot be read.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", *(f"{name}: {value}" for name, value in headers.items())]
    _arm(sock, deadline, monotonic)
    sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
    head = b""
    while (end := _head_end(head)) is None:
        if len(head) > _MAX_HEAD_BYTES:
            raise NoTunnel("the answer is too long")
        _arm(sock, deadline, monotonic)
        piece = sock.recv(4_096)
        if not piece:
            raise NoTunnel("the proxy closed the connection")
        head += piece
    status = _status(head)
    # Behind a 2xx the host speaks, and in TLS it does so only when it was spoken to.
    if status is None or (status[1].startswith(b"2") and end.end() != len(head)):
        raise NoTunnel("the answer is no HTTP")
    return int(status[1])


def _arm(sock: socket.socket, deadline: float, monotonic: Callable[[], float]) -> None:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)
