"""Amplitude's middleware: ``(payload, next)``, in order, failing closed; and the common form in the same chain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import pytest

from sluiceway.errors import ConfigError
from sluiceway.middleware import MiddlewareFault
from sluiceway.testing import MemoryTransport
from sluiceway.vendors.amplitude import Amplitude
from sluiceway.vendors.amplitude_middleware import Next, Payload, Step, run

Function = Callable[..., Any]


def through(*functions: Function, event: dict[str, Any] | None = None, extra: Any = None) -> dict[str, Any] | None:
    return run([Step(function) for function in functions], {"event_type": "E"} if event is None else event, extra)


def passing(payload: Payload, hand_on: Next) -> None:
    hand_on(payload)


def dropping(_payload: Payload, _hand_on: Next) -> None:
    pass


def test_functions_run_in_order_each_within_the_one_before() -> None:
    seen: list[str] = []

    def named(name: str) -> Function:
        def function(payload: Payload, hand_on: Next) -> None:
            seen.append(f"{name} in")
            hand_on(payload)
            seen.append(f"{name} out")

        return function

    assert through(named("a"), named("b")) == {"event_type": "E"}
    assert seen == ["a in", "b in", "b out", "a out"]


def test_ten_functions_each_count_in_extra() -> None:
    """behaviours.md 2: 10 middlewares each adding 1 to extra.count."""
    seen: list[int] = []

    def counting(payload: Payload, hand_on: Next) -> None:
        seen.append(payload.extra["count"])
        payload.extra["count"] += 1
        hand_on(payload)

    extra = {"count": 0}
    assert through(*[counting] * 10, extra=extra) == {"event_type": "E"}
    assert seen == list(range(10))
    assert extra == {"count": 10}


def test_without_functions_the_event_is_unchanged() -> None:
    assert through() == {"event_type": "E"}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_not_calling_next_drops_the_event_and_ends_the_chain(place: int) -> None:
    chain: list[Function] = [passing, passing]
    chain.insert(place, dropping)
    reached: list[int] = []

    def last(payload: Payload, hand_on: Next) -> None:
        reached.append(1)
        hand_on(payload)

    assert through(*chain, last) is None
    assert reached == []


def test_what_a_function_changes_is_sent() -> None:
    def changing(payload: Payload, hand_on: Next) -> None:
        payload.event["user_id"] = "changed"
        hand_on(payload)
        payload.event["device_id"] = "changed afterwards"

    assert through(changing, passing) == {
        "event_type": "E",
        "user_id": "changed",
        "device_id": "changed afterwards",
    }


@pytest.mark.parametrize(
    "replace",
    [
        lambda payload: Payload({"event_type": "new"}),
        lambda payload: Payload({"event_type": "new"}, payload.extra),
        lambda payload: {"event": {"event_type": "new"}},
        lambda payload: {"event": {"event_type": "new"}, "extra": payload.extra},
    ],
)
def test_replacing_the_event_takes_effect(replace: Callable[[Payload], Any]) -> None:
    seen: list[Any] = []

    def replacing(payload: Payload, hand_on: Next) -> None:
        hand_on(replace(payload))

    def looking(payload: Payload, hand_on: Next) -> None:
        seen.append(payload.event)
        hand_on(payload)

    assert through(replacing, looking) == {"event_type": "new"}
    assert through(looking, replacing) == {"event_type": "new"}
    assert seen == [{"event_type": "new"}, {"event_type": "E"}]


def test_setting_payload_event_takes_effect() -> None:
    def setting(payload: Payload, hand_on: Next) -> None:
        payload.event = {"event_type": "set"}
        hand_on(payload)

    assert through(passing, setting, passing) == {"event_type": "set"}


def test_extra_goes_along_as_it_is() -> None:
    extra = object()
    seen: list[Any] = []

    def looking(payload: Payload, hand_on: Next) -> None:
        seen.append(payload.extra)
        hand_on(payload)

    through(looking, lambda event: {**event}, looking, extra=extra)
    through(looking)
    assert seen == [extra, extra, None]


def raising(_payload: Payload, _hand_on: Next) -> None:
    raise ValueError("a secret")


def raising_afterwards(payload: Payload, hand_on: Next) -> None:
    hand_on(payload)
    raise ValueError("a secret")


def calling_twice(payload: Payload, hand_on: Next) -> None:
    hand_on(payload)
    hand_on(payload)


def calling_twice_and_hiding_it(payload: Payload, hand_on: Next) -> None:
    hand_on(payload)
    with suppress(MiddlewareFault):
        hand_on(payload)


def breaking(payload: Payload, hand_on: Next) -> None:
    payload.event = None  # type: ignore[assignment]
    hand_on(payload)


def breaking_afterwards(payload: Payload, hand_on: Next) -> None:
    hand_on(payload)
    payload.event = []  # type: ignore[assignment]


def handing_on(value: Any) -> Function:
    def handing(_payload: Payload, hand_on: Next) -> None:
        hand_on(value)

    return handing


async def promising(payload: Payload, hand_on: Next) -> None:
    hand_on(payload)


def awaitable(payload: Payload, hand_on: Next) -> Any:
    return promising(payload, hand_on)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (raising, "raising raised ValueError"),
        (raising_afterwards, "raising_afterwards raised ValueError"),
        (calling_twice, "next was called twice, or after its function had ended"),
        (calling_twice_and_hiding_it, "next was called twice, or after its function had ended"),
        (breaking, "next was called with something else than a payload"),
        (breaking_afterwards, "the last function left list for an event, not a dict"),
        (handing_on(None), "next was called with something else than a payload"),
        (handing_on({"event_type": "E"}), "next was called with something else than a payload"),
        (handing_on({"event": [1]}), "next was called with something else than a payload"),
        (awaitable, "awaitable is async: it cannot run inside a call"),
        (lambda event: 5, "next was called with something else than a payload"),
        (lambda payload, hand_on: hand_on(), "<lambda> raised TypeError"),
    ],
)
@pytest.mark.parametrize("before", [[], [passing], [passing, lambda event: event]])
def test_a_fault_drops_the_event_and_tells_no_value(function: Function, why: str, before: list[Function]) -> None:
    with pytest.raises(MiddlewareFault) as raised:
        through(*before, function)
    assert str(raised.value).endswith(why)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_function_cannot_hide_the_fault_of_a_later_one() -> None:
    def hiding(payload: Payload, hand_on: Next) -> None:
        try:
            hand_on(payload)
        except Exception:
            hand_on(Payload({"event_type": "instead"}))

    with pytest.raises(MiddlewareFault, match="raising raised ValueError"):
        through(hiding, raising)


def test_next_called_after_the_call_does_nothing_but_raise() -> None:
    kept: list[tuple[Next, Payload]] = []

    def keeping(payload: Payload, hand_on: Next) -> None:
        kept.append((hand_on, payload))

    assert through(keeping, passing) is None
    [(hand_on, payload)] = kept
    raised: list[BaseException] = []

    def late() -> None:
        try:
            hand_on(payload)
        except MiddlewareFault as fault:
            raised.append(fault)

    thread = threading.Thread(target=late)
    thread.start()
    thread.join(10)
    assert len(raised) == 1


def test_an_interrupt_passes() -> None:
    def interrupted(_payload: Payload, _hand_on: Next) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        through(passing, interrupted)


@pytest.mark.parametrize(
    "function",
    [
        lambda event: {**event, "ip": "$remote"},
        lambda payload, hand_on: hand_on({"event": {**payload.event, "ip": "$remote"}}),
        lambda *both: both[1]({"event": {**both[0].event, "ip": "$remote"}}),
        lambda payload, hand_on, flag=True: hand_on({"event": {**payload.event, "ip": "$remote"}}),
    ],
)
def test_both_forms_are_told_apart_by_what_they_take(function: Function) -> None:
    assert through(passing, function, passing) == {"event_type": "E", "ip": "$remote"}


def test_the_common_form_drops_with_none() -> None:
    assert through(passing, lambda event: None, passing) is None


def test_an_object_and_a_bound_method_will_do() -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        def __call__(self, payload: Payload, hand_on: Next) -> None:
            self.count += 1
            hand_on(payload)

        def method(self, event: dict[str, Any]) -> dict[str, Any]:
            self.count += 1
            return event

    counter = Counter()
    assert through(counter, counter.method) == {"event_type": "E"}
    assert counter.count == 2


@pytest.mark.parametrize("function", [lambda: None, lambda a, b, c: None, lambda *, event: None])
def test_a_function_of_neither_form_is_refused_when_it_is_given(function: Function) -> None:
    with pytest.raises(ConfigError, match="must take a payload and the function to call next, or an event alone"):
        Amplitude("key", middleware=[function])
    with pytest.raises(ConfigError, match="middleware"):
        Amplitude("key").add_event_middleware(function)


@pytest.mark.parametrize("function", [promising, 5, None])
def test_what_cannot_run_inside_a_call_is_refused_when_it_is_given(function: Any) -> None:
    with pytest.raises(ConfigError, match="middleware must hold"):
        Amplitude("key", middleware=[function])
    with pytest.raises(ConfigError, match="middleware must hold"):
        Amplitude("key").add_event_middleware(function)


def test_a_coroutine_that_is_dropped_does_not_complain() -> None:
    # With warnings as errors, a coroutine that nobody closes fails this test when it is collected.
    with pytest.raises(MiddlewareFault):
        through(awaitable)
    asyncio.run(asyncio.sleep(0))


# -- the moment of an event


@pytest.mark.parametrize(
    ("moment", "milliseconds"),
    [
        (datetime(2014, 4, 1, 19, 42, 58, 123_456, timezone.utc), 1_396_381_378_123),
        (datetime(1970, 1, 2, tzinfo=timezone.utc), 86_400_000),
        (datetime(1969, 12, 31, 23, 59, 59, 999_900, timezone.utc), -1),
    ],
)
def test_a_function_sees_the_time_in_milliseconds(moment: datetime, milliseconds: int) -> None:
    seen: list[Any] = []

    def looking(payload: Payload, hand_on: Next) -> None:
        seen.append(payload.event["time"])
        hand_on(Payload(dict(payload.event)))

    # What nobody changed stays the moment that it was: near 1970 the number alone would be read as seconds.
    assert through(looking, event={"event_type": "E", "time": moment}) == {"event_type": "E", "time": moment}
    assert seen == [milliseconds]


def test_a_function_may_change_the_time_or_take_it_away() -> None:
    event = {"event_type": "E", "time": datetime(2014, 4, 1, tzinfo=timezone.utc)}
    changed = through(lambda event: {**event, "time": 1_400_000_000_000}, event=dict(event))
    assert changed == {"event_type": "E", "time": 1_400_000_000_000}
    assert through(lambda event: {"event_type": "E"}, event=dict(event)) == {"event_type": "E"}


# -- through a client


def test_functions_given_at_construction_come_before_those_that_are_added() -> None:
    seen: list[str] = []

    def named(name: str) -> Function:
        def function(payload: Payload, hand_on: Next) -> None:
            seen.append(name)
            hand_on(payload)

        return function

    transport = MemoryTransport()
    client = Amplitude("key", transport=transport, middleware=[named("first"), named("second")])
    assert client.add_event_middleware(named("third")).add_event_middleware(named("fourth")) is client
    assert client.track("E", user_id="user-1")
    assert seen == ["first", "second", "third", "fourth"]
    assert len(transport.events) == 1


def test_a_function_added_later_sees_the_events_from_then_on() -> None:
    transport = MemoryTransport()
    client = Amplitude("key", transport=transport)
    assert client.track("before", user_id="user-1")
    client.add_event_middleware(dropping)
    assert not client.track("after", user_id="user-1")
    assert not client.log_event({"event_type": "after", "user_id": "user-1"})
    assert [event["event_type"] for event in transport.events] == ["before"]
    stats = client.stats()
    assert (stats.accepted, dict(stats.refused)) == (1, {"middleware": 2})


@pytest.mark.parametrize("function", [dropping, raising, calling_twice, breaking, breaking_afterwards])
def test_a_dropped_event_is_counted_and_told(function: Function) -> None:
    transport, told = MemoryTransport(), []
    client = Amplitude("key", transport=transport, middleware=[function])
    assert not client.track("E", user_id="user-1", callback=lambda error, batch: told.append(error))
    assert transport.requests == []
    assert dict(client.stats().refused) == {"middleware": 1}
    assert [error.reason for error in told] == ["middleware"]


def test_the_callers_event_is_not_changed() -> None:
    def changing(payload: Payload, hand_on: Next) -> None:
        payload.event["event_properties"]["a"]["b"] = "changed"
        payload.event["user_id"] = "changed"
        hand_on(payload)

    transport = MemoryTransport()
    client = Amplitude("key", transport=transport, middleware=[changing])
    event = {"event_type": "E", "user_id": "user-1", "event_properties": {"a": {"b": "c"}}}
    assert client.log_event(event)
    assert event == {"event_type": "E", "user_id": "user-1", "event_properties": {"a": {"b": "c"}}}
    assert transport.events[0]["user_id"] == "changed"
    assert transport.events[0]["event_properties"] == {"a": {"b": "changed"}}


def test_what_comes_out_is_checked_like_any_event() -> None:
    def emptying(payload: Payload, hand_on: Next) -> None:
        hand_on(Payload({"event_type": "E"}))

    client = Amplitude("key", transport=MemoryTransport(), middleware=[emptying])
    assert not client.track("E", user_id="user-1")
    assert dict(client.stats().refused) == {"invalid": 1}


def test_a_new_event_may_have_keys_that_no_document_has() -> None:
    transport = MemoryTransport()
    client = Amplitude("key", transport=transport)
    client.add_event_middleware(lambda payload, hand_on: hand_on({"event": {**payload.event, "new": {"a": 1}}}))
    assert client.track("E", user_id="user-1")
    assert transport.events[0]["new"] == {"a": 1}


@pytest.mark.parametrize("method", ["track", "log_event", "identify", "group_identify", "set_group", "revenue"])
def test_every_call_hands_extra_to_middleware_and_to_nobody_else(method: str) -> None:
    from sluiceway.vendors.amplitude_identify import Identify
    from sluiceway.vendors.amplitude_values import Revenue

    seen: list[Any] = []

    def looking(payload: Payload, hand_on: Next) -> None:
        seen.append(payload.extra)
        hand_on(payload)

    transport = MemoryTransport()
    client = Amplitude("key", transport=transport, middleware=[looking])
    extra = {"context": {"anonymousId": "a"}}
    assert {
        "track": lambda: client.track("E", user_id="user-1", extra=extra),
        "log_event": lambda: client.log_event({"event_type": "E", "user_id": "user-1"}, extra),
        "identify": lambda: client.identify("user-1", None, Identify().set("a", 1), extra=extra),
        "group_identify": lambda: client.group_identify("org", "acme", Identify().set("a", 1), extra=extra),
        "set_group": lambda: client.set_group("org", "acme", user_id="user-1", extra=extra),
        "revenue": lambda: client.revenue(Revenue(1.0), user_id="user-1", extra=extra),
    }[method]()
    assert seen == [extra]
    assert b"anonymousId" not in transport.requests[0].body
