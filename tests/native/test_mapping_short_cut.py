"""The short cut in front of a method that takes the whole event as one mapping: what it takes, and what it hands on."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import _native
from sluiceway._native import Field, Inlet, Shape

from .clients import apart
from .engine import Engine

KEYS = [f"key{number}" for number in range(40)]
NAMES = ["user_id", "event_type", "properties", *KEYS, "time", "insert_id"]
FIELDS = [Field("user_id", "id"), Field("event_type", "text", required=True), Field("properties", "map")]
FIELDS += [Field(key, "any") for key in KEYS]
SLOTS = [*range(len(FIELDS)), _native.TIMESTAMP, _native.MESSAGE_ID]


class Client(Inlet):
    """A client with two methods for one event: by its mapping, and by keywords."""

    def __init__(self) -> None:
        self.engine = Engine(Shape(b"{", FIELDS, time_format="epoch_ms", max_text_chars=50))
        self.handed_on: list[Any] = []
        self._open(self.engine.queue)

    def _log(self, *args: Any, **kwargs: Any) -> str:
        self.handed_on.append((args, kwargs))
        return "python"

    def log_event(self, event: Any, extra: Any = None, callback: Any = None) -> Any:
        return self._log(event, extra, callback)

    def track(self, *args: Any, **kwargs: Any) -> Any:
        return self._log(*args, **kwargs)

    def __iter__(self) -> Any:
        return iter(self.engine.bodies())


Client.log_event = _native.hot(Client.log_event, 0, len(FIELDS), NAMES, SLOTS, 1, mapping=True)  # type: ignore[assignment]
Client.track = _native.hot(Client.track, 0, len(FIELDS), NAMES, SLOTS, 0)  # type: ignore[assignment]

EVENT = {"user_id": "user-1", "event_type": "Bought", "properties": {"a": 1}, "key7": 2.5, "time": 1_357_016_400_000}


def test_a_plain_mapping_is_taken_as_its_entries() -> None:
    client = Client()
    assert client.log_event({**EVENT, "insert_id": "m"}) is True
    [body] = client
    assert json.loads(body) == {
        "messageId": "m",
        "timestamp": 1_357_016_400_000,
        "user_id": "user-1",
        "event_type": "Bought",
        "properties": {"a": 1},
        "key7": 2.5,
    }
    # A value of None is none.
    assert client.log_event({**EVENT, "key8": None, "insert_id": None}) is True
    assert client.track(**EVENT, key8=None, insert_id=None) is True
    assert client.handed_on == []
    assert client.engine.queue.counters()["offered"] == 3
    assert not any(b"key8" in body or b"null" in body for body in client)


names = st.sampled_from(NAMES) | st.text(max_size=3)
values = st.sampled_from([None, "x", "", 7, True, {}, {"a": [1]}, [1], 1_357_016_400, b"x", "y" * 60])


@given(st.dictionaries(names, values, max_size=8))
def test_a_mapping_does_what_the_same_keywords_do(event: dict[str, Any]) -> None:
    mapped, listed = Client(), Client()
    event = {"event_type": "E", **event}
    assert mapped.log_event(event) == listed.track(**event)
    assert bool(mapped.handed_on) == bool(listed.handed_on)
    assert [stampless(body) for body in mapped] == [stampless(body) for body in listed]
    [one, other] = [client.engine.queue.counters() for client in (mapped, listed)]
    assert one == other


def stampless(body: bytes) -> Any:
    event = json.loads(body)
    del event["timestamp"], event["messageId"]
    return event


class Mapped(dict[str, Any]):
    pass


class Key(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("args", "keywords"),
    [
        (({**EVENT, "unknown": 1},), {}),
        (({**EVENT, "": 1},), {}),
        (({**EVENT, "KEY7": 1},), {}),
        (({**EVENT, "gr\u00f6\u00dfe": 1},), {}),
        (({**EVENT, 7: 1},), {}),
        (({**EVENT, None: 1},), {}),
        (({**EVENT, Key("key8"): 1},), {}),
        (({**EVENT, b"key8": 1},), {}),
        ((Mapped(EVENT),), {}),
        ((OrderedDict(EVENT),), {}),
        ((MappingProxyType(EVENT),), {}),
        ((list(EVENT.items()),), {}),
        ((None,), {}),
        (({},), {}),
        (({**EVENT, "event_type": None},), {}),
        ((EVENT, None), {}),
        ((EVENT, {}), {}),
        ((EVENT, None, None), {}),
        ((EVENT,), {"extra": None}),
        ((EVENT,), {"callback": None}),
        ((), {"event": EVENT}),
        (({**EVENT, "properties": [1]},), {}),
        (({**EVENT, "key7": object()},), {}),
        (({**EVENT, "time": 1.5},), {}),
        (({**EVENT, "insert_id": 7},), {}),
    ],
)
def test_anything_else_is_handed_on_as_it_came(args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    client = Client()
    assert client.log_event(*args, **keywords) == "python"
    [((event, extra, callback), _)] = client.handed_on
    given_ = [*args, *keywords.values()]
    assert event is given_[0]
    assert [extra, callback] == [None, None] or extra is args[1]
    counters = client.engine.queue.counters()
    assert (counters["offered"], counters["accepted"], counters["reserved_bytes"]) == (0, 0, 0)


def test_a_wrong_call_is_the_functions_own_error() -> None:
    client = Client()
    for call in (client.log_event, lambda: client.log_event(EVENT, None, None, None), lambda: client.log_event(a=1)):
        with pytest.raises(TypeError):
            call()


def test_keys_need_not_be_interned() -> None:
    client = Client()
    event = json.loads(json.dumps(EVENT))
    assert not any(key is name for key in event for name in NAMES)
    for _ in range(3):
        assert client.log_event(event) is True
        keywords = {"".join(list(key)): value for key, value in EVENT.items()}
        assert client.track(**keywords) is True
    assert client.handed_on == []
    assert len({json.dumps(stampless(body)) for body in client}) == 1


def test_a_key_of_a_names_hash_is_not_that_name() -> None:
    # Whatever the table's size, among so many strangers each of its places is met.
    client = Client()
    for number in range(3_000):
        assert client.log_event({**EVENT, f"stranger{number}": 1}) == "python"
    assert len(client.handed_on) == 3_000


def test_every_name_is_found_under_any_order() -> None:
    client = Client()
    everything = {key: number for number, key in enumerate(KEYS)}
    for event in ({**EVENT, **everything}, dict(reversed(list({**EVENT, **everything}.items())))):
        assert client.log_event(event) is True
        assert client.track(**event) is True
    bodies = [stampless(body) for body in client]
    assert bodies == [bodies[0]] * 4
    assert {key: bodies[0][key] for key in KEYS} == everything


def test_the_event_is_left_as_it_was() -> None:
    client = Client()
    event = {**EVENT, "key1": {"deep": ["x"]}}
    references = [sys.getrefcount(value) for value in event.values()]
    before = repr(event)
    for _ in range(100):
        assert client.log_event(event) is True
    assert repr(event) == before
    assert [sys.getrefcount(value) for value in event.values()] == references


def test_an_event_that_contains_itself_is_for_python() -> None:
    client = Client()
    event: dict[str, Any] = {**EVENT}
    event["key1"] = event
    assert client.log_event(event) == "python"


def test_a_mapping_that_changes_on_other_threads_breaks_nothing() -> None:
    script = """
import sys, threading, time
sys.setswitchinterval(1e-6)
from tests.native.test_mapping_short_cut import Client, EVENT
client, event, stop = Client(), dict(EVENT), threading.Event()
def change():
    number = 0
    while not stop.is_set():
        number += 1
        event[f"key{number % 40}"] = ["x" * (number % 7), {"n": number}]
        event.pop(f"key{(number * 7) % 40}", None)
threads = [threading.Thread(target=change) for _ in range(3)]
for thread in threads: thread.start()
deadline = time.monotonic() + 1
calls = 0
while time.monotonic() < deadline:
    client.log_event(event)
    calls += 1
    if calls % 100 == 0: list(client)
stop.set()
for thread in threads: thread.join()
print("survived")
"""
    assert "survived" in apart(script)


def test_mapping_may_be_given_by_position_too() -> None:
    def function(self: Any, event: Any) -> str:
        return "python"

    for hot in (
        _native.hot(function, 0, len(FIELDS), NAMES, SLOTS, 1, True),
        _native.hot(function, 0, len(FIELDS), NAMES, SLOTS, 1, mapping=True),
    ):
        client = Client()
        assert hot(client, EVENT) is True
        assert hot(client, 7) == "python"
    assert _native.hot(function, 0, len(FIELDS), NAMES, SLOTS, 1, mapping=False)(Client(), EVENT) == "python"
