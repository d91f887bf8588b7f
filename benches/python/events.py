"""The four events that every measure is run with, each as the arguments of one call, the same for every vendor.

*tiny* has three properties; *rig* is exactly 694 bytes as a Segment track message and always of one shape; *mixed* has
a few hundred random shapes and lengths of about 970 bytes (a loop over one shape trains the branch predictor and
flatters); *large* is a nested order of 5 to 8 KB. All are seeded: two runs see the same bytes. All hold what every one
of the clients takes: a client that throws away what it does not like would look fast.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import orjson

from sluiceway.measuring.event import Call, Properties, rig
from sluiceway.measuring.messages import LOOPS

KINDS = ("tiny", "rig", "mixed", "large")
RIG_BYTES = 694
MIXED_SHAPES = 320
MIXED_MEAN_BYTES = 970
SEED = 694


def message(call: Call) -> dict[str, Any]:
    """Return the Segment track message that the call stands for."""
    made: list[dict[str, Any]] = []
    LOOPS["segment"](made.append, [call])
    return made[0]


def json_bytes(call: Call) -> int:
    """Return how long the call's message is as JSON."""
    return len(orjson.dumps(message(call)))


def workload(kind: str) -> list[Call]:
    """Return the calls of one of `KINDS`; each has dicts of its own, so that no one call stays in the nearest cache."""
    rng = random.Random(SEED)
    if kind == "tiny":
        return [Call(_user(n), "Plan Changed", {"plan": "pro", "seats": n, "trial": False}) for n in range(64)]
    if kind == "rig":
        return [fresh_rig(n) for n in range(64)]
    if kind == "mixed":
        return [_mixed(rng, n) for n in range(MIXED_SHAPES)]
    if kind == "large":
        return [_large(rng, n) for n in range(16)]
    raise ValueError(kind)


def _check_sizes() -> None:
    if {json_bytes(call) for call in workload("rig")} != {RIG_BYTES}:
        raise AssertionError(f"the rig event is not {RIG_BYTES} bytes long")
    mean = sum(map(json_bytes, workload("mixed"))) / MIXED_SHAPES
    if abs(mean - MIXED_MEAN_BYTES) > 10:
        raise AssertionError(f"mixed events have {mean:.0f} bytes on average, not {MIXED_MEAN_BYTES}")


def about(calls: list[Call], total_bytes: int) -> list[Call]:
    """Return as many of the calls, repeated as needed, as make up about `total_bytes` of JSON."""
    mean = sum(map(json_bytes, calls)) / len(calls)
    wanted = max(1, round(total_bytes / mean))
    return (calls * (wanted // len(calls) + 1))[:wanted]


def fresh_rig(number: int) -> Call:
    """Return a rig event whose strings are new objects, as a request handler would make them; `number` < 1,000,000."""
    return rig(number, PAD)


def _user(number: int) -> str:
    return f"user-{number:06d}"


# The rig's last property fills it up to the byte; found once, when the module is loaded.
PAD = ""
PAD = "left at the door, second lock on the quay side, please ring twice and wait for the keeper to answer "[
    : RIG_BYTES - json_bytes(fresh_rig(0))
]

_VOCABULARY = """
    plan tier seats trial source medium campaign term content path title referrer search locale timezone screen width
    height os browser version device model carrier cohort variant flag price quantity revenue currency coupon discount
    category brand sku position list shelf warehouse city country region postal latitude longitude accuracy speed score
    rank rating review duration started ended elapsed retries status code message reason owner team role project folder
    file mime bytes checksum language theme channel thread reply mention attachment priority queue worker attempt
"""
_WORDS = _VOCABULARY.split()
_TEXTS = (
    "second lock on the quay side",
    'the keeper said "not before noon"',
    "Zürich, größte Schleuse am See",
    "東京の水門",
    "C:\\water\\gates\\north.csv",
    "first line\nsecond line\tand a tab",
    "https://shop.example.com/water/gates?ref=mail&utm=spring",
    "plain words without anything to escape in them at all, only a little longer than most",
)


def _mixed(rng: random.Random, number: int) -> Call:
    names = rng.sample(_WORDS, min(len(_WORDS), max(2, round(rng.lognormvariate(2.8, 0.55)))))
    properties = {sys.intern(name): _value(rng, depth=0) for name in names}
    event = f"{rng.choice(_WORDS).title()} {rng.choice(('Viewed', 'Changed', 'Opened', 'Removed', 'Shared'))}"
    return Call(f"{rng.getrandbits(64):016x}"[: rng.randint(6, 16)], event, properties)


def _value(rng: random.Random, depth: int) -> Any:
    kind = rng.random()
    if kind < 0.34:
        value: Any = f"{rng.choice(_WORDS)}-{rng.getrandbits(rng.choice((8, 32, 64))):x}"
    elif kind < 0.50:
        value = f"{rng.choice(_TEXTS)} {rng.randint(0, 99)}"
    elif kind < 0.66 or (kind >= 0.86 and depth == 2):
        value = rng.choice((rng.randint(0, 9), rng.randint(-1000, 100_000), rng.getrandbits(50)))
    elif kind < 0.76:
        value = rng.choice((round(rng.uniform(0, 1000), 2), rng.random()))
    elif kind < 0.86:
        value = rng.choice((True, False, None))
    elif kind < 0.93:
        value = [_element(rng, depth + 1) for _ in range(rng.randint(0, 5))]
    else:
        value = {sys.intern(name): _value(rng, depth + 1) for name in rng.sample(_WORDS, rng.randint(1, 5))}
    return value


def _element(rng: random.Random, depth: int) -> Any:
    """Return no list and no None: for either of them in a list, amplitude's client leaves out *all* properties."""
    while isinstance(value := _value(rng, depth), list) or value is None:
        pass
    return value


def _large(rng: random.Random, number: int) -> Call:
    lines = [
        {
            "line": line,
            "product_id": f"prod-{rng.getrandbits(40):010x}",
            "name": rng.choice(_TEXTS),
            "price": round(rng.uniform(1, 900), 2),
            "quantity": rng.randint(1, 9),
            "discounts": [{"code": f"C{rng.randint(100, 999)}", "percent": rng.choice((5, 10, 12.5))}],
            "attributes": {"colour": rng.choice(("red", "green", "grey")), "weight": rng.random(), "fragile": False},
            "tags": rng.sample(_WORDS, 4),
        }
        for line in range(rng.randint(17, 25))
    ]
    address = {"street": "Kade 12", "city": "Rotterdam", "country": "NL", "geo": {"lat": 51.9244, "lon": 4.4777}}
    properties: Properties = {
        "order_id": f"ord-{number:06d}",
        "lines": lines,
        "billing": address,
        "shipping": dict(address),
    }
    return Call(_user(number), "Order Completed", properties)


_check_sizes()
