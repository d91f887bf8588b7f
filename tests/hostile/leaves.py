"""Single values that a program hands in by mistake or on purpose, each with what must arrive of it.

The second of each pair is written from the documented table (the README, the opening of `values.py`), not by the code
that is tried.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
import struct
from collections import UserString
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from random import Random
from typing import Any
from uuid import UUID

import msgspec

UNSERIALIZABLE = "unserializable"


class Refused:
    """What arrives of a value that is no value: nothing, for this reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


Made = tuple[Any, Any]
"""A value and what must arrive of it."""

TRAPS = '\0\x01\x08\t\n\x1b\x1f "/\\\x7f\x80\xa0\xff\u0100\u07ff\u0800\u200b\u2028\u2029\ud7ff\ud800\udbff\udc00\udfff'
TRAPS += "\ue000\ufdd0\ufeff\ufffd\uffff\U00010000\U0001f600\U0010ffff<>&'"


def arriving(text: str) -> str:
    """A text as UTF-8 can say it."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def text_of(random: Random) -> str:
    kind = random.randrange(6)
    length = random.choice((0, 1, 2, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 200))
    if kind < 3:
        return "".join(random.choices("abcdefghij ABC-_.", k=length))
    if kind == 3:
        return "".join(random.choices(TRAPS, k=length))
    return "".join(chr(random.randrange(0x110000)) for _ in range(min(length, 40)))


def text(random: Random) -> Made:
    made = text_of(random)
    return made, arriving(made)


def whole(random: Random) -> Made:
    power = random.choice((0, 7, 8, 31, 32, 53, 63, 64, 65, 127, 128, 700, 1023))
    number = random.choice((1, -1)) * (2**power + random.randrange(-2, 3))
    return number, arriving_int(number)


def long_whole(random: Random) -> Made:
    number = random.choice((1, -1)) * (10 ** random.choice((307, 308, 309, 4299, 4300, 5000)) + random.randrange(-1, 2))
    return number, arriving_int(number)


def arriving_int(number: int) -> Any:
    if abs(number) < 10**308:
        return number
    return str(number) if abs(number) < 10**4300 else "<int>"


def real(random: Random) -> Made:
    if random.random() < 0.3:
        number = random.choice((0.0, -0.0, 5e-324, 1e16, 1e17, 1e22, 1e23, 0.1, 1e-5, math.nan, math.inf, -math.inf))
    else:
        number = struct.unpack("<d", struct.pack("<Q", random.getrandbits(64)))[0]
    return number, number if math.isfinite(number) else None


def constant(random: Random) -> Made:
    made = random.choice((None, True, False))
    return made, made


def uuid(random: Random) -> Made:
    made = UUID(int=random.getrandbits(128))
    return made, str(made)


def decimal(random: Random) -> Made:
    made = Decimal(
        random.choice(
            ("NaN", "sNaN", "Infinity", "-0", "0.1", "1e999999999", "1e-999999999", "1e308", "1e309", "7", "1.10")
        )
        if random.random() < 0.5
        else f"{random.randrange(-(10**20), 10**20)}e{random.randrange(-30, 10)}"
    )
    if not made.is_finite():
        return made, None
    as_float = float(made)
    return made, as_float if math.isfinite(as_float) and Decimal(repr(as_float)) == made else str(made)


def moment(random: Random) -> Made:
    zone = random.choice((None, timezone.utc, timezone(timedelta(hours=random.randrange(-23, 24), minutes=30))))
    year = random.choice((1, 1677, 1969, 1970, 2013, 2038, 2262, 9999))
    microsecond = random.choice((0, 1, 1_000, 999_999, random.randrange(10**6)))
    made = datetime(year, random.randrange(1, 13), random.randrange(2, 28), 23, 59, 58, microsecond, zone)
    try:
        utc = made.replace(tzinfo=timezone.utc) if zone is None else made.astimezone(timezone.utc)
    except OverflowError:
        return made, made.isoformat()
    precision = "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return made, utc.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def day_or_time(random: Random) -> Made:
    made: Any = random.choice((date(2013, 1, 1), date.min, date.max, time(1, 2, 3), time(1, tzinfo=timezone.utc)))
    return made, made.isoformat()


def span(random: Random) -> Made:
    made = random.choice((timedelta(0), timedelta.max, timedelta.min, timedelta(microseconds=1), timedelta(days=-1)))
    return made, made.total_seconds()


def raw(random: Random) -> Made:
    made = (
        random.randbytes(random.randrange(40)) if random.random() < 0.5 else text_of(random).encode("utf-8", "replace")
    )
    kind: Callable[[bytes], Any] = random.choice((bytes, bytearray, memoryview))
    try:
        return kind(made), made.decode()
    except UnicodeDecodeError:
        import base64

        return kind(made), base64.b64encode(made).decode()


class LyingText(str):
    """A text whose methods lie."""

    __slots__ = ()

    def __str__(self) -> str:
        return "a lie"

    __repr__ = __str__

    def __len__(self) -> int:
        return 10**9

    def encode(self, *_: Any) -> bytes:  # type: ignore[override]
        return b"a lie"


class LyingInt(int):
    def __str__(self) -> str:
        return "a lie"

    __repr__ = __str__

    def __index__(self) -> int:
        return 666

    __int__ = __index__


class LyingFloat(float):
    def __float__(self) -> float:
        return 666.0

    def __repr__(self) -> str:
        return "a lie"


def liar(random: Random) -> Made:
    kind, make = random.choice(((LyingText, text), (LyingInt, whole), (LyingFloat, real)))
    made, arrives = make(random)
    return kind(made), arrives


class Colour(enum.Enum):
    RED = 'red "\u2028'
    NOTHING = None
    BOTH = (1, "two")


class Level(enum.IntEnum):
    HIGH = 2**70


def member(random: Random) -> Made:
    return random.choice(
        ((Colour.RED, 'red "\u2028'), (Colour.NOTHING, None), (Colour.BOTH, [1, "two"]), (Level.HIGH, 2**70))
    )


@dataclasses.dataclass
class Declared:
    name: str
    size: float


class Laid(msgspec.Struct):
    name: str
    size: int = 3


def record(random: Random) -> Made:
    words = text_of(random)
    if random.random() < 0.5:
        return Declared(words, 1.5), {"name": arriving(words), "size": 1.5}
    return Laid(words), {"name": arriving(words), "size": 3}


class Spoken:
    """Something that knows its own words only."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __str__(self) -> str:
        return self.words

    def __eq__(self, other: object) -> bool:
        raise ValueError("not comparable")

    __hash__ = None  # type: ignore[assignment]


class Proxy(Spoken):
    """What claims to be a text, and is none."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return str


def stranger(random: Random) -> Made:
    words = text_of(random)
    made: Any = random.choice(
        (
            Spoken(words),
            Proxy(words),
            Spoken(LyingText(words)),
            UserString(words),
            Fraction(1, 3),
            1 + 2j,
            PurePosixPath("/a/b"),
            IPv4Address("127.0.0.1"),
            re.compile("a+"),
            len,
            Spoken,
            object(),
            iter(()),
            NotImplemented,
            ...,
            ValueError(words),
        )
    )
    if isinstance(made, re.Pattern):
        return made, "a+"
    if type(made) in (Spoken, Proxy, UserString):
        return made, arriving(words)
    return made, arriving(str(made))


class Metaclass(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError("not asked for")


class Guarded(metaclass=Metaclass):
    """What cannot even be asked what it has."""


class Broken:
    """What breaks in the way it is told to."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error("canary-of-the-payload")


class Wrong:
    def __str__(self) -> Any:
        return 7  # noqa: PLE0307  (that is what is wrong with it)


class Circular:
    def __str__(self) -> str:
        return str(self)


BROKEN: tuple[Callable[[], Any], ...] = (
    *(
        (lambda error=error: Broken(error))
        for error in (ValueError, MemoryError, RecursionError, OSError, StopIteration)
    ),
    Wrong,
    Circular,
    Guarded,
)


def broken(random: Random) -> Made:
    return random.choice(BROKEN)(), Refused(UNSERIALIZABLE)


PLAIN = (text, text, whole, real, constant, uuid)
ODD = (decimal, moment, day_or_time, span, raw, liar, member, record, stranger, long_whole)
