"""What a scope says: checked and copied when it is made, inherited by what is nested in it, told to no log."""

from __future__ import annotations

import copy
import pickle
from collections import UserDict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sluiceway import Amplitude, InvalidEvent, PostHog, RudderStack, Segment, scope
from sluiceway.testing import MemoryTransport

SECRET = "canary-value"


@pytest.fixture
def memory() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def segment(memory: MemoryTransport) -> Iterator[Segment]:
    with Segment("key", transport=memory) as client:
        yield client


def last(memory: MemoryTransport) -> dict[str, Any]:
    event = dict(memory.events[-1])
    context = event["context"]
    context.pop("library")
    return {
        "user": event.get("userId"),
        "anonymous": event.get("anonymousId"),
        "context": context,
    }


def said(user: str | None = None, anonymous: str | None = None, **context: Any) -> dict[str, Any]:
    return {"user": user, "anonymous": anonymous, "context": context}


def test_an_event_says_what_its_scope_says(segment: Segment, memory: MemoryTransport) -> None:
    with scope(user_id="u1", anonymous_id="a1", context={"ip": "203.0.113.7"}, groups={"company": "c5"}):
        assert segment.track(event="E")
    assert last(memory) == said("u1", "a1", ip="203.0.113.7", groupId="c5")
    assert segment.track("u", "E")
    assert last(memory) == said("u")
    assert not segment.track(event="E")


def test_what_the_call_gives_wins(segment: Segment, memory: MemoryTransport) -> None:
    with scope(user_id="u1", context={"ip": "1", "locale": "de"}, groups={"company": "c5"}):
        segment.track("u2", "E", context={"ip": "2", "groupId": "c6", "own": None})
    assert last(memory) == said("u2", ip="2", groupId="c6", own=None, locale="de")


@pytest.mark.parametrize("named", [{"user_id": "u2"}, {"anonymous_id": "a2"}])
def test_a_call_that_names_somebody_takes_no_id(
    segment: Segment, memory: MemoryTransport, named: dict[str, str]
) -> None:
    # Two ids in one event are one person to every vendor, for ever.
    with scope(user_id="u1", anonymous_id="a1"):
        segment.track(event="E", **named)
    assert last(memory) == said(named.get("user_id"), named.get("anonymous_id"))


def test_none_is_absent_in_a_call_and_in_a_scope(segment: Segment, memory: MemoryTransport) -> None:
    with scope(user_id="u1", context={"a": 1}), scope(user_id=None, context=None, groups=None):
        segment.track(None, "E", context=None)
    assert last(memory) == said("u1", a=1)


def test_scopes_nest_and_merge_key_by_key(segment: Segment, memory: MemoryTransport) -> None:
    with scope(user_id="u1", context={"a": 1, "b": {"x": 1}}, groups={"company": "c1", "team": "t1"}):
        with scope(user_id="u2", context={"b": {"y": 2}, "c": None}, groups={"team": "t2"}):
            segment.track(event="inner")
            assert last(memory) == said("u2", a=1, b={"y": 2}, c=None, groupId="c1")
            assert scope.current()["groups"] == {"company": "c1", "team": "t2"}
        segment.track(event="outer")
        assert last(memory) == said("u1", a=1, b={"x": 1}, groupId="c1")
    assert scope.current() == {}


def test_another_user_does_not_come_with_the_anonymous_id_of_the_one_before(
    segment: Segment, memory: MemoryTransport
) -> None:
    with scope(anonymous_id="a1"), scope(user_id="u1"):
        segment.track(event="the visitor is logged in")
        assert last(memory) == said("u1", "a1")
        with scope(user_id="u2"):
            segment.track(event="somebody else")
            assert last(memory) == said("u2")
        with scope(user_id="u2", anonymous_id="a2"):
            segment.track(event="somebody else, on another device")
            assert last(memory) == said("u2", "a2")
        with scope(user_id="u1", context={"a": 1}):
            segment.track(event="the same")
            assert last(memory) == said("u1", "a1", a=1)


def test_a_fresh_scope_inherits_nothing(segment: Segment, memory: MemoryTransport) -> None:
    with scope(user_id="u1", anonymous_id="a1", context={"a": 1}):
        with scope(fresh=True, anonymous_id="a2") as inner:
            segment.track(event="E")
            assert last(memory) == said(None, "a2")
            with scope(context={"b": 1}):
                segment.track(event="E")
                assert last(memory) == said(None, "a2", b=1)
            inner.update(user_id="u2")
        segment.track(event="E")
        assert last(memory) == said("u1", "a1", a=1)


def test_update_is_for_the_rest_of_the_scope(segment: Segment, memory: MemoryTransport) -> None:
    with scope(anonymous_id="a1", context={"a": 1}):
        assert scope.update(user_id="u1", context={"b": 2}, groups={"company": "c1"})
        segment.track(event="E")
        assert last(memory) == said("u1", "a1", a=1, b=2, groupId="c1")
        scope.update(user_id="u2")
        segment.track(event="E")
        assert last(memory) == said("u2", None, a=1, b=2, groupId="c1")
    assert not scope.update(user_id="nobody")
    assert scope.current() == {}


def test_an_inner_scope_sees_what_an_outer_one_is_told_later(segment: Segment, memory: MemoryTransport) -> None:
    with scope(context={"a": 1, "b": 1}) as request, scope(), scope(context={"b": 2}), scope():
        segment.track("u", "E")
        request.update(user_id="u1", context={"a": 3, "b": 3})
        for _ in range(2):  # the first by the long way, which settles it; then the short one
            segment.track(event="E")
            assert last(memory) == said("u1", None, a=3, b=2)
        assert scope.current() == {"user_id": "u1", "context": {"a": 3, "b": 2}}


def test_a_scope_may_be_entered_again_inside_itself(segment: Segment, memory: MemoryTransport) -> None:
    mine = scope(user_id="u1")
    with mine, scope(user_id="u2"), mine:
        segment.track(event="E")
        assert last(memory) == said("u1")
    with mine:
        pass
    assert scope.current() == {}


def test_the_values_are_copied_when_the_scope_is_made(segment: Segment, memory: MemoryTransport) -> None:
    inner: dict[str, Any] = {"deep": [1]}
    context, groups = {"inner": inner, "flat": 1}, {"company": "c1"}
    made = scope(user_id="u1", context=context, groups=groups)
    inner["deep"].append(2)
    context["flat"] = 2
    groups.clear()
    with made:
        inner["later"] = True
        segment.track(event="E")
        assert last(memory) == said("u1", inner={"deep": [1]}, flat=1, groupId="c1")
        told = scope.current()
        told["context"]["inner"]["deep"].append(3)
        segment.track(event="E")
        assert last(memory) == said("u1", inner={"deep": [1]}, flat=1, groupId="c1")


def test_values_become_plain_as_those_of_an_event_do(segment: Segment, memory: MemoryTransport) -> None:
    moment = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
    context = UserDict({1: Decimal("0.5"), "when": moment, "tags": {"b", "a"}, "id": UUID(int=1), "text": b"x"})
    with scope(user_id=7, anonymous_id=UUID(int=2), context=context, groups={"company": 5, "none": None}):  # type: ignore[arg-type, dict-item]
        segment.track(event="E")
        assert scope.current()["groups"] == {"company": "5"}
    assert last(memory) == said(
        "7",
        str(UUID(int=2)),
        **{"1": 0.5, "when": "2013-01-01T05:00:00.000Z", "tags": ["a", "b"], "id": str(UUID(int=1)), "text": "x"},
        groupId="5",
    )


class Hostile(UserDict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError(SECRET)

    def __iter__(self) -> Any:
        raise RuntimeError(SECRET)


WRONG: dict[str, dict[str, Any]] = {
    "user_id must be": {"user_id": object()},
    "user_id must not be blank": {"user_id": " \u200b"},
    "user_id must not be empty": {"user_id": ""},
    "anonymous_id must be": {"anonymous_id": True},
    "context must be a mapping": {"context": [SECRET]},
    "context raised RuntimeError": {"context": Hostile()},
    "context is nested deeper": {"context": {"a": [[]]}},
    "context takes more than": {"context": {"a": {"b": "x" * 2_000_000}}},
    "groups must be a mapping": {"groups": SECRET},
    "groups must have non-empty texts": {"groups": {1: SECRET}},
    "groups must be a str": {"groups": {"company": [SECRET]}},
    "groups raised RuntimeError": {"groups": Hostile()},
}
loop: list[Any] = WRONG["context is nested deeper"]["context"]["a"]
loop.append(loop)


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_argument_is_told_where_the_scope_is_made(message: str) -> None:
    with pytest.raises(InvalidEvent, match=message) as told:
        scope(**WRONG[message])
    assert told.value.__cause__ is None
    assert SECRET not in str(told.value)
    with pytest.raises(InvalidEvent, match=message):
        scope.update(**WRONG[message])
    with scope(user_id="u1") as opened:
        with pytest.raises(InvalidEvent, match=message):
            opened.update(**WRONG[message])
        assert scope.current() == {"user_id": "u1"}


def test_an_unknown_argument_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        scope(user="u1")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        scope("u1")  # type: ignore[misc]


def test_a_rule_that_only_one_vendor_has_is_told_by_its_call() -> None:
    memory = MemoryTransport()
    with Amplitude("key", transport=memory, strict=True) as client, scope(user_id="u1", context={"session_id": "x"}):
        with pytest.raises(InvalidEvent, match="user_id must have at least 5 characters"):
            client.track("E")
        with pytest.raises(InvalidEvent, match="session_id must be an int"):
            client.track("E", user_id="user-1")
        assert client.track("E", user_id="user-1", session_id=5)
        assert client.stats().refused == {"invalid": 2}
    assert memory.events[-1]["session_id"] == 5


def test_nothing_of_it_is_shown_and_an_open_scope_is_not_pickled() -> None:
    made = scope(user_id=SECRET, context={"a": SECRET}, groups={"company": SECRET})
    with made as opened:
        for one in (made, opened, scope):
            assert SECRET not in repr(one)
        with pytest.raises(TypeError, match="belongs to its process"):
            pickle.dumps(opened)
        with pytest.raises(TypeError, match="belongs to its process"):
            copy.copy(opened)
        with scope(fresh=True, **scope.current()):
            assert scope.current() == {"user_id": SECRET, "context": {"a": SECRET}, "groups": {"company": SECRET}}


def test_an_exception_leaves_the_scope_and_passes(segment: Segment, memory: MemoryTransport) -> None:
    error = KeyError("mine")
    with pytest.raises(KeyError) as told, scope(user_id="u1"), scope(user_id="u2"):
        raise error
    assert told.value is error
    assert scope.current() == {}


def test_scopes_closed_in_another_order_leave_none_behind() -> None:
    one, other = scope(user_id="u1"), scope(user_id="u2")
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert scope.current() == {}
    other.__exit__(None, None, None)
    assert scope.current() == {}


def test_more_scopes_inside_each_other_than_python_nests_calls(segment: Segment, memory: MemoryTransport) -> None:
    with ExitStack() as stack:
        outermost = stack.enter_context(scope(user_id="u1"))
        for number in range(3_000):
            stack.enter_context(scope(context={"number": number}))
        segment.track(event="E")
        assert last(memory) == said("u1", number=2_999)
        outermost.update(context={"outer": True})
        segment.track(event="E")
        assert last(memory) == said("u1", outer=True, number=2_999)
    assert scope.current() == {}


def test_the_door_gives_the_scope_whatever_was_imported_before() -> None:
    import sluiceway
    import sluiceway.scopes

    assert sluiceway.scope is sluiceway.scopes.scope is scope


def test_every_vendor_takes_its_part() -> None:
    memory = MemoryTransport()
    rudder = RudderStack("key", "https://plane.example.com", transport=memory, gzip=False)
    posthog = PostHog("phc_key", transport=memory, gzip=False)
    with rudder, posthog, scope(anonymous_id="a1"):
        assert rudder.track(event="E")
        assert posthog.capture("E")
    assert memory.events[0]["anonymousId"] == memory.events[1]["distinct_id"] == "a1"
