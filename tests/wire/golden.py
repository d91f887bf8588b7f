"""Golden files: a request as it went over a socket, beside the ``.http`` file that says what it must be.

A file holds the whole request: its line, its headers in the order and the spelling in which they were sent, an empty
line, and the body before compression. What differs from run to run stands there as a word: HOST, LENGTH (of the body as
sent, checked here), VERSION (of this package), and whatever a test names in ``varying``. All else is compared byte for
byte. After a change that was meant, look at the difference that this makes:

    GOLDEN=write python -m pytest tests/wire && git diff tests/wire/golden
"""

from __future__ import annotations

import difflib
import gzip
import os
import re
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from sluiceway import __version__

GOLDEN = Path(__file__).parent / "golden"

# A client's clock in these tests: when every attempt is made.
NOW_SECONDS = 1_767_323_045.678
NOW = "2026-01-02T03:04:05.678Z"


class Sent(NamedTuple):
    """One request as it came over the socket; ``body`` is unpacked, ``sent_bytes`` is the length it had there."""

    head: str
    body: bytes
    sent_bytes: int

    @property
    def is_packed(self) -> bool:
        return "\r\ncontent-encoding: gzip" in self.head.lower()


class Wiretap(socketserver.ThreadingTCPServer):
    """Listens on 127.0.0.1, keeps every request as it came, and answers from ``answers``, the last one for ever."""

    daemon_threads = True

    def __init__(self, answers: Sequence[tuple[int, bytes]] = ((200, b"{}"),)) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.requests: list[Sent] = []
        self.answers = list(answers)
        self.now_seconds = NOW_SECONDS
        self.step_seconds = 0.0
        """How far the clock moves with each answer."""
        self.port: int = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Sent:
        return self.requests[-1]

    def next_answer(self) -> bytes:
        self.now_seconds += self.step_seconds
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


class _Connection(socketserver.StreamRequestHandler):
    server: Wiretap

    def handle(self) -> None:
        while line := self.rfile.readline():
            head = bytearray(line)
            while (line := self.rfile.readline()).strip():
                head += line
            text = head.decode("latin-1")
            [length] = re.findall(r"(?im)^content-length: (\d+)\r$", text)
            body = self.rfile.read(int(length))
            sent = Sent(text, body, len(body))
            if sent.is_packed:
                sent = sent._replace(body=gzip.decompress(body))
            self.server.requests.append(sent)
            self.wfile.write(self.server.next_answer())


@contextmanager
def wiretap(*answers: tuple[int, bytes]) -> Iterator[Wiretap]:
    """Listen, with the clock of every client stopped at NOW. The engine has a clock of its own for what it stamps."""
    with Wiretap(answers or ((200, b"{}"),)) as tap, mock.patch("time.time", side_effect=lambda: tap.now_seconds):
        thread = threading.Thread(target=tap.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield tap
        finally:
            tap.shutdown()


def check(name: str, sent: Sent, varying: Mapping[str, str] | None = None) -> None:
    """Hold a request against ``golden/<name>.http``. ``varying``: patterns in the body and the words for them."""
    path = GOLDEN / f"{name}.http"
    seen = printed(sent, varying or {})
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seen)
    assert path.exists(), f"{path.name} is missing; GOLDEN=write makes it"
    golden = path.read_bytes()
    if seen != golden:
        lines = difflib.unified_diff(_readable(golden), _readable(seen), "golden", "sent", n=1, lineterm="")
        raise AssertionError(f"{path.name} says another request than was sent:\n" + "\n".join(lines))


def printed(sent: Sent, varying: Mapping[str, str]) -> bytes:
    """Return the request as a golden file has it."""
    start, *headers = sent.head.removesuffix("\r\n").split("\r\n")
    lines = [start]
    for header in headers:
        name, _, value = header.partition(": ")
        word: Any = {"host": "HOST", "content-length": "LENGTH"}.get(name.lower())
        if word == "LENGTH":
            assert int(value) == sent.sent_bytes
        lines.append(f"{name}: {word or value}")
    head = "\n".join(lines).replace(__version__, "VERSION")
    body = sent.body.decode().replace(__version__, "VERSION")
    for pattern, word in varying.items():
        body, count = re.subn(pattern, word, body)
        assert count, f"nothing in the body is like {pattern}"
    return f"{head}\n\n{body}\n".encode()


def names(vendor: str) -> set[str]:
    """The names of a vendor's golden files, for a test that none of them is left over."""
    return {f"{vendor}/{path.stem}" for path in (GOLDEN / vendor).glob("*.http")}


def _readable(text: bytes) -> list[str]:
    # A body is one long line; as pieces, its differences can be seen.
    return re.split(r"(?<=,)|\n", text.decode())
