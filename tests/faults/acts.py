"""What a fault server does with one request: the usual faults, as acts for its script. All sizes are bytes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from .record import Seen
from .server import FINE, Act, Visit

REASON = "Scripted"


def answer(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status} {REASON}"]
    given = {"Content-Length": str(len(body)), **(headers or {})}
    lines += [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def status(
    code: int, headers: Mapping[str, str] | None = None, body: bytes = b"", *, ends: bool = False, wait: float = 0.0
) -> Act:
    """Read the request, wait, and answer it with this status. `ends` closes the connection behind it."""

    def act(visit: Visit) -> None:
        if visit.read() is None:
            return
        time.sleep(wait)
        visit.told(code)
        visit.send(answer(code, headers, body))
        if ends:
            visit.end()

    return act


def says(code: int, document: Any, headers: Mapping[str, str] | None = None) -> Act:
    """Answer with JSON."""
    return status(code, {"Content-Type": "application/json", **(headers or {})}, json.dumps(document).encode())


def raw(data: bytes, *, told: int | None = None, ends: bool = True, cut: bool = False) -> Act:
    """Read the request and send these bytes as they are; then FIN, or RST when `cut`, or wait for the next one.

    `told` is the status that the client has to read from them.
    """

    def act(visit: Visit) -> None:
        if visit.read() is None:
            return
        if told is not None:
            visit.told(told)
        visit.send(data)
        if cut:
            # The answer is to arrive before the reset, which would throw away what the client has not read yet.
            time.sleep(0.05)
            visit.reset()
        elif ends:
            visit.end()

    return act


def refuse_if(is_refused: Callable[[Seen], object], code: int = 400, body: bytes = b"") -> Act:
    """Refuse each request, as a whole, of which a function is true; take every other."""

    def act(visit: Visit) -> None:
        seen = visit.read()
        if seen is None:
            return
        refused = is_refused(seen)
        visit.told(code if refused else 200)
        visit.send(answer(code, body=body) if refused else FINE)

    return act


def refuse_marked(mark: bytes, code: int = 400) -> Act:
    """Refuse a request that holds this text anywhere."""
    return refuse_if(lambda seen: mark in seen.body, code)


def refuse_larger(most_bytes: int, code: int = 413, body: bytes = b"") -> Act:
    """Refuse a request whose uncompressed body has more than so many bytes."""
    return refuse_if(lambda seen: len(seen.body) > most_bytes, code, body)


def reset_at(count: int) -> Act:
    """Read so many bytes of the request, its head included, and reset the connection."""

    def act(visit: Visit) -> None:
        visit.read_bytes(count)
        visit.reset()

    return act


def reset_unanswered(visit: Visit) -> None:
    """Read the whole request, keep it, and reset the connection instead of answering."""
    if visit.read() is not None:
        visit.reset()


def close_unanswered(visit: Visit) -> None:
    """Read the whole request, keep it, and close the connection instead of answering."""
    if visit.read() is not None:
        visit.end()


def take_and_close(visit: Visit) -> None:
    """Take the request, promise to keep the connection, and close it all the same: stale when it is used again."""
    if visit.read() is not None:
        visit.told(200)
        visit.send(answer(200))
        visit.end()


def silent(visit: Visit) -> None:
    """Read the request and say nothing until the server closes."""
    if visit.read() is not None:
        visit.stall()
        visit.end()


def deaf(visit: Visit) -> None:
    """Read nothing and say nothing until the server closes."""
    visit.stall()
    visit.end(heard=False)


def reset_now(visit: Visit) -> None:
    """For `at_accept`: reset the connection before anything was read."""
    visit.reset()


def drip(data: bytes, seconds: float = 0.05, *, before: bytes = b"", told: int | None = None) -> Act:
    """Read the request, send `before` at once and `data` a byte at a time. `told` is what `before` says, if it does."""

    def act(visit: Visit) -> None:
        if visit.read() is None:
            return
        if told is not None:
            visit.told(told)
        visit.send(before)
        visit.drip(data, seconds)
        visit.end()

    return act


def read_slowly(seconds: float = 0.05) -> Act:
    """Read a byte at a time, and never the whole request."""

    def act(visit: Visit) -> None:
        visit.end(heard=False)
        while not visit.arrived.closing.wait(seconds):
            if not visit.sock.recv(1):
                break

    return act


def half_close(data: bytes) -> Act:
    """Read the head of the request only, send `data` and FIN, and then read the rest until the client ends."""

    def act(visit: Visit) -> None:
        visit.arrived.read_head_only()
        visit.end(heard=False)
        visit.send(data)
        visit.sock.shutdown(socket.SHUT_WR)
        while visit.sock.recv(65_536):
            pass

    return act


def in_turn(*acts: Act) -> Act:
    """Play these acts one after another, beginning anew behind the last: for `then`."""
    turn = iter(range(2**62))

    def act(visit: Visit) -> None:
        acts[next(turn) % len(acts)](visit)

    return act
