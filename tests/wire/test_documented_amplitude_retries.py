"""Amplitude's retry contract: what its documents and its Node client promise of each answer, against the receiver.

The rows are those of issue and protocols.md 5.4, and of the Node client's own tests (behaviours.md, section 1). Where a
row describes a defect of that client, the test says what happens instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluiceway import Amplitude, DeliveryError
from sluiceway.testing import Answer, Receiver, answers

KEY = "documented-api-key"
HOLD = 3_600
# A wait that no test would outlast: what arrives all the same has not waited for it.
NEVER = [HOLD * 1_000]


@pytest.fixture
def throttle(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Make the 30 seconds of a throttled user shorter; that it is 30 is the judge's own test."""
    return lambda seconds: monkeypatch.setattr("sluiceway.vendors.amplitude_judge.THROTTLE_SECONDS", seconds)


@contextmanager
def talk(*script: Any, default: Any = 200, **options: Any) -> Iterator[tuple[Receiver, Amplitude]]:
    """A receiver that answers so, and a client that sends when it is told to flush."""
    with (
        Receiver(script, default=default, vendor="amplitude") as receiver,
        Amplitude(KEY, server_url=receiver.url, **{"upload_interval_in_sec": HOLD, **options}) as client,
    ):
        yield receiver, client
        client.close(1)
        assert client.stats().balanced
        assert receiver.violations == []


def log(client: Amplitude, *names: str, **more: Any) -> None:
    """Log events named like ``a1``: the user is the letter, the number counts."""
    for name in names:
        assert client.track(name, user_id=f"user-{name[0]}", **more)


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_type"] for event in events]


def requests(receiver: Receiver) -> list[list[str]]:
    return [names(request.batch) for request in receiver.requests]


# -- an answer that names events


@pytest.mark.parametrize(
    "answer",
    [
        answers.amplitude_invalid({"time": [1], "ip": [1, 3]}),
        answers.amplitude_invalid(missing={"event_type": [1, 3]}),
        answers.amplitude_invalid(id_lengths={"user_id": [1], "device_id": [3]}),
        answers.amplitude_silenced(["device-1"], [1, 3]),
        # Out of the request, twice, and nobody.
        answers.amplitude_invalid({"time": [3, 3, 1], "ip": [17], "city": []}),
    ],
    ids=["invalid", "missing", "id lengths", "silenced", "odd"],
)
def test_400_ends_exactly_the_named_events_and_the_others_go_at_once(answer: Answer) -> None:
    told: dict[str, Any] = {}
    with talk(answer, retry_timeouts=NEVER) as (receiver, client):
        for name in ("a0", "b1", "c2", "d3"):
            log(client, name, callback=lambda error, batch, name=name: told.update({name: error and error.reason}))
        result = client.flush(10)
        assert (result.delivered, result.failed, result.pending) == (2, 2, 0)
        assert requests(receiver) == [["a0", "b1", "c2", "d3"], ["a0", "c2"]]
        assert client.stats().failed_by_reason == {"rejected": 2}
    assert told == {"a0": None, "b1": "rejected", "c2": None, "d3": "rejected"}


def test_http_v2_names_the_first_event_of_each_field_only_so_a_resend_may_fail_again() -> None:
    script = [answers.amplitude_invalid({"time": [0]}), answers.amplitude_invalid({"time": [1]})]
    with talk(*script, retry_timeouts=NEVER) as (receiver, client):
        log(client, "a0", "b1", "c2", "d3")
        client.flush(10)
        assert requests(receiver) == [["a0", "b1", "c2", "d3"], ["b1", "c2", "d3"], ["b1", "d3"]]
        assert names(receiver.events) == ["b1", "d3"]


def test_400_with_missing_field_ends_all() -> None:
    with talk(answers.amplitude_missing("events")) as (receiver, client):
        log(client, "a0", "b1")
        client.flush(10)
        assert len(receiver.requests) == 1
        assert client.stats().failed_by_reason == {"rejected": 2}


@pytest.mark.parametrize("answer", [400, answers.amplitude_invalid({"time": [0]}), answers.amplitude_invalid()])
def test_400_to_a_single_event_ends_it(answer: Any) -> None:
    with talk(answer) as (receiver, client):
        log(client, "a0")
        client.flush(10)
        assert (len(receiver.requests), client.stats().failed_by_reason) == (1, {"rejected": 1})


def test_400_that_names_nobody_is_searched_for_the_event_at_fault() -> None:
    def server(arriving: Any) -> Any:
        return 400 if "c2" in names(arriving.batch) else 200

    with talk(default=server, retry_timeouts=NEVER) as (receiver, client):
        log(client, "a0", "b1", "c2", "d3")
        client.flush(10)
        assert sorted(names(receiver.events)) == ["a0", "b1", "d3"]
        assert client.stats().failed_by_reason == {"rejected": 1}


def test_an_invalid_api_key_is_fatal_and_loud() -> None:
    """The Node client retries it twelve times and says nothing."""
    told: list[DeliveryError] = []
    with talk(answers.amplitude_bad_key(), on_error=lambda error, batch: told.append(error)) as (receiver, client):
        log(client, "a0", "b1")
        assert not client.flush(10)
        assert len(receiver.requests) == 1
        assert client.stats().failed_by_reason == {"unauthorized": 2}
        assert client.stats().last_error
    assert [(error.reason, error.status) for error in told] == [("unauthorized", 400)]


# -- too much


def test_413_halves_down_to_one_event() -> None:
    def server(arriving: Any) -> Any:
        return 413 if len(arriving.batch) > 2 or "h7" in names(arriving.batch) else 200

    with talk(default=server, retry_timeouts=NEVER) as (receiver, client):
        log(client, *(f"{letter}{number}" for number, letter in enumerate("abcdefgh")))
        client.flush(10)
        assert names(receiver.events) == ["a0", "b1", "c2", "d3", "e4", "f5", "g6"]
        assert client.stats().failed_by_reason == {"rejected": 1}
        assert [len(request) for request in requests(receiver)][:3] == [8, 4, 2]


def test_429_that_names_nobody_is_retried_as_a_whole() -> None:
    with talk(429, 429, retry_timeouts=[1, 1]) as (receiver, client):
        log(client, "a0", "b1")
        assert client.flush(10).delivered == 2
        assert requests(receiver) == [["a0", "b1"]] * 3


def test_429_ends_who_is_over_the_daily_quota_and_the_others_go_at_once() -> None:
    answer = answers.amplitude_throttled(quota_users=["user-a"], quota_devices=["device-b"])
    with talk(answer, retry_timeouts=NEVER) as (receiver, client):
        log(client, "a0", "a1", "c2")
        log(client, "b3", device_id="device-b")
        client.flush(10)
        assert requests(receiver) == [["a0", "a1", "c2", "b3"], ["c2"]]
        assert client.stats().failed_by_reason == {"rejected": 3}


@pytest.mark.parametrize(
    "answer",
    [
        answers.amplitude_throttled(users=["user-a"]),
        answers.amplitude_throttled(devices=["device-a"]),
        answers.amplitude_throttled(events=[0]),
        answers.amplitude_throttled(users=["user-a"], events=[0, 2]),
    ],
    ids=["user", "device", "event", "user and events"],
)
def test_429_delays_only_the_throttled(answer: Any, throttle: Callable[[float], None]) -> None:
    throttle(0.6)
    with talk(answer, retry_timeouts=NEVER) as (receiver, client):
        log(client, "a0", device_id="device-a")
        log(client, "b1")
        log(client, "a2", device_id="device-a")
        begun = time.monotonic()
        assert not client.flush(0.2)
        assert receiver.wait_for(events=1, timeout=5)
        # All others go on, also with what comes now; what is the throttled user's own lines up behind.
        log(client, "c3")
        log(client, "a4", device_id="device-a")
        assert not client.flush(0.1)
        assert names(receiver.events) == ["b1", "c3"]
        assert client.stats().pending == 3
        assert client.flush(10).ok
        assert time.monotonic() - begun > 0.5
        assert names(receiver.events) == ["b1", "c3", "a0", "a2", "a4"]
        assert client.stats().failed == 0


def test_a_flush_does_not_cut_the_wait_that_the_server_asked_for(throttle: Callable[[float], None]) -> None:
    throttle(30.0)
    with talk(answers.amplitude_throttled(users=["user-a"])) as (receiver, client):
        log(client, "a0", "b1")
        assert client.flush(0.5).pending == 1
        assert client.flush(0.3).pending == 1
        assert len(receiver.requests) == 2
        assert client.close(0.3).pending == 0
        assert client.stats().failed_by_reason == {"shutdown": 1}


def test_throttled_events_count_against_the_queues_budget(throttle: Callable[[float], None]) -> None:
    throttle(30.0)
    with talk(answers.amplitude_throttled(users=["user-a"]), max_queue_events=3) as (_, client):
        log(client, "a0", "a1", "b2")
        client.flush(0.5)
        log(client, "c3")
        assert not client.track("c4", user_id="user-c")
        assert client.stats().refused == {"queue_full": 1}


def test_beyond_max_cached_events_the_oldest_throttled_are_dropped(throttle: Callable[[float], None]) -> None:
    throttle(30.0)
    told: list[str] = []
    with talk(answers.amplitude_throttled(users=["user-a"]), max_cached_events=3) as (_, client):
        for number in range(2):
            log(client, f"a{number}", callback=lambda error, batch, n=number: told.append(f"a{n} {error.reason}"))
        client.flush(0.3)
        for number in range(2, 5):
            log(client, f"a{number}", callback=lambda error, batch, n=number: told.append(f"a{n} {error.reason}"))
        client.flush(0.3)
        assert told == ["a0 throttled", "a1 throttled"]
        assert client.stats().dropped_by_reason == {"throttled": 2}
        assert client.stats().pending == 3


# -- failures that pass (behaviours.md, section 1)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_failure_that_passes_is_retried_and_each_event_arrives_once(status: int) -> None:
    with talk(status, status, retry_timeouts=[1, 1]) as (receiver, client):
        log(client, "a0", "b1")
        assert client.flush(10).delivered == 2
        assert names(receiver.events) == ["a0", "b1"]
        assert len({event["insert_id"] for event in receiver.events}) == 2


@pytest.mark.parametrize("reset", ["before", "during", "after"])
def test_a_connection_that_breaks_is_retried(reset: Any) -> None:
    """The Node client loses what a connection error meets during a retry."""
    with talk(Answer(reset=reset), Answer(reset=reset), retry_timeouts=[1, 1, 1]) as (receiver, client):
        log(client, "a0")
        assert client.flush(10).delivered == 1
        assert names(receiver.events) == ["a0"]


def test_a_user_who_always_fails_is_tried_four_times_in_all() -> None:
    told: list[tuple[int, int, bool]] = []
    options = {"retry_timeouts": [1, 1, 1], "on_retry": lambda *of: told.append((of[0].status, *of[1:]))}
    with talk(default=429, **options) as (receiver, client):
        log(client, "a0")
        assert client.flush(10).failed == 1
        assert len(receiver.requests) == 4
        assert told == [(429, 0, False), (429, 1, False), (429, 2, True)]


def test_without_retry_timeouts_nothing_is_sent_again() -> None:
    script = [500, answers.amplitude_invalid({"time": [0]}), 413]
    with talk(*script, retry_timeouts=[]) as (receiver, client):
        for names_of_request in (("a0",), ("b1", "c2"), ("d3", "e4")):
            log(client, *names_of_request)
            client.flush(10)
        assert requests(receiver) == [["a0"], ["b1", "c2"], ["d3", "e4"]]
        assert client.stats().failed_by_reason == {"retries_exhausted": 4, "rejected": 1}


def test_on_retry_that_raises_does_no_harm() -> None:
    def raising(*_: Any) -> None:
        raise RuntimeError

    with talk(500, retry_timeouts=[1], on_retry=raising) as (_, client):
        log(client, "a0")
        assert client.flush(10).delivered == 1


def test_a_success_is_not_told_to_on_retry() -> None:
    told: list[Any] = []
    with talk(retry_timeouts=[1], on_retry=lambda *of: told.append(of)) as (_, client):
        log(client, "a0")
        client.flush(10)
    assert told == []


# -- whatever the server says


def partial(size: int) -> st.SearchStrategy[Any]:
    """Index lists in and beyond a request, with repetitions."""
    return st.lists(st.integers(0, size), max_size=4).map(lambda indices: answers.amplitude_invalid({"time": indices}))


def throttled(letters: st.SearchStrategy[list[str]], **kind: Any) -> st.SearchStrategy[Any]:
    return letters.map(
        lambda chosen: answers.amplitude_throttled(**{name: [f"user-{letter}" for letter in chosen] for name in kind})
    )


SOME = st.lists(st.sampled_from("abcd"), max_size=3)
SAYS = st.one_of(
    st.sampled_from([200, 200, 400, 408, 413, 429, 500, 503, Answer(reset="after")]),
    partial(6),
    throttled(SOME, users=True),
    throttled(SOME, quota_users=True),
    st.just(answers.amplitude_silenced(["x"], [0])),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(SAYS, max_size=8), batches=st.lists(st.text("abcd", min_size=1, max_size=6), max_size=4))
def test_each_event_ends_once_and_in_order_per_user(
    script: list[Any], batches: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluiceway.vendors.amplitude_judge.THROTTLE_SECONDS", 0.02)
    ends: dict[str, list[str]] = {}
    number = 0
    with talk(*script, retry_timeouts=[1] * 12) as (receiver, client):
        for batch in batches:
            for letter in batch:
                name, number = f"{letter}{number}", number + 1
                log(client, name, callback=lambda error, _, n=name: ends.setdefault(n, []).append(str(error)))
            client.flush(0.01)
        assert client.flush(20).pending == 0
        arrived = names(receiver.events)
    assert sorted(map(len, ends.values())) == [1] * number
    delivered = [name for name, [error] in ends.items() if error == "None"]
    # A cut connection may have taken what is then sent again; the receiver counts such events once more at most.
    assert set(delivered) == set(arrived)
    for letter in "abcd":
        mine = [int(name[1:]) for name in dict.fromkeys(arrived) if name[0] == letter]
        assert mine == sorted(mine)
