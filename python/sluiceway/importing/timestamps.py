"""When a row happened: a moment in UTC, from any form in which tables and logs write one.

A time without a zone is read in the zone that was given, UTC if none was. In the hour that a clock repeats in autumn
the first of the two is meant; in the one that it leaves out in spring, the time as it would have been without the leap.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any

import msgspec

from sluiceway.importing.faults import Misuse, Unfit

FORMATS = ("auto", "iso", "s", "ms", "us", "ns")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# The engine counts nanoseconds since 1970 in 64 bits.
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
_MAX_KEPT = 65_536
# A number counts the unit in which it is a moment between 1973 and 5138; the units are a factor of 1,000 apart.
_UNITS = (("s", 1e11), ("ms", 1e14), ("us", 1e17), ("ns", 1e20))
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DIGITS = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_FRACTION = re.compile(r"\.([0-9]+)", re.ASCII)
_SHORT_ZONE = re.compile(r"([+-][0-9]{2}):?([0-9]{2})?$", re.ASCII)


def zone_named(name: str) -> tzinfo:
    """Return the zone of a name such as "Europe/Berlin", or of an offset such as "+02:00". Raises Misuse."""
    if name.upper() in ("UTC", "Z"):
        return timezone.utc
    offset = re.fullmatch(r"([+-])([0-9]{2}):?([0-9]{2})", name)
    if offset is not None:
        size = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        if size >= timedelta(hours=24):
            raise Misuse(f"--timezone {name}: an offset must be less than a day")
        return timezone(-size if offset[1] == "-" else size)
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Misuse(
            f"--timezone {name!r} is no zone that this system knows, such as Europe/Berlin; "
            "systems without a database of zones want: pip install tzdata"
        ) from None


class Times:
    """Reads the moments of one column. Remembers texts, which repeat in most tables."""

    def __init__(self, form: str, zone: tzinfo) -> None:
        """``form`` is one of FORMATS, or what ``strptime`` reads: "%d/%m/%Y %H:%M". Raises Misuse."""
        if form not in FORMATS and "%" not in form:
            raise Misuse(f"--timestamp-format {form!r}: must be {', '.join(FORMATS)} or a pattern such as %d/%m/%Y")
        self._zone = zone
        self._form = form
        self._read_text = self._text_reader(form)
        self._known: dict[str, datetime] = {}

    def read(self, value: Any) -> datetime:
        """Return the moment in UTC. Raises Unfit for what names none."""
        if type(value) is str:
            known = self._known.get(value)
            if known is not None:
                return known
        try:
            moment = self._in_utc(value)
            if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
                raise ValueError
        except (ValueError, TypeError, OverflowError, ArithmeticError, AttributeError):
            what = {str: "text"}.get(type(value), type(value).__name__)
            wanted = "" if self._form == "auto" else f" of the format {self._form}"
            raise Unfit("bad_timestamp", f"a {what} that names no moment{wanted} from 1678 to 2261") from None
        if type(value) is str:
            if len(self._known) >= _MAX_KEPT:
                self._known.clear()
            self._known[value] = moment
        return moment

    def _in_utc(self, value: Any) -> datetime:
        if isinstance(value, str):
            moment = self._read_text(value.strip())
        elif isinstance(value, datetime):
            moment = value
        elif isinstance(value, date):
            moment = datetime(value.year, value.month, value.day)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            return _from_number(value, self._form)
        else:
            raise TypeError
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        return moment.astimezone(timezone.utc)

    def _text_reader(self, form: str) -> Callable[[str], datetime]:
        if form == "auto":
            return lambda text: _from_digits(text, "auto") if _DIGITS.fullmatch(text) else from_iso(text)
        if form == "iso":
            return from_iso
        if form in _PER_SECOND:
            return lambda text: _from_digits(text, form)
        return lambda text: datetime.strptime(text, form)


def from_iso(text: str) -> datetime:
    """Read ISO 8601 and what databases print: a blank for the T, short zones, any number of digits, a final "UTC"."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        pass
    text = text.removesuffix("UTC").rstrip()
    if text[-1:] in ("Z", "z"):
        text = text[:-1] + "+00:00"
    text = _FRACTION.sub(lambda found: "." + found[1][:6].ljust(6, "0"), text)
    if len(text) > 11 and (zone := _SHORT_ZONE.search(text, 11)):
        text = f"{text[: zone.start()].rstrip()}{zone[1]}:{zone[2] or '00'}"
    return datetime.fromisoformat(text)


def _from_digits(text: str, form: str) -> datetime:
    whole = text.removeprefix("+")
    if form == "auto" and len(whole) == 8 and whole.isdigit():
        # Eight digits are 1970 as seconds, and the way in which half the world writes a day.
        return datetime.strptime(whole, "%Y%m%d")
    return _from_number(float(text) if "." in text else int(text), form)


def _from_number(number: int | float, form: str) -> datetime:
    if form not in _PER_SECOND:
        if form not in ("auto",):
            raise ValueError
        form = next((unit for unit, end in _UNITS if abs(number) < end), "ns")
    per_second = _PER_SECOND[form]
    if isinstance(number, int):
        seconds, rest = divmod(number, per_second)
        return _EPOCH + timedelta(seconds=seconds, microseconds=rest * 1_000_000 // per_second)
    return _EPOCH + timedelta(seconds=number / per_second)
