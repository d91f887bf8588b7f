"""Whole calls with hostile arguments, and the least that must be true of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from .leaves import BROKEN, Refused, arriving, text_of
from .trees import deep, entries, heavy, items, value


@dataclass
class Call:
    """One call of a client, and what must become of it.

    ``reasons`` are those it may be refused for; without any it must be accepted, unless it ``may_be_too_large``.
    """

    name: str
    arguments: dict[str, Any]
    arrives: dict[str, Any]
    reasons: set[str]
    may_be_too_large: bool = False


USER_IDS: tuple[tuple[Any, Any], ...] = (
    ("user", "user"),
    (7, "7"),
    (-(2**80), str(-(2**80))),
    (UUID(int=9), str(UUID(int=9))),
    ("a\ud800b", "a\ufffdb"),
    ("\0x", "\0x"),
)
WRONG_IDS: tuple[Any, ...] = (
    "",
    " ",
    "\u200b",
    True,
    1.5,
    b"user",
    [1],
    object(),
    Decimal(1),
    10**5000,
    *(make() for make in BROKEN),
)
WRONG_NAMES: tuple[Any, ...] = ("", 7, None, True, b"x", [1], object(), *(make() for make in BROKEN))
WRONG_TIMES: tuple[Any, ...] = (
    "yesterday",
    "",
    True,
    [1],
    math.nan,
    math.inf,
    1e300,
    10**400,
    datetime.min,
    datetime.max,
    b"2013",
    *(make() for make in BROKEN),
)
WRONG_MESSAGE_IDS: tuple[Any, ...] = ("", "x" * 101, 7, True, b"x", [1], *(make() for make in BROKEN))
WRONG_MAPS: tuple[Any, ...] = ("text", 7, True, [1], (1,), {1}, object(), iter(()), *(make() for make in BROKEN))


def call(random: Random, serial: int) -> Call:
    """One call. Its context carries ``serial``, so that what arrives can be told apart."""
    name = random.choice(("track", "track", "track", "identify", "page", "screen", "group", "alias"))
    made = Call(name, {}, {}, set())
    given, arrives = made.arguments, made.arrives
    given["user_id"], arrives["userId"] = random.choice(USER_IDS)
    if name == "track":
        words = text_of(random) or "E"
        given["event"], arrives["event"] = words, arriving(words)
    elif name == "group":
        given["group_id"], arrives["groupId"] = random.choice(USER_IDS)
    elif name == "alias":
        given["previous_id"], arrives["previousId"] = random.choice(USER_IDS)
    _context(random, made, serial)
    if name != "alias":
        _own_map(random, made, "traits" if name in ("identify", "group") else "properties")
    if random.random() < 0.08:
        _wrong(random, made)
    return made


def _context(random: Random, made: Call, serial: int) -> None:
    made.arguments["context"], made.arrives["context"] = {"serial": serial}, {"serial": serial}
    if random.random() < 0.1:
        held, shown = value(random, 3)
        made.arguments["context"]["hostile"] = held
        _note(made, made.arrives["context"], "hostile", shown)


def _own_map(random: Random, made: Call, field: str) -> None:
    draw = random.random()
    if draw < 0.1:
        return
    if draw < 0.14:
        held, shown = deep(random) if draw < 0.12 else heavy(random)
        made.arguments[field] = {"a": held}
        made.arrives[field] = {}
        made.may_be_too_large = draw >= 0.12
        _note(made, made.arrives[field], "a", shown)
        return
    held, shown = entries(random, 1)
    if random.random() < 0.1:
        several, arriving_items = items(random, 2)
        held["several"] = several
        shown = shown if isinstance(shown, Refused) else {**shown, "several": arriving_items}
        shown = arriving_items if isinstance(arriving_items, Refused) else shown
    made.arguments[field] = held
    _note(made, made.arrives, field, shown)


def _note(made: Call, place: dict[str, Any], key: str, shown: Any) -> None:
    if isinstance(shown, Refused):
        made.reasons.add(shown.reason)
    else:
        place[key] = shown


def _wrong(random: Random, made: Call) -> None:
    """Break one argument: from then on the call may be refused for that, too, and must be refused."""
    wrongs: dict[str, tuple[Any, ...]] = {
        "user_id": WRONG_IDS,
        "timestamp": WRONG_TIMES,
        "message_id": WRONG_MESSAGE_IDS,
        "integrations": WRONG_MAPS,
        "callback": ("text", 7, [1]),
    }
    if made.name == "track":
        wrongs["event"] = WRONG_NAMES
    field = random.choice(tuple(wrongs))
    made.arguments[field] = random.choice(wrongs[field])
    made.reasons.add("invalid")
