"""Row 44: Celery's pools, each with a broker of the test's own; warm and cold shutdown, recycling, kills."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluiceway.testing import Answer, Receiver

from .conftest import WAITING
from .driving import Asked, arrived, assert_nothing_lost
from .host import APPS, BIN, Host

# Sends the tasks, and prints what each returned. Messages move into the queue when they are whole, and results are read
# again when they are not: this broker writes its files in place, and Celery ends at the sight of half a message.
SEND = """
import json, os, sys, kombu.exceptions, tasks
task, first, count, seconds, wait = json.loads(sys.argv[1])
sent = [(n, getattr(tasks, task).delay(n, seconds)) for n in range(first, first + count)]
folder = os.environ["BROKER_FOLDER"]
for name in sorted(os.listdir(f"{folder}/outbox")):
    os.rename(f"{folder}/outbox/{name}", f"{folder}/queue/{name}")
def result(task):
    while True:
        try:
            return task.get(timeout=60, interval=0.02)
        except (ValueError, kombu.exceptions.DecodeError):
            pass
print(json.dumps([(n, *result(each)) for n, each in sent] if wait else []))
"""


class Pool(Host):
    """A Celery worker and its broker's folder."""

    def __init__(self, receiver: Receiver, folder: Path, *arguments: str, **more: str) -> None:
        for name in ("queue", "outbox", "control", "results"):
            (folder / name).mkdir(exist_ok=True)
        self.environment = {
            "RECEIVER": receiver.url,
            "CLIENT_AT": "import",
            "OPTIONS": json.dumps(WAITING),
            "BROKER_FOLDER": str(folder),
            **more,
        }
        command = [str(BIN / "celery"), "-A", "tasks", "worker", "--loglevel", "INFO", *arguments]
        super().__init__(command, 0, folder / "worker.log", self.environment)
        self.asked = Asked()

    def ready(self) -> Pool:
        """Wait until it takes tasks."""
        self.wait(lambda: " ready." in self.log)
        return self

    def drive(self, first: int, count: int, *, seconds: float = 0.01, wait: bool = True, task: str = "track") -> Asked:
        """Send so many tasks, and note what they return."""
        done = subprocess.run(
            [sys.executable, "-c", SEND, json.dumps([task, first, count, seconds, wait])],
            cwd=APPS,
            env={"PATH": "", "PYTHONPATH": str(APPS), **self.environment, "CLIENT_AT": "first", "OUTBOX": "outbox"},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr + self.log
        for n, accepted, pid in json.loads(done.stdout):
            assert accepted
            self.asked.pids[n] = pid
        return self.asked


Start = Callable[..., Pool]


@pytest.fixture
def start(receiver: Receiver, tmp_path: Path) -> Iterator[Start]:
    pools: list[Pool] = []

    def start(*arguments: str, **more: str) -> Pool:
        pools.append(Pool(receiver, tmp_path, *arguments, **more))
        return pools[-1].ready()

    yield start
    for pool in pools:
        pool.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("kind", "client_at"),
    [
        ("prefork", "import"),
        ("prefork", "first"),
        *((kind, "import") for kind in ("solo", "threads", "gevent", "eventlet")),
    ],
)
def test_row_44_a_warm_shutdown_loses_nothing(start: Start, receiver: Receiver, kind: str, client_at: str) -> None:
    pool = start("--pool", kind, "--concurrency", "2", CLIENT_AT=client_at)
    asked = pool.drive(1, 40)
    assert receiver.stats().events == 0
    assert pool.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=40, workers=2 if kind == "prefork" else 1)
    assert pool.unclean() == []


def test_row_44_a_task_that_still_runs_is_let_end_and_its_event_is_sent(start: Start, receiver: Receiver) -> None:
    pool = start("--pool", "prefork", "--concurrency", "2")
    asked = pool.drive(1, 20)
    pool.drive(21, 2, seconds=3, wait=False)
    pool.wait(lambda: pool.log.count("received") >= 22)
    assert pool.stop() == 0
    assert len(asked.pids) == 20
    assert arrived(receiver).keys() == set(range(1, 23))
    assert pool.unclean() == []


def test_row_44_a_cold_shutdown_takes_no_more_than_what_waits(start: Start, receiver: Receiver) -> None:
    pool = start("--pool", "prefork", "--concurrency", "2")
    asked = pool.drive(1, 20)
    pool.drive(21, 2, seconds=600, wait=False)
    pool.wait(lambda: pool.log.count("received") >= 22)
    pool.send(signal.SIGQUIT)
    # Celery may wait for the tasks at the first signal, and says so; the second is final.
    pool.wait(lambda: pool.process.poll() is not None or "again will terminate" in pool.log)
    pool.stop(signal.SIGQUIT if pool.process.poll() is None else 0)
    assert len(asked.pids) == 20
    assert arrived(receiver).keys() <= set(range(1, 23))  # some or none, and never one twice
    assert pool.unclean(but="Traceback|WorkerLostError|billiard") == []


def test_row_44_a_killed_process_takes_only_its_own_events_along(start: Start, receiver: Receiver) -> None:
    # It dies in a task, and then holds no lock of billiard's. One that is killed while it waits for a task may hold the
    # queue's, and no process gets a task any more, with us or without (tests/faults/README.md).
    pool = start("--pool", "prefork", "--concurrency", "2")
    pool.drive(1, 20)
    pool.drive(1_000, 1, wait=False, task="die")
    # Until Celery knows, it hands tasks to the dead process, and those never run.
    pool.wait(lambda: "exited with 'signal 9" in pool.log)
    killed = {int(pid) for pid in re.findall(r"pid:(\d+) exited with 'signal 9", pool.log)}
    asked = pool.drive(21, 20)
    assert pool.stop() == 0
    assert len(killed) == 1
    lost = asked.pids.keys() - arrived(receiver).keys()
    assert lost == {n for n, pid in asked.pids.items() if pid in killed}
    assert lost
    assert len(arrived(receiver)) >= 20


def test_row_44_processes_that_are_recycled_lose_nothing(start: Start, receiver: Receiver) -> None:
    pool = start("--pool", "prefork", "--concurrency", "2", "--max-tasks-per-child", "5")
    asked = pool.drive(1, 40)
    assert pool.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=40, workers=6)
    assert pool.unclean() == []


def test_row_44_processes_in_the_place_of_others_have_their_time_to_send(start: Start, receiver: Receiver) -> None:
    # What starts them is a thread of billiard's, which ends within 0.8 seconds of the signal; to the kernel that thread
    # is their parent, and Celery has asked it for a SIGKILL then.
    pool = start("--pool", "prefork", "--concurrency", "2", "--max-tasks-per-child", "5")
    asked = pool.drive(1, 42)
    time.sleep(1)  # billiard may forget whom it starts just then, when it tells its processes to end
    receiver.answer(*(Answer(delay=2.0) for _ in range(4)))
    assert pool.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=42, workers=9)
    assert pool.unclean() == []
