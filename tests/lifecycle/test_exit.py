"""How a program ends: what was accepted is sent within one budget, and the end is the program's own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import pytest

from sluiceway.testing import Answer, Receiver

START = """
import os, sys, signal, threading, time
from sluiceway import Segment
client = Segment("a-write-key-of-tests", host=os.environ["HOST"], flush_first=False, **{options})
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def run(script: str, host: str, options: str = "{}", **more: str) -> subprocess.CompletedProcess[str]:
    code = START.format(options=options) + textwrap.dedent(script)
    environment = {"HOST": host, "PATH": "", **more}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


ENDINGS = {
    "end": "",
    "exit": "sys.exit(3)",
    "exception": "raise ValueError('the end of a program')",
    "ctrl-c": "os.kill(os.getpid(), signal.SIGINT); time.sleep(5)",
    "collected": "del client; import gc; gc.collect()",
    "atexit": "import atexit; atexit.register(client.track, 'u', 'last')",
}


@pytest.mark.parametrize("ending", list(ENDINGS.values()), ids=list(ENDINGS))
def test_what_was_accepted_is_sent_at_the_end_and_the_end_stays_the_programs_own(
    receiver: Receiver, ending: str
) -> None:
    ended = run(f"for _ in range(7): client.track('u', 'E')\n{ending}", receiver.url)
    without = run(ending, receiver.url)
    assert [event["event"] for event in receiver.events][:7] == ["E"] * 7
    assert ended.returncode == without.returncode
    assert "sluiceway" not in ended.stderr
    assert ended.stderr.count("Traceback") == without.stderr.count("Traceback")


def test_the_budget_is_shared_by_all_clients_and_the_rest_fails_as_shutdown() -> None:
    with Receiver(default=Answer(delay=60.0)) as receiver:
        script = """
        import logging; logging.basicConfig()
        told = []
        more = [Segment("another-write-key", host=os.environ["HOST"], exit_timeout=1.0) for _ in range(3)]
        for each in (client, *more):
            each.track("u", "E", callback=lambda error, batch: told.append((error.reason, error.sent)))
        print("tracked", flush=True)
        """
        started = time.monotonic()
        ended = run(script, receiver.url, '{"exit_timeout": 1.0}')
        took = time.monotonic() - started
    assert ended.returncode == 0
    assert took < 3.5
    said = "WARNING:sluiceway:the program ended before everything was sent: events 4, clients 4, seconds waited 1.0\n"
    assert ended.stderr == said


@pytest.mark.parametrize("host", ["http://127.0.0.1:9", "http://127.255.255.254:9"])
def test_an_unreachable_endpoint_costs_the_budget_at_most_and_not_the_exit_code(host: str) -> None:
    started = time.monotonic()
    ended = run("client.track('u', 'E')", host, SLUICEWAY_EXIT_TIMEOUT="0.5")
    assert time.monotonic() - started < 3.0
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr


def test_nothing_pending_means_no_wait_at_all() -> None:
    ended = run(
        "started = time.monotonic(); import atexit\n"
        "from sluiceway import lifecycle\n"
        "client.track('u', 'E'); client.purge(); lifecycle.leave(); print(time.monotonic() - started)",
        "http://127.0.0.1:9",
        '{"exit_timeout": 20.0}',
    )
    assert ended.returncode == 0
    assert float(ended.stdout) < 1.0


def test_a_second_ctrl_c_ends_the_exit_at_once() -> None:
    with Receiver(default=Answer(delay=60.0)) as receiver:
        script = "client.track('u', 'E')\nprint('tracked', flush=True)"
        code = START.format(options='{"exit_timeout": 20.0}') + script
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={"HOST": receiver.url, "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "tracked\n"
        time.sleep(0.7)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=5)
    assert "Traceback" not in stderr


def test_sigterm_ends_the_program_as_an_exit_does_when_asked(receiver: Receiver) -> None:
    script = "client.track('u', 'E')\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)"
    assert run(script, receiver.url).returncode == -signal.SIGTERM
    assert receiver.events == []
    assert run(script, receiver.url, '{"install_sigterm": True}').returncode == 128 + signal.SIGTERM
    assert len(receiver.events) == 1


def test_a_handler_of_the_programs_own_stays_in_charge(receiver: Receiver) -> None:
    script = """
    client.close()
    signal.signal(signal.SIGTERM, lambda *_: print("mine", flush=True))
    Segment("a-write-key-of-tests", host=os.environ["HOST"], install_sigterm=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)
    print("alive", flush=True)
    """
    assert run(script, receiver.url).stdout == "mine\nalive\n"


def test_a_multiprocessing_child_sends_what_it_accepted(receiver: Receiver) -> None:
    script = """
    import multiprocessing
    def child():
        for _ in range(5):
            client.track("child", "E")
    client.track("parent", "E")
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start(); process.join()
    sys.exit(process.exitcode)
    """
    assert run(script, receiver.url).returncode == 0
    assert sorted(event["userId"] for event in receiver.events) == ["child"] * 5 + ["parent"]
