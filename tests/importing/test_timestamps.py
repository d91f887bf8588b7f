"""Moments in all forms and zones, and what is none."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from sluiceway.importing.faults import Misuse, Unfit
from sluiceway.importing.timestamps import Times, zone_named

UTC = timezone.utc
NOON = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        "2024-03-01T12:00:00Z", "2024-03-01 12:00:00", "2024-03-01T12:00", "2024-03-01 12:00:00.000000000 UTC",
        "2024-03-01T14:00:00+02:00", "2024-03-01T14:00:00+0200", "2024-03-01 14:00:00+02", "2024-03-01 07:00:00 -05:00",
        "2024-03-01t12:00:00z", " 2024-03-01T12:00:00.0Z ", "1709294400", "1709294400.0", "1709294400000",
        "1709294400000000", "1709294400000000000", 1709294400, 1709294400.0, 1709294400000, 1709294400000000000,
        datetime(2024, 3, 1, 12), datetime(2024, 3, 1, 13, tzinfo=timezone(timedelta(hours=1))), NOON,
    ],
)  # fmt: skip
def test_a_moment_is_read_in_every_form(given: Any) -> None:
    assert Times("auto", UTC).read(given) == NOON
    assert Times("auto", UTC).read(given).tzinfo is UTC


@pytest.mark.parametrize(
    ("form", "given", "moment"),
    [
        ("auto", "2024-03-01", datetime(2024, 3, 1, tzinfo=UTC)),
        ("auto", "20240301", datetime(2024, 3, 1, tzinfo=UTC)),
        ("auto", date(2024, 3, 1), datetime(2024, 3, 1, tzinfo=UTC)),
        ("auto", "2024-03-01T12:00:00.1234561Z", NOON.replace(microsecond=123456)),
        ("auto", "-1", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("s", "20240301", datetime(1970, 8, 23, 6, 18, 21, tzinfo=UTC)),
        ("ms", "1000", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("us", 1_500_000, datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
        ("ns", 1_500_000_000, datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
        ("%d/%m/%Y %H:%M", "01/03/2024 12:00", NOON),
        ("%d.%m.%Y %H:%M %z", "01.03.2024 13:00 +0100", NOON),
    ],
)
def test_a_moment_is_read_in_the_form_that_was_said(form: str, given: Any, moment: datetime) -> None:
    assert Times(form, UTC).read(given) == moment


@pytest.mark.parametrize(
    ("zone", "given", "in_utc"),
    [
        ("Europe/Berlin", "2024-07-01 12:00", "10:00"),
        ("Europe/Berlin", "2024-01-01 12:00", "11:00"),
        ("Europe/Berlin", "2024-01-01 12:00Z", "12:00"),
        ("America/New_York", "2013-01-01 05:00:00", "10:00"),
        # The hour that comes twice is the first, the one that never was as without the leap.
        ("Europe/Berlin", "2024-10-27 02:30", "00:30"),
        ("Europe/Berlin", "2024-03-31 02:30", "01:30"),
        ("+05:30", "2024-01-01 12:00", "06:30"),
        ("-0800", "2024-01-01 12:00", "20:00"),
        ("utc", "2024-01-01 12:00", "12:00"),
    ],
)
def test_a_time_without_a_zone_is_in_the_zone_that_was_said(zone: str, given: str, in_utc: str) -> None:
    assert Times("auto", zone_named(zone)).read(given).strftime("%H:%M") == in_utc


@pytest.mark.parametrize(
    ("form", "given"),
    [
        *(("auto", given) for given in ("", "yesterday", "2024-13-01", "2024-02-30", "12:00", "1e9", True, [], {})),
        *(("auto", given) for given in (float("nan"), float("inf"), 10**30, "9" * 40, "1500-01-01", "2500-01-01")),
        ("iso", "1709294400"), ("iso", 1709294400), ("ms", "2024-03-01"), ("%d/%m/%Y", "2024-03-01"), ("%d/%m/%Y", 5),
    ],
)  # fmt: skip
def test_what_is_no_moment_is_unfit_and_not_quoted(form: str, given: Any) -> None:
    with pytest.raises(Unfit) as caught:
        Times(form, UTC).read(given)
    assert caught.value.reason == "bad_timestamp"
    assert "yesterday" not in caught.value.message


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc/passwd", "+99:00", ""])
def test_a_zone_that_nobody_knows_is_told_of(zone: str) -> None:
    with pytest.raises(Misuse, match="--timezone"):
        zone_named(zone)


def test_a_format_that_is_none_is_told_of() -> None:
    with pytest.raises(Misuse, match="--timestamp-format"):
        Times("YYYY-MM-DD", UTC)
