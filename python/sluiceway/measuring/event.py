"""The event that is measured: the user's own, or one of 694 bytes, as the arguments of one call of any client."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

Properties = dict[str, Any]

_COPIES = 64
_MAX_FILE_BYTES = 64 * 2**20
_MAX_EVENTS = 10_000
_NOBODY = "user-000694"

# Where each vendor's wire event has the parts of a call, in the order in which they are looked for.
_NAMES = ("event", "event_type", "name")
_USERS = ("userId", "user_id", "distinct_id", "anonymousId", "device_id", "anonymous_id")
_PROPERTIES = ("properties", "event_properties", "traits")


class Call(NamedTuple):
    """The arguments of one call."""

    user: str
    event: str
    properties: Properties


class NoEvent(ValueError):
    """A file holds no event; says what it holds instead, never what is in it."""


def load(path: str) -> list[Call]:
    """Read one event as JSON, or several as JSONL; - is standard input. Blocks for the read. Raises NoEvent.

    An event is a vendor's wire event, or ``{"event": …, "properties": {…}}``.
    """
    try:
        data = sys.stdin.buffer.read(_MAX_FILE_BYTES + 1) if path == "-" else Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise NoEvent(f"cannot be read: {reason}") from None
    if len(data) > _MAX_FILE_BYTES:
        raise NoEvent(f"has more than {_MAX_FILE_BYTES:,} bytes: one event, or a few thousand, are enough")
    documents = _documents(data)
    if not documents:
        raise NoEvent("is empty")
    return [_call(document, number) for number, document in enumerate(documents[:_MAX_EVENTS], 1)]


def default() -> list[Call]:
    """Events of 694 bytes each as a Segment track message, of one shape, each with strings of its own."""
    return [rig(number, "left ") for number in range(_COPIES)]


def workload(calls: list[Call]) -> list[Call]:
    """Return at least 64 calls, each with dicts and strings of its own, as each request's are.

    The same object again and again would stay in the nearest cache.
    """
    wanted = max(_COPIES, len(calls))
    return [_fresh(calls[index % len(calls)]) for index in range(wanted)]


def json_bytes(calls: list[Call]) -> int:
    """How many bytes the events' names and properties have as JSON, on average."""
    return sum(len(json.dumps([*call], separators=(",", ":"), ensure_ascii=False).encode()) for call in calls) // len(
        calls
    )


def _documents(data: bytes) -> list[Any]:
    try:
        return [json.loads(data)] if data.strip() else []
    except (ValueError, RecursionError):
        pass
    documents = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            if line.strip():
                documents.append(json.loads(line))
        except (ValueError, RecursionError):
            raise NoEvent(f"is neither JSON nor JSONL (line {number})") from None
    return documents


def _call(document: Any, number: int) -> Call:
    where = "" if number == 1 else f" in line {number}"
    if not isinstance(document, dict):
        raise NoEvent(f"holds {type(document).__name__} where an event is a JSON object{where}")
    name = _first(document, _NAMES)
    if not isinstance(name, str) or not name:
        raise NoEvent(f'holds an object without an event name{where}: {{"event": …, "properties": {{…}}}}')
    properties = _first(document, _PROPERTIES)
    if properties is not None and not isinstance(properties, dict):
        raise NoEvent(f"holds properties that are no object{where}")
    user = _first(document, _USERS)
    return Call(str(user) if user else _NOBODY, name, properties or {})


def _first(document: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((document[key] for key in keys if document.get(key) is not None), None)


def _fresh(value: Any) -> Any:
    """Copy a call as deep as it goes. Names of properties stay the same objects, as literals of a program are."""
    if isinstance(value, Call):
        return Call(_fresh(value.user), _fresh(value.event), _fresh(value.properties))
    if isinstance(value, dict):
        return {sys.intern(key): _fresh(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_fresh(one) for one in value]
    return f"{value} "[:-1] if isinstance(value, str) else value


def rig(number: int, note: str) -> Call:
    """Return one of them, whose strings are new objects, as a request handler would make them; `number` < 1,000,000."""
    n = f"{number % 1_000_000:06d}"
    return Call(
        f"user-{n}",
        "Item Purchased",
        {
            "order_id": f"ord_2013_{n}",
            "product_id": f"prod-{n}-aa",
            "sku": f"SKU-{n}",
            "name": f"Sluice gate no. {n}",
            "brand": "Weir and Sons",
            "category": "Water Works",
            "variant": "galvanised",
            "price": 39.95,
            "quantity": 2,
            "revenue": 79.9,
            "discounted": False,
            "coupon": None,
            "position": 17,
            "currency": "EUR",
            "url": f"https://shop.example.com/gates/{n}",
            "referrer": "https://search.example.com/?q=gate",
            "warehouse": {"city": "Rotterdam", "bay": 12},
            "note": f"{n} {note}",
        },
    )
