"""A clock that stands still and ids that are numbered: whole events that are the same in each run."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.kit.conftest import Clients

from sluiceway import Amplitude, Identify, PostHog, Segment
from sluiceway.testing import CapturedEvents, Clock, Ids, capture
from sluiceway.testing.stamps import id_number

NEW_YEAR = datetime(2026, 1, 1, tzinfo=timezone.utc)


def send_to_all(clients: Clients) -> None:
    """One event of each vendor, and the two for which a client makes up an id."""
    segment, rudderstack, posthog, amplitude = clients.all()
    segment.track("user-1", "Sold", {"n": 1})
    rudderstack.track("user-1", "Sold", {"n": 1})
    posthog.capture("Sold", distinct_id="user-1", properties={"n": 1})
    amplitude.track("Sold", user_id="user-1", event_properties={"n": 1})
    posthog.capture("Of nobody")
    amplitude.group_identify("company", "acme", Identify().set("size", 10))


def test_whole_events_are_the_same_in_each_run(clients: Clients) -> None:
    runs: list[list[dict[str, Any]]] = []
    for _ in range(2):
        with capture(freeze="2026-01-01T00:00:00Z", ids=True) as events:
            send_to_all(clients)
            runs.append([event.wire for event in events])
    assert runs[0] == runs[1]
    segment, rudderstack, posthog, amplitude, nobody, group = runs[0]
    library = {"library": {"name": "sluiceway", "version": segment["context"]["library"]["version"]}}
    assert segment == {
        "type": "track",
        "messageId": "00000000-0000-4000-8000-000000000001",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "userId": "user-1",
        "event": "Sold",
        "properties": {"n": 1},
        "context": library,
        "integrations": {},
    }
    assert rudderstack == {
        "type": "track",
        "channel": "server",
        "messageId": "00000000-0000-4000-8000-000000000002",
        "originalTimestamp": "2026-01-01T00:00:00.000Z",
        "userId": "user-1",
        "event": "Sold",
        "properties": {"n": 1},
        "context": library,
        "integrations": {"All": True},
        "sentAt": "2026-01-01T00:00:00.000Z",
    }
    assert (posthog["uuid"], posthog["timestamp"]) == (str(id_number(3)), "2026-01-01T00:00:00.000Z")
    assert (amplitude["insert_id"], amplitude["time"]) == (str(id_number(4)), 1_767_225_600_000)
    assert (nobody["distinct_id"], nobody["uuid"]) == (str(id_number(5)), str(id_number(6)))
    assert (group["device_id"], group["insert_id"]) == (id_number(7).hex, str(id_number(8)))


def test_the_stamps_have_the_form_of_the_engines_own(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    """Nothing but the values differs from what is sent when nobody captures."""
    from sluiceway.testing import MemoryTransport

    def form(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: form(each) for key, each in value.items()}
        return re.sub("[0-9a-f]", "0", value) if isinstance(value, str) else type(value)

    send_to_all(clients)
    captured = [form(event.wire) for event in sluiceway_events]
    real: list[Any] = []

    class Real(Clients):
        def __call__(self, kind: type[Any], *args: Any, **options: Any) -> Any:
            return clients(kind, *args, transport=transports[-1], **options)

        def all(self) -> list[Any]:
            made = []
            for kind in ("segment", "rudderstack", "posthog", "amplitude"):
                transports.append(MemoryTransport())
                made.append(next(each for each in Clients.all(self) if each.vendor.name == kind))
            return made

    transports: list[Any] = []
    from sluiceway import capturing

    running = capturing._capture
    assert running is not None
    capturing.end()
    try:
        send_to_all(Real(clients._closing))
        real = [[form(event) for event in transport.events] for transport in transports]
    finally:
        capturing.begin(running)
    segment, rudderstack, posthog, amplitude = real
    assert captured == [segment[0], rudderstack[0], posthog[0], amplitude[0], posthog[1], amplitude[1]]


def test_a_time_and_an_id_that_a_call_gives_are_kept(clients: Clients) -> None:
    with capture(freeze=NEW_YEAR, ids=True) as events:
        clients(Segment).track("u", "Sold", timestamp="2020-02-03T04:05:06Z", message_id="mine")
        clients(PostHog).capture("Sold", distinct_id="u", timestamp=1_600_000_000, uuid=id_number(99))
        clients(Amplitude).track("Sold", user_id="user-1", time=datetime(2020, 1, 1), insert_id="mine")
        segment, posthog, amplitude = events
    assert (segment.wire["timestamp"], segment.id) == ("2020-02-03T04:05:06.000Z", "mine")
    assert (posthog.wire["timestamp"], posthog.id) == ("2020-09-13T12:26:40.000Z", str(id_number(99)))
    assert (amplitude.wire["time"], amplitude.id) == (1_577_836_800_000, "mine")


def test_middleware_may_give_them_too(clients: Clients) -> None:
    def stamp(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "messageId": "from middleware", "timestamp": NEW_YEAR - timedelta(days=1)}

    with capture(freeze=NEW_YEAR, ids=True) as events:
        clients(Segment, middleware=[stamp]).track("u", "Sold")
        assert (events[0].id, events[0].timestamp) == ("from middleware", NEW_YEAR - timedelta(days=1))


def test_the_clock_is_moved_by_the_test(
    clients: Clients, sluiceway_events: CapturedEvents, sluiceway_clock: Clock
) -> None:
    client = clients(Segment)
    client.track("u", "First")
    assert sluiceway_clock.move(90) == NEW_YEAR + timedelta(seconds=90)
    client.track("u", "Second")
    sluiceway_clock.move(timedelta(days=-1))
    client.track("u", "Third")
    sluiceway_clock.set("2030-01-01")
    client.track("u", "Fourth")
    assert [event.timestamp for event in sluiceway_events] == [
        NEW_YEAR,
        NEW_YEAR + timedelta(seconds=90),
        NEW_YEAR + timedelta(seconds=90, days=-1),
        datetime(2030, 1, 1, tzinfo=timezone.utc),
    ]


def test_freezing_again_sets_the_same_clock(sluiceway_events: CapturedEvents, sluiceway_clock: Clock) -> None:
    assert sluiceway_events.freeze(1_600_000_000) is sluiceway_clock
    assert sluiceway_clock.now == datetime(2020, 9, 13, 12, 26, 40, tzinfo=timezone.utc)
    with pytest.raises(ValueError, match="moment must be"):
        sluiceway_clock.set("tomorrow")


def test_the_numbers_begin_anew_in_each_test(
    clients: Clients, sluiceway_events: CapturedEvents, sluiceway_ids: Ids
) -> None:
    clients(Segment).track("u", "Sold")
    assert sluiceway_events[0].id == str(id_number(1))
    sluiceway_ids.restart()
    clients(Segment).track("u", "Sold")
    assert sluiceway_events[1].id == str(id_number(1))


def test_pythons_own_clock_is_the_one_that_counts(
    clients: Clients, sluiceway_events: CapturedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whoever stops that (freezegun, time-machine) stops the events, too."""
    monkeypatch.setattr(time, "time", lambda: 1_600_000_000.5)
    for client in clients.all():
        match client:
            case PostHog():
                client.capture("Sold", distinct_id="u")
            case Amplitude():
                client.track("Sold", user_id="user-1")
            case _:
                client.track("u", "Sold")
    stopped = datetime(2020, 9, 13, 12, 26, 40, 500_000, timezone.utc)
    assert [event.timestamp for event in sluiceway_events] == [stopped] * 4


def test_a_class_in_the_place_of_datetime_does_not_stay_there() -> None:
    """What freezegun does: the package may be imported while its class stands in the place of the real one."""
    code = """
import datetime

real = datetime.datetime

class Meta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, real)

    def __subclasscheck__(cls, other):
        return issubclass(other, real)

class FakeDate(datetime.date):
    pass

class Fake(real, FakeDate, metaclass=Meta):
    def __add__(self, other):
        sum = real.__add__(self, other)
        return Fake(sum.year, sum.month, sum.day, sum.hour, sum.minute, sum.second, sum.microsecond, sum.tzinfo)

datetime.datetime = Fake
from sluiceway import Segment
from sluiceway.testing import Receiver, capture

datetime.datetime = real
Receiver().close()
with capture() as events:
    client = Segment("KEY")
    assert client.track("u", "Sold", {"at": real(2026, 1, 2), "fake": Fake(2026, 1, 2)}, timestamp=Fake(2026, 1, 2))
    events.assert_tracked("Sold", timestamp="2026-01-02", properties={"at": real(2026, 1, 2), "fake": real(2026, 1, 2)})
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("library", ["freezegun", "time_machine"])
def test_libraries_that_stop_the_clock(clients: Clients, sluiceway_events: CapturedEvents, library: str) -> None:
    stopper: Any = pytest.importorskip(library)
    stop = stopper.freeze_time if library == "freezegun" else lambda moment: stopper.travel(moment, tick=False)
    made = clients.all()
    with stop("2021-02-03 04:05:06"):
        for client in made:
            match client:
                case PostHog():
                    client.capture("Sold", distinct_id="u")
                case Amplitude():
                    client.track("Sold", user_id="user-1")
                case _:
                    client.track("u", "Sold")
            assert client.flush().ok
    stopped = datetime(2021, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    assert [event.timestamp for event in sluiceway_events] == [stopped] * 4
    assert sluiceway_events[1].wire["sentAt"] == "2021-02-03T04:05:06.000Z"
