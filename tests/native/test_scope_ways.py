"""Whichever way a call goes (short cut, push, long way), what it inherits from its scope is the same, to the byte."""

from __future__ import annotations

import gc
import json
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway import Amplitude, Identify, PostHog, RudderStack, Segment, _native, scope
from sluiceway.testing import MemoryTransport, Receiver

STAMP = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
ID = str(UUID(int=7))
NOWHERE: dict[str, Any] = {"exit_timeout": 0, "flush_first": False, "flush_at": 1_000}

VENDORS: dict[str, Callable[..., Any]] = {
    "segment": lambda **more: Segment("key", host="http://127.0.0.1:9", **NOWHERE, **more),
    "rudderstack": lambda **more: RudderStack("key", "http://127.0.0.1:9", **NOWHERE, **more),
    "posthog": lambda **more: PostHog(
        "phc_key", host="http://127.0.0.1:9", super_properties={"ip": 0}, **NOWHERE, **more
    ),
    "capture": lambda **more: PostHog("phc_key", host="http://127.0.0.1:9", capture_mode="v1", **NOWHERE, **more),
    "amplitude": lambda **more: Amplitude(
        "key", server_url="http://127.0.0.1:9/2/httpapi", exit_timeout=0, upload_interval_in_sec=3_600, **more
    ),
}
STAMPS: dict[str, dict[str, Any]] = {
    "segment": {"message_id": ID, "timestamp": STAMP},
    "rudderstack": {"message_id": ID, "timestamp": STAMP},
    "posthog": {"uuid": ID, "timestamp": STAMP},
    "capture": {"uuid": ID, "timestamp": STAMP},
    "amplitude": {"insert_id": ID, "time": STAMP},
}


class Ways:
    """A client whose events stay in the ring, called by the short cut, by Python and the push, and by the long way."""

    def __init__(self, vendor: str) -> None:
        self.client = self._attended(VENDORS[vendor]())
        self.stepped = self._attended(VENDORS[vendor](middleware=[lambda event: event]))
        self.stamps = STAMPS[vendor]

    @staticmethod
    def _attended(client: Any) -> Any:
        client._assembly.worker.start = lambda: True
        client._assembly.queue.attend(True)
        return client

    @staticmethod
    def _taken(client: Any) -> list[bytes]:
        queue = client._assembly.queue
        queue.flush_mark()
        events: list[bytes] = []
        while (batch := queue.next_batch(0.0)) is not None:
            events.extend(batch.event(index) for index in range(len(batch)))
            queue.settle(batch, "delivered")
        return events

    def all(self, name: str, arguments: dict[str, Any]) -> list[Any]:
        """The event that each way makes of the call, or None where it is refused."""
        given = {**arguments, **self.stamps}
        method = getattr(self.client, name)
        written = getattr(type(self.client), name).__wrapped__
        made: list[Any] = []
        for way in (
            lambda: method(**given),
            lambda: written(self.client, **given),
            lambda: method(**given, callback=lambda error, batch: None),
        ):
            accepted = way()
            [event] = self._taken(self.client) or [None]
            assert accepted is (event is not None)
            made.append(event)
        accepted = getattr(self.stepped, name)(**given)
        [event] = self._taken(self.stepped) or [None]
        assert accepted is (event is not None)
        made.append(event)
        return made

    def close(self) -> None:
        self.client.close(0)
        self.stepped.close(0)


@pytest.fixture
def ways() -> Iterator[Callable[[str], Ways]]:
    made: dict[str, Ways] = {}

    def of(vendor: str) -> Ways:
        if vendor not in made:
            made[vendor] = Ways(vendor)
        return made[vendor]

    yield of
    for each in made.values():
        each.close()


# Of which many mean something to one vendor or the other.
_WORDS = """a b page é \u20ac ip library traits groupId session_id os_name country $groups $lib
$geoip_disable $session_id $set $current_url $process_person_profile"""
KEYS = st.sampled_from([*_WORDS.split(), "", "x" * 70])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, "text", "é", "\ud800", {"deep": [1, {"er": None}]}, [], STAMP, ID, {"company": "own"}]),
)
MAPS = st.none() | st.dictionaries(KEYS, VALUES, max_size=5)
ODD_MAPS = MAPS | st.dictionaries(st.sampled_from([1, None, "1", "a"]), VALUES, max_size=3)
IDS = st.none() | st.sampled_from(["user-1", "user-2", "anonymous", 12_345, "short"])
GROUPS = st.none() | st.dictionaries(st.sampled_from(["company", "team"]), st.sampled_from(["c-1", 7]), max_size=2)
SCOPES = st.fixed_dictionaries({"user_id": IDS, "anonymous_id": IDS, "context": MAPS, "groups": GROUPS})

SPEC = st.one_of(
    st.tuples(
        st.just("track"),
        st.fixed_dictionaries(
            {"event": st.just("E")},
            optional={"user_id": IDS, "anonymous_id": IDS, "properties": ODD_MAPS, "context": ODD_MAPS},
        ),
    ),
    st.tuples(
        st.sampled_from(["identify", "group", "page", "screen"]),
        st.fixed_dictionaries({}, optional={"user_id": IDS, "anonymous_id": IDS, "context": MAPS}),
    ),
    st.tuples(st.just("identify"), st.fixed_dictionaries({"traits": MAPS}, optional={"context": MAPS})),
    st.tuples(st.just("group"), st.fixed_dictionaries({"group_id": IDS}, optional={"user_id": IDS, "context": MAPS})),
    st.tuples(
        st.just("alias"), st.fixed_dictionaries({"previous_id": IDS}, optional={"user_id": IDS, "context": MAPS})
    ),
)
POSTHOG = st.one_of(
    st.tuples(
        st.just("capture"),
        st.fixed_dictionaries(
            {"event": st.sampled_from(["E", "\u20ac", "$pageview", "$identify", "$create_alias", "$groupidentify"])},
            optional={"distinct_id": IDS, "properties": ODD_MAPS, "groups": GROUPS, "disable_geoip": st.booleans()},
        ),
    ),
    st.tuples(
        st.just("page_view"),
        st.fixed_dictionaries({"url": st.just("/x")}, optional={"distinct_id": IDS, "properties": MAPS}),
    ),
    st.tuples(st.sampled_from(["identify", "set"]), st.fixed_dictionaries({"distinct_id": IDS, "properties": MAPS})),
    st.tuples(st.just("alias"), st.fixed_dictionaries({"distinct_id": IDS, "alias": IDS})),
    st.tuples(
        st.just("group_identify"),
        st.fixed_dictionaries(
            {"group_type": st.just("company"), "group_key": st.just("c")}, optional={"distinct_id": IDS}
        ),
    ),
)
AMPLITUDE = st.tuples(
    st.just("track"),
    st.fixed_dictionaries(
        {"event_type": st.sampled_from(["E", "\u20ac", "$identify", "$groupidentify", "$exposure"])},
        optional={
            "user_id": IDS,
            "device_id": IDS,
            "event_properties": ODD_MAPS,
            "user_properties": MAPS,
            "groups": GROUPS,
            "ip": st.just("own"),
            "session_id": st.integers(0, 3),
        },
    ),
)
CALLS = {"segment": SPEC, "rudderstack": SPEC, "posthog": POSTHOG, "capture": POSTHOG, "amplitude": AMPLITUDE}


def without_what_is_made_up(event: bytes | None) -> Any:
    """The event but for ids that the client makes up, a fresh one each time."""
    if event is None:
        return None
    told = json.loads(event)
    for key, length in (("distinct_id", 36), ("device_id", 32)):
        if len(told.get(key, "")) == length:
            del told[key]
    return told


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_way_makes_the_same_event(vendor: str, ways: Callable[[str], Ways]) -> None:
    different = ways(vendor)

    @settings(max_examples=250, deadline=None)
    @given(SCOPES, SCOPES, CALLS[vendor])
    def hold(outer: dict[str, Any], inner: dict[str, Any], call: tuple[str, dict[str, Any]]) -> None:
        with scope(**outer), scope(**inner):
            short, pushed, long, stepped = different.all(*call)
            told = without_what_is_made_up(short)
            assert without_what_is_made_up(pushed) == told
            assert without_what_is_made_up(long) == told
            assert without_what_is_made_up(stepped) == told
            if told is not None and told == json.loads(short) and b"$identify" not in short:
                assert short == pushed == long

    hold()


PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "segment": ("track", {"event": "E", "properties": {"a": 1}}),
    "rudderstack": ("track", {"event": "E", "properties": {"a": 1}, "context": {"ip": "own"}}),
    "posthog": ("capture", {"event": "E", "properties": {"a": 1}}),
    "capture": ("capture", {"event": "\u20ac"}),
    "amplitude": ("track", {"event_type": "E", "event_properties": {"a": 1}}),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_plain_event_in_a_scope_takes_the_short_cut(vendor: str, ways: Callable[[str], Ways]) -> None:
    client = ways(vendor).client
    name, arguments = PLAIN[vendor]
    entered: list[str] = []

    def note(frame: Any, event: str, _argument: Any) -> None:
        if event == "call":
            entered.append(frame.f_code.co_name)

    with scope(user_id="user-1", anonymous_id="anon-1", context={"page": {"path": "/x"}}, groups={"company": "c"}):
        method = getattr(client, name)
        sys.setprofile(note)
        try:
            accepted = method(**arguments)
        finally:
            sys.setprofile(None)
    assert accepted
    assert entered == []
    [event] = Ways._taken(client)
    assert b"user-1" in event
    assert b"/x" in event


def test_one_dict_in_two_places_inherits_in_one(ways: Callable[[str], Ways]) -> None:
    same: dict[str, Any] = {}
    with scope(user_id="user-1", context={"a": 1}):
        for event in ways("segment").all("track", {"event": "E", "properties": same, "context": same}):
            told = json.loads(event)
            assert told["properties"] == {}
            assert told["context"].pop("library")
            assert told["context"] == {"a": 1}


@pytest.mark.parametrize("method", ["identify", "group_identify", "set_group", "revenue"])
def test_what_changes_a_user_or_a_group_takes_no_groups_and_no_context(method: str) -> None:
    from sluiceway import Revenue

    memory = MemoryTransport()
    calls: dict[str, Callable[[Amplitude], bool]] = {
        "identify": lambda client: client.identify(identify=Identify().set("plan", "pro")),
        "group_identify": lambda client: client.group_identify("team", "t", Identify().set("plan", "pro")),
        "set_group": lambda client: client.set_group("team", "t"),
        "revenue": lambda client: client.revenue(Revenue(price=1.0)),
    }
    with (
        Amplitude("key", transport=memory) as client,
        scope(user_id="user-1", context={"a": 1}, groups={"company": "c"}),
    ):
        assert calls[method](client)
    [event] = memory.events
    assert ("user_id" in event) == (method != "group_identify")
    assert event.get("groups") == {"revenue": {"company": "c"}, "identify": None}.get(method, {"team": "t"})
    assert ("a" in event.get("event_properties", {})) == (method == "revenue")


def test_a_mapping_call_inherits_as_the_others(ways: Callable[[str], Ways]) -> None:
    client = ways("amplitude").client
    with scope(user_id="user-1", context={"ip": "of the scope", "a": 1}):
        assert client.log_event({"event_type": "E", "event_properties": {"b": 2}})
        assert client.log_event({"event_type": "E", "ip": "own", "unknown_key": True})
    short, long = (json.loads(event) for event in Ways._taken(client))
    assert (short["user_id"], short["ip"], short["event_properties"]) == ("user-1", "of the scope", {"b": 2, "a": 1})
    assert (long["user_id"], long["ip"], long["event_properties"]) == ("user-1", "own", {"a": 1})


def test_a_context_of_placed_entries_alone_makes_no_map(ways: Callable[[str], Ways]) -> None:
    with scope(user_id="user-1", context={"ip": "1", "session_id": None}):
        for event in ways("amplitude").all("track", {"event_type": "E"}):
            assert "event_properties" not in json.loads(event)


def test_middleware_and_callback_are_told_the_merged_event_and_middleware_has_the_last_word() -> None:
    seen: list[dict[str, Any]] = []
    reported: list[Any] = []

    def step(event: dict[str, Any]) -> dict[str, Any]:
        seen.append(event)
        changed = {**event, "context": {}}
        changed.pop("anonymousId")
        return changed

    memory, said = MemoryTransport(), scope(user_id="u1", anonymous_id="a1", context={"secret": 1})
    with Segment("key", transport=memory, middleware=[step]) as client, said:
        client.track(event="E", callback=lambda error, batch: reported.extend(batch.events))
        seen[0]["context"]["of middleware"] = True
        client.track(event="E")
    assert (seen[0]["userId"], seen[0]["anonymousId"], seen[0]["context"]["secret"]) == ("u1", "a1", 1)
    assert seen[1]["context"] == {"secret": 1}
    assert "anonymousId" not in memory.events[0]
    assert memory.events[0]["context"].keys() == {"library"}
    assert reported[0]["userId"] == "u1"


def test_a_synchronous_client_inherits_as_well() -> None:
    memory = MemoryTransport()
    with Segment("key", transport=memory, sync=True) as client, scope(user_id="u1", context={"a": 1}):
        assert client.track(event="E")
    assert (memory.events[0]["userId"], memory.events[0]["context"]["a"]) == ("u1", 1)


def test_an_event_that_waits_for_room_is_of_the_scope_it_was_made_in() -> None:
    with (
        Receiver(vendor="segment") as receiver,
        Segment("key", host=receiver.url, on_full="block", max_queue_events=1, flush_at=1) as client,
        scope(user_id="u1", context={"a": 1}),
    ):
        for _ in range(5):
            assert client.track(event="E")
        assert client.flush(30).ok
    assert [(event["userId"], event["context"]["a"]) for event in receiver.events] == [("u1", 1)] * 5


def test_a_callback_that_tracks_is_in_no_scope_of_the_event_it_is_told_of() -> None:
    memory = MemoryTransport()
    inner: list[bool] = []
    with Segment("key", transport=memory) as client, scope(user_id="u1"):
        client.track(event="E", callback=lambda error, batch: inner.append(client.track("other", "from the callback")))
    assert [event["userId"] for event in memory.events] == ["u1", "other"]


def test_a_scope_is_entered_and_told_from_inside_an_event() -> None:
    """User code that runs in the middle of a call may open scopes and change the one it is in."""
    memory = MemoryTransport()

    class Late:
        def __str__(self) -> str:
            scope.update(user_id="too late for this one")
            with scope(user_id="u3"):
                client.track(event="within")
            return "late"

    with Segment("key", transport=memory) as client, scope(user_id="u1"):
        client.track(event="E", properties={"value": Late()})
        client.track(event="next")
    assert [event["userId"] for event in memory.events] == ["u3", "u1", "too late for this one"]


def test_a_key_that_would_run_code_when_compared_runs_none_in_the_walk(ways: Callable[[str], Ways]) -> None:
    class Key(str):
        def __eq__(self, other: object) -> bool:
            entered.append(1)
            return str.__eq__(self, str(other))

        __hash__ = str.__hash__

    entered: list[int] = []
    client = ways("segment").client
    own = {"x": 1, Key("a"): "own"}
    with scope(user_id="user-1", context={"a": "of the scope"}):
        assert client.track(event="E", context=own)
    [event] = Ways._taken(client)
    assert json.loads(event)["context"]["a"] == "own"


def test_the_native_face() -> None:
    outer = _native.Scoped(None, (None,) * 7, None)
    inner = _native.Scoped(outer, (1,) * 6, outer.parts)
    assert (inner.outer, inner.parts, inner.inherited, inner.is_settled) == (outer, (1,) * 6, outer.parts, True)
    said = (None,) * 6 + ("new",)
    assert not outer.replace((0,) * 6, said, None)
    assert outer.replace(outer.parts, said, None)
    assert (outer.parts, inner.is_settled, outer.is_settled) == (said, False, True)
    with pytest.raises(ValueError, match="six values"):
        _native.Scoped(None, (1,), None)
    with pytest.raises(ValueError, match="six values"):
        outer.replace(said, (), None)
    with pytest.raises(TypeError):
        _native.Scoped(None, [1] * 6, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="part of a scope"):
        _native.Shape(b"{", [_native.Field("a", "text", scope="whole")])
    with pytest.raises(ValueError, match="second field"):
        _native.Shape(b"{", [_native.Field("a", "text", scope="entry")] * 2)


def test_what_is_no_scope_in_the_variable_is_no_fault_of_the_engines() -> None:
    memory = MemoryTransport()
    with Segment("key", transport=memory) as client:
        token = _native.SCOPE.set("not a scope")  # type: ignore[arg-type]
        try:
            assert not client.track("u", "E")
        finally:
            _native.SCOPE.reset(token)
        assert client.track("u", "E")


def test_scopes_and_their_events_leave_nothing_behind(ways: Callable[[str], Ways]) -> None:
    client = ways("segment").client

    def turn() -> None:
        for number in range(500):
            with scope(user_id=f"user-{number}", context={"n": number, "page": {"path": "/x"}}) as opened, scope():
                client.track(event="E", context={"own": number})
                opened.update(context={"later": number})
                client.track(event="E")
                with suppress(LookupError), scope(fresh=True, user_id="other"):
                    raise LookupError
        Ways._taken(client)

    turn()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(4):
            turn()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="wants fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_inside_a_scope_is_in_it_and_goes_its_own_way() -> None:
    memory = MemoryTransport()
    with Segment("key", transport=memory) as client, scope(user_id="u1", context={"a": 1}):
        client.track(event="before")
        child = os.fork()
        if not child:
            code = 1
            with suppress(BaseException):
                client.track(event="of the child")
                scope.update(user_id="u2")
                client.track(event="of the child")
                told = [(event["userId"], event["context"]["a"]) for event in memory.events[1:]]
                code = 0 if told == [("u1", 1), ("u2", 1)] else 2
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.track(event="after")
        assert [event["userId"] for event in memory.events] == ["u1", "u1"]
