"""Section 6, Secrets: a key and a payload that are looked for in everything that can be shown, after everything that
can go wrong."""

from __future__ import annotations

import base64
import copy
import faulthandler
import gc
import logging
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sluiceway import (
    Amplitude,
    ConfigError,
    InvalidEvent,
    PostHog,
    QueueFull,
    RudderStack,
    Segment,
)
from sluiceway.client import Client
from sluiceway.testing import MemoryTransport, Receiver
from sluiceway.testing.answers import Answer
from sluiceway.transport import Request, Response, TransportError

KEY = "canarykeyfkz0000000000000000tail"
PAYLOAD = "canary-of-the-payload"
# The key as some vendors' headers carry it, with and without what may stand around it.
FORMS = (KEY[:-4], base64.b64encode(KEY.encode())[:24].decode(), base64.b64encode(f"{KEY}:".encode())[:24].decode())


def shows_key(text: str) -> bool:
    return any(form in text for form in FORMS)


def shows_anything(text: str) -> bool:
    return shows_key(text) or PAYLOAD in text


def segment(url: str, **options: Any) -> Client:
    return Segment(KEY, host=url, **options)


def rudderstack(url: str, **options: Any) -> Client:
    return RudderStack(KEY, url, **options)


def posthog(url: str, **options: Any) -> Client:
    return PostHog(KEY, host=url, **options)


def capture(url: str, **options: Any) -> Client:
    return PostHog(KEY, host=url, capture_mode="v1", **options)


def amplitude(url: str, **options: Any) -> Client:
    return Amplitude(KEY, server_url=f"{url}/2/httpapi", **options)


Make = Callable[..., Client]
VENDORS: list[Make] = [segment, rudderstack, posthog, capture, amplitude]


def push(client: Any, callback: Any = None, **more: Any) -> bool:
    """One event that is all payload."""
    held = {PAYLOAD: PAYLOAD, **more}
    if isinstance(client, PostHog):
        return client.capture(PAYLOAD, distinct_id=PAYLOAD, properties=held, callback=callback)
    if isinstance(client, Amplitude):
        return client.track(PAYLOAD, user_id=PAYLOAD, event_properties=held, callback=callback)
    return bool(client.track(PAYLOAD, PAYLOAD, held, callback=callback))


QUOTING = Answer(400, body=f'{{"error": "{KEY} {PAYLOAD}"}}'.encode())
ANSWERS: dict[str, Any] = {
    "200": 200,
    "200 that quotes": Answer(200, body=QUOTING.body),
    "400 that quotes": QUOTING,
    "401": 401,
    "403": 403,
    "413": 413,
    "415": 415,
    "429": 429,
    "500": 500,
    "501": 501,
    "307": Answer(307, headers={"Location": f"https://{KEY}.example.com/{PAYLOAD}"}),
    "a header that quotes": Answer(503, headers={"Retry-After": f"{KEY}{PAYLOAD}"}),
}


class Shown:
    """All that was shown of a client's life."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def look(self, thing: Any) -> None:
        for show in (
            repr,
            str,
            "{}".format,
            "{!r:>9}".format,
            lambda thing: repr([thing]),
            lambda thing: repr({1: thing}),
        ):
            self.texts.append(show(thing))

    def of_client(self, client: Client) -> None:
        self.look(client)
        self.look(client.stats())
        self.look(client._options)
        self.look(client._assembly.queue)
        with pytest.raises(TypeError):
            pickle.dumps(client)
        self.texts += [repr(vars(type(client))), repr(client._options.write_key.__reduce__())]

    def of_error(self, error: BaseException) -> None:
        self.look(error)
        self.texts += map(repr, error.args)
        self.texts.append(repr(vars(error)))
        self.texts.append("".join(traceback.format_exception(error)))


def everything_of_ours() -> Iterator[str]:
    """What each living object of the package says of itself: what a debugger or an error report would show."""
    for thing in gc.get_objects():
        # Of a class whose own class is odd this is no text.
        room = str(type(thing).__module__)
        if room.partition(".")[0] == "sluiceway" and ".testing" not in room:
            yield f"{type(thing).__qualname__}: {thing!r}"


# All of them where the key stands in a header and where it stands in the body; elsewhere those that quote.
ANSWERED = [
    (make, answer)
    for make in VENDORS
    for answer in ANSWERS
    if make in (segment, amplitude) or answer in ("400 that quotes", "401", "500")
]


@pytest.mark.parametrize(("make", "answer"), ANSWERED)
def test_no_key_and_no_payload_is_shown_whatever_the_server_answers(
    make: Make, answer: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = Shown()

    def told(error: Any, batch: Any = None) -> None:
        if isinstance(error, BaseException):
            shown.of_error(error)
            shown.texts.append(repr(copy.copy(error)))
            shown.texts.append(repr(pickle.loads(pickle.dumps(error))))
        shown.look(batch)

    with caplog.at_level(logging.DEBUG), Receiver(lambda _: ANSWERS[answer]) as receiver:
        client = make(receiver.url, on_error=told, on_delivery=shown.look)
        assert push(client, callback=told)
        for n in range(5):
            assert push(client, n=n)
        client.flush(0.1)
        shown.of_client(client)
        shown.texts += everything_of_ours()
        with (tmp_path / "dump").open("w") as dump:
            faulthandler.dump_traceback(dump, all_threads=True)
        shown.texts.append((tmp_path / "dump").read_text())
        shown.look(client.close(0.2))
        shown.of_client(client)
        assert receiver.stats().requests >= 1
    urllib3_lines = [record for record in caplog.records if record.name.startswith("urllib3")]
    assert urllib3_lines, "its debug lines are to be looked through, too"
    printed = capfd.readouterr()
    shown.texts += [
        *(f"{record.getMessage()} {record.__dict__}" for record in caplog.records),
        printed.out,
        printed.err,
    ]
    assert len(shown.texts) > 50
    leaks = [text[:300] for text in shown.texts if shows_anything(text)]
    assert leaks == []


FAULTS: dict[str, Callable[[], Exception]] = {
    kind: (lambda kind=kind: TransportError(kind, "maybe", "told")) for kind in ("resolve", "connect", "tls", "timeout")
}
FAULTS["somebody's own"] = lambda: ValueError(f"{KEY} {PAYLOAD}")


class Looking:
    """A transport that looks around: at the frames it was called from, and at what lives."""

    def __init__(self, shown: Shown, fault: Callable[[], Exception] | None) -> None:
        self.shown = shown
        self.fault = fault
        self.requests = 0
        self.has_looked = threading.Event()

    def send(self, request: Request) -> Response:
        self.requests += 1
        self.shown.look(request)
        self.shown.texts += everything_of_ours()
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if name.partition(".")[0] == "sluiceway":
                self.shown.texts.append(f"{name}.{frame.f_code.co_name}: {frame.f_locals!r}")
            frame = frame.f_back
        self.has_looked.set()
        if self.fault is not None:
            raise self.fault()
        response = Response(status=200, body=f"{KEY} {PAYLOAD}".encode(), headers={"x": KEY})
        self.shown.look(response)
        return response

    def close(self) -> None:
        pass


@pytest.mark.parametrize("make", VENDORS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_no_key_is_in_a_frame_or_an_object_while_a_request_is_made(
    make: Make, fault: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    shown = Shown()
    transport = Looking(shown, None if fault is None else FAULTS[fault])
    with caplog.at_level(logging.DEBUG):
        client = make("https://example.com", transport=transport, flush_at=1)
        push(client)
        assert transport.has_looked.wait(20)
        client.flush(0.3)
        shown.of_client(client)
        client.close(0.3)
    assert transport.requests >= 1
    assert any("_send" in text for text in shown.texts), "no frame of ours was seen"
    assert [text[:400] for text in [*shown.texts, caplog.text] if shows_anything(text)] == []


@pytest.mark.parametrize("make", VENDORS, ids=lambda make: make.__name__)
def test_no_exception_shows_a_payload_or_a_key_not_even_with_its_frames(make: Make) -> None:
    errors: list[BaseException] = []

    def expect(kind: type[Exception], call: Callable[[], Any]) -> None:
        with pytest.raises(kind) as caught:
            call()
        errors.append(caught.value)

    for name, wrong in (("flush_at", PAYLOAD), ("timeout", PAYLOAD), ("on_full", PAYLOAD), ("gzip", PAYLOAD)):
        expect(ConfigError, lambda name=name, wrong=wrong: make("https://example.com", **{name: wrong}))
    expect(ConfigError, lambda: make(f"http://example.com/{PAYLOAD}"))
    memory = make("https://example.com", transport=MemoryTransport(), strict=True)

    class Unreadable:
        def __str__(self) -> str:
            raise ValueError(PAYLOAD)

    expect(InvalidEvent, lambda: push(memory, odd=Unreadable()))
    expect(InvalidEvent, lambda: push(memory, odd=[[[PAYLOAD] * 10**6]]))
    full = make(
        "https://example.com", on_full="raise", max_queue_events=1, transport=Looking(Shown(), FAULTS["timeout"])
    )
    expect(QueueFull, lambda: [push(full) for _ in range(9)])
    full.close(0)
    assert len(errors) == 8
    for error in errors:
        shown = Shown()
        shown.of_error(error)
        assert not [
            text for text in shown.texts if PAYLOAD in text.replace("test_canaries.py", "") and "def " not in text
        ]
        # An error report takes the variables of each frame along: ours hold the key as a Secret at most.
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert any(frame.locals for frame in told.stack)
        for frame in told.stack:
            if "sluiceway" in frame.filename and "tests" not in frame.filename:
                assert not shows_key(repr(frame.locals)), (frame.name, frame.locals)


def test_what_a_dump_of_all_threads_shows_has_neither(tmp_path: Path) -> None:
    # As `faulthandler` prints it when a process is stopped by its supervisor: with threads in the middle of things.
    script = f"""
import faulthandler, sys, time
from sluiceway import Segment
class Slow:
    def send(self, request): time.sleep(3)
    def close(self): pass
client = Segment({KEY!r}, transport=Slow(), flush_at=1, exit_timeout=0.1)
client.track({PAYLOAD!r}, {PAYLOAD!r}, {{"a": {PAYLOAD!r}}})
time.sleep(0.5)
faulthandler.dump_traceback(all_threads=True)
print(client, client.stats(), vars(client) if hasattr(client, "__dict__") else "", file=sys.stderr)
client.flush(0.1)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0
    assert "sender.py" in done.stderr
    assert not shows_anything(done.stdout + done.stderr)


def test_an_error_of_a_thread_of_ours_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    # What kills a thread is printed with its text; so nothing does.
    hooked: list[Any] = []
    before, threading.excepthook = threading.excepthook, hooked.append
    try:

        class Broken:
            def send(self, request: Request) -> Response:
                raise SystemExit(f"{KEY} {PAYLOAD}")

            def close(self) -> None:
                raise ValueError(KEY)

        client = Segment(KEY, transport=Broken(), flush_at=1)
        push(client)
        client.flush(0.3)
        client.close(0.3)
    finally:
        threading.excepthook = before
    assert hooked == []
    printed = capfd.readouterr()
    assert not shows_anything(printed.out + printed.err)
