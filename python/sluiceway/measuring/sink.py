"""A vendor that takes everything: a process of its own that reads requests, counts their events and answers at once.

It looks into bodies as far as to count the events in them, and no further: what it does not do, it cannot take from
whom is measured. Every figure of delivery rests on its count and not on what a client says of itself. It listens on
127.0.0.1 and ends when its standard input does, so it outlives nobody.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from typing import IO, Any, NamedTuple, cast

import msgspec

from sluiceway.measuring.children import command

_RECEIVE_BYTES = 262_144
_AMPLITUDE_PATHS = (b"/2/httpapi", b"/batch")


class Arrived(NamedTuple):
    """What was answered since the counters were last cleared."""

    requests: int
    events: int
    nbytes: int
    """Bytes of the bodies as they were sent."""
    last_answer_ns: int
    """When the last answer went out, on the clock of `time.monotonic_ns`."""
    cpu_seconds: float
    """CPU time of the sink's process so far."""


class Undelivered(Exception):
    """Not all events arrived, or more than were sent: a figure made of them would be worthless."""


class Sink:
    """A running sink, seen from the process that started it. Ends with `close`."""

    def __init__(self) -> None:
        """Start it. Blocks until it listens."""
        self._process = subprocess.Popen(
            command("sluiceway.measuring.sink"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._asked, self._told = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        self.url = f"http://127.0.0.1:{int(self._told.readline())}"

    def arrived(self) -> Arrived:
        """Return the counters."""
        return Arrived(**self._ask("arrived"))

    def clear(self) -> None:
        """Set the counters to zero."""
        self._ask("clear")

    def expect(self, events: int, within_seconds: float = 30.0) -> Arrived:
        """Wait until so many events have been answered. Raises Undelivered for fewer, and for more."""
        ends = time.monotonic() + within_seconds
        while (arrived := self.arrived()).events < events:
            if time.monotonic() > ends:
                raise Undelivered(f"{arrived.events} of {events} events arrived")
            time.sleep(0.002)
        if arrived.events > events:
            raise Undelivered(f"{arrived.events} events arrived where {events} were sent")
        return arrived

    def close(self) -> None:
        """End it."""
        self._asked.close()
        self._told.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, word: str) -> dict[str, Any]:
        self._asked.write(word + "\n")
        self._asked.flush()
        answer: dict[str, Any] = json.loads(self._told.readline())
        return answer


class _Envelope(msgspec.Struct, gc=False):
    batch: list[msgspec.Raw] = []
    events: list[msgspec.Raw] = []


class _Counter:
    """What the sink itself knows. Each connection has a thread; they share this under a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decode = msgspec.json.Decoder(_Envelope).decode
        self.clear()

    def clear(self) -> None:
        with self._lock:
            self.requests = self.events = self.nbytes = self.last_answer_ns = 0

    def count(self, body: bytes | bytearray, is_packed: bool) -> int:
        plain = zlib.decompress(body, zlib.MAX_WBITS | 16) if is_packed else body
        try:
            envelope = self._decode(plain)
        except msgspec.MsgspecError:
            return 0
        return len(envelope.batch) + len(envelope.events)

    def answer(self, sock: socket.socket, said: bytes, events: int, nbytes: int) -> None:
        # In one turn: whoever has read an answer and asks then must find it counted.
        with self._lock:
            sock.sendall(said)
            self.requests += 1
            self.events += events
            self.nbytes += nbytes
            self.last_answer_ns = time.monotonic_ns()

    def told(self) -> str:
        with self._lock:
            return json.dumps(
                {
                    "requests": self.requests,
                    "events": self.events,
                    "nbytes": self.nbytes,
                    "last_answer_ns": self.last_answer_ns,
                    "cpu_seconds": time.process_time(),
                }
            )


def _serve(sock: socket.socket, counter: _Counter) -> None:
    with sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = b""
        while True:
            while (end := left.find(b"\r\n\r\n")) < 0:
                piece = sock.recv(_RECEIVE_BYTES)
                if not piece:
                    return
                left += piece
            head, left = left[:end], left[end + 4 :]
            path = head.split(b" ", 2)[1]
            headers = dict(line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:])
            length = int(headers.get(b"content-length", b"0"))
            body = bytearray(length)
            got = min(len(left), length)
            body[:got] = left[:got]
            left = left[length:]
            view = memoryview(body)
            while got < length:
                count = sock.recv_into(view[got:])
                if not count:
                    return
                got += count
            events = counter.count(body, b"gzip" in headers.get(b"content-encoding", b""))
            counter.answer(sock, _answer(path, events, length), events, length)


def _answer(path: bytes, events: int, nbytes: int) -> bytes:
    if path.endswith(_AMPLITUDE_PATHS):
        said = b'{"code":200,"events_ingested":%d,"payload_size_bytes":%d,"server_upload_time":0}' % (events, nbytes)
    else:
        said = b'{"success":true,"status":"Ok"}'
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)


def _accept(listener: socket.socket, counter: _Counter) -> None:
    def serve(sock: socket.socket) -> None:
        try:
            _serve(sock, counter)
        except (OSError, ValueError, IndexError, zlib.error):
            return

    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


def main() -> None:
    """Be the sink: print the port, then answer one line of JSON to each word on standard input."""
    counter = _Counter()
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, counter), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for word in sys.stdin:
        if word.strip() == "clear":
            counter.clear()
        print(counter.told(), flush=True)
    os._exit(0)
