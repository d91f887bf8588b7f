"""Capturing: every client, at once, in order, with nothing leaving the process; and as it was afterwards."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.kit.conftest import KEY, Clients

from sluiceway import Amplitude, Identify, InvalidEvent, PostHog, RudderStack, Segment
from sluiceway.testing import CapturedEvents, MemoryTransport, Receiver, capture
from sluiceway.testing.captor import spare, spare_no_more

EFFECTS = ("open", "os.mkdir", "os.rename", "os.remove")


def send(client: Any, name: str, **properties: Any) -> bool:
    """One track, in the words of the client's vendor."""
    match client:
        case PostHog():
            return bool(client.capture(name, distinct_id="user-1", properties=properties))
        case Amplitude():
            return bool(client.track(name, user_id="user-1", event_properties=properties))
        case _:
            return bool(client.track("user-1", name, properties))


# -- what is captured


def test_every_client_is_captured_right_after_each_call(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    before = clients.all()
    for number, client in enumerate(before, 1):
        assert send(client, "Sold", revenue=39.95)
        assert len(sluiceway_events) == number
        event = sluiceway_events[-1]
        assert (event.vendor, event.type, event.event) == (client.vendor.name, "track", "Sold")
        assert (event.user_id, event.properties) == ("user-1", {"revenue": 39.95})
        assert event.timestamp is not None
        assert event.id
        assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", event.id)


def test_clients_made_before_are_captured(clients: Clients) -> None:
    made = clients.all()
    with capture() as events:
        for client in made:
            assert send(client, "Sold")
        assert [event.vendor for event in events] == ["segment", "rudderstack", "posthog", "amplitude"]


def test_the_calls_of_segment_and_rudderstack(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    for client in (clients(Segment), clients(RudderStack)):
        sluiceway_events.clear()
        client.identify("user-1", {"plan": "pro"}, {"locale": "de"})
        client.page("user-1", "Docs", "Start", {"url": "/"})
        client.screen(anonymous_id="anon-1", name="Home")
        client.group("user-1", "acme", {"size": 10})
        client.alias("old", "user-1")
        identify, page, screen, group, alias = sluiceway_events
        assert (identify.type, identify.traits, identify.context) == ("identify", {"plan": "pro"}, {"locale": "de"})
        assert (page.type, page.event, page.properties["url"]) == ("page", "Start", "/")
        assert (screen.type, screen.event, screen.anonymous_id) == ("screen", "Home", "anon-1")
        assert (group.type, group.group_id, group.traits) == ("group", "acme", {"size": 10})
        assert group.groups == {"group": "acme"}
        assert (alias.type, alias.previous_id, alias.user_id) == ("alias", "old", "user-1")


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_the_calls_of_posthog(clients: Clients, sluiceway_events: CapturedEvents, mode: str) -> None:
    client = clients(PostHog, capture_mode=mode)
    client.capture("Sold", distinct_id="user-1", properties={"n": 1}, groups={"company": "acme"})
    client.identify("user-1", {"plan": "pro"}, set_once={"first": "a"}, anon_distinct_id="anon-1")
    client.alias(distinct_id="user-1", alias="old")
    client.group_identify("company", "acme", {"size": 10})
    client.set("user-1", {"a": 1})
    client.set_once("user-1", {"b": 2})
    client.page_view("https://example.com/", distinct_id="user-1")
    sold, identify, alias, group, given, once, page = sluiceway_events
    assert (sold.type, sold.properties, sold.groups) == ("track", {"n": 1}, {"company": "acme"})
    assert (identify.type, identify.traits) == ("identify", {"plan": "pro", "first": "a"})
    assert identify.anonymous_id == "anon-1"
    assert (alias.type, alias.previous_id, alias.user_id) == ("alias", "old", "user-1")
    assert (group.type, group.group_id, group.groups) == ("group", "acme", {"company": "acme"})
    assert group.traits == {"size": 10}
    assert (given.type, given.traits, once.traits) == ("identify", {"a": 1}, {"b": 2})
    assert (page.type, page.properties) == ("page", {"$current_url": "https://example.com/"})
    assert [event.properties for event in (identify, alias, group, given, once)] == [{}] * 5


def test_the_calls_of_amplitude(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    client = clients(Amplitude)
    client.track("Sold", device_id="device-1", platform="Web", groups={"company": "acme"}, user_properties={"a": 1})
    client.identify("user-1", identify=Identify().set("plan", "pro").add("visits", 1))
    client.group_identify("company", "acme", Identify().set("size", 10))
    client.log_event({"event_type": "Logged", "user_id": "user-1", "odd": True})
    sold, identify, group, logged = sluiceway_events
    assert (sold.anonymous_id, sold.context, sold.groups) == ("device-1", {"platform": "Web"}, {"company": "acme"})
    assert sold.traits == {"a": 1}
    assert (identify.type, identify.traits) == ("identify", {"plan": "pro", "$add": {"visits": 1}})
    assert (group.type, group.group_id, group.traits) == ("group", "acme", {"size": 10})
    assert (logged.event, logged.context) == ("Logged", {"odd": True})


def test_middleware_and_default_run(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    def mark(event: dict[str, Any]) -> dict[str, Any] | None:
        if event["event"] == "Secret":
            return None
        return {**event, "properties": {**event["properties"], "marked": True}}

    client = clients(Segment, middleware=[mark], default=lambda value: f"a {type(value).__name__}")
    assert client.track("u", "Sold", {"what": object()})
    assert not client.track("u", "Secret")
    [event] = sluiceway_events
    assert event.properties == {"what": "a object", "marked": True}
    [refused] = sluiceway_events.refused
    assert (refused.call, refused.event, refused.reason) == ("track", "Secret", "middleware")


def test_callbacks_are_told_before_the_call_returns(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    told: list[Any] = []
    client = clients(Segment, on_delivery=lambda batch: told.append(("on_delivery", len(batch))))
    client.track("u", "Sold", callback=lambda error, batch: told.append((error, len(batch))))
    assert told in ([("on_delivery", 1), (None, 1)], [(None, 1), ("on_delivery", 1)])
    assert client.flush(callback=lambda error, _batch: told.append(error)).ok
    assert told[2:] == [None]


def test_a_callback_may_send_as_well(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    client = clients(Segment)
    client.track("u", "First", callback=lambda *_: client.track("u", "Second"))
    assert [event.event for event in sluiceway_events] == ["First", "Second"]


@pytest.mark.parametrize(
    "options", [{"sync": True}, {"enable": False}, {"flush_at": 500}, {"flush_interval": 3600.0}, {"gzip": True}]
)
def test_no_option_keeps_an_event_from_being_there(
    clients: Clients, sluiceway_events: CapturedEvents, options: dict[str, Any]
) -> None:
    client = clients(Segment, **options)
    assert client.track("u", "Sold") is True
    assert len(sluiceway_events) == 1


def test_the_switch_of_the_environment_says_whether_to_send_and_nothing_is_sent(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEWAY_DISABLED", "1")
    client = clients(Segment)
    with capture() as events:
        client.track("u", "Sold")
        assert len(events) == 1
    client.track("u", "Later")
    assert client.stats().offered == 0


def test_who_opts_out_is_refused(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    clients(Segment, opt_out=True).track("u", "Sold")
    assert [call.reason for call in sluiceway_events.refused] == ["opted_out"]
    assert sluiceway_events == []


def test_a_refused_call_says_why(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    client = clients(Segment)
    assert client.track("", "Sold", {"n": 1}) is False
    assert client.track("u", "Large", {"text": "x" * 40_000}) is False
    empty, large = sluiceway_events.refused
    assert (empty.vendor, empty.call, empty.event, empty.reason) == ("segment", "track", "Sold", "invalid")
    assert empty.arguments == {"user_id": "", "event": "Sold", "properties": {"n": 1}}
    assert str(empty) == "track('Sold'): user_id must not be empty (invalid)"
    assert large.reason == "event_too_large"
    sluiceway_events.clear()
    assert sluiceway_events.refused == []


def test_strict_overrides_the_option_of_every_client(clients: Clients) -> None:
    client = clients(Segment)
    with capture(strict=True), pytest.raises(InvalidEvent):
        client.track("", "Sold")
    assert client.track("", "Sold") is False
    strict = clients(Segment, strict=True)
    with capture(), pytest.raises(InvalidEvent):
        strict.track("", "Sold")
    with capture(strict=False):
        assert strict.track("", "Sold") is False


def test_nothing_of_the_users_own_is_asked_to_send(clients: Clients) -> None:
    asked: list[Any] = []

    class Handler:
        def send_events_with_retry(self, *args: Any, **_: Any) -> Any:
            asked.append(args)

    transport = MemoryTransport()
    made = [clients(Segment, transport=transport), clients(Amplitude, retry_class=Handler())]
    with capture() as events:
        for client in made:
            assert send(client, "Sold")
        assert len(events) == 2
    assert transport.requests == []
    assert asked == []


def test_no_thread_no_socket_and_no_file(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [*clients.all(), clients(RudderStack, spool="always", spool_dir=tmp_path)]
    seen: list[str] = []
    watching = True

    here = threading.get_ident()  # what other tests have left behind may go on

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if watching and threading.get_ident() == here and (event.startswith("socket.") or event in EFFECTS):
            seen.append(f"{event} {args[:1]}")

    with capture():  # loads what is loaded once
        for client in made:
            send(client, "Warm")
    sys.addaudithook(watch)
    start = threading.Thread.start

    def watched(thread: threading.Thread) -> None:
        if threading.get_ident() == here:
            seen.append(f"thread {thread.name}")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", watched)
    try:
        with capture() as events:
            for client in made:
                send(client, "Sold")
                client.flush()
            assert made[-1].flush(durable=True).ok
            assert len(events) == 5
    finally:
        watching = False
    assert seen == []


# -- afterwards


def test_what_waited_before_is_untouched(clients: Clients, receiver: Receiver) -> None:
    client = clients(Segment, host=receiver.url, flush_at=1000, flush_interval=3600.0, flush_first=False)
    for number in range(3):
        client.track("u", f"Before {number}")
    with capture() as events:
        client.track("u", "Meanwhile")
        assert client.flush().ok
        assert client.stats().accepted == 1
        assert len(events) == 1
    client.track("u", "After")
    assert client.stats().accepted == 4
    assert client.flush().delivered == 4
    assert [event["event"] for event in receiver.events] == ["Before 0", "Before 1", "Before 2", "After"]


def test_a_client_that_is_closed_meanwhile_is_open_again(clients: Clients, receiver: Receiver) -> None:
    client = clients(Segment, host=receiver.url)
    with capture() as events:
        client.track("u", "Sold")
        assert client.close().ok
        assert client.track("u", "Late") is False
        assert [call.reason for call in events.refused] == ["closed"]
        assert len(events) == 1
    assert client.track("u", "After")
    assert client.flush().ok
    assert [event["event"] for event in receiver.events] == ["After"]


def test_a_client_that_was_closed_before_stays_closed(clients: Clients) -> None:
    client = clients(Segment)
    client.close()
    with capture() as events:
        assert client.track("u", "Sold") is False
        assert events.refused[0].reason == "closed"
    assert client.track("u", "Sold") is False


def test_a_client_made_meanwhile_sends_for_real_afterwards(clients: Clients, receiver: Receiver) -> None:
    with capture() as events:
        client = clients(Segment, host=receiver.url)
        closed = clients(Segment, host=receiver.url)
        client.track("u", "Sold")
        closed.close()
    with capture() as again:
        client.track("u", "Again")
    assert (len(events), len(again)) == (1, 1)
    assert client.track("u", "After")
    assert client.flush().ok
    assert [event["event"] for event in receiver.events] == ["After"]
    assert closed.track("u", "After") is False


def test_the_short_cut_is_back_afterwards(clients: Clients) -> None:
    client = clients(Segment, transport=MemoryTransport())
    with capture():
        client.track("u", "Sold")
    offered = client.stats().offered
    entered: list[Any] = []
    client._assembly.admission.submit = lambda *args: entered.append(args)
    client._assembly.queue.attend(True)
    assert client.track("u", "Plain") is True
    assert entered == []
    assert client.stats().offered == offered + 1
    client._assembly.queue.attend(False)


def test_a_client_that_is_collected_meanwhile_still_sends_what_it_had(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url, flush_at=1000, flush_interval=3600.0, flush_first=False)
    client.track("u", "Before")
    with capture() as events:
        client.track("u", "Meanwhile")
        del client
        gc.collect()
        assert len(events) == 1
    assert receiver.wait_for(events=1)
    assert [event["event"] for event in receiver.events] == ["Before"]


def test_a_test_that_raises_gives_the_clients_back(clients: Clients, receiver: Receiver) -> None:
    client = clients(Segment, host=receiver.url)
    with pytest.raises(ZeroDivisionError), capture():
        raise ZeroDivisionError
    client.track("u", "After")
    assert client.flush().ok
    assert len(receiver.events) == 1


def test_captures_inside_each_other_all_see_what_is_sent(clients: Clients) -> None:
    client = clients(Segment)
    with capture() as outer:
        client.track("u", "One")
        with capture() as inner:
            client.track("u", "Two")
        client.track("u", "Three")
        assert [event.event for event in outer] == ["One", "Two", "Three"]
        assert [event.event for event in inner] == ["Two"]


def test_a_client_of_the_tests_own_server_is_left_alone(clients: Clients, receiver: Receiver) -> None:
    client = clients(Segment, host=receiver.url)
    assembly = client._assembly
    spare(receiver.port)
    try:
        with capture() as events:
            assert client._assembly is assembly
            other = clients(Segment, host=f"http://localhost:{receiver.port}")
            for each in (client, other):
                each.track("u", "Sold")
                assert each.flush().ok
            assert events == []
        assert client._assembly is assembly
        assert len(receiver.events) == 2
    finally:
        spare_no_more(receiver.port)


def test_a_capture_that_cannot_begin_leaves_nothing_behind(
    clients: Clients, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = clients(Segment, host=receiver.url), clients(Segment, host=receiver.url)
    monkeypatch.setattr("sluiceway.testing.captor.numbered", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), capture():
        pass
    monkeypatch.undo()
    for client in (first, second):
        client.track("u", "Sold")
        assert client.flush().ok
    assert len(receiver.events) == 2
    with capture() as events:
        first.track("u", "Sold")
        assert len(events) == 1


def test_a_class_that_compares_clients_is_captured_one_by_one(clients: Clients) -> None:
    class Equal(Segment):  # noqa: PLW1641  (which makes it one that has no hash)
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

    one, two = clients(Equal), clients(Equal)
    with capture() as events:
        one.track("u", "One")
        two.track("u", "Two")
        assert len(events) == 2


def test_a_test_after_another_keeps_nothing(clients: Clients) -> None:
    client = clients(Segment)
    threads, open_files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        with capture() as events:
            client.track("u", "Sold")
            Segment(KEY).track("u", "Other")
            assert len(events) == 2
    gc.collect()
    from sluiceway import lifecycle

    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= open_files
    assert lifecycle._process is not None
    assert sum(getattr(each, "is_captured", False) for each in lifecycle._process.enrolled) <= 3


def test_a_queue_is_referred_to_as_often_as_before(clients: Clients) -> None:
    plain, slow = clients(Segment), clients(Segment, sync=True)
    queues = [plain._assembly.queue, slow._assembly.queue]
    before = list(map(sys.getrefcount, queues))
    for _ in range(10):
        with capture():
            plain.track("u", "Sold")
            slow.track("u", "Sold")
    assert list(map(sys.getrefcount, queues)) == before


# -- threads, loops, forks


def test_threads_see_their_events_at_once_and_in_order(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    client = clients(Segment)
    missing: list[str] = []

    def work(name: int) -> None:
        for number in range(50):
            client.track(f"user-{name}", "Sold", {"n": number}, message_id=f"{name}-{number}")
            if not any(event.id == f"{name}-{number}" for event in sluiceway_events):
                missing.append(f"{name}-{number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == []
    assert len(sluiceway_events) == 400
    for name in range(8):
        sent = [event.properties["n"] for event in sluiceway_events.of_user(f"user-{name}")]
        assert sent == list(range(50))


def test_coroutines_are_captured(clients: Clients, sluiceway_events: CapturedEvents) -> None:
    client = clients(Segment)

    async def work(name: int) -> None:
        client.track(f"user-{name}", "Sold")
        await asyncio.sleep(0)
        assert (await client.aflush()).ok

    async def main() -> None:
        await asyncio.gather(*(work(name) for name in range(5)))
        async with Segment(KEY) as other:
            other.track("u", "Other")

    asyncio.run(main())
    assert len(sluiceway_events) == 6


def test_a_fork_is_told_and_sends_nothing(clients: Clients, receiver: Receiver) -> None:
    client = clients(Segment, host=receiver.url)
    with capture() as events:
        client.track("u", "Parent")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            sent = client.track("u", "Child") and client.flush().ok and len(events) == 2
            os._exit(0 if sent else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(events) == 1
        with pytest.raises(AssertionError, match="this process was forked"):
            events.assert_tracked("Child")
    assert receiver.stats().requests == 0
