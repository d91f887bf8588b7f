"""Each option of Amplitude's documents (protocols.md 5.6): what it does, on the wire, against the strict receiver.

The options of the Node SDK are what must work; those of the Python and TypeScript clients work where they mean
something here. What each may be, and what contradicts what, is in tests/unit/test_amplitude_options.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from sluiceway import Amplitude, ConfigError, IngestionMetadata, Plan, Request, Response
from sluiceway.testing import Answer, MemoryTransport, Receiver
from sluiceway.vendors.amplitude_options import AmplitudeOptions

KEY = "documented-api-key"
EVENT = {"event_type": "E", "user_id": "user-1"}

# Option of the documents -> its name here. Each has a test of that name below.
AN = {
    "serverUrl": "server_url",
    "debug": "debug",
    "logLevel": "log_level",
    "maxCachedEvents": "max_cached_events",
    "retryTimeouts": "retry_timeouts",
    "optOut": "opt_out",
    "retryClass": "retry_class",
    "transportClass": "transport_class",
    "uploadIntervalInSec": "upload_interval_in_sec",
    "minIdLength": "min_id_length",
    "onRetry": "on_retry",
    "requestTimeoutMillis": "request_timeout_millis",
    "plan": "plan",
    "ingestionMetadata": "ingestion_metadata",
}
AP = {
    "flush_queue_size": "flush_queue_size",
    "flush_interval_millis": "flush_interval_millis",
    "flush_max_retries": "flush_max_retries",
    "min_id_length": "min_id_length",
    "server_zone": "server_zone",
    "use_batch": "use_batch",
    "server_url": "server_url",
    "opt_out": "opt_out",
    "plan": "plan",
    "ingestion_metadata": "ingestion_metadata",
}
# Names that the constructor refuses, and why they are not there.
LEFT_OUT = {
    "max_retries": "of v1.x only, deprecated there: retry_timeouts, or retry_count",
    "callback": "AP's, of the client: on_delivery and on_error",
    "storage_provider": "AP's: events wait in the engine's own queue, within max_queue_events and max_queue_bytes",
    "logger": "AP's: logging.getLogger('sluiceway'), by log_level",
    "logger_provider": "AT's: logging.getLogger('sluiceway'), by log_level",
    "api_key": "AP's: the first argument",
    "instance_name": "AT's: of Amplitude.init, not of a client",
    "offline": "AT's, for browsers: OfflineRetryHandler",
}


class Handler:
    def __init__(self, status: int = 200) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self.status = status

    def send_events_with_retry(self, events: list[dict[str, Any]], /) -> Response:
        self.calls.append(events)
        return Response(status=self.status)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(vendor="amplitude") as receiver:
        yield receiver
        assert receiver.violations == []


def test_every_documented_option_is_one_and_has_a_test() -> None:
    for name in {*AN.values(), *AP.values()}:
        assert name in AmplitudeOptions.__annotations__
        assert any(test.startswith(f"test_{name}") for test in globals()), name


@pytest.mark.parametrize("name", LEFT_OUT)
def test_an_option_that_is_left_out_is_not_ignored(name: str) -> None:
    with pytest.raises((ConfigError, TypeError)):
        Amplitude(KEY, **{name: 1})  # type: ignore[arg-type]


def test_server_url(receiver: Receiver) -> None:
    """``https://api2.amplitude.com/2/httpapi`` by default; a proxy's address is taken whole."""
    assert Amplitude(KEY).get_options()["server_url"] == "https://api2.amplitude.com/2/httpapi"
    with Amplitude(KEY, server_url=f"{receiver.url}/proxy/2/httpapi", sync=True) as client:
        assert client.log_event(EVENT)
    assert receiver.requests[0].path == "/proxy/2/httpapi"


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({}, None),
        ({"debug": False}, None),
        ({"debug": True}, logging.WARNING),
        ({"debug": True, "log_level": "none"}, None),
        ({"debug": True, "log_level": "error"}, logging.ERROR),
        ({"log_level": "none"}, None),
        ({"log_level": "error"}, logging.ERROR),
        ({"log_level": "warn"}, logging.WARNING),
        ({"log_level": "verbose"}, logging.DEBUG),
    ],
)
@pytest.mark.parametrize("refused", [{"event_type": "E"}, {"event_type": "", "user_id": "user-1"}])
def test_log_level_and_debug(
    options: dict[str, Any], least: int | None, refused: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """``none`` by default; with ``debug`` ``warn``. The program's own loggers are left as they are."""
    before = logging.getLogger("sluiceway").level
    caplog.set_level(logging.DEBUG, "sluiceway")
    client = Amplitude(KEY, transport=MemoryTransport([404, 503, 200]), retry_timeouts=[1], **options)
    assert client.log_event(EVENT)  # an error: 404
    assert not client.log_event(refused)  # a warning
    assert client.log_event(EVENT)  # for whoever wants to know everything: a retry
    levels = {record.levelno for record in caplog.records}
    expected = {logging.ERROR, logging.WARNING, logging.DEBUG}
    assert levels == (set() if least is None else {level for level in expected if level >= least})
    assert KEY not in caplog.text
    caplog.set_level(before, "sluiceway")


def test_debug_is_log_level_warn() -> None:
    assert Amplitude(KEY, debug=True).get_options()["log_level"] == "warn"
    assert Amplitude(KEY).get_options()["log_level"] == "none"


def test_max_cached_events(receiver: Receiver) -> None:
    """So many waiting events go at once, whatever the interval."""
    with Amplitude(KEY, server_url=receiver.url, max_cached_events=3, upload_interval_in_sec=3_600) as client:
        client.log_event(EVENT)
        client.log_event(EVENT)
        assert not receiver.wait_for(events=1, timeout=0.2)
        client.log_event(EVENT)
        assert receiver.wait_for(events=3, timeout=5)


@pytest.mark.parametrize("waits", [[], [50], [20, 60, 20]])
def test_retry_timeouts(waits: list[int]) -> None:
    """One retry for each, after exactly so many milliseconds; none means no retry."""
    with (
        Receiver(default=500, vendor="amplitude") as receiver,
        Amplitude(KEY, server_url=receiver.url, sync=True, retry_timeouts=waits) as client,
    ):
        assert not client.log_event(EVENT)
        assert client.stats().failed_by_reason == {"retries_exhausted": 1}
        arrived = [request.arrived_seconds for request in receiver.requests]
    between = [(later - earlier) * 1000 for earlier, later in pairwise(arrived)]
    assert len(between) == len(waits)
    for wait, took in zip(waits, between, strict=True):
        assert wait - 2 <= took < wait + 1_000


def test_retry_timeouts_as_documented_are_twelve() -> None:
    twelve = [100, 100, 200, 200, 400, 400, 800, 800, 1600, 1600, 3200, 3200]
    client = Amplitude(KEY, retry_timeouts=twelve)
    assert client._options.retry.delays == tuple(wait / 1000 for wait in twelve)
    assert client.get_options()["retry_timeouts"] == tuple(twelve)


def test_retry_timeouts_not_given_survive_an_outage() -> None:
    """Not a documented default: the twelve waits take 12.6 seconds, and an event must outlive more than that."""
    policy = Amplitude(KEY)._options.retry
    assert (policy.delays, policy.max_counted(endpoint=True), policy.max_counted(endpoint=False)) == (None, None, 12)


def test_opt_out(receiver: Receiver) -> None:
    """Nothing is sent; the call says so."""
    with Amplitude(KEY, server_url=receiver.url, opt_out=True) as client:
        assert not client.log_event(EVENT)
        assert client.stats().refused == {"opted_out": 1}
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("status", "ended"),
    [(200, (1, 0)), (500, (0, 1))],
)
def test_retry_class(receiver: Receiver, status: int, ended: tuple[int, int]) -> None:
    """It sends, in the place of the client, whose retries it replaces."""
    handler = Handler(status)
    with Amplitude(KEY, server_url=receiver.url, retry_class=handler, sync=True) as client:
        client.log_event(EVENT)
        assert (client.stats().delivered, client.stats().failed) == ended
    assert receiver.requests == []
    [[event]] = handler.calls
    assert event.items() >= EVENT.items()
    assert {"insert_id", "time", "library"} <= event.keys()


def test_transport_class() -> None:
    """It carries requests, in the place of ours; retries stay ours."""

    class Carrying:
        def __init__(self) -> None:
            self.requests: list[Request] = []
            self.closed = False

        def send(self, request: Request) -> Response:
            self.requests.append(request)
            return Response(status=200 if len(self.requests) > 1 else 503)

        def close(self) -> None:
            self.closed = True

    carrying = Carrying()
    with Amplitude(KEY, transport_class=carrying, sync=True, retry_timeouts=[1]) as client:
        assert client.log_event(EVENT)
    assert [request.path for request in carrying.requests] == ["/2/httpapi"] * 2
    assert carrying.closed


def test_upload_interval_in_sec(receiver: Receiver) -> None:
    """0 by default; otherwise events wait so long for others, and no longer."""
    with Amplitude(KEY, server_url=receiver.url, upload_interval_in_sec=0.4) as client:
        before = time.monotonic()
        client.log_event(EVENT)
        client.log_event(EVENT)
        assert receiver.wait_for(events=2, timeout=5)
        took = receiver.requests[0].arrived_seconds - before
    assert len(receiver.requests) == 1
    assert 0.35 < took < 3


def test_min_id_length(receiver: Receiver) -> None:
    """Not sent by default, when the server's five hold; checked at the call."""
    with Amplitude(KEY, server_url=receiver.url, sync=True) as client:
        assert not client.log_event({"event_type": "E", "user_id": "four"})
        assert client.log_event(EVENT)
    with Amplitude(KEY, server_url=receiver.url, sync=True, min_id_length=2) as client:
        assert client.log_event({"event_type": "E", "user_id": "ab"})
        assert not client.log_event({"event_type": "E", "user_id": "a"})
    assert [request.document.get("options") for request in receiver.requests] == [None, {"min_id_length": 2}]


def test_on_retry() -> None:
    """After each retry, never after the first send; the attempt counts from 0."""
    told: list[tuple[int, int, bool]] = []

    def on_retry(response: Response, attempt: int, is_last: bool) -> bool:
        told.append((response.status, attempt, is_last))
        return False  # what it returns does not matter

    with (
        Receiver([429, 500, 503, 200], vendor="amplitude") as receiver,
        Amplitude(KEY, server_url=receiver.url, sync=True, retry_timeouts=[1, 1, 1], on_retry=on_retry) as client,
    ):
        assert client.log_event(EVENT)
        assert told == [(500, 0, False), (503, 1, False), (200, 2, True)]
        assert client.log_event(EVENT)
        assert len(told) == 3


@pytest.mark.parametrize("options", [{"request_timeout_millis": 200}, {"request_timeout": 0.2}])
def test_request_timeout_millis(options: dict[str, Any]) -> None:
    """10,000 by default. What takes longer is given up, and retried."""
    assert Amplitude(KEY).get_options()["request_timeout_millis"] == 10_000.0
    with (
        Receiver([Answer(delay=3)], vendor="amplitude") as receiver,
        Amplitude(KEY, server_url=receiver.url, sync=True, retry_timeouts=[], **options) as client,
    ):
        before = time.monotonic()
        assert not client.log_event(EVENT)
        assert 0.15 < time.monotonic() - before < 2


@pytest.mark.parametrize("plan", [{"branch": "main", "version": "1"}, Plan(branch="main", version="1")])
def test_plan(receiver: Receiver, plan: Any) -> None:
    """``{...options.plan, ...event.plan}``."""
    with Amplitude(KEY, server_url=receiver.url, sync=True, plan=plan) as client:
        assert client.log_event(EVENT)
        assert client.log_event({**EVENT, "plan": {"version": "2", "source": "web"}})
    assert [event["plan"] for event in receiver.events] == [
        {"branch": "main", "version": "1"},
        {"branch": "main", "version": "2", "source": "web"},
    ]


@pytest.mark.parametrize(
    "metadata",
    [
        {"source_name": "ampli", "source_version": "1"},
        IngestionMetadata(source_name="ampli", source_version="1"),
    ],
)
def test_ingestion_metadata(receiver: Receiver, metadata: Any) -> None:
    """Each event carries it."""
    with Amplitude(KEY, server_url=receiver.url, sync=True, ingestion_metadata=metadata) as client:
        assert client.log_event(EVENT)
        assert client.log_event({**EVENT, "ingestion_metadata": {"source_version": "2"}})
    assert [event["ingestion_metadata"] for event in receiver.events] == [
        {"source_name": "ampli", "source_version": "1"},
        {"source_name": "ampli", "source_version": "2"},
    ]


def test_flush_queue_size(receiver: Receiver) -> None:
    with Amplitude(KEY, server_url=receiver.url, flush_queue_size=2, upload_interval_in_sec=3_600) as client:
        client.log_event(EVENT)
        assert not receiver.wait_for(events=1, timeout=0.2)
        client.log_event(EVENT)
        assert receiver.wait_for(events=2, timeout=5)


def test_flush_interval_millis(receiver: Receiver) -> None:
    with Amplitude(KEY, server_url=receiver.url, flush_interval_millis=300) as client:
        before = time.monotonic()
        client.log_event(EVENT)
        assert receiver.wait_for(events=1, timeout=5)
        assert receiver.requests[0].arrived_seconds - before > 0.25


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("status", [408, 503])
def test_flush_max_retries(status: int, count: int) -> None:
    with (
        Receiver(default=status, vendor="amplitude") as receiver,
        Amplitude(KEY, server_url=receiver.url, sync=True, flush_max_retries=count) as client,
    ):
        assert not client.log_event(EVENT)
        assert len(receiver.requests) == 1 + count


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"server_zone": "US"}, "https://api2.amplitude.com/2/httpapi"),
        ({"server_zone": "EU"}, "https://api.eu.amplitude.com/2/httpapi"),
        ({"server_zone": "US", "use_batch": True}, "https://api2.amplitude.com/batch"),
        ({"server_zone": "EU", "use_batch": True}, "https://api.eu.amplitude.com/batch"),
        ({"region": "eu"}, "https://api.eu.amplitude.com/2/httpapi"),
        ({"host": "https://api.eu.amplitude.com"}, "https://api.eu.amplitude.com/2/httpapi"),
    ],
)
def test_server_zone_and_use_batch(options: dict[str, Any], url: str) -> None:
    assert Amplitude(KEY, **options).get_options()["server_url"] == url


@pytest.mark.parametrize("options", [{"use_batch": True}, {"path": "/batch"}, {"server_url": "/batch"}])
def test_use_batch(receiver: Receiver, options: dict[str, Any]) -> None:
    """The batch API takes larger requests of 2,000 events; a ``server_url`` that ends so takes its limits."""
    url = options.get("server_url", "")
    where = {"server_url": receiver.url + url} if "path" not in options else {"host": receiver.url}
    given = {**options, **where, "upload_interval_in_sec": 3_600}
    with Amplitude(KEY, **given) as client:
        for _ in range(2_500):
            client.track("E", user_id="user-1", event_properties={"text": "x" * 1_000})
        assert client.flush(30)
    assert {request.path for request in receiver.requests} == {"/batch"}
    assert max(len(request.batch) for request in receiver.requests) == 2_000
    assert max(len(request.body) for request in receiver.requests) > 2_000_000
