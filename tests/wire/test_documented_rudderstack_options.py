"""The options of RudderStack's Node SDK (protocols.md 3.6), each by its Python name and against the strict receiver.

Times are in seconds. What the official Python client calls its options is a matter of the module that stands in for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sluiceway import ConfigError, RetryPolicy, RudderStack
from sluiceway.testing import Answer, Receiver

KEY = "documented-write-key"
SOON = RetryPolicy(base_seconds=0.001, cap_seconds=0.001)

# Rows that have no Python form, and what stands in for them. Not one is ignored when given: the constructor refuses it.
LEFT_OUT = {
    "axios_config": "of the language: axios is a JavaScript library; transport= takes any HTTP client",
    "axios_instance": "of the language: the same",
    "axios_retry_config": "of the language: retry=RetryPolicy(...) says how often and how patiently",
    "data_plane": "a misspelling must not be ignored, as a URL in the second place is by SDKs from 2.0 on",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(vendor="rudderstack") as receiver:
        yield receiver
        assert receiver.violations == []


def at_once(receiver: Receiver, **options: Any) -> RudderStack:
    return RudderStack(KEY, receiver.url, sync=True, **options)


def test_option_flush_at(receiver: Receiver) -> None:
    with RudderStack(KEY, receiver.url, flush_first=False, flush_at=2, flush_interval=3_600.0) as client:
        assert client._options.flush_at == 2
        for _ in range(2):
            client.track("u", "E")
        assert receiver.wait_for(events=2)
    assert [len(request.batch) for request in receiver.requests] == [2]
    assert RudderStack(KEY, receiver.url)._options.flush_at == 20


def test_option_flush_interval_is_in_seconds(receiver: Receiver) -> None:
    with RudderStack(KEY, receiver.url, flush_first=False, flush_at=1_000, flush_interval=0.05) as client:
        client.track("u", "E")
        assert receiver.wait_for(events=1)
    assert RudderStack(KEY, receiver.url)._options.flush_interval == 10.0
    with pytest.raises(ConfigError, match="milliseconds"):
        RudderStack(KEY, receiver.url, flush_interval=10_000)


def test_option_max_internal_queue_size_is_max_queue_events_and_a_full_queue_is_told(receiver: Receiver) -> None:
    told: list[Any] = []
    options: dict[str, Any] = {"flush_first": False, "flush_at": 100, "flush_interval": 3_600.0}
    with RudderStack(KEY, receiver.url, max_queue_events=2, **options) as client:
        assert [client.track("u", "E") for _ in range(2)] == [True, True]
        # The Node SDK drops such an event without calling its callback.
        assert client.track("u", "E", callback=lambda error, batch: told.append(error.reason)) is False
        assert client.flush(30).ok
        assert client.stats().refused == {"queue_full": 1}
    assert told == ["queue_full"]
    assert len(receiver.events) == 2


def test_option_max_queue_size_is_max_batch_bytes(receiver: Receiver) -> None:
    options: dict[str, Any] = {"flush_first": False, "flush_at": 1_000, "flush_interval": 3_600.0}
    with RudderStack(KEY, receiver.url, max_batch_bytes=460_800, **options) as client:
        for _ in range(100):
            client.track("u", "E", {"fill": "x" * 10_000})
        # So many bytes are a reason to send, whatever flush_at says, and no request has more.
        assert receiver.wait_for(requests=2)
        assert client.flush(30).ok
    assert max(len(request.body) for request in receiver.requests) <= 460_800


@pytest.mark.parametrize(
    ("level", "logged"), [("log", 1), ("debug", 1), ("info", 1), ("warn", 1), ("error", 0), ("none", 0)]
)
def test_option_log_level(level: Any, logged: int, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sluiceway")
    with at_once(receiver, log_level=level) as client:
        client.track(event="of nobody")
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == logged


def test_option_data_plane_url_is_required(receiver: Receiver) -> None:
    with pytest.raises(TypeError):
        RudderStack(KEY)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"^data_plane_url"):
        RudderStack(KEY, {"dataPlaneUrl": receiver.url})  # type: ignore[arg-type]


def test_option_path(receiver: Receiver) -> None:
    with at_once(receiver, path="/v1/batch") as client:
        client.track("u", "E")
    assert receiver.requests[0].path == "/v1/batch"
    assert RudderStack(KEY, receiver.url, path="/rudder")._options.endpoint.path == "/rudder"


@pytest.mark.parametrize("count", [0, 3])
def test_option_retry_count(count: int) -> None:
    with Receiver(vendor="rudderstack", default=Answer(503, body=b"")) as receiver:
        with RudderStack(KEY, receiver.url, retry=SOON, retry_count=count) as client:
            client.track("u", "E")
            client.flush(30)
            assert client.stats().failed_by_reason == {"retries_exhausted": 1}
        assert len(receiver.requests) == 1 + count


def test_option_error_handler_is_on_error(receiver: Receiver) -> None:
    receiver.answer(Answer(401, body=b"invalid write key\n"))
    told: list[Any] = []
    with at_once(
        receiver, on_error=lambda error, batch: told.append((error.reason, error.status, batch.ids))
    ) as client:
        assert client.track("u", "E", message_id="m-1") is False
    assert told == [("unauthorized", 401, ["m-1"])]


@pytest.mark.parametrize("given", [None, True, False])
def test_option_gzip(receiver: Receiver, given: bool | None) -> None:
    with at_once(receiver, gzip=given) as client:
        client.track("u", "E", {"fill": "x" * 2_000})
    [request] = receiver.requests
    assert request.headers.get("content-encoding") == (None if given is False else "gzip")


def test_option_enable(receiver: Receiver) -> None:
    told: list[Any] = []
    with RudderStack(KEY, receiver.url, enable=False) as client:
        assert client.track("u", "E", callback=lambda error, batch: told.append(error))
        assert not client.track("u")
        assert client.flush(30).pending == 0
    assert told == [None]
    assert receiver.requests == []


def test_option_timeout() -> None:
    slow = Answer(200, delay=5.0, body=b"ok")
    with (
        Receiver(vendor="rudderstack", default=slow) as receiver,
        at_once(receiver, timeout=0.2, retry_count=0) as client,
    ):
        assert client.track("u", "E") is False
        assert client.stats().failed_by_reason == {"retries_exhausted": 1}


@pytest.mark.parametrize("option", LEFT_OUT)
def test_an_option_without_a_python_form_is_refused_and_not_ignored(option: str, receiver: Receiver) -> None:
    with pytest.raises(ConfigError, match=f"^{option} is not an option"):
        RudderStack(KEY, receiver.url, **{option: {}})  # type: ignore[arg-type]
