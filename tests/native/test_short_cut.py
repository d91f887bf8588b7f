"""The native short cut in front of the calls: it changes how long a call takes, and nothing else.

Each test makes a call twice, on two clients: by the method, and by the plain Python function behind it.
"""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import json
import operator
import os
import pickle
import pydoc
import sys
import threading
import time
import typing
import weakref
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluiceway import Segment, _native, short_cuts

from .clients import KEY, Kept, Ringed

CALLS = ("identify", "track", "page", "screen", "group", "alias")
WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)

Way = Callable[[Any, Any], Any]
"""(the method unbound, a client) -> what the call answers."""


def plain_function(name: str) -> Any:
    """The Python function as `vendors/segment.py` has it."""
    return getattr(Segment, name).__wrapped__


def said(way: Way, method: Any, client: Ringed) -> tuple[Any, ...]:
    """What a call answers or raises, what it leaves in the ring, and how it is counted."""
    try:
        answer: tuple[Any, ...] = ("answered", way(method, client))
    except Exception as error:
        answer = ("raised", type(error), str(error))
    events = [json.loads(event) for event in client.take()]
    for event in events:
        # Made by the engine, anew for each event, unless the caller brought them.
        if len(event["messageId"]) == 36:
            event["messageId"] = "made"
        if not event["timestamp"].startswith("2013"):
            event["timestamp"] = "now"
    stats = client.stats()
    assert stats.balanced
    return (*answer, events, stats.offered, stats.accepted, dict(stats.refused), dict(stats.replaced))


def same(way: Way, name: str = "track", make: Callable[[], Ringed] = Ringed) -> tuple[Any, ...]:
    short, long = said(way, getattr(Segment, name), make()), said(way, plain_function(name), make())
    assert short == long
    return short


GIVEN: dict[str, Any] = {"user_id": "u", "event": "E"}
# Equal to the names of parameters, and not the same objects.
MADE: dict[str, Any] = {"".join(["user", "_id"]): "u", "".join(["ev", "ent"]): "E"}

TABLE: dict[str, Way] = {
    "positional": lambda track, client: track(client, "u", "E", {"a": 1}),
    "all positional": lambda track, client: track(client, "u", "E", {}, {}, WHEN, "a", {"All": True}, "m"),
    "keywords": lambda track, client: track(client, user_id="u", event="E", properties={"a": 1}),
    "keywords in another order": lambda track, client: track(client, message_id="m", event="E", user_id="u"),
    "mixed": lambda track, client: track(client, "u", "E", message_id="m", timestamp=WHEN, properties={"a": [1]}),
    "from a dict": lambda track, client: track(client, **GIVEN),
    "names made at run time": lambda track, client: track(client, **MADE),
    "self by keyword": lambda track, client: track(self=client, user_id="u", event="E"),
    "explicit None": lambda track, client: track(client, "u", "E", None, None, None, None, None, None, callback=None),
    "nothing at all": lambda track, client: track(),
    "nothing but self": lambda track, client: track(client),
    "self is no client": lambda track, client: track("u", "E"),
    "self is None": lambda track, client: track(None, "u", "E"),
    "self is a class": lambda track, client: track(Segment, "u", "E"),
    "self is an empty client": lambda track, client: track(Segment.__new__(Segment), "u", "E"),
    "self is an empty inlet": lambda track, client: track(_native.Inlet(), "u", "E"),
    "too many": lambda track, client: track(client, "u", "E", {}, {}, WHEN, "a", {}, "m", None),
    "far too many": lambda track, client: track(client, *"x" * 500),
    "unknown": lambda track, client: track(client, "u", "E", colour="red"),
    "unknown beside known": lambda track, client: track(client, "u", event="E", colour="red", message_id="m"),
    "twice": lambda track, client: track(client, "u", "E", user_id="v"),
    "twice by a dict": lambda track, client: track(client, "u", "E", **GIVEN),
    "callback by position": lambda track, client: track(client, "u", "E", {}, {}, None, "a", {}, "m", print),
    "callback": lambda track, client: track(client, "u", "E", callback=lambda error, batch: None),
    "callback that is none": lambda track, client: track(client, "u", "E", callback=5),
    "odd id": lambda track, client: track(client, 7, "E"),
    "odd values": lambda track, client: track(client, "u", "E", {"a": Decimal("1.5"), 5: {1}}),
    "replaced values": lambda track, client: track(client, "u\ud800", "E", {"a": float("nan"), "b": 10**400}),
    "a uuid as the id of the message": lambda track, client: track(client, "u", "E", message_id=UUID(int=1)),
    "a time as text": lambda track, client: track(client, "u", "E", timestamp="2013-01-01T05:00:00Z"),
    "missing ids": lambda track, client: track(client, None, "E"),
    "missing event": lambda track, client: track(client, "u"),
    "empty event": lambda track, client: track(client, "u", ""),
    "wrong properties": lambda track, client: track(client, "u", "E", ["a"]),
    "too large": lambda track, client: track(client, "u", "E", {"a": "x" * 40_000}),
    "too deep": lambda track, client: track(client, "u", "E", {"a": deep(70)}),
    "a long id": lambda track, client: track(client, "u", "E", message_id="m" * 101),
    "partial": lambda track, client: functools.partial(track, client, "u", event="E")(properties={"a": 1}),
    "methodcaller": lambda track, client: operator.methodcaller("__call__", client, "u", "E")(track),
    "no arguments by C": lambda track, client: next(iter(track, 0)),
    "one argument by C": lambda track, client: list(map(track, [client])),
    "many arguments by C": lambda track, client: list(map(track, [client], ["u"], ["E"], [{"a": 1}])),
    "sorted by it": lambda track, client: len(sorted([client], key=track)),
    "bound by hand": lambda track, client: track.__get__(client)("u", "E"),
    "bound by hand, with a type": lambda track, client: track.__get__(client, type(client))("u", "E", message_id="m"),
    "unbound by hand": lambda track, client: track.__get__(None, Segment)(client, "u", "E"),
    "bound to None": lambda track, client: track.__get__(None, type(None)) is track,
    "bound to a stranger": lambda track, client: track.__get__(5)("u", "E"),
    "called by its slot": lambda track, client: track.__call__(client, "u", "E", properties={"a": 1}),
    "called by its type": lambda track, client: type(track).__call__(track, client, "u", "E"),
}


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("way", TABLE.values(), ids=TABLE)
def test_a_call_does_what_the_python_function_does(way: Way) -> None:
    same(way)


def test_the_table_has_calls_that_are_taken_and_calls_that_raise() -> None:
    answers = [same(way)[0] for way in TABLE.values()]
    assert answers.count("answered") > 20
    assert answers.count("raised") > 10
    assert same(TABLE["positional"])[1:4] == (
        True,
        [
            {
                "type": "track",
                "messageId": "made",
                "timestamp": "now",
                "userId": "u",
                "event": "E",
                "properties": {"a": 1},
                "context": {"library": mock.ANY},
                "integrations": {},
            }
        ],
        1,
    )


names = st.sampled_from(
    [
        "user_id",
        "event",
        "properties",
        "traits",
        "context",
        "timestamp",
        "anonymous_id",
        "integrations",
        "message_id",
        "callback",
        "category",
        "name",
        "group_id",
        "previous_id",
        "self",
        "colour",
    ]
)
maps = st.sampled_from([{}, {"a": 1}, {"a": {"b": [1.5, None, True, "x"]}}, {"library": {"name": "mine"}}, {1: 2}])
values = st.one_of(
    st.none(),
    st.sampled_from(["u", "E", "", "\ud800", "x" * 101, 7, True, 1.5, WHEN, "2013-01-01T05:00:00Z", UUID(int=1)]),
    maps,
    st.just(["list"]),
)
positions = st.lists(values, max_size=10)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(CALLS), positions, st.dictionaries(names, values, max_size=5))
@example("track", ["u", "E", {}, {}, None, None, {}, "m"], {})
@example("alias", ["p", "u"], {"message_id": "m"})
@example("page", ["u", None, "", {}], {"callback": None})
def test_any_call_does_what_the_python_function_does(name: str, given: list[Any], keywords: dict[str, Any]) -> None:
    same(lambda method, client: method(client, *given, **keywords), name)


def entered(call: Callable[[], Any], name: str = "track") -> bool:
    """Whether the call ran the Python function."""
    code = plain_function(name).__code__
    frames = []

    def profile(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is code:
            frames.append(frame)

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return bool(frames)


def test_a_plain_call_that_is_accepted_never_enters_python() -> None:
    client = Ringed()
    assert not entered(lambda: client.track("u", "E", {"a": [1, 2.5, None, True, "x", UUID(int=1), WHEN, {}]}))
    assert not entered(lambda: client.track(user_id="u", event="E", message_id="m", timestamp=WHEN))
    assert not entered(lambda: client.identify("u", {"a": 1}), "identify")
    assert not entered(lambda: client.page("u", "c", "n", {"a": 1}, context={"b": 1}), "page")
    assert not entered(lambda: client.screen(anonymous_id="a", name="n"), "screen")
    assert not entered(lambda: client.group("u", "g", {"a": 1}), "group")
    assert not entered(lambda: client.alias("p", "u"), "alias")
    assert not entered(lambda: client.track(7, "E", timestamp=1_700_000_000))
    assert entered(lambda: client.track("u", "E", timestamp="2013-01-01"))
    assert entered(lambda: client.track("u", "E", callback=lambda error, batch: None))
    assert client.stats().offered == 10
    assert len(client.take()) == 10


def first_of(name: str) -> list[Any]:
    return {"track": ["u", "E"], "group": ["u", "g"], "alias": ["p", "u"]}.get(name, ["u"])


@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_offered_once_whatever_becomes_of_it(name: str) -> None:
    client = Ringed(max_queue_events=10)
    for number in range(1, 40):
        getattr(client, name)(*first_of(name))
        assert client.stats().offered == number
    assert client.stats().refused == {"queue_full": 29}
    getattr(client, name)(None)
    getattr(client, name)(*first_of(name), message_id="x" * 500)
    assert client.stats().offered == 41
    with pytest.raises(TypeError):
        getattr(client, name)(colour="red")
    assert client.stats().offered == 41, "a call that Python refuses was never one"
    assert client.stats().balanced


def full(**options: Any) -> Ringed:
    client = Ringed(max_queue_events=1, **options)
    client.track("u", "first")
    return client


def closed() -> Ringed:
    client = Ringed()
    client.close(0)
    return client


def unattended() -> Ringed:
    client = Ringed()
    client._assembly.queue.attend(False)
    return client


CLIENTS: dict[str, Callable[[], Ringed]] = {
    "full": full,
    "full, dropping": lambda: full(on_full="drop_oldest"),
    "full, raising": lambda: full(on_full="raise"),
    "full, blocking": lambda: full(on_full="block", block_timeout=0.01),
    "strict": lambda: Ringed(strict=True),
    "closed": closed,
    "opted out": lambda: Ringed(opt_out=True),
    "middleware": lambda: Ringed(middleware=[lambda event: {**event, "event": "changed"}]),
    "middleware that drops": lambda: Ringed(middleware=[lambda event: None]),
    "default": lambda: Ringed(default=str),
    "small events": lambda: Ringed(max_event_bytes=256),
    "unattended": unattended,
}


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("name", ["positional", "keywords", "odd values", "missing event", "too large", "callback"])
def test_every_kind_of_client_is_served_alike(make: Callable[[], Ringed], name: str) -> None:
    same(TABLE[name], make=make)


@pytest.mark.parametrize("value", ["1", "true"])
def test_a_disabled_process_is_a_no_op_by_both_ways(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEWAY_DISABLED", value)
    assert same(TABLE["positional"])[:4] == ("answered", True, [], 0)
    assert same(TABLE["missing event"])[:4] == ("answered", True, [], 0)


def test_a_client_that_is_not_enabled_counts_and_sends_nothing() -> None:
    client = Kept(enable=False)
    assert [client.track("u", "E") for _ in range(3)] == [True] * 3
    assert client.stats().dropped_by_reason == {"disabled": 3}
    assert not client.memory.requests


def test_a_subclass_that_overrides_a_call_is_called_and_reaches_the_original() -> None:
    seen = []

    class Noting(Ringed):
        __slots__ = ()

        def track(self, *args: Any, **kwargs: Any) -> bool:
            seen.append((args, kwargs))
            return super().track(*args, **kwargs)

    client = Noting()
    assert client.track("u", "E", properties={"a": 1}) is True
    assert client.track(7, "E") is True
    assert [args for args, _ in seen] == [("u", "E"), (7, "E")]
    assert [json.loads(event)["userId"] for event in client.take()] == ["u", "7"]
    assert client.stats().offered == 2


def test_a_method_that_is_patched_is_the_one_that_is_called() -> None:
    client = Ringed()
    with mock.patch.object(Segment, "track", return_value="patched") as patched:
        assert client.track("u", "E") == "patched"
    patched.assert_called_once_with("u", "E")
    with mock.patch.object(Segment, "track", autospec=True, return_value="patched"):
        assert client.track("u", event="E") == "patched"
    with mock.patch.object(Segment, "track", wraps=functools.partial(Segment.track, client)) as patched:
        assert client.track("u", event="wrapped") is True
    patched.assert_called_once_with("u", event="wrapped")
    assert client.track("u", "E") is True
    assert [json.loads(event)["event"] for event in client.take()] == ["wrapped", "E"]
    assert client.stats().offered == 2
    stand_in = mock.create_autospec(Segment, instance=True)
    stand_in.track("u", "E")
    stand_in.track.assert_called_once_with("u", "E")
    with pytest.raises(AttributeError):
        stand_in.tarck("u", "E")


@pytest.mark.parametrize("name", CALLS)
def test_what_tools_read_of_a_method_is_what_the_function_says(name: str) -> None:
    method, function = getattr(Segment, name), plain_function(name)
    assert inspect.signature(method) == inspect.signature(function)
    assert inspect.getdoc(method) == inspect.getdoc(function)
    assert typing.get_type_hints(method) == typing.get_type_hints(function)
    assert inspect.getsource(method) == inspect.getsource(function)
    for attribute in ("__name__", "__doc__", "__annotations__"):
        assert getattr(method, attribute) == getattr(function, attribute)
    assert (method.__module__, method.__qualname__) == (Segment.__module__, f"Segment.{name}")
    client = Ringed()
    bound = getattr(client, name)
    assert inspect.signature(bound) == inspect.signature(function.__get__(client))
    assert inspect.isroutine(method)
    assert inspect.ismethod(bound)
    assert function.__doc__.splitlines()[0] in pydoc.render_doc(method)
    assert name in pydoc.render_doc(bound)
    assert callable(method)
    assert not inspect.iscoroutinefunction(method)


def test_a_bound_method_is_a_value_like_any() -> None:
    client = Ringed()
    assert client.track == client.track
    assert hash(client.track) == hash(client.track)
    assert client.track.__self__ is client
    assert client.track.__func__ is Segment.track
    assert copy.copy(client.track)("u", "copied") is True
    assert client.track != Ringed().track
    assert functools.partial(client.track, "u")("partial") is True
    assert functools.partialmethod(Segment.track, "u", "E").__get__(client)() is True
    assert len(client.take()) == 3


def test_the_function_is_copied_pickled_and_weakly_held_as_functions_are() -> None:
    assert copy.copy(Segment.track) is Segment.track
    assert copy.deepcopy({"track": Segment.track})["track"] is Segment.track
    assert pickle.loads(pickle.dumps(Segment.track)) is Segment.track
    assert weakref.ref(Segment.track)() is Segment.track
    client = Ringed()
    method = weakref.WeakMethod(client.track)
    assert method()("u", "E") is True  # type: ignore[misc]
    del client
    gc.collect()
    assert method() is None


def test_nobody_makes_one_that_has_no_method() -> None:
    from .clients import apart

    script = """
from sluiceway import Segment
kind = type(Segment.track)
for make in (kind, lambda: object.__new__(kind), lambda: kind.__new__(kind)):
    try:
        made = make()
    except TypeError:
        continue
    try:
        made(1)
    except TypeError:
        pass
    del made
try:
    type("Sub", (kind,), {})
except TypeError:
    print("survived")
"""
    assert "survived" in apart(script)


def test_wrong_short_cuts_are_refused_when_they_are_made() -> None:
    def function(self: Any, user_id: Any = None) -> None: ...

    for wrong in (
        (function, 0, 1, ["user_id"], [], 1),
        (function, 0, 1, ["user_id"], [1], 1),
        (function, 0, 1, ["user_id"], [-3], 1),
        (function, 0, 1, ["user_id"], [0], 2),
        (function, 0, 65, ["user_id"], [0], 1),
        (function, 0, 2, ["user_id", "user_id"], [0, 1], 1),
    ):
        with pytest.raises(ValueError):
            _native.hot(*wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _native.hot(print, 0, 1, ["user_id"], [0], 1)  # type: ignore[arg-type]
    # A shape that the queue does not have, or not so wide: the function is called.
    for shape, fields in ((99, 1), (1, 1), (0, 32)):
        called = _native.hot(lambda self, user_id: ("called", user_id), shape, fields, ["user_id"], [0], 1)  # type: ignore[arg-type]
        assert called(Ringed(), "u") == ("called", "u")


class Counted:
    """Objects whose references are counted around many calls. Their texts are their own: no literal is shared."""

    def __init__(self) -> None:
        self.text = "".join(["own ", "text"])
        self.wide = "".join(["own \u20ac ", "text"])
        self.number = int("123456789012")
        self.large = int("9" * 40)
        self.real = float("1.25")
        self.id = UUID(int=77)
        self.when = datetime(2013, 1, 1, 5)
        self.list = [self.text, self.number, self.real, self.large]
        self.tuple = (self.wide, self.id, self.when)
        self.key = "".join(["own ", "key"])
        self.map = {self.key: self.list, "t": self.tuple, self.wide: self.large}
        self.properties = {"a": self.map, "b": self.list}
        self.amount = Decimal("1.5")
        self.odd = {"odd": self.amount, "set": {self.number}, "a": self.map}
        self.own = "".join(["own ", "id"])
        self.user = "".join(["us", "er"])

    def hear(self, error: Any, batch: Any) -> None: ...

    def counts(self) -> dict[str, int]:
        return {name: sys.getrefcount(value) for name, value in vars(self).items()}


def plain_calls(client: Any, own: Counted) -> None:
    client.track(own.user, own.text, own.properties, {"c": own.wide}, own.when, own.user, own.map, own.own)
    client.track(user_id=own.user, event=own.text, properties=own.properties, message_id=own.own, timestamp=own.when)
    client.identify(own.user, own.map)
    client.alias(own.user, own.text)


def odd_calls(client: Any, own: Counted) -> None:
    client.track(own.user, own.text, own.odd, timestamp=own.when, message_id=own.id)
    client.track(own.number, own.text, own.properties, callback=own.hear)


def refused_calls(client: Any, own: Counted) -> None:
    client.track(None, own.text, own.properties)
    client.track(own.user, own.list, own.properties)
    client.track(own.user, own.text, {"large": [own.map] * 3_000})
    client.track(own.user, own.text, {"a": own.list, "deep": DEEP})
    client.track(own.user, own.text, timestamp=own.list)


def wrong_calls(client: Any, own: Counted) -> None:
    for arguments, keywords in (
        ((own.user,) * 12, {}),
        ((own.user, own.text), {"user_id": own.user}),
        ((own.user,), {"colour": own.text}),
    ):
        with pytest.raises(TypeError):
            client.track(*arguments, **keywords)
    with pytest.raises(TypeError):
        Segment.track()


DEEP = deep(70)


@pytest.mark.parametrize(
    ("calls", "rounds"), [(plain_calls, 10_000), (odd_calls, 1_000), (refused_calls, 300), (wrong_calls, 1_000)]
)
def test_references_are_as_many_after_ten_thousand_calls(calls: Callable[[Any, Counted], None], rounds: int) -> None:
    client, own = Ringed(), Counted()
    others = [client, Segment.track, plain_function("track"), type(client), client._assembly.queue, DEEP]
    for _ in range(20):
        calls(client, own)
    client.purge()
    assert client._assembly.delivery.wait(time.monotonic() + 10)
    gc.collect()
    before = own.counts(), [sys.getrefcount(each) for each in others]
    for _ in range(rounds // 100):
        for _ in range(100):
            calls(client, own)
        client.purge()
    assert client._assembly.delivery.wait(time.monotonic() + 10)
    gc.collect()
    after = own.counts(), [sys.getrefcount(each) for each in others]
    assert after == before


def test_arguments_die_when_the_call_is_over() -> None:
    class Text(str):
        pass

    class Odd:
        def __str__(self) -> str:
            return "odd"

    client = Ringed()
    for make in (lambda: Text("x"), Odd):
        value = make()
        gone = weakref.ref(value)
        assert client.track("u", "E", {"a": [value]}) is True
        del value
        assert gone() is None


def test_threads_share_a_method_and_each_event_is_counted_once() -> None:
    client = Ringed(max_queue_events=10**6)
    method = client.track

    def run() -> None:
        for number in range(2_000):
            method("u", "E", {"a": number}) if number % 2 else method(user_id="u", event="E")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = client.stats()
    assert (stats.offered, stats.accepted, stats.pending) == (16_000, 16_000, 16_000)
    assert len(client.take()) == 16_000
    assert client.stats().balanced


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_of_a_fork_takes_the_long_way_once_and_then_the_short_cut() -> None:
    client = Ringed()
    client.track("parent", "E")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert client._assembly.queue.stale
            assert entered(lambda: client.track("child", "E"))
            client._assembly.worker.start = lambda: True  # type: ignore[method-assign]
            client._assembly.queue.attend(True)
            assert not entered(lambda: client.track("child", "E"))
            assert (client.stats().offered, client.stats().accepted) == (2, 2)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.track("parent", "E") is True
    assert [json.loads(event)["userId"] for event in client.take()] == ["parent", "parent"]
    assert client.stats().balanced


def test_a_client_without_a_call_to_its_constructor_fails_as_python_does() -> None:
    for make in (lambda: Segment.__new__(Segment), _native.Inlet):
        with pytest.raises(AttributeError):
            Segment.track(make(), "u", "E")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Segment.__new__(Segment)._open("not a queue")  # type: ignore[arg-type]


def test_a_client_whose_constructor_raised_can_still_be_called_and_collected() -> None:
    class Kind(Segment):
        __slots__ = ()

        def __init__(self) -> None:
            made.append(self)
            super().__init__(KEY, flush_at=-1)

    made: list[Any] = []
    with pytest.raises(ValueError):
        Kind()
    with pytest.raises(AttributeError):
        made[0].track("u", "E")
    gone = weakref.ref(made.pop())
    gc.collect()
    assert gone() is None


def test_the_plans_and_the_engine_mean_the_same_slots() -> None:
    assert (short_cuts.MESSAGE_ID, short_cuts.TIMESTAMP) == (_native.MESSAGE_ID, _native.TIMESTAMP)
