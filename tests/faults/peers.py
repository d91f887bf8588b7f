"""Raw TCP peers on 127.0.0.1 that behave as badly as a test asks for. Each connection is handed to a function."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """Listens until closed. `behave(connection)` runs on a thread for each connection, which is closed afterwards."""

    def __init__(
        self,
        behave: Callable[[Arrived], None],
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.behave = behave
        self.tls = tls
        self.arrivals: list[Arrived] = []
        self.listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self.listener.getsockname()[1]
        self.scheme = "https" if tls else "http"
        self.host = host
        self.closing = threading.Event()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    @property
    def requests(self) -> int:
        return sum(arrived.requests for arrived in self.arrivals)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            arrived = Arrived(sock, self.closing)
            self.arrivals.append(arrived)
            thread = threading.Thread(target=self._serve, args=(arrived,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, arrived: Arrived) -> None:
        with contextlib.suppress(OSError):
            try:
                if self.tls is not None:
                    arrived.sock = self.tls.wrap_socket(arrived.sock, server_side=True)
                self.behave(arrived)
            finally:
                arrived.sock.close()

    def close(self) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for arrived in self.arrivals:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(arrived.sock, socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Arrived:
    """One accepted connection."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self.sock = sock
        self.closing = closing
        self.received = b""
        self.requests = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    def read(self) -> bool:
        """Read one request; False when the client has gone."""
        while b"\r\n\r\n" not in self.received:
            if not self._more():
                return False
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        while len(self.received) < length:
            if not self._more():
                return False
        self.heads.append(head)
        self.bodies.append(self.received[:length])
        self.received = self.received[length:]
        self.requests += 1
        return True

    def read_head_only(self) -> None:
        while b"\r\n\r\n" not in self.received:
            if not self._more():
                return

    def read_bytes(self, count: int) -> None:
        while len(self.received) < count:
            data = self.sock.recv(count - len(self.received))
            if not data:
                return
            self.received += data

    def _more(self) -> bool:
        data = self.sock.recv(1_048_576)
        self.received += data
        return bool(data)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, seconds: float) -> None:
        """Send a byte at a time until the client has gone or the peer closes."""
        for index in range(len(data)):
            self.sock.sendall(data[index : index + 1])
            if self.closing.wait(seconds):
                return

    def stall(self) -> None:
        """Do nothing until the peer closes."""
        self.closing.wait(30)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def answering(*responses: bytes) -> Callable[[Arrived], None]:
    """Answer the requests of a connection in turn, the last answer again and again."""

    def behave(arrived: Arrived) -> None:
        left = list(responses)
        while arrived.read():
            arrived.send(left.pop(0) if len(left) > 1 else left[0])

    return behave
