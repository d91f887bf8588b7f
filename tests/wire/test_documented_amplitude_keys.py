"""Each key that Amplitude's documents and clients have for an event: it arrives with its value, and nothing else does.

The rows are those of protocols.md 5.2 ("Event keys"), which are "Keys for the event argument" of the HTTP V2 API
reference and the further keys of Amplitude's own clients. Every one is sent by its Python name through ``track`` and by
its own through ``log_event``, natively and through the closer look, against the strict receiver.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from sluiceway import Amplitude, IngestionMetadata, InvalidEvent, Plan, __version__
from sluiceway.testing import MemoryTransport, Receiver
from sluiceway.vendors.amplitude_page import AMPLITUDE, FIELDS

KEY = "documented-api-key"
WHEN = datetime(2014, 4, 1, 19, 42, 58, 123_000, timezone.utc)
MILLISECONDS = 1_396_381_378_123

TEXTS = ("words", "", "\u00e9\U0001f600", "x" * 1_024)
NO_TEXTS = (5, 1.5, True, b"words", ["words"], {"a": 1})
INTS = (0, 1, -1, 2**53 + 1, 1_396_381_378_123)
NO_INTS = ("5", 1.5, True, [5], 2**64, -(2**63) - 1)
NUMBERS = (0, 3, -1.99, 4.99, 1e300, 2**64)
NO_NUMBERS = ("4.99", True, [1.0], float("nan"), float("inf"), 10**308)
MAPS = ({}, {"a": [1, {"b": None}]}, {"company_name": ["Amplitude", "DataMonster"]})
NO_MAPS = ([1], "a", 5, True, [("a", 1)])
IDS = ("user-1", "datamonster@gmail.com", "C8F9E604-F01A-4BD9-95C6-8E5357DF265D", 12_345, UUID(int=2**127))
NO_IDS = ("", "four", 1_234, True, 12_345.5, b"user-1", "anonymous", "UNDEFINED", str(UUID(int=0)), "x" * 1_025)


class Row(NamedTuple):
    """A key, its name as an argument, what it takes, and what it does not."""

    key: str
    good: tuple[Any, ...]
    bad: tuple[Any, ...]
    argument: str = ""

    @property
    def name(self) -> str:
        return self.argument or self.key


def texts(*keys: str) -> list[Row]:
    return [Row(key, TEXTS, NO_TEXTS) for key in keys]


ROWS = [
    Row("event_type", ("watch_tutorial", "x" * 1_024), ("", *NO_TEXTS)),
    Row("user_id", IDS, NO_IDS),
    Row("device_id", IDS, NO_IDS),
    Row("event_properties", MAPS, NO_MAPS),
    Row("user_properties", MAPS, NO_MAPS),
    Row("groups", MAPS, NO_MAPS),
    Row("group_properties", MAPS, NO_MAPS),
    Row("$skip_user_properties_sync", (True, False), (1, 0, "true", [True]), "skip_user_properties_sync"),
    *texts("app_version", "version_name", "platform", "os_name", "os_version"),
    *texts("device_brand", "device_manufacturer", "device_model", "carrier"),
    *texts("country", "region", "city", "dma", "language"),
    Row("price", NUMBERS, NO_NUMBERS),
    Row("quantity", INTS, NO_INTS),
    Row("revenue", NUMBERS, NO_NUMBERS),
    Row("productId", TEXTS, NO_TEXTS, "product_id"),
    Row("revenueType", TEXTS, NO_TEXTS, "revenue_type"),
    *texts("currency"),
    Row("location_lat", NUMBERS, NO_NUMBERS),
    Row("location_lng", NUMBERS, NO_NUMBERS),
    Row("ip", ("127.0.0.1", "$remote"), NO_TEXTS),
    *texts("idfa", "idfv", "adid", "android_id", "android_app_set_id"),
    Row("event_id", INTS, NO_INTS),
    Row("session_id", INTS, NO_INTS),
    *texts("library"),
    Row("plan", ({"branch": "main"}, Plan(version_id="9")), ([1], "main", 5, IngestionMetadata())),
    Row("ingestion_metadata", ({"source_name": "a"}, IngestionMetadata(source_name="a")), ([1], "a", 5, Plan())),
    *texts("partner_id", "user_agent", "uuid"),
]
BY_KEY = {row.key: row for row in ROWS}
WIRE = {Plan(version_id="9"): {"versionId": "9"}, IngestionMetadata(source_name="a"): {"source_name": "a"}}

WAYS = pytest.mark.parametrize("middleware", [None, [lambda event: event]], ids=["native", "checked"])
GOOD = [pytest.param(row, value, id=f"{row.key}-{at}") for row in ROWS for at, value in enumerate(row.good)]
BAD = [pytest.param(row, value, id=f"{row.key}-{at}") for row in ROWS for at, value in enumerate(row.bad)]


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with Receiver(vendor="amplitude") as receiver:
        yield receiver


@pytest.fixture
def receiver(server: Receiver) -> Iterator[Receiver]:
    server.clear()
    yield server
    assert server.violations == []


def as_sent(value: Any) -> Any:
    if isinstance(value, (Plan, IngestionMetadata)):
        return WIRE[value]
    return str(value) if isinstance(value, UUID) else value


def both_ways(row: Row, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of ``track``, and the event for ``log_event``, with this key beside the ones that each needs."""
    arguments = {"event_type": "E", "device_id": "device-1"} | {row.name: value}
    event = {"event_type": "E", "device_id": "device-1"} | {row.key: value}
    return arguments, event


def test_the_rows_are_the_pages_and_the_documents() -> None:
    assert sorted(BY_KEY) == sorted(field.key for field in FIELDS)
    assert {row.name for row in ROWS} == {field.argument for field in FIELDS}
    assert {AMPLITUDE.id_key, AMPLITUDE.time_key} == {"insert_id", "time"}


@pytest.mark.parametrize(("row", "value"), GOOD)
@WAYS
def test_a_key_arrives_with_its_value(receiver: Receiver, row: Row, value: Any, middleware: Any) -> None:
    arguments, event = both_ways(row, value)
    with Amplitude(KEY, server_url=receiver.url, sync=True, middleware=middleware) as client:
        assert client.track(**arguments)
        assert client.log_event(event)
    sent = as_sent(value)
    if row.key in ("user_id", "device_id"):
        sent = str(sent)
    assert len(receiver.events) == 2
    for arrived in receiver.events:
        assert arrived[row.key] == sent
        assert type(arrived[row.key]) is type(sent)
        rest = arrived.keys() - {row.key, "event_type", "device_id", "insert_id", "time", "library"}
        assert rest == set()


@pytest.mark.parametrize(("row", "value"), BAD)
@WAYS
def test_a_value_of_another_kind_is_refused(row: Row, value: Any, middleware: Any) -> None:
    transport = MemoryTransport()
    client = Amplitude(KEY, transport=transport, strict=True, middleware=middleware)
    arguments, event = both_ways(row, value)
    for call in (lambda: client.track(**arguments), lambda: client.log_event(event)):
        with pytest.raises(InvalidEvent) as raised:
            call()
        assert raised.value.field == row.name
    assert transport.requests == []
    assert dict(client.stats().refused) == {"invalid": 2}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_a_key_that_is_none_is_left_out(receiver: Receiver, row: Row) -> None:
    arguments, event = both_ways(row, None)
    with Amplitude(KEY, server_url=receiver.url, sync=True) as client:
        if row.key in ("event_type", "device_id"):
            assert not client.track(**arguments)
            assert not client.log_event(event)
            return
        assert client.track(**arguments)
        assert client.log_event(event)
    for arrived in receiver.events:
        assert arrived.get(row.key) == (f"sluiceway/{__version__}" if row.key == "library" else None)


# -- the two that are always there


@pytest.mark.parametrize("value", [WHEN, MILLISECONDS, MILLISECONDS / 1000, "2014-04-01T19:42:58.123Z"])
@WAYS
def test_time_arrives_in_milliseconds(receiver: Receiver, value: Any, middleware: Any) -> None:
    with Amplitude(KEY, server_url=receiver.url, sync=True, middleware=middleware) as client:
        assert client.track("E", user_id="user-1", time=value)
        assert client.log_event({"event_type": "E", "user_id": "user-1", "time": value})
    assert [event["time"] for event in receiver.events] == [MILLISECONDS] * 2


@pytest.mark.parametrize("value", ["own-id", UUID(int=7), "x" * 1_024])
@WAYS
def test_insert_id_arrives_as_given(receiver: Receiver, value: Any, middleware: Any) -> None:
    with Amplitude(KEY, server_url=receiver.url, sync=True, middleware=middleware) as client:
        assert client.track("E", user_id="user-1", insert_id=value)
    assert [event["insert_id"] for event in receiver.events] == [str(value)]


@pytest.mark.parametrize("value", ["", 5, True, b"x", "x" * 1_025])
def test_an_insert_id_of_another_kind_is_refused(value: Any) -> None:
    client = Amplitude(KEY, transport=MemoryTransport(), strict=True)
    with pytest.raises(InvalidEvent, match="insert_id"):
        client.track("E", user_id="user-1", insert_id=value)


@WAYS
def test_without_them_an_event_has_an_id_of_its_own_and_the_time_of_the_call(
    receiver: Receiver, middleware: Any
) -> None:
    before = datetime.now(timezone.utc).timestamp() * 1000
    with Amplitude(KEY, server_url=receiver.url, sync=True, middleware=middleware) as client:
        for _ in range(3):
            assert client.track("E", user_id="user-1")
    after = datetime.now(timezone.utc).timestamp() * 1000
    assert all(before - 1 <= event["time"] <= after + 1 for event in receiver.events)
    assert len({UUID(event["insert_id"]) for event in receiver.events}) == 3
