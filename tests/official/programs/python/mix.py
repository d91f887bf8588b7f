"""What the programs have in common: how they are told what to do, what their events hold, how they report."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

_ERRORS: list[str] = []
_LOCK = threading.Lock()

# What a program may carry in one event, one kind of value after the other.
_VALUES: list[Any] = [
    "plain",
    "Grüße, 世界 🌍 \U0001f9d1\u200d\U0001f680 \u202e",
    'quotes " and \\ and </script><b>',
    "line\nand\ttab \u0000 and \u001f \u2028",
    0,
    -7,
    2**53,
    2**63 - 1,
    0.1,
    -1.5e-9,
    1e21,
    True,
    False,
    None,
    [1, "two", None, {"three": 3.0}],
    {"deep": {"deeper": {"list": [{"x": []}, {}]}}, "empty": {}},
    "",
    "long " * 150,
    datetime(2013, 1, 1, 10, 15, tzinfo=timezone(timedelta(hours=-5))),
    datetime(2013, 1, 1, 10, 15),
    date(2013, 1, 1),
    Decimal("12.34"),
]


def job() -> dict[str, Any]:
    """What to do: `url`, `key`, `calls`, `options` of the client, and a `name` that tells this run from others."""
    logging.getLogger().addHandler(_Heard())
    told: dict[str, Any] = json.loads(sys.argv[1])
    return told


def properties(number: int, *, plain: bool = False) -> dict[str, Any]:
    """What event `number` holds; `plain` leaves out what is no value of JSON, for clients that refuse it."""
    first, second = _VALUES[number % len(_VALUES)], _VALUES[number * 7 % len(_VALUES)]
    if plain:
        first, second = json.loads(json.dumps([first, second], default=str))
    return {
        "number": number,
        "item": first,
        "another item": second,
        "価格": round(number * 1.25, 2),
        "inside": {"it": second, "tags": ["a", "b", str(number)]},
    }


def moment(number: int) -> datetime:
    """When event `number` happened: some time in the last hour, some of them to the microsecond."""
    return datetime.now(timezone.utc) - timedelta(seconds=number % 3600, microseconds=number % 3)


def failed(what: object) -> None:
    """Note what the client complains of; the report has it."""
    with _LOCK:
        _ERRORS.append(f"{type(what).__name__}: {what}"[:500])


def report(**said: Any) -> None:
    """Print the one line that the test reads."""
    with _LOCK:
        print(json.dumps({**said, "errors": list(dict.fromkeys(_ERRORS))[:20]}), flush=True)


class _Heard(logging.Handler):
    """A client that logs an error, or warns, has something to say: the test wants to know."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            with _LOCK:
                _ERRORS.append(f"log {record.name}: {record.getMessage()}"[:500])
