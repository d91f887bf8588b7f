"""After a fork the child begins anew: its own engine, ids, threads, counters; the parent's events stay the parent's."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from sluiceway import Segment
from sluiceway.testing import MemoryTransport, Receiver

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

KEY = "a-write-key-of-tests"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def in_child(work: Callable[[], object]) -> None:
    """Run something in a forked child, which must end well within ten seconds."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            threading.Timer(10.0, os._exit, (2,)).start()
            work()
            code = 0
        except BaseException as error:
            sys.__stderr__.write(f"child: {error!r}\n")
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_child_delivers_its_own_events_and_only_those(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url, flush_first=False, flush_interval=60)
    client.track("parent", "before")

    def child() -> None:
        assert client.stats().offered == 0
        assert client.track("child", "E") is True
        result = client.flush(5)
        assert (result.delivered, result.pending) == (1, 0)
        assert client.stats().balanced

    in_child(child)
    assert [event["userId"] for event in receiver.events] == ["child"]
    client.track("parent", "after")
    assert client.close(5).ok
    users = [event["userId"] for event in receiver.events]
    assert users == ["child", "parent", "parent"]
    assert len({event["messageId"] for event in receiver.events}) == 3


@pytest.mark.parametrize("use", [Segment.flush, Segment.close, Segment.stats, Segment.purge, repr])
def test_the_first_use_in_a_child_may_be_anything(receiver: Receiver, use: Callable[[Segment], object]) -> None:
    client = Segment(KEY, host=receiver.url)
    client.track("parent", "E")
    assert client.flush(5).ok
    in_child(lambda: use(client))
    assert client.track("parent", "E") is True
    assert client.close(5).ok
    assert len(receiver.events) == 2


def test_a_grandchild_begins_anew_too(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url)
    client.track("parent", "E")
    client.flush(5)

    def child() -> None:
        client.track("child", "E")
        assert client.flush(5).ok

        def grandchild() -> None:
            client.track("grandchild", "E")
            assert client.flush(5).ok
            assert client.stats().accepted == 1

        in_child(grandchild)
        assert client.stats().accepted == 1

    in_child(child)
    assert sorted(event["userId"] for event in receiver.events) == ["child", "grandchild", "parent"]
    client.close()


def test_a_client_closed_before_the_fork_is_closed_in_the_child() -> None:
    client = Segment(KEY, transport=MemoryTransport())
    client.close()

    def child() -> None:
        assert client.track("u", "E") is False
        assert client.stats().refused == {"closed": 1}

    in_child(child)


def test_closing_in_the_child_leaves_the_parent_open(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url)
    client.track("parent", "E")
    in_child(client.close)
    assert client.track("parent", "E") is True
    assert client.close(5).ok
    assert len(receiver.events) == 2


def test_a_fork_while_a_lock_is_held_does_not_hang_the_child(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url)
    client.track("parent", "E")
    assembly = client._assembly
    held = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with assembly.flushing._lock, assembly.worker.desk.lock, assembly.delivery._guard:
            held.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)

    def child() -> None:
        client.track("child", "E")
        assert client.flush(5).ok
        assert client.close(5).ok

    in_child(child)
    done.set()
    holder.join()
    assert client.close(5).ok


def test_eight_threads_of_a_child_share_one_new_engine(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url)
    client.track("parent", "E")
    client.flush(5)

    def child() -> None:
        start = threading.Barrier(8)

        def push() -> None:
            start.wait()
            for _ in range(100):
                assert client.track("child", "E") is True

        threads = [threading.Thread(target=push) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(5).ok
        stats = client.stats()
        assert (stats.accepted, stats.delivered) == (800, 800)

    in_child(child)
    assert len(receiver.events) == 801
    client.close()


def test_forking_while_others_push_disturbs_nobody(receiver: Receiver) -> None:
    client = Segment(KEY, host=receiver.url)
    stop = threading.Event()
    pushed = []

    def push() -> None:
        while not stop.is_set():
            pushed.append(client.track("parent", "E"))
            stop.wait(0.0002)

    pushers = [threading.Thread(target=push) for _ in range(3)]
    for pusher in pushers:
        pusher.start()

    def child() -> None:
        assert client.track("child", "E") is True
        assert client.flush(5).ok

    for _ in range(10):
        in_child(child)
    stop.set()
    for pusher in pushers:
        pusher.join()
    assert client.close(10).ok
    users = [event["userId"] for event in receiver.events]
    assert users.count("child") == 10
    assert users.count("parent") == len(pushed)
    assert all(pushed)
    assert receiver.duplicates == 0
