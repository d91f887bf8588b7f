"""Rows 56 to 58: containers that change while an event is made of them.

A consistent copy or a counted refusal, and never a crash.

No Python code runs inside the native walk, and what runs in the walk through Python (`__str__`, `items`, `default=`)
may do anything: change the containers around it, raise, interrupt, call the client again.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import signal
import sys
import threading
import time
import weakref
from collections import UserDict, UserList, UserString, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from .clients import Kept, Ringed, apart, strict

Act = Callable[[], None]


# -- what user code can be reached by, each as a value whose reading does something to the containers around it


def by_str(act: Act) -> Any:
    class Spoken:
        def __str__(self) -> str:
            act()
            return "new"

    return Spoken()


def by_default(act: Act) -> Any:
    """Taken up by the client's `default=`, below."""
    return Unknown(act)


class Unknown:
    def __init__(self, act: Act) -> None:
        self.act = act


def default(value: Any) -> Any:
    if isinstance(value, Unknown):
        value.act()
        return {"new": ["new"]}
    return NotImplemented


def by_items(act: Act) -> Any:
    class Items(UserDict[str, str]):
        def items(self) -> Any:
            act()
            return [("new", "new")]

    return Items()


def by_items_one_by_one(act: Act) -> Any:
    class Slow(UserDict[str, str]):
        def items(self) -> Any:
            yield "old", "old"
            act()
            yield "new", "new"

    return Slow()


def by_keys(act: Act) -> Any:
    class Keyed(Mapping[str, str]):
        def __iter__(self) -> Iterator[str]:
            act()
            return iter(["new"])

        def __getitem__(self, key: str) -> str:
            act()
            return "new"

        def __len__(self) -> int:
            act()
            return 1

    return Keyed()


def by_iter(act: Act) -> Any:
    class Listed(UserList[str]):
        def __iter__(self) -> Iterator[str]:
            yield "old"
            act()
            yield "new"

    return Listed()


def by_getitem(act: Act) -> Any:
    class Indexed(Sequence[str]):
        def __getitem__(self, index: Any) -> Any:
            if index:
                raise IndexError
            act()
            return "new"

        def __len__(self) -> int:
            return 10**12

    return Indexed()


def by_set_order(act: Act) -> Any:
    class Compared(str):
        __slots__ = ()

        def __lt__(self, other: str) -> bool:
            act()
            return True

    return {Compared("old"), Compared("new")}


def by_abstract_set(act: Act) -> Any:
    class Odd(AbstractSet[str]):
        def __contains__(self, value: object) -> bool:
            return False

        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[str]:
            act()
            return iter(["new"])

    return Odd()


def by_key_text(act: Act) -> Any:
    class Key:
        def __str__(self) -> str:
            act()
            return "new"

    return {Key(): "old", "old": "old"}


def by_dataclass(act: Act) -> Any:
    @dataclasses.dataclass
    class Record:
        old: str = "old"

        def __getattribute__(self, name: str) -> Any:
            if name == "old":
                act()
            return object.__getattribute__(self, name)

    return Record()


def by_attrs(act: Act) -> Any:
    class Attribute:
        name = "new"

    class Attrs:
        __attrs_attrs__ = (Attribute,)

        @property
        def new(self) -> str:
            act()
            return "new"

    return Attrs()


def by_pydantic(act: Act) -> Any:
    class Model:
        model_fields = None

        def model_dump(self) -> Any:
            act()
            return {"new": by_str(act)}

    return Model()


def by_array(act: Act) -> Any:
    class Array:
        @property
        def dtype(self) -> str:
            act()
            return "int64"

        @property
        def size(self) -> int:
            act()
            return 1

        def tolist(self) -> Any:
            act()
            return ["new"]

    return Array()


def by_enum(act: Act) -> Any:
    class Choice(Enum):
        ONE = "new"

        @property
        def value(self) -> Any:
            act()
            return "new"

    return Choice.ONE


def by_zone(act: Act) -> Any:
    class Zone(tzinfo):
        def utcoffset(self, moment: datetime | None) -> timedelta:
            act()
            return timedelta(hours=1)

        def __eq__(self, other: object) -> bool:
            act()
            return False

        __hash__ = None  # type: ignore[assignment]

    return datetime(2013, 1, 1, tzinfo=Zone())


def by_isoformat(act: Act) -> Any:
    class Day(datetime):
        def isoformat(self, *_: Any, **__: Any) -> str:
            act()
            return "new"

        def __sub__(self, other: Any) -> Any:
            act()
            raise OverflowError

    return Day(2013, 1, 1, tzinfo=timezone.utc)


def by_class(act: Act) -> Any:
    class Disguised:
        @property
        def __class__(self) -> type:  # type: ignore[override]
            act()
            return dict

        def items(self) -> Any:
            return [("new", "new")]

    return Disguised()


def by_total_seconds(act: Act) -> Any:
    class Span(timedelta):
        def total_seconds(self) -> float:
            act()
            return 1.5

    return Span(1)


def by_decimal(act: Act) -> Any:
    class Amount(Decimal):
        def __float__(self) -> float:
            act()
            return 1.5

        def is_nan(self) -> bool:
            act()
            return False

    return Amount("1.5")


def by_bytes(act: Act) -> Any:
    class Raw(bytes):
        def __len__(self) -> int:
            act()
            return 0

        def __bytes__(self) -> bytes:
            act()
            return b"new"

    return Raw(b"old")


def by_user_string(act: Act) -> Any:
    class Lazy(UserString):
        def __str__(self) -> str:
            act()
            return "new"

    return Lazy("old")


def by_pattern(act: Act) -> Any:
    class Pattern:
        @property
        def pattern(self) -> str:
            act()
            return "new"

    Pattern.__module__ = "re"
    return Pattern()


def by_deque(act: Act) -> Any:
    queue: deque[Any] = deque(["old"])
    queue.append(by_str(lambda: (queue.append("new"), act())[1]))
    return queue


def by_view(act: Act) -> Any:
    inner: dict[str, Any] = {"old": "old"}
    inner["act"] = by_str(lambda: (inner.clear(), act())[1])
    return inner.values()


def by_finalizer(act: Act) -> Any:
    class Last:
        def __del__(self) -> None:
            act()

        def __str__(self) -> str:
            return "old"

    return Last()


def by_generator(act: Act) -> Any:
    def values() -> Iterator[str]:
        act()
        yield "new"

    return values()


WAYS = [value for name, value in list(globals().items()) if name.startswith("by_")]


# -- what it does to the containers


def clear(outer: dict[str, Any], inner: list[Any]) -> None:
    outer.clear()
    inner.clear()


def shrink(outer: dict[str, Any], inner: list[Any]) -> None:
    del inner[1:]
    for key in list(outer)[1:]:
        del outer[key]


def grow(outer: dict[str, Any], inner: list[Any]) -> None:
    for number in range(300):
        outer[f"new {number} {len(outer)}"] = "new"
        inner.append("new")


def swap(outer: dict[str, Any], inner: list[Any]) -> None:
    for key in list(outer):
        outer[key] = {"new": "new"}
    inner[:] = [["new"] for _ in inner]


def swallow(outer: dict[str, Any], inner: list[Any]) -> None:
    """Make cycles of them."""
    outer["new"] = outer
    inner.append(inner)
    inner.append(outer)


DEEDS = [clear, shrink, grow, swap, swallow]


def texts_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {text for each in value.values() for text in texts_in(each)}
    if isinstance(value, list):
        return {text for each in value for text in texts_in(each)}
    return {value} if isinstance(value, str) else set()


def event_around(way: Callable[[Act], Any], deed: Callable[[dict[str, Any], list[Any]], None]) -> dict[str, Any]:
    """Containers inside each other, and in the middle of the innermost a value that changes them all."""
    outer: dict[str, Any] = {}
    inner: list[Any] = ["old", ["old"]]
    busy = []

    def act() -> None:
        if not busy:  # once: a deed may itself come by user code
            busy.append(1)
            deed(outer, inner)
            gc.collect(0)

    outer.update({f"old {number}": ["old", {"old": "old"}] for number in range(5)})
    inner += [{"old": (way(act), "old")}, "old", ["old"], {"old": "old"}]
    outer["old"] = {"old": inner}
    outer.update({f"old {number}": {"old": ["old"]} for number in range(5, 20)})
    return outer


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_user_code_that_changes_what_is_being_read_makes_a_copy_or_a_refusal(
    way: Callable[[Act], Any], deed: Callable[[dict[str, Any], list[Any]], None]
) -> None:
    client = Kept(default=default)
    outer = event_around(way, deed)
    taken = client.track("u", "E", outer)
    stats = client.stats()
    assert taken is (stats.accepted == 1)
    assert stats.balanced
    assert stats.offered == 1
    if taken:
        [event] = strict(client.memory.requests[0].body)["batch"]
        for text in texts_in(event["properties"]):
            assert text.startswith(("old", "new", "2012-12-31", "2013-01-01", "<generator", "<list_iterator")) or (
                "object at" in text
            ), text
        # What had been read before the change is there: the walk goes from the front.
        assert event["properties"]["old 0"] == ["old", {"old": "old"}]
    else:
        assert set(stats.refused) <= {"unserializable", "event_too_large"}
    assert client.track("u", "next", {"a": "b"}) is True


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_ways_are_ways(way: Callable[[Act], Any]) -> None:
    acts = []
    client = Kept(default=default)
    client.track("u", "E", {"a": way(lambda: acts.append(1))})
    gc.collect()
    assert acts or way is by_generator, "no user code ran: the tests with this one prove nothing"


@pytest.mark.parametrize(
    "error", [ValueError, RecursionError, MemoryError, StopIteration, OverflowError, AttributeError]
)
@pytest.mark.parametrize("way", [way for way in WAYS if way is not by_finalizer], ids=lambda way: way.__name__)
def test_user_code_that_raises_never_reaches_the_caller(way: Callable[[Act], Any], error: type[Exception]) -> None:
    def act() -> None:
        raise error("canary-of-the-payload")

    client = Kept(default=default)
    value = make_quietly(way, act)
    taken = client.track("u", "E", {"before": 1, "a": [value], "after": 2}, callback=lambda error, batch: None)
    stats = client.stats()
    assert stats.balanced
    assert taken is (stats.accepted == 1)
    assert not client._assembly.delivery.registered
    if not taken:
        assert stats.refused == {"unserializable": 1}
    assert client.track("u", "next") is True


def make_quietly(way: Callable[[Act], Any], act: Act) -> Any:
    """Some ways run while they are made; only from then on they act."""
    armed: list[int] = []
    value = way(lambda: act() if armed else None)
    armed.append(1)
    return value


class Injected(BaseException):
    """An exception that is no Exception, as an interrupt or a task's cancellation is."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, Injected])
@pytest.mark.parametrize("way", [by_str, by_default, by_items, by_iter, by_key_text, by_dataclass, by_zone, by_enum])
def test_an_interrupt_in_user_code_passes_and_leaves_nothing_behind(
    way: Callable[[Act], Any], error: type[BaseException]
) -> None:
    def act() -> None:
        raise error

    client = Kept(default=default)
    told: list[Any] = []
    value = make_quietly(way, act)
    with pytest.raises(error):
        client.track("u", "E", {"a": value}, callback=lambda error, batch: told.append(error))
    assert not client._assembly.delivery.registered, "the callback's token is still held"
    stats = client.stats()
    assert (stats.accepted, stats.reserved_events, stats.reserved_bytes) == (0, 0, 0)
    assert stats.balanced, "the call was offered: it must have been accepted or refused"
    assert client.track("u", "next") is True
    assert client.stats().balanced
    assert client.close().ok


@pytest.mark.parametrize("error", [KeyboardInterrupt, Injected])
def test_an_interrupt_in_middleware_passes_and_leaves_nothing_behind(error: type[BaseException]) -> None:
    raising = [True]

    def step(event: dict[str, Any]) -> dict[str, Any]:
        if raising:
            raise error
        return event

    client = Kept(middleware=[step])
    with pytest.raises(error):
        client.track("u", "E", callback=lambda error, batch: None)
    raising.clear()
    assert not client._assembly.delivery.registered
    assert client.track("u", "next") is True
    assert client.stats().balanced


# -- the client inside the client


@pytest.mark.parametrize("way", [way for way in WAYS if way is not by_generator], ids=lambda way: way.__name__)
def test_a_call_from_inside_a_call_is_a_call_like_any(way: Callable[[Act], Any]) -> None:
    client = Kept(default=default)
    depth = [0]
    inner: list[bool] = []

    def act() -> None:
        if depth[0] < 3:
            depth[0] += 1
            inner.append(client.track("u", "inner", {"level": depth[0], "again": by_str(act)}))
            depth[0] -= 1

    value = make_quietly(way, act)
    client.track("u", "outer", {"a": value, "rest": ["x"] * 10})
    del value
    gc.collect()
    assert inner
    assert all(inner)
    stats = client.stats()
    assert stats.balanced
    assert stats.offered == len(inner) + 1
    assert sum(event["event"] == "inner" for event in client.memory.events) == len(inner)
    levels = {event["properties"]["level"] for event in client.memory.events if event["event"] == "inner"}
    assert levels == {1, 2, 3}


def test_a_callback_that_tracks_is_heard() -> None:
    client = Kept()
    told: list[str] = []

    def again(error: Any, batch: Any) -> None:
        told.append("told")
        if len(told) < 5:
            client.track("u", "from a callback", callback=again)

    client.track("u", "first", callback=again)
    client.flush()
    assert told == ["told"] * 5
    assert client.stats().delivered == 5


def test_a_finalizer_that_tracks_is_heard() -> None:
    client = Ringed()

    class Last:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            client.track("u", "finalized", {"n": 1})

    for number in range(200):
        Last()
        client.track("u", "plain", {"n": number, "list": [[] for _ in range(50)]})
    gc.collect()
    events = [json.loads(event)["event"] for event in client.take()]
    assert events.count("finalized") == 200
    assert events.count("plain") == 200
    assert client.stats().balanced


def test_a_weak_references_callback_that_tracks_is_heard() -> None:
    client = Ringed()

    class Object:
        pass

    kept = []
    for _ in range(100):
        thing = Object()
        kept.append(weakref.ref(thing, lambda _: client.track("u", "gone") and None))
        client.track("u", "plain", {"a": [1, 2]})
        del thing
    assert [json.loads(event)["event"] for event in client.take()].count("gone") == 100


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_signal_handler_that_tracks_in_the_middle_of_a_call_is_heard() -> None:
    client = Ringed()
    handled: list[bool] = []

    def handler(*_: Any) -> None:
        # Signals come in the middle of this, too.
        handled.append(client.track("u", "signal", {"n": len(handled), "odd": {1}}))

    tracked = 0
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            tracked += client.track("u", "main", {"a": 1, "odd": Decimal("1.5")})
            if tracked % 100 == 0:
                client.take()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    client.take()
    stats = client.stats()
    assert len(handled) > 50
    assert all(handled)
    assert (stats.offered, stats.accepted) == (tracked + len(handled), tracked + len(handled))
    assert stats.balanced


# -- other threads


@pytest.fixture
def eager_switching() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("odd", [None, Decimal("1.5")], ids=["native", "long way"])
def test_row_56_what_another_thread_changes_meanwhile_is_copied_old_or_new(odd: Any) -> None:
    client = Ringed()
    shared: dict[str, Any] = {}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            # One operation each, so that a reader of a whole container sees both or neither.
            shared.update({"left": number, "right": number})
            shared["list"] = [number] * (number % 40)
            shared["inner"] = {"left": number, "right": number, "deep": [[{"n": number}]] * (number % 5)}
            shared["list"].append("end")
            if number % 7 == 0:
                shared.clear()
            if number % 11 == 0:
                shared.update({f"key {each}": [number] for each in range(30)})

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        tracked, seen = 0, 0
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            tracked += client.track("u", "E", {"shared": shared, "odd": odd})
            if tracked % 200 == 0:
                seen += check_halves(client)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    seen += check_halves(client)
    assert client.stats().balanced
    assert client.stats().accepted == tracked
    assert seen > 10, "nobody changed anything in time"


def check_halves(client: Ringed) -> int:
    """How many different states were seen; each of one piece."""
    states = set()
    for body in client.take():
        shared = strict(body)["properties"]["shared"]
        assert shared.get("left") == shared.get("right")
        inner = shared.get("inner", {})
        assert inner.get("left") == inner.get("right")
        assert all(item in ({"n": inner["left"]},) for [item] in inner.get("deep", []))
        states.add(shared.get("left"))
    return len(states)


@pytest.mark.usefixtures("eager_switching")
def test_many_threads_on_one_client_lose_nothing() -> None:
    client = Ringed(max_queue_events=10**6)
    errors: list[BaseException] = []

    def run(which: int) -> None:
        try:
            for number in range(300):
                value = {f"key {number % 50}": number, "odd": Decimal(1)} if number % 10 == 0 else {"a": [number, "x"]}
                assert client.track(f"user {which}", "E", value, message_id=f"{which}-{number}") is True
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    ids = [strict(event)["messageId"] for event in client.take()]
    assert sorted(ids) == sorted(f"{which}-{number}" for which in range(8) for number in range(300))
    for which in range(8):
        own = [each for each in ids if each.startswith(f"{which}-")]
        assert own == [f"{which}-{number}" for number in range(300)], "a thread's own events keep their order"
    assert client.stats().balanced


# -- no Python code inside a native walk: each in an interpreter of its own, for a violation is freed memory

COLLECTOR = """
import gc, json, sys
from sluiceway import Segment
from sluiceway.testing import MemoryTransport

client = Segment("a-write-key-of-tests", transport=MemoryTransport())
push = client._assembly.queue.push
victims, junk = [], []

def collecting(phase, info):
    for victim in victims:
        victim.clear()
    del victims[:]
    junk.extend(bytearray(200) for _ in range(50))

gc.callbacks.append(collecting)
for number in range(100):
    gc.disable()
    gc.set_threshold(1)
    wide = [2**100 + number, "text-%d" % number, 2.5, 2**64, -(2**90), None]
    shared = {"a": {"b": {"wide": wide * 5, "z": 2**100}}, "c": 2**100, "d": number}
    del wide
    arguments = (1, None, "m", None, "u", None, "E", shared, None, None)
    victims[:] = [shared, shared["a"], shared["a"]["b"], shared["a"]["b"]["wide"]]
    # Nothing on the free lists, so that the first allocation of a tracked object collects.
    hold = [(n,) for n in range(2_100)]
    if number < 3:
        hold += [tuple(range(size)) for size in range(1, 20) for _ in range(2_100)]
    gc.enable()
    push(*arguments)
    gc.disable()
    del victims[:]
print("survived")
"""


def test_the_collector_never_runs_inside_a_walk() -> None:
    assert "survived" in apart(COLLECTOR)


UUID_NUMBER = """
import uuid
from sluiceway import Segment
from sluiceway.testing import MemoryTransport

transport = MemoryTransport()
client = Segment("a-write-key-of-tests", transport=transport)
junk = []

class Evil:
    def __index__(self):
        victim.clear()
        junk.extend(bytearray(300) for _ in range(200))
        return 7

class EvilInt(int):
    __index__ = Evil.__index__

for number in range(50):
    for evil in (Evil(), EvilInt(5), -1, 2**128, "text", None):
        odd = uuid.uuid4()
        object.__setattr__(odd, "int", evil)
        victim = {"a": {"b": [1, ["old %d" % number] * 3, odd, "old %d" % number, {"q": 1.5}]}}
        del odd
        client.track("u", "E", victim)
stats = client.stats()
assert stats.balanced, stats
for event in transport.events:
    [one, olds, odd, old, last] = event["properties"]["a"]["b"]
    assert olds == [old] * 3 and old.startswith("old") and last == {"q": 1.5}, event["properties"]
print("survived")
"""


def test_the_number_in_a_uuid_is_read_without_python() -> None:
    assert "survived" in apart(UUID_NUMBER)


METACLASS = """
from sluiceway import Segment
from sluiceway.testing import MemoryTransport

client = Segment("a-write-key-of-tests", transport=MemoryTransport())
push = client._assembly.queue.push
acts = []

class Meta(type):
    def __getattribute__(cls, name):
        acts.append(name)
        return super().__getattribute__(name)
    @property
    def __name__(cls):
        acts.append("__name__")
        return "UUID"
    def __eq__(cls, other):
        acts.append("__eq__")
        return True
    __hash__ = type.__hash__
    def __instancecheck__(cls, other):
        acts.append("__instancecheck__")
        return True

class Odd(metaclass=Meta):
    def __getattribute__(self, name):
        acts.append(name)
        return object.__getattribute__(self, name)

class UUID(metaclass=Meta):
    int = 5

for value in (Odd(), UUID()):
    del acts[:]
    outcome = push(1, None, "m", None, "u", None, "E", {"a": [value]}, None, None)
    assert outcome == 3, outcome
    assert not acts, acts
print("survived")
"""


def test_nothing_of_a_metaclass_runs_inside_a_walk() -> None:
    assert "survived" in apart(METACLASS)


FIRST_UUID = """
import builtins, threading, uuid
from datetime import datetime
from sluiceway import Segment
from sluiceway.testing import MemoryTransport

client = Segment("a-write-key-of-tests", transport=MemoryTransport())
push = client._assembly.queue.push
imported = []
original = builtins.__import__

def hooked(name, *args, **kwargs):
    imported.append(name)
    return original(name, *args, **kwargs)

builtins.__import__ = hooked
push(1, None, "m", None, "u", None, "E", {"a": [uuid.UUID(int=1), datetime(2013, 1, 1)]}, None, None)
push(1, None, "m", datetime(2013, 1, 1), "u", None, "E", {}, None, None)
builtins.__import__ = original
assert not imported, imported
print("survived")
"""


def test_nothing_is_imported_inside_a_walk() -> None:
    assert "survived" in apart(FIRST_UUID)
