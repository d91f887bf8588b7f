"""An HTTP proxy that forwards and opens tunnels, or answers as a script says, and keeps every head it was sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from urllib.parse import urlsplit

from .peers import Arrived, Peer


class ForwardProxy(Peer):
    """Each request gets the next answer of the script; behind the last of them, and for None, it is forwarded."""

    def __init__(self, *script: bytes | None, authorization: str | None = None) -> None:
        self.heads: list[str] = []
        self.tunnels = 0
        self._script = deque(script)
        self._authorization = authorization
        super().__init__(self._converse)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def _converse(self, arrived: Arrived) -> None:
        while True:
            arrived.read_head_only()
            head, end, _ = arrived.received.partition(b"\r\n\r\n")
            if not end:
                return
            text = head.decode("latin-1")
            self.heads.append(text)
            answer = self._script.popleft() if self._script else None
            if self._authorization is not None and f"Proxy-Authorization: {self._authorization}" not in text:
                answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 6\r\n\r\ndenied"
            if text.startswith("CONNECT "):
                if answer is not None:
                    arrived.send(answer)
                    return
                arrived.received = b""
                host, _, port = text.split(" ")[1].rpartition(":")
                self._tunnel(arrived, host.strip("[]"), int(port))
                return
            if answer is not None:
                arrived.read()
                arrived.send(answer)
                continue
            self._forward(arrived, text)

    def _tunnel(self, arrived: Arrived, host: str, port: int) -> None:
        with socket.create_connection((host, port)) as upstream:
            self.tunnels += 1
            arrived.send(b"HTTP/1.1 200 Connection Established\r\nVia: tests\r\n\r\n")
            back = threading.Thread(target=_pump, args=(upstream, arrived.sock), daemon=True)
            back.start()
            _pump(arrived.sock, upstream)
            back.join(10)

    def _forward(self, arrived: Arrived, head: str) -> None:
        """Pass one request on, in the form in which an origin wants it, and its answer back."""
        target = urlsplit(head.split(" ")[1])
        arrived.read()
        lines = head.split("\r\n")
        lines[0] = f"POST {target.path} HTTP/1.1"
        kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
        with socket.create_connection((target.hostname, target.port)) as upstream:
            upstream.sendall(
                "\r\n".join([*kept, "Connection: close"]).encode("latin-1") + b"\r\n\r\n" + arrived.bodies[-1]
            )
            upstream.settimeout(10)
            answer = b""
            while not _is_whole(answer) and (piece := upstream.recv(65_536)):
                answer += piece
            arrived.send(answer)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(end) and len(body) >= (lengths or [0])[0]


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
