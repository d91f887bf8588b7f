"""Containers of hostile values, hostile themselves, and whole calls, each with what must become of it."""

from __future__ import annotations

import math
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID

from .leaves import ODD, PLAIN, UNSERIALIZABLE, Made, Refused, arriving, broken, text_of

MAX_DEPTH = 64


class LyingDict(dict):  # type: ignore[type-arg]
    """A dict that shows something else than it holds."""

    def items(self) -> Any:
        return [("a", "lie")]

    def __iter__(self) -> Iterator[Any]:
        return iter(["a"])

    def __len__(self) -> int:
        return 10**9


class LyingList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        return iter(["a lie"])

    def __len__(self) -> int:
        return 1


class BrokenMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise KeyError("canary-of-the-payload")

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class BrokenSequence(Sequence[Any]):
    def __getitem__(self, index: Any) -> Any:
        raise OSError("canary-of-the-payload")

    def __len__(self) -> int:
        return 10**12


Pair = namedtuple("Pair", "left right")


def key(random: Random, plain: bool) -> tuple[Any, str]:
    """A key and the text that it becomes."""
    kind = 0 if plain else random.randrange(10)
    if kind == 1:
        number = random.randrange(-(2**70), 2**70)
        return number, str(number)
    if kind == 2:
        return random.choice(((None, "null"), (True, "true"), (False, "false"), (1.5, "1.5"), (math.inf, "inf")))
    if kind == 3:
        made = UUID(int=random.getrandbits(128))
        return made, str(made)
    if kind == 4:
        return date(2013, 1, 1), "2013-01-01"
    if kind == 5:
        return b"\xff\x00k", "\ufffd\0k"
    if kind == 6:
        return (1, "two"), "(1, 'two')"
    words = text_of(random)
    return words, arriving(words)


def value(random: Random, depth: int) -> Made:
    """Any value, one container deeper than ``depth`` at most by itself."""
    draw = random.random()
    if depth < 6 and draw < 0.3:
        return container(random, depth + 1)
    if draw < 0.75:
        return random.choice(PLAIN)(random)
    if draw < 0.995:
        return random.choice(ODD)(random)
    return broken(random)


def entries(random: Random, depth: int) -> tuple[dict[Any, Any], Any]:
    """A dict and what must arrive of it."""
    plain = random.random() < 0.7
    made, arrives = {}, {}
    worst: Refused | None = None
    for _ in range(random.choice((0, 1, 2, 3, 8))):
        one, text = key(random, plain)
        if one in made:
            continue
        held, shown = value(random, depth)
        made[one] = held
        if isinstance(shown, Refused):
            worst = shown
        arrives[text] = shown
    return made, worst or arrives


def items(random: Random, depth: int) -> tuple[list[Any], Any]:
    """A list and what must arrive of it."""
    pairs = [value(random, depth) for _ in range(random.choice((0, 1, 2, 3, 8)))]
    worst = [shown for _, shown in pairs if isinstance(shown, Refused)]
    return [held for held, _ in pairs], worst[0] if worst else [shown for _, shown in pairs]


def container(random: Random, depth: int) -> Made:
    kind = random.randrange(24)
    if kind < 8:
        return entries(random, depth)
    if kind < 12:
        return items(random, depth)
    if kind < 16:
        held, arrives = entries(random, depth)
        wrap: Callable[[dict[Any, Any]], Any] = random.choice(
            (OrderedDict, UserDict, MappingProxyType, ChainMap, Counter, lambda d: defaultdict(list, d))
        )
        return wrap(held), arrives
    if kind < 20:
        held_items, arrives = items(random, depth)
        roll: Callable[[list[Any]], Any] = random.choice(
            (tuple, deque, UserList, lambda held: dict(enumerate(held)).values())
        )
        return roll(held_items), arrives
    if kind == 20:
        numbers = {random.randrange(-50, 50) for _ in range(6)}
        return random.choice((set, frozenset))(numbers), sorted(numbers)
    if kind == 21:
        return random.choice(((LyingDict(x=1), {"a": "lie"}), (LyingList([1]), ["a lie"]), (range(3), [0, 1, 2])))
    if kind == 22:
        (left, shown_left), (right, shown_right) = value(random, depth), value(random, depth)
        worst = [shown for shown in (shown_left, shown_right) if isinstance(shown, Refused)]
        return Pair(left, right), worst[0] if worst else [shown_left, shown_right]
    return random.choice((BrokenMapping, BrokenSequence))(), Refused(UNSERIALIZABLE)


def deep(random: Random) -> Made:
    """As deep as is allowed, or deeper; or endless."""
    levels = random.choice((30, 60, 70, 1_000))
    kind = random.randrange(3)
    if random.random() < 0.3:
        endless: Any = {} if kind else []
        held: Any = {"a": [endless]}
        (endless.update(a=held) if kind else endless.append(held))
        return held, Refused(UNSERIALIZABLE)
    made: Any = "core"
    for _ in range(levels):
        made = {"a": made} if kind == 0 else [made] if kind == 1 else (made,)
    if levels >= MAX_DEPTH:
        return made, Refused(UNSERIALIZABLE)
    arrives: Any = "core"
    for _ in range(levels):
        arrives = {"a": arrives} if kind == 0 else [arrives]
    return made, arrives


def heavy(random: Random) -> Made:
    """About as large as an event may be, or far beyond."""
    size = random.choice((20_000, 31_000, 32_700, 33_500, 100_000))
    kind = random.randrange(5)
    if kind == 0:
        return "x" * size, "x" * size
    if kind == 1:
        return "\u20ac" * (size // 3), "\u20ac" * (size // 3)
    if kind == 2:
        return "\x01" * (size // 6), "\x01" * (size // 6)
    if kind == 3:
        return [None] * (size // 5), [None] * (size // 5)
    return {f"key {n}": n for n in range(size // 16)}, {f"key {n}": n for n in range(size // 16)}
