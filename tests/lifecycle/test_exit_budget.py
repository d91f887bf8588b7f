"""The exit of a process whose clients are stuck: one budget for all, the exit code unchanged, one line of numbers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sluiceway.testing import Answer, Receiver

LINE = re.compile(
    r"^sluiceway: the program ended before everything was sent: "
    r"events (\d+), clients (\d+), seconds waited (\d+\.\d)\n",
    re.MULTILINE,
)

# Each of these would take a minute or more if anybody waited for it.
STUCK = """
import os, signal, socket, sys, threading, time
from sluiceway import RudderStack, Segment

real = socket.getaddrinfo
def look_up(host, *more, **named):
    if host == "hangs.invalid":
        time.sleep(90)
    return real(host, *more, **named)
socket.getaddrinfo = look_up

class Never:
    def send(self, request): time.sleep(90)
    def close(self): pass

full = socket.create_server(("127.0.0.1", 0), backlog=0)  # accepts nobody: when it is full, a SYN has no answer
fillers = []
for _ in range(2):
    filler = socket.socket(); filler.setblocking(False); filler.connect_ex(full.getsockname()); fillers.append(filler)
silent = socket.create_server(("127.0.0.1", 0))           # never answers, not even a TLS hello
closed = socket.create_server(("127.0.0.1", 0)); gone = closed.getsockname()[1]; closed.close()
at = lambda where, scheme="http": f"{scheme}://127.0.0.1:{where.getsockname()[1]}"
SLOW, DRIP, LATER, FINE = (os.environ[name] for name in ("SLOW", "DRIP", "LATER", "FINE"))

stuck = {
    "a black hole": Segment("key-of-tests", host=SLOW),
    "a drip": Segment("key-of-tests", host=DRIP),
    "a server that wants it in two minutes": Segment("key-of-tests", host=LATER),
    "a name look-up": Segment("key-of-tests", host="http://hangs.invalid", allow_http=True),
    "a SYN": Segment("key-of-tests", host=at(full)),
    "a TLS hello": Segment("key-of-tests", host=at(silent, "https")),
    "its back-off": Segment("key-of-tests", host=f"http://127.0.0.1:{gone}"),
    "somebody's transport": Segment("key-of-tests", transport=Never()),
    "another vendor's black hole": RudderStack("key-of-tests", SLOW),
}
for client in stuck.values():
    for _ in range(3):
        client.track("u", "E")
tells = Segment("key-of-tests", host=FINE, flush_first=False)  # delivers, and then its user's callback never returns
tells.track("u", "told", callback=lambda *_: time.sleep(90))
fine = Segment("key-of-tests", host=FINE, flush_first=False)
for _ in range(5):
    fine.track("u", "fine")
time.sleep(0.5)  # all of them are where they will be stuck
print(time.monotonic(), flush=True)
"""
STUCK_CLIENTS, STUCK_EVENTS = 9, 27

ENDINGS = (
    ("", 0),
    ("sys.exit(3)", 3),
    ("raise ValueError('the end of the program')", 1),
    ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", -signal.SIGINT),
)


def run(script: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a program that prints the monotonic time of its last statement; returns it and how long the exit took."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return ended, time.monotonic() - float(ended.stdout.split()[-1])


def test_all_clients_share_two_seconds_and_the_end_is_the_programs_own() -> None:
    """For each way to end. They wait beside each other: what takes time is the budget, not the processor."""
    with ThreadPoolExecutor(len(ENDINGS)) as together:
        for ended in [together.submit(hold_to_the_budget, *ending) for ending in ENDINGS]:
            ended.result()


def hold_to_the_budget(ending: str, code: int) -> None:
    with (
        Receiver() as fine,
        Receiver(default=Answer(delay=90.0)) as slow,
        Receiver(default=Answer(drip_seconds=1.0)) as drip,
        Receiver(default=Answer(503, {"Retry-After": "120"})) as later,
    ):
        servers = {"FINE": fine.url, "SLOW": slow.url, "DRIP": drip.url, "LATER": later.url}
        ended, took = run(STUCK + ending, **servers)
        reached = [server.stats().requests for server in (slow, drip, later)]
        told = sorted(event["event"] for event in fine.events)
    assert min(reached) >= 1, "the traffic that was to be stuck was never sent"
    assert told == ["fine"] * 5 + ["told"], "those that could deliver had their share of the budget"
    assert ended.returncode == code
    # Eleven clients one after the other would take twenty seconds.
    assert 1.5 < took < 8.0
    said = LINE.search(ended.stderr)
    assert said is not None, ended.stderr
    events, clients, seconds = int(said[1]), int(said[2]), float(said[3])
    assert (events, clients) == (STUCK_EVENTS, STUCK_CLIENTS)
    assert seconds < 4.0
    rest = LINE.sub("", ended.stderr, count=1)
    assert rest == "" if code in (0, 3) else rest.startswith("Traceback (most recent call last):"), rest
    assert "sluiceway" not in rest


def test_nothing_is_said_when_nothing_was_lost() -> None:
    with Receiver() as receiver:
        ended, _ = run(
            """
            import os, time
            from sluiceway import Segment
            Segment("key-of-tests", host=os.environ["HOST"], flush_first=False).track("u", "E")
            print(time.monotonic(), flush=True)
            """,
            HOST=receiver.url,
        )
        assert len(receiver.events) == 1
    assert (ended.returncode, ended.stderr) == (0, "")


LOSING = """
import logging, os, time
from sluiceway import Segment
{before}
clients = [Segment("key-of-tests", host=os.environ["HOST"], exit_timeout=0.5) for _ in range(2)]
for client in clients:
    client.track("u", "E")
print(time.monotonic(), flush=True)
"""


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", "sluiceway: the program ended before everything was sent: events 2, clients 2, seconds waited N\n"),
        (
            "logging.basicConfig(format='%(name)s %(levelname)s %(message)s')",
            "sluiceway WARNING the program ended before everything was sent: events 2, clients 2, seconds waited N\n",
        ),
        ("logging.getLogger('sluiceway').setLevel(logging.ERROR)", ""),
        ("logging.getLogger('sluiceway').propagate = False", ""),
        ("import sys; sys.stderr = None", ""),
    ],
    ids=["no logging", "logging", "level", "no propagation", "no stderr"],
)
def test_the_line_goes_where_the_program_wants_its_log_lines(before: str, expected: str) -> None:
    with Receiver(default=Answer(delay=90.0)) as receiver:
        ended, _ = run(LOSING.format(before=before), HOST=receiver.url)
        assert receiver.stats().requests == 2
    assert ended.returncode == 0
    assert re.sub(r"waited \d\.\d", "waited N", ended.stderr) == expected


def test_a_client_in_its_back_off_makes_its_last_attempt_while_others_hang() -> None:
    """Those that were first in line must not take the time of those that would deliver."""
    with Receiver(default=Answer(delay=90.0)) as slow, Receiver([503]) as receiver:
        ended, _ = run(
            """
            import os, time
            from sluiceway import RetryPolicy, Segment
            waits = Segment("key-of-tests", host=os.environ["HOST"], retry=RetryPolicy(delays=(60.0,)))
            waits.track("u", "E")
            while not waits.stats().back_off_until: time.sleep(0.01)
            stuck = [Segment("key-of-tests", host=os.environ["SLOW"], exit_timeout=1.9) for _ in range(3)]
            for each in stuck:
                each.track("u", "E")
            print(time.monotonic(), flush=True)
            """,
            SLOW=slow.url,
            HOST=receiver.url,
        )
        assert [request.status for request in receiver.requests] == [503, 200]
    assert "events 3, clients 3" in ended.stderr


def test_clients_first_used_behind_the_exit_hook_share_what_is_left_of_the_budget() -> None:
    """Six of them with a budget each would take twelve seconds."""
    with Receiver(default=Answer(delay=90.0)) as slow:
        ended, took = run(
            """
            import atexit, os, sys, time
            from sluiceway import Segment
            late = [Segment("key-of-tests", host=os.environ["SLOW"]) for _ in range(6)]
            atexit.register(lambda: [each.track("u", "late") for each in late])  # runs after the hook of the package
            first = Segment("key-of-tests", host=os.environ["SLOW"])
            first.track("u", "E")
            time.sleep(0.3)
            print(time.monotonic(), flush=True)
            sys.exit(5)
            """,
            SLOW=slow.url,
        )
    assert ended.returncode == 5
    assert took < 7.0
    assert "Traceback" not in ended.stderr
