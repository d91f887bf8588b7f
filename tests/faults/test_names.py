"""Row 31: names that do not exist, cannot be resolved, hang or move, with a name server of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import IO, Any, cast

import pytest

from sluiceway import RetryPolicy, Segment

from . import netns
from .book import Book
from .laws import Resources, alive, check
from .netns import inside, namespace
from .resolver import LINES, NXDOMAIN, SERVFAIL, Resolver
from .server import FaultServer

KEY = "a-write-key-of-tests"
in_a_namespace = pytest.mark.skipif(bool(netns.why_not()), reason=netns.why_not() or "it runs")

# Runs in the namespace, with its resolv.conf; does what it is told, line by line, and answers with a line each.
PROGRAM = """
import json, os, sys, time
from sluiceway import RetryPolicy, Segment, connection
connection.MAX_AGE_SECONDS = 1.0
client = Segment("key-of-tests", host=sys.argv[1], allow_http=True, gzip=False, timeout=5.0, connect_timeout=2.0,
                 retry=RetryPolicy(base_seconds=0.05, cap_seconds=0.2))
lost = []
for line in sys.stdin:
    word, *rest = line.split()
    began = time.monotonic()
    if word == "track":
        for _ in range(int(rest[0])):
            client.track("u", "E", callback=lambda error, batch: error and lost.append((error.reason, error.sent)))
    elif word == "flush":
        client.flush(float(rest[0]))
    elif word == "close":
        client.close(float(rest[0]))
    elif word == "end":
        break
    stats = client.stats()
    print(json.dumps({"took": time.monotonic() - began, "delivered": stats.delivered, "pending": stats.pending,
                      "attempts": stats.attempts, "error": stats.last_error, "balanced": stats.balanced,
                      "lost": lost}), flush=True)
"""


class Program:
    """The client, in a process of its own."""

    def __init__(self, name: str, url: str) -> None:
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, "-c", textwrap.dedent(PROGRAM), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self, words: str) -> dict[str, Any]:
        pipe = cast("IO[str]", self.process.stdin)
        pipe.write(words + "\n")
        pipe.flush()
        answer: dict[str, Any] = json.loads(cast("IO[str]", self.process.stdout).readline())
        assert answer["balanced"] or words.startswith("track")
        return answer

    def attempts(self, at_least: int) -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while (answer := self.told("stats"))["attempts"] < at_least:
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
        return answer

    def end(self) -> tuple[int, str, float]:
        """Let the program come to its end; returns its exit code, what it wrote to stderr, and how long it took."""
        began = time.monotonic()
        _, stderr = self.process.communicate("end\n", timeout=30)
        return self.process.returncode, stderr, time.monotonic() - began


@pytest.fixture
def place() -> Iterator[str]:
    with namespace(resolver=LINES) as name:
        yield name


def serve(place: str, host: str) -> FaultServer:
    return inside(place, lambda: FaultServer(host=host))


@in_a_namespace
@pytest.mark.parametrize(
    ("code", "error"),
    # EAI_NONAME, and EAI_AGAIN: a name that is known to be wrong may be right in a moment, when it was just made.
    [(NXDOMAIN, "resolve: name look-up failed (-2)"), (SERVFAIL, "resolve: name look-up failed (-3)")],
    ids=["NXDOMAIN", "SERVFAIL"],
)
def test_row_31_a_name_that_does_not_resolve_is_asked_for_again_until_it_does(
    place: str, code: int, error: str
) -> None:
    with serve(place, "127.0.0.2") as server, Resolver(place, code) as resolver:
        program = Program(place, f"http://vendor.test:{server.port}")
        program.told("track 5")
        answer = program.attempts(3)
        assert (answer["error"], answer["delivered"], answer["pending"], answer["lost"]) == (error, 0, 5, [])
        assert resolver.questions >= 3
        assert server.connections == 0
        resolver.says = "127.0.0.2"
        assert program.told("flush 20")["delivered"] == 5
        assert len(server.record.taken) == 5
        assert program.end()[:2] == (0, "")


@in_a_namespace
def test_row_31_a_name_server_that_never_answers_holds_up_neither_flush_nor_close_nor_the_exit(place: str) -> None:
    with Resolver(place, None) as resolver:
        program = Program(place, "http://vendor.test:9")
        program.told("track 5")
        flushed = program.told("flush 0.3")
        assert flushed["pending"] == 5
        assert flushed["took"] < 3.0
        assert resolver.questions >= 1
        closed = program.told("close 0.3")
        assert closed["took"] < 3.0
        assert (closed["pending"], closed["delivered"]) == (0, 0)
        # What the attempt under way has may have been sent, as far as close can know; what is behind it was not.
        assert [reason for reason, _ in closed["lost"]] == ["shutdown"] * 5
        code, stderr, took = program.end()
        assert (code, stderr) == (0, "")
        # The look-up takes six seconds, and is still under way.
        assert took < 5.0
        another = Program(place, "http://vendor.test:9")
        another.told("track 5")
        time.sleep(0.3)
        code, stderr, took = another.end()
        assert code == 0
        assert "events 5, clients 1" in stderr
        assert stderr.count("\n") == 1
        assert took < 5.5


@in_a_namespace
def test_row_31_what_was_accepted_while_the_name_server_was_silent_is_delivered_when_it_speaks(place: str) -> None:
    with serve(place, "127.0.0.2") as server, Resolver(place, None) as resolver:
        program = Program(place, f"http://vendor.test:{server.port}")
        program.told("track 5")
        assert program.told("flush 0.3")["pending"] == 5
        resolver.says = "127.0.0.2"
        assert program.told("flush 25")["delivered"] == 5
        assert len(server.record.taken) == 5
        assert program.end()[:2] == (0, "")


@in_a_namespace
def test_row_31_a_name_that_moves_is_followed_when_a_connection_has_reached_its_age(place: str) -> None:
    """The old address goes on answering, so nothing but its age ends the connection."""
    with serve(place, "127.0.0.2") as old, Resolver(place, "127.0.0.2") as resolver:
        new = inside(place, lambda: FaultServer(host="127.0.0.3", port=old.port))
        with new:
            program = Program(place, f"http://vendor.test:{old.port}")
            program.told("track 1")
            assert program.told("flush 20")["delivered"] == 1
            resolver.says = "127.0.0.3"
            program.told("track 1")
            assert program.told("flush 20")["delivered"] == 2
            assert (len(old.record.taken), len(new.record.taken)) == (2, 0), "a young connection is kept"
            time.sleep(1.2)
            program.told("track 3")
            assert program.told("flush 20")["delivered"] == 5
            assert (len(old.record.taken), len(new.record.taken)) == (2, 3)
            assert program.end()[:2] == (0, "")


def test_row_31_a_look_up_that_hangs_and_then_fails_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without a namespace, so that it runs everywhere: the C library's function itself is replaced."""
    import socket

    real, let_go, hung = socket.getaddrinfo, threading.Event(), threading.Event()
    hangs = True

    def look_up(host: str, port: int, *more: Any) -> Any:
        if host != "vendor.test":
            return real(host, port, *more)
        if hangs:
            hung.set()
            let_go.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return real("127.0.0.1", port, *more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    resources = Resources()
    with FaultServer() as server:
        book = Book()
        retry = RetryPolicy(base_seconds=0.05, cap_seconds=0.2)
        host = f"http://vendor.test:{server.port}"
        client = Segment(KEY, host=host, allow_http=True, gzip=False, retry=retry, **book.asks)
        book.push(client, 10)
        assert hung.wait(10)
        began = time.monotonic()
        assert client.flush(0.3).pending == 10
        assert time.monotonic() - began < 3.0
        hangs = False
        let_go.set()
        alive(client, book, server)
        stats = check(client, book, server)
        assert (stats.delivered, stats.failed) == (11, 0)
        assert stats.attempts >= 2
    resources.check(stats)
