"""Refused events: answered False, counted under one reason, told once, logged without a value, raised only if asked."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from sluiceway import ConfigError, DeliveryError, InvalidEvent, QueueFull, Segment
from sluiceway.testing import MemoryTransport

KEY = "secretkey-secretkey-7f3d"
ENVELOPE_BYTES = Segment.vendor.envelope_bytes(KEY)
CANARY = "canary-of-the-payload"


def make(**options: Any) -> Segment:
    return Segment(KEY, **{"transport": MemoryTransport(), **options})


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


class Unspeakable:
    def __str__(self) -> str:
        raise ValueError(CANARY)

    __repr__ = __str__


def cycle() -> list[Any]:
    value: list[Any] = [CANARY]
    value.append(value)
    return value


def raising(event: Any) -> Any:
    raise RuntimeError(CANARY)


REFUSED: list[tuple[str, str, dict[str, Any], Callable[[Segment], bool]]] = [
    ("invalid", "user_id or anonymous_id", {}, lambda client: client.track(event=CANARY)),
    ("invalid", "event", {}, lambda client: client.track(CANARY)),
    ("invalid", "event", {}, lambda client: client.track("u", "")),
    ("invalid", "user_id", {}, lambda client: client.track("", CANARY)),
    ("invalid", "user_id", {}, lambda client: client.track(1.5, CANARY)),  # type: ignore[arg-type]
    ("invalid", "user_id", {}, lambda client: client.identify(True)),
    ("invalid", "group_id", {}, lambda client: client.group("u")),
    ("invalid", "previous_id", {}, lambda client: client.alias(None, "u")),
    ("invalid", "user_id", {}, lambda client: client.alias("p")),
    ("invalid", "properties", {}, lambda client: client.track("u", "E", CANARY)),  # type: ignore[arg-type]
    ("invalid", "traits", {}, lambda client: client.identify("u", [CANARY])),  # type: ignore[arg-type]
    ("invalid", "context", {}, lambda client: client.track("u", "E", context=7)),  # type: ignore[arg-type]
    ("invalid", "timestamp", {}, lambda client: client.track("u", "E", timestamp=CANARY)),
    ("invalid", "message_id", {}, lambda client: client.track("u", "E", message_id=CANARY * 10)),
    ("invalid", "callback", {}, lambda client: client.track("u", "E", callback=CANARY)),  # type: ignore[arg-type]
    ("unserializable", "properties", {}, lambda client: client.track("u", "E", {"a": cycle()})),
    ("unserializable", "properties", {}, lambda client: client.track("u", "E", {"a": nested(10_000)})),
    ("unserializable", "properties", {}, lambda client: client.track("u", "E", {"a": Unspeakable()})),
    ("event_too_large", "track", {}, lambda client: client.track("u", "E", {"a": CANARY * 10_000})),
    ("event_too_large", "track", {}, lambda client: client.track("u", "E", {"a": {CANARY: {1}}, "b": "x" * 10**6})),
    ("middleware", "middleware", {"middleware": [lambda event: None]}, lambda client: client.track("u", CANARY)),
    ("middleware", "middleware", {"middleware": [raising]}, lambda client: client.track("u", CANARY)),
    ("opted_out", "track", {"opt_out": True}, lambda client: client.track("u", CANARY)),
]
IDS = [f"{reason}-{field}-{number}" for number, (reason, field, _, _) in enumerate(REFUSED)]


@pytest.mark.parametrize(("reason", "field", "options", "call"), REFUSED, ids=IDS)
def test_a_refused_event_is_counted_and_named_without_its_value(
    reason: str,
    field: str,
    options: dict[str, Any],
    call: Callable[[Segment], bool],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = make(**options)
    with caplog.at_level(logging.DEBUG):
        assert call(client) is False
    stats = client.stats()
    assert stats.refused == {reason: 1}
    assert (stats.offered, stats.accepted) == (1, 0)
    assert stats.balanced
    [record] = [each for each in caplog.records if each.name == "sluiceway"]
    arranged = reason == "opted_out" or (reason == "middleware" and raising not in options["middleware"])
    assert record.levelno == (logging.DEBUG if arranged else logging.WARNING)
    assert reason in record.getMessage()
    assert field in record.getMessage()
    assert CANARY not in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(("reason", "field", "options", "call"), REFUSED, ids=IDS)
def test_strict_raises_for_what_is_wrong_with_the_event_only(
    reason: str, field: str, options: dict[str, Any], call: Callable[[Segment], bool]
) -> None:
    client = make(strict=True, **options)
    if reason in ("invalid", "unserializable", "event_too_large"):
        with pytest.raises(InvalidEvent) as caught:
            call(client)
        assert caught.value.field == field
        assert CANARY not in str(caught.value)
    else:
        assert call(client) is False
    assert client.stats().refused == {reason: 1}


def test_the_callback_of_a_refused_event_is_told_once() -> None:
    told: list[Any] = []
    client = make()
    assert client.track("", "E", callback=lambda error, batch: told.append((error, batch))) is False
    [(error, batch)] = told
    assert isinstance(error, DeliveryError)
    assert (error.reason, error.sent, error.status) == ("invalid", "no", None)
    assert batch.ids == []
    assert batch.attempts == 0


def test_log_lines_are_limited_and_the_next_one_carries_the_total(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    client = make()
    for _ in range(100):
        client.track("", "E")
    now += 10.0
    client.track("", "E")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "1 events" in lines[0]
    assert "100 events" in lines[1]
    assert client.stats().refused == {"invalid": 101}


def test_a_logging_handler_that_tracks_does_not_recurse() -> None:
    client = make()

    class Tracking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            client.track("", "logged")

    handler = Tracking()
    logging.getLogger("sluiceway").addHandler(handler)
    try:
        client.track("", "E")
    finally:
        logging.getLogger("sluiceway").removeHandler(handler)
    assert client.stats().refused == {"invalid": 2}


def exact(size: int, text: str = "x") -> dict[str, Any]:
    """Properties that make a track event of exactly ``size`` bytes as sent."""
    transport = MemoryTransport()
    client = Segment(KEY, transport=transport, max_event_bytes=100_000)
    client.track("u", "E", {"a": ""}, message_id="m")
    empty = len(transport.requests[0].body) - ENVELOPE_BYTES
    filler = (size - empty) // len(text.encode())
    return {"a": text * filler + "x" * (size - empty - filler * len(text.encode()))}


@pytest.mark.parametrize("text", ["x", "é", "\U0001f600"])
def test_the_event_limit_is_exact(text: str) -> None:
    transport = MemoryTransport()
    client = make(transport=transport)
    assert client.track("u", "E", exact(32_768, text), message_id="m") is True
    assert len(transport.requests[0].body) == 32_768 + ENVELOPE_BYTES
    assert client.track("u", "E", exact(32_769, text), message_id="m") is False
    assert client.stats().refused == {"event_too_large": 1}


def test_an_oversize_event_is_refused_with_its_size(caplog: pytest.LogCaptureFixture) -> None:
    make().track("u", "E", exact(32_769), message_id="m")
    assert "at least 32,769 bytes; the limit is 32,768" in caplog.text


def test_an_interrupt_passes_through_and_leaves_nothing_behind() -> None:
    class Interrupted:
        def __str__(self) -> str:
            raise KeyboardInterrupt

    client = make()
    with pytest.raises(KeyboardInterrupt):
        client.track("u", "E", {"a": Interrupted()}, callback=lambda error, batch: None)
    assert not client._assembly.delivery.registered
    assert client.track("u", "E") is True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_user_code_that_forks_in_the_middle_of_a_call_raises_nothing() -> None:
    children = []

    class Forking:
        def __str__(self) -> str:
            children.append(os.fork())
            return "forked"

    client = make()
    taken = client.track("u", "E", {"a": Forking()})
    [child] = children
    if child == 0:
        os._exit(0 if taken is False and client.track("child", "E") is True else 1)
    assert taken is True
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.stats().balanced


def test_a_logging_filter_that_raises_is_not_the_applications_problem() -> None:
    def broken(record: logging.LogRecord) -> bool:
        raise ValueError(CANARY)

    logging.getLogger("sluiceway").addFilter(broken)
    try:
        assert make().track("", "E") is False
    finally:
        logging.getLogger("sluiceway").removeFilter(broken)


def test_a_call_inside_a_call_works() -> None:
    client = make()

    class Recursive:
        def __str__(self) -> str:
            return str(client.track("u", "inner"))

    assert client.track("u", "outer", {"a": Recursive()}) is True
    assert client.stats().delivered == 2


def test_after_close_nothing_of_the_users_runs() -> None:
    def never(event: Any) -> Any:
        raise AssertionError("ran after close")

    client = make(middleware=[never])
    client.close()
    assert client.track("u", "E") is False
    assert client.stats().refused == {"closed": 1}


def held(**options: Any) -> Segment:
    """A client whose events stay in the ring: no worker ever starts."""
    client = make(transport=None, host="http://127.0.0.1:9", exit_timeout=0, max_queue_events=2, **options)
    client._assembly.worker.start = lambda: False  # type: ignore[method-assign]
    client._assembly.admission._attend = lambda: False
    return client


def test_a_full_queue_refuses_the_new_event() -> None:
    client = held()
    assert [client.track("u", "E") for _ in range(4)] == [True, True, False, False]
    assert client.stats().refused == {"queue_full": 2}
    assert client.stats().balanced


def test_a_full_queue_raises_when_asked() -> None:
    client = held(on_full="raise")
    client.track("u", "E")
    client.track("u", "E")
    with pytest.raises(QueueFull, match="2 events"):
        client.track("u", "E")


def test_a_full_queue_drops_the_oldest_when_asked() -> None:
    client = held(on_full="drop_oldest")
    assert [client.track("u", "E") for _ in range(4)] == [True] * 4
    stats = client.stats()
    assert (stats.accepted, stats.dropped_by_reason, stats.pending) == (4, {"overflow": 2}, 2)
    assert stats.balanced


def test_blocking_ends_with_its_timeout() -> None:
    client = held(on_full="block", block_timeout=0.05)
    assert [client.track("u", "E") for _ in range(3)] == [True, True, False]
    assert client.stats().refused == {"queue_full": 1}


def test_blocking_waits_for_room_and_then_accepts() -> None:
    import threading

    client = held(on_full="block")
    client.track("u", "E")
    client.track("u", "E")
    threading.Timer(0.1, client.purge).start()
    assert client.track("u", "late") is True
    stats = client.stats()
    assert (stats.accepted, stats.dropped_by_reason, stats.pending) == (3, {"purged": 2}, 1)


def test_blocking_is_refused_on_a_running_loop(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    client = held(on_full="block")

    async def push() -> list[bool]:
        return [client.track("u", "E") for _ in range(4)]

    assert asyncio.run(push()) == [True, True, False, False]
    assert caplog.text.count("cannot wait on this thread") == 1


def test_blocking_ends_with_close() -> None:
    import threading

    client = held(on_full="block")
    client.track("u", "E")
    client.track("u", "E")
    threading.Timer(0.1, lambda: client.close(0)).start()
    assert client.track("u", "late") is False
    assert client.stats().refused == {"closed": 1}


def test_a_wrong_option_is_a_config_error_and_shows_no_key() -> None:
    with pytest.raises(ConfigError) as caught:
        make(flush_at=-1)
    locals_of_ours = [
        value
        for frame in walk(caught.value)
        if "sluiceway" in frame.f_code.co_filename and "tests" not in frame.f_code.co_filename
        for value in frame.f_locals.values()
    ]
    assert locals_of_ours
    assert KEY not in repr(locals_of_ours)


def walk(error: BaseException) -> list[Any]:
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    return frames
