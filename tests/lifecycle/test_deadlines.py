"""Nothing waits longer than it was told to: requests, flush and close, whatever the sender is stuck in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sluiceway import RetryPolicy, Segment
from sluiceway.testing import Answer, Receiver

KEY = "a-write-key-of-tests"
WAIT_SECONDS = 0.2
# More than ten times that; what they are stuck in would take a minute.
BOUND_SECONDS = 4.0
FOREVER_SECONDS = 60.0


class Stuck:
    """What a client is stuck in, and how to end it: a thread of ours must not outlive its test."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.reached = threading.Event()
        self.closes: list[Callable[[], Any]] = []

    def stop_here(self, *_: Any, **__: Any) -> None:
        self.reached.set()
        self.ended.wait(FOREVER_SECONDS)

    def end(self) -> None:
        self.ended.set()
        for close in self.closes:
            with contextlib.suppress(OSError):
                close()

    def receiver(self, default: Any) -> str:
        receiver = Receiver(default=default)
        self.closes.append(receiver.close)
        self.wait = lambda: receiver.wait_for(requests=1)
        return receiver.url

    def listener(self, *, full: bool = False) -> str:
        """An address that takes connections and says nothing, or answers no SYN."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.closes.append(listener.close)
        for _ in range(4 if full else 0):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            self.closes.append(filler.close)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def wait(self) -> bool:
        """Wait until the client is stuck, as far as that can be known."""
        return self.reached.wait(10)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    stuck = Stuck()
    yield stuck
    stuck.end()
    deadline = time.monotonic() + 20
    while any(thread.name.startswith("sluiceway") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread of ours is left over"
        time.sleep(0.01)


def in_a_moment(stuck: Stuck) -> None:
    stuck.wait = lambda: time.sleep(0.2) or True  # type: ignore[func-returns-value,method-assign,assignment]


def black_hole(stuck: Stuck, **options: Any) -> Segment:
    return Segment(KEY, host=stuck.receiver(Answer(delay=FOREVER_SECONDS)), **options)


def drip(stuck: Stuck, **options: Any) -> Segment:
    return Segment(KEY, host=stuck.receiver(Answer(drip_seconds=1.0)), **options)


def reader_of_a_byte(stuck: Stuck, **options: Any) -> Segment:
    """It takes the connection and reads nothing of a request larger than all buffers."""
    in_a_moment(stuck)
    client = Segment(KEY, host=f"http://{stuck.listener()}", flush_first=False, gzip=False, **options)
    for _ in range(400):
        client.track("u", "E", {"text": "x" * 20_000})
    return client


def name_look_up(stuck: Stuck, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Segment:
    real = socket.getaddrinfo

    def hang(host: str, *more: Any, **named: Any) -> Any:
        # An address is not looked up, and one that only may be an address is none here.
        if host != "hangs.invalid" or socket.AI_NUMERICHOST in more[4:]:
            return real(host, *more, **named)
        stuck.stop_here()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    return Segment(KEY, host="http://hangs.invalid", allow_http=True, **options)


def syn(stuck: Stuck, **options: Any) -> Segment:
    in_a_moment(stuck)
    return Segment(KEY, host=f"http://{stuck.listener(full=True)}", connect_timeout=FOREVER_SECONDS, **options)


def tls_hello(stuck: Stuck, **options: Any) -> Segment:
    in_a_moment(stuck)
    return Segment(KEY, host=f"https://{stuck.listener()}", connect_timeout=FOREVER_SECONDS, **options)


def asked_to_wait(stuck: Stuck, **options: Any) -> Segment:
    return Segment(KEY, host=stuck.receiver(Answer(429, {"Retry-After": "300"})), **options)


def back_off(stuck: Stuck, **options: Any) -> Segment:
    """Flush and close cut it short, and each time it fails again."""
    retry = RetryPolicy(delays=(FOREVER_SECONDS,) * 100)
    return Segment(KEY, host=stuck.receiver(Answer(503)), retry=retry, **options)


def transport(stuck: Stuck, **options: Any) -> Segment:
    class Never:
        send = staticmethod(stuck.stop_here)

        def close(self) -> None:
            pass

    return Segment(KEY, transport=Never(), **options)


def transport_whose_close_fails(stuck: Stuck, **options: Any) -> Segment:
    class Never:
        send = staticmethod(stuck.stop_here)

        def close(self) -> None:
            raise RuntimeError("of the user's own")

    return Segment(KEY, transport=Never(), **options)


class Handler(logging.Handler):
    """Hands the worker's lines to a function. Without a lock: one that holds it stops every thread that logs."""

    def __init__(self, meet: Callable[[], Any]) -> None:
        super().__init__()
        self.meet = meet

    def createLock(self) -> None:  # noqa: N802 - logging's name
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        if threading.current_thread().name == "sluiceway-worker":
            self.meet()


def log_handler(stuck: Stuck, **options: Any) -> Segment:
    """The worker has something to say, and the handler does not let it go on."""
    handler = Handler(stuck.stop_here)
    logging.getLogger("sluiceway").addHandler(handler)
    stuck.closes.append(lambda: logging.getLogger("sluiceway").removeHandler(handler))
    url = stuck.receiver(Answer(400, body=b"malformed"))
    stuck.wait = lambda: stuck.reached.wait(10)  # type: ignore[method-assign]
    return Segment(KEY, host=url, **options)


STUCK = {
    function.__name__: function
    for function in (
        black_hole, drip, reader_of_a_byte, syn, tls_hello, asked_to_wait, back_off, transport,
        transport_whose_close_fails, log_handler, name_look_up,
    )
}  # fmt: skip


def make(name: str, stuck: Stuck, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Segment:
    """Return a client that is stuck with an event or more, some of them still in the ring."""
    more = {"monkeypatch": monkeypatch} if name == "name_look_up" else {}
    client: Segment = STUCK[name](stuck, timeout=FOREVER_SECONDS, exit_timeout=0.1, **more, **options)
    assert client.track("u", "E")
    client.flush(0.01)
    assert stuck.wait(), "it is not stuck"
    assert client.track("u", "behind it")
    return client


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < BOUND_SECONDS


@pytest.mark.parametrize("name", list(STUCK))
def test_flush_and_close_end_in_time_whatever_the_sender_is_stuck_in(
    name: str, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(name, stuck, monkeypatch)
    with bounded():
        result = client.flush(WAIT_SECONDS)
    assert result.pending or name == "log_handler"
    with bounded():
        client.track("u", "and the calls go on")
        client.stats()
    with bounded():
        assert asyncio.run(client.aflush(WAIT_SECONDS)).pending
    with bounded():
        result = client.close(WAIT_SECONDS)
    assert result.pending == 0
    stats = client.stats()
    assert stats.pending == 0
    assert stats.balanced
    assert stats.failed_by_reason["shutdown"] >= 2
    assert (stats.reserved_events, stats.reserved_bytes) == (0, 0)
    with bounded():
        assert client.track("u", "late") is False
        assert not client.close(WAIT_SECONDS).pending
    # What the sender learns afterwards changes nothing.
    stuck.end()
    time.sleep(0.1)
    after = client.stats()
    assert (after.delivered, after.failed, after.pending) == (stats.delivered, stats.failed, 0)
    assert after.balanced


@pytest.mark.parametrize("name", ["black_hole", "name_look_up", "syn", "log_handler"])
def test_many_that_flush_and_close_at_once_all_end_in_time(
    name: str, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(name, stuck, monkeypatch)
    took: list[float] = []

    def wait(call: Callable[[float], Any]) -> None:
        began = time.monotonic()
        call(WAIT_SECONDS)
        took.append(time.monotonic() - began)

    calls = [client.flush] * 20 + [client.close] * 5
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(took) == 25
    assert max(took) < 2 * BOUND_SECONDS
    assert client.stats().pending == 0
    assert client.stats().balanced


@pytest.mark.parametrize("name", ["black_hole", "name_look_up", "syn", "tls_hello"])
def test_without_a_thread_the_caller_waits_no_longer_than_it_said(
    name: str, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sync=True sends on the calling thread; the name look-up, which nothing can interrupt, must not hold that."""
    more = {"monkeypatch": monkeypatch} if name == "name_look_up" else {}
    client: Segment = STUCK[name](stuck, timeout=WAIT_SECONDS, sync=True, **more)
    with bounded():
        assert client.track("u", "E") is False
    assert client.stats().attempts >= 1
    with bounded():
        client.flush(WAIT_SECONDS)
    with bounded():
        assert asyncio.run(client.aflush(WAIT_SECONDS)).pending
    with bounded():
        client.close(WAIT_SECONDS)
    stats = client.stats()
    assert stats.pending == 0
    assert stats.balanced
    assert stats.failed_by_reason == {"shutdown": 1}


def test_a_look_up_that_hangs_is_asked_once_however_often_it_is_waited_for(
    stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = name_look_up(stuck, monkeypatch, timeout=0.05, sync=True, retry=RetryPolicy(delays=(0.0,) * 1000))
    for _ in range(5):
        client.track("u", "E")
        client.flush(0.1)
    assert client.stats().attempts >= 5
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("sluiceway-look-up") == 1
    client.close(0.1)


def test_without_a_thread_from_the_system_flush_and_close_are_bounded_too(
    stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = name_look_up(stuck, monkeypatch, timeout=FOREVER_SECONDS)
    monkeypatch.setattr("sluiceway.worker.start_thread", lambda *_: False)
    assert client.track("u", "E")
    with bounded():
        assert client.flush(WAIT_SECONDS).pending == 1
    with bounded():
        assert client.close(WAIT_SECONDS).failed == 1
    assert client.stats().balanced


def test_a_callback_that_never_returns_holds_up_neither_delivery_nor_close(stuck: Stuck) -> None:
    with Receiver() as receiver:
        client = Segment(KEY, host=receiver.url, flush_first=False)
        client.track("u", "E", callback=stuck.stop_here)
        with bounded():
            client.flush(WAIT_SECONDS)
        assert stuck.reached.wait(10)
        client.track("u", "another")
        with bounded():
            result = client.flush(WAIT_SECONDS)
        assert result.delivered == 1
        with bounded():
            client.close(WAIT_SECONDS)
        stats = client.stats()
        assert (stats.delivered, stats.pending) == (2, 0)
        assert stats.balanced


def test_closing_under_a_lock_that_a_log_handler_wants(stuck: Stuck) -> None:
    """A handler of the program's own takes a lock of the program's own, and somebody closes the client under it."""
    lock = threading.Lock()

    def want() -> None:
        stuck.reached.set()
        with lock:
            pass

    handler = Handler(want)
    logging.getLogger("sluiceway").addHandler(handler)
    try:
        with Receiver(default=Answer(400, body=b"malformed")) as receiver, lock:
            client = Segment(KEY, host=receiver.url)
            client.track("u", "E")
            assert stuck.reached.wait(10)
            client.track("u", "behind it")
            with bounded():
                client.close(WAIT_SECONDS)
            assert client.stats().pending == 0
            assert client.stats().balanced
    finally:
        logging.getLogger("sluiceway").removeHandler(handler)


@pytest.mark.parametrize("name", ["head", "body"])
def test_row_25_a_server_that_drips_a_byte_a_second_is_cut_off_at_the_deadline_and_asked_again(name: str) -> None:
    """A time limit on each read would never notice: there is a byte every second."""
    slow = Answer(200, body=b"x" * 100, drip_seconds=1.0 if name == "head" else 0.0)
    with Receiver([slow], default=200) as receiver:
        client = Segment(KEY, host=receiver.url, timeout=2.0, retry=RetryPolicy(delays=(0.0,)))
        began = time.monotonic()
        client.track("u", "E")
        if name == "head":
            assert receiver.wait_for(requests=2, timeout=20)
            assert 1.9 < time.monotonic() - began < 20
        assert client.flush(20)
        requests = receiver.requests
        assert len(requests) == (2 if name == "head" else 1)
        assert len({event["messageId"] for request in requests for event in request.batch}) == 1
        stats = client.stats()
        assert (stats.delivered, stats.attempts) == (1, len(requests))
        assert stats.balanced
        client.close()
