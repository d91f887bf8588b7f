"""What urllib3 does for us: turn a connected socket into a verified TLS connection. Imported at the first connection.

Importing urllib3 and ssl takes tens of milliseconds, which neither `import sluiceway` nor the first `track()` may cost.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from urllib3.connection import HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    import socket


def ssl_context() -> ssl.SSLContext:
    """Return a context that verifies: TLS 1.2 or newer, the system's certificate authorities, the host's name.

    Made once for a transport: loading the authorities takes longer than a handshake.
    """
    context = create_urllib3_context(ssl_minimum_version=ssl.TLSVersion.TLSv1_2)
    context.load_default_certs()
    return context


class _OverSocket(HTTPSConnection):
    """urllib3's connection, on a socket that is connected already: name look-up and deadline are ours."""

    def __init__(self, sock: socket.socket, host: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(host, port, ssl_context=context)
        self._connected = sock

    def _new_conn(self) -> socket.socket:
        return self._connected


def secure(sock: socket.socket, host: str, port: int, context: ssl.SSLContext) -> socket.socket:
    """Do the handshake, within the socket's timeout, and return the TLS socket. Raises OSError, as ssl.SSLError."""
    connection = _OverSocket(sock, host, port, context)
    connection.connect()
    # Taken away from the connection object, which would close it when collected.
    secured: socket.socket = connection.sock
    connection.sock = None
    return secured
