"""The options of Segment's Node library (protocols.md 2.6), each by its Python name and against the strict receiver.

Times are in seconds. What the official Python client calls its options is a matter of the module that stands in for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sluiceway import ConfigError, RetryPolicy, Segment
from sluiceway.testing import Answer, Receiver

KEY = "documented-write-key"
SOON = RetryPolicy(base_seconds=0.001, cap_seconds=0.001)

# Options of the language. Not one is ignored when given: the constructor refuses it.
LEFT_OUT = {
    "axios_config": "axios is a JavaScript library; transport= takes any HTTP client",
    "axios_instance": "the same",
    "axios_retry_config": "retry=RetryPolicy(...) says how often and how patiently",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
        assert receiver.violations == []


@pytest.mark.parametrize("slashes", ["", "/", "///"])
def test_option_host_without_its_trailing_slashes(receiver: Receiver, slashes: str) -> None:
    with Segment(KEY, host=receiver.url + slashes, sync=True) as client:
        assert client.track("u", "E")
    assert receiver.requests[0].path == "/v1/batch"
    assert Segment(KEY)._options.endpoint.url == "https://api.segment.io/v1/batch"


@pytest.mark.parametrize("slash", ["", "/"])
def test_option_path_without_its_trailing_slash(receiver: Receiver, slash: str) -> None:
    with Segment(KEY, host=receiver.url, path="/v1/batch" + slash, sync=True) as client:
        assert client.track("u", "E")
    assert receiver.requests[0].path == "/v1/batch"


@pytest.mark.parametrize(("given", "meant"), [(0, 1), (1, 1), (3, 3), (None, 20)])
def test_option_flush_at(receiver: Receiver, given: int | None, meant: int) -> None:
    with Segment(KEY, host=receiver.url, flush_at=given, flush_first=False, flush_interval=3_600.0) as client:
        assert client._options.flush_at == meant
        for _ in range(meant):
            client.track("u", "E")
        assert receiver.wait_for(events=meant)
    assert [len(request.batch) for request in receiver.requests] == [meant]


def test_option_flush_interval(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url, flush_first=False, flush_at=1_000, flush_interval=0.05) as client:
        client.track("u", "E")
        assert receiver.wait_for(events=1)
    assert Segment(KEY)._options.flush_interval == 10.0
    with pytest.raises(ConfigError, match="were milliseconds meant by 10000"):
        Segment(KEY, flush_interval=10_000)


def test_options_flush_at_0_and_flush_interval_0_send_at_once_without_a_timer(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url, flush_at=0, flush_interval=0, flush_first=False) as client:
        client.track("u", "E")
        assert receiver.wait_for(events=1)


def test_option_max_queue_size_is_max_batch_bytes(receiver: Receiver) -> None:
    options: dict[str, Any] = {"flush_first": False, "flush_at": 10_000, "flush_interval": 3_600.0}
    with Segment(KEY, host=receiver.url, max_batch_bytes=100_000, **options) as client:
        for _ in range(50):
            client.track("u", "E", {"fill": "x" * 5_000})
        # So many bytes are a reason to send, whatever flush_at says, and no request has more.
        assert receiver.wait_for(requests=2)
        assert client.flush(30).ok
    assert max(len(request.body) for request in receiver.requests) <= 100_000


def test_option_enable(receiver: Receiver) -> None:
    with Segment(KEY, host=receiver.url, enable=False) as client:
        assert client.track("u", "E")
        assert client.flush(30).pending == 0
    assert receiver.requests == []
    assert Segment(KEY)._options.enable is True


def test_option_timeout() -> None:
    slow = Answer(200, delay=5.0)
    with Receiver(default=slow) as receiver, Segment(KEY, host=receiver.url, timeout=0.2, retry_count=0) as client:
        client.track("u", "E")
        client.flush(30)
        assert client.stats().failed_by_reason == {"retries_exhausted": 1}
    with pytest.raises(ConfigError, match="number of seconds"):
        Segment(KEY, timeout="5s")  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 3])
def test_option_retry_count(count: int) -> None:
    with Receiver(default=Answer(503, body=b"")) as receiver:
        with Segment(KEY, host=receiver.url, retry=SOON, retry_count=count) as client:
            client.track("u", "E")
            client.flush(30)
            assert client.stats().failed_by_reason == {"retries_exhausted": 1}
        assert len(receiver.requests) == 1 + count


def test_option_retry_count_5_outlasts_five_503(receiver: Receiver) -> None:
    receiver.answer(*[Answer(503, body=b"")] * 5)
    with Segment(KEY, host=receiver.url, retry=SOON, retry_count=5) as client:
        client.track("u", "E")
        assert client.flush(30).ok
    assert len(receiver.requests) == 6


def test_option_error_handler_is_on_error(receiver: Receiver) -> None:
    receiver.answer(Answer(400, body=b""))
    told: list[Any] = []
    with Segment(
        KEY, host=receiver.url, on_error=lambda error, batch: told.append((error.reason, batch.ids))
    ) as client:
        client.track("u", "E", message_id="m-1")
        client.flush(30)
    assert told == [("rejected", ["m-1"])]


@pytest.mark.parametrize("option", LEFT_OUT)
def test_an_option_of_the_language_is_refused_and_not_ignored(option: str) -> None:
    with pytest.raises(ConfigError, match=f"^{option} is not an option"):
        Segment(KEY, **{option: {}})  # type: ignore[arg-type]
