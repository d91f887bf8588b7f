"""on_full="block": who may wait, who must not, and that a wait outlives no interrupt, no client and no process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sluiceway import Segment
from sluiceway.testing import Receiver

from .dams import KEY, dammed, in_flight, settles

WARNING = 'on_full="block" cannot wait on this thread'
# A call that waited would wait until the server answers, which it does not before the test says so.
AT_ONCE_SECONDS = 2.0


def full(receiver: Receiver, **options: Any) -> Segment:
    """A client with one event in flight and no room left."""
    client = in_flight(receiver, on_full="block", max_queue_events=3, **options)
    assert client.track("u", "waits")
    assert client.track("u", "waits, too")
    return client


def test_a_signal_handler_runs_while_a_call_waits_for_room() -> None:
    with dammed() as (receiver, dam):
        client = full(receiver)
        rung: list[float] = []
        before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
        try:
            began = time.monotonic()
            threading.Timer(1.5, dam.opened.set).start()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            assert client.track("u", "late")
        finally:
            signal.signal(signal.SIGALRM, before)
        assert time.monotonic() - began > 1.2, "the call went on waiting behind the handler"
        assert len(rung) == 1
        assert rung[0] - began < 1.2, "the handler ran while the call waited"
        settles(client, receiver, delivered=4)


def test_an_exception_out_of_a_signal_handler_ends_the_wait_and_the_call_is_accounted_for() -> None:
    class Enough(BaseException):
        pass

    def ring(*_: Any) -> None:
        raise Enough

    with dammed() as (receiver, dam):
        client = full(receiver)
        before = signal.signal(signal.SIGALRM, ring)
        told: list[Any] = []
        try:
            began = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(Enough):
                client.track("u", "interrupted", callback=lambda *end: told.append(end))
        finally:
            signal.signal(signal.SIGALRM, before)
        # A slice of the wait is 50 ms.
        assert time.monotonic() - began < 0.2 + AT_ONCE_SECONDS
        stats = client.stats()
        assert stats.refused == {"interrupted": 1}
        assert stats.balanced
        dam.opened.set()
        settles(client, receiver, delivered=3)
        assert told == [], "the caller has the exception"


def test_ctrl_c_ends_a_program_that_waits_for_room() -> None:
    with dammed() as (receiver, _):
        script = """
        import os
        from sluiceway import Segment
        client = Segment("key-of-tests", host=os.environ["HOST"], on_full="block", max_queue_events=2, exit_timeout=0.2)
        client.track("u", "E"); client.track("u", "E")
        print("full", flush=True)
        client.track("u", "E")
        print("never reached", flush=True)
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={"HOST": receiver.url, "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "full\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    assert stdout == ""
    assert process.returncode == -signal.SIGINT
    assert stderr.count("KeyboardInterrupt") == 1


def refused_at_once(client: Segment, call: Callable[[], Any]) -> float:
    """Make calls that must not wait; returns how long they took."""
    began = time.monotonic()
    call()
    took = time.monotonic() - began
    assert client.stats().balanced
    return took


def test_a_running_asyncio_loop_is_not_held_up(caplog: pytest.LogCaptureFixture) -> None:
    slips: list[float] = []

    async def tick() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            slips.append(time.monotonic() - began - 0.01)

    async def work(client: Segment) -> list[bool]:
        ticking = asyncio.create_task(tick())
        answers = []
        for _ in range(20):
            answers.append(client.track("u", "E"))
            await asyncio.sleep(0.005)
        # On a thread of the executor the same call may wait, and does.
        waiting = asyncio.get_running_loop().run_in_executor(None, client.track, "u", "from a thread")
        await asyncio.sleep(0.3)
        assert not waiting.done()
        dam.opened.set()
        assert await asyncio.wait_for(waiting, 20) is True
        ticking.cancel()
        return answers

    with dammed() as (receiver, dam):
        client = full(receiver)
        assert asyncio.run(work(client)) == [False] * 20
        assert len(slips) > 20
        assert max(slips) < AT_ONCE_SECONDS
        assert client.stats().refused == {"queue_full": 20}
        assert caplog.text.count(WARNING) == 1
        settles(client, receiver, delivered=4)


def test_a_callback_that_tracks_is_refused_instead_of_waiting_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Room comes back when the callbacks have run: one that waited for room would wait for ever."""
    with dammed() as (receiver, dam):
        answers: list[tuple[str, bool]] = []

        def again(_error: Any, batch: Any) -> None:
            answers.append((threading.current_thread().name, client.track("u", "from a callback")))

        client = Segment(KEY, host=receiver.url, on_full="block", max_queue_events=1, timeout=60)
        assert client.track("first", "E", callback=again)
        dam.opened.set()
        took = refused_at_once(client, lambda: client.flush(30))
        assert answers == [("sluiceway-callbacks", False)]
        assert took < 10.0
        assert caplog.text.count(WARNING) == 1
        settles(client, receiver, delivered=1)


def test_a_transport_that_tracks_is_refused_instead_of_stopping_the_sender(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[bool] = []

    class Tracks:
        def send(self, request: Any) -> Any:
            from sluiceway.transport import Response

            while len(answers) < 5:
                answers.append(client.track("u", "from the sender's thread"))
            return Response(status=200)

        def close(self) -> None:
            pass

    client = Segment(KEY, transport=Tracks(), on_full="block", max_queue_events=2)
    client.track("u", "E")
    assert client.flush(20)
    # What the sender itself offers is refused whatever room there is.
    assert answers == [False] * 5
    assert client.stats().refused == {"reentrant": 5}
    assert WARNING not in caplog.text
    client.close()


def test_during_the_exit_nobody_waits_for_room() -> None:
    """A thread that waits must neither hold the exit up nor be left behind in it; one that comes late does not wait."""
    with dammed() as (receiver, _):
        script = """
        import atexit, os, threading, time
        from sluiceway import Segment
        def late():
            began = time.monotonic()
            print(client.track("u", "behind the exit hook"), time.monotonic() - began < 2, flush=True)
        atexit.register(late)  # before the package's own hook, so it runs after it
        client = Segment("key-of-tests", host=os.environ["HOST"], on_full="block", max_queue_events=2, exit_timeout=0.3)
        client.track("u", "E"); client.track("u", "E")
        threading.Thread(target=client.track, args=("u", "waits"), daemon=True).start()
        time.sleep(0.2)
        """
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={"HOST": receiver.url, "PATH": ""},
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        took = time.monotonic() - began
    assert ended.returncode == 0
    assert ended.stdout == "False True\n"
    assert took < 15.0
    assert "Traceback" not in ended.stderr


def test_close_lets_go_of_everybody_who_waits() -> None:
    with dammed() as (receiver, _):
        client = full(receiver)
        answers: list[bool] = []
        threads = [threading.Thread(target=lambda: answers.append(client.track("u", "E"))) for _ in range(20)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        assert answers == []
        client.close(0.1)
        for thread in threads:
            thread.join(20)
        assert answers == [False] * 20
        stats = client.stats()
        assert stats.refused == {"closed": 20}
        assert stats.balanced
        assert stats.pending == 0


HUBS = {
    "patched": "from gevent import monkey; monkey.patch_all(); spawn = gevent.spawn",
    "not patched": "spawn = gevent.spawn",
}


@pytest.mark.parametrize("hub", list(HUBS.values()), ids=list(HUBS))
def test_a_gevent_hub_is_not_held_up(hub: str) -> None:
    pytest.importorskip("gevent", reason="gevent is not installed; `make test-hosts` brings it")
    script = f"""
    import gevent, logging, os, sys, time
    {hub}
    from sluiceway import Segment
    logging.basicConfig()
    client = Segment("key-of-tests", host=os.environ["HOST"], on_full="block", max_queue_events=2, exit_timeout=0.1)
    answers, slips = [], []
    def work():
        for _ in range(20):
            answers.append(client.track("u", "E"))
            gevent.sleep(0.005)
    def tick():
        while True:
            began = time.monotonic(); gevent.sleep(0.01); slips.append(time.monotonic() - began - 0.01)
    ticking = spawn(tick)
    spawn(work).join(timeout=20)
    print(answers == [True] * 2 + [False] * 18, len(slips) > 5, max(slips) < {AT_ONCE_SECONDS}, flush=True)
    os._exit(0)
    """
    with dammed() as (receiver, _):
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={"HOST": receiver.url, "PATH": "", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert ended.stdout == "True True True\n", ended.stderr
    assert ended.stderr.count(WARNING) == 1
    assert time.monotonic() - began < 30
