"""Row 43: uWSGI, which forks and finalizes in its own ways: lazy or not, with and without hooks, atexit, threads."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sluiceway.testing import Receiver

from .conftest import SOON
from .driving import Driver, arrived, assert_nothing_lost
from .host import BIN, Host

Start = Callable[..., Host]

# The newest release, which has Python's threads on whatever is asked, and the last of those that need --enable-threads.
NEW = BIN / "uwsgi"
OLD = BIN.parent / "uwsgi-2.0.26" / "bin" / "uwsgi"

WAYS = {
    "prefork": [],
    "prefork-hooks": ["--py-call-uwsgi-fork-hooks"],
    "prefork-afterfork": ["--py-call-osafterfork"],
    "lazy": ["--lazy-apps"],
    "lazy-hooks": ["--lazy-apps", "--py-call-uwsgi-fork-hooks"],
    "threads": ["--threads", "4"],
    "threads-lazy": ["--threads", "4", "--lazy-apps"],
}


def uwsgi(*more: str, binary: Path = NEW, graceful: bool = True) -> list[str]:
    start = [str(binary), "--http-socket", "127.0.0.1:{port}", "--module", "plain_wsgi:app", "--disable-logging"]
    start += ["--virtualenv", str(BIN.parent), "--master", "--processes", "2"]
    # uWSGI's own word for a stop that lets requests end; else SIGTERM reloads, or with --die-on-term ends brutally.
    start += ["--hook-master-start", "unix_signal:15 gracefully_kill_them_all"] if graceful else ["--die-on-term"]
    return [*start, *more]


@pytest.mark.parametrize(("way", "client_at"), [*((way, "import") for way in WAYS), ("prefork", "first")])
def test_row_43_a_graceful_stop_loses_nothing(start: Start, receiver: Receiver, way: str, client_at: str) -> None:
    host = start(uwsgi(*WAYS[way]), client_at=client_at)
    asked = Driver(host).drive(60, workers=2)
    assert receiver.stats().events == 0
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=2)
    assert "enable-threads" not in host.log
    assert host.unclean() == []


def test_row_43_the_worker_of_an_idle_process_sends_by_itself(start: Start, receiver: Receiver) -> None:
    host = start(uwsgi("--enable-threads", binary=OLD), options=SOON)
    asked = Driver(host).drive(60, workers=2)
    assert receiver.wait_for(events=60, timeout=30)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=2)
    assert host.unclean() == []


def test_row_43_with_threads_off_each_process_says_so_once_and_its_exit_still_sends(
    start: Start, receiver: Receiver
) -> None:
    host = start(uwsgi(binary=OLD), options=SOON)
    asked = Driver(host).drive(60, workers=2)
    # Nobody runs the thread while no request is served: the interval passes and something stays.
    time.sleep(1.5)
    assert receiver.stats().events < 60
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=2)
    warnings = [line for line in host.log.splitlines() if line.startswith("WARNING sluiceway")]
    assert len(warnings) == 2
    assert all("enable-threads = true" in line for line in warnings)
    assert host.unclean(but="enable-threads = true") == []


@pytest.mark.parametrize("way", ["prefork", "prefork-hooks", "lazy", "threads"])
def test_row_43_a_brutal_stop_still_runs_the_exit_of_every_idle_worker(
    start: Start, receiver: Receiver, way: str
) -> None:
    host = start(uwsgi(*WAYS[way], graceful=False))
    asked = Driver(host).drive(60, workers=2)
    # A worker that has not quite ended a request is taken for busy, and leaves without any exit hook.
    time.sleep(1)
    assert receiver.stats().events == 0
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=2)
    assert host.unclean() == []


@pytest.mark.parametrize("way", ["prefork", "prefork-hooks", "threads"])
def test_row_43_an_event_of_the_masters_is_sent_by_the_master_while_it_runs(
    start: Start, receiver: Receiver, way: str
) -> None:
    host = start(uwsgi(*WAYS[way]), imported=True, options=SOON)
    assert receiver.wait_for(events=1, timeout=30)
    asked = Driver(host).drive(60, workers=2)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=2)
    pids = [event["properties"]["pid"] for event in receiver.events if event["event"] == "Imported"]
    assert pids == [host.pid]
    assert host.unclean() == []


def test_row_43_skip_atexit_is_a_kill_and_takes_what_waits(start: Start, receiver: Receiver) -> None:
    host = start(uwsgi("--skip-atexit", "--processes", "1", graceful=False))
    driver = Driver(host)
    driver.drive(40)
    assert host.get("/flush")["pending"] == 0
    flushed = set(driver.asked.pids)
    driver.drive(40)
    assert host.stop() == 0
    assert len(flushed) == 40
    assert arrived(receiver).keys() == flushed
    assert host.unclean() == []


@pytest.mark.parametrize("way", ["prefork", "prefork-hooks", "lazy"])
def test_row_43_workers_that_are_recycled_lose_nothing(start: Start, receiver: Receiver, way: str) -> None:
    host = start(uwsgi("--max-requests", "15", "--min-worker-lifetime", "0", *WAYS[way]))
    asked = Driver(host).drive(120, workers=6)
    # A worker that uWSGI respawns while a graceful stop begins never hears of it, whatever the application.
    time.sleep(2)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=110, workers=6, unanswered=10)
    assert host.unclean() == []


@pytest.mark.parametrize("way", ["prefork", "prefork-hooks", "lazy"])
def test_row_43_a_reload_under_load_loses_nothing(start: Start, receiver: Receiver, way: str) -> None:
    host = start(uwsgi(*WAYS[way]))
    driver = Driver(host)
    with driver.driving() as asked:
        host.wait(lambda: len(asked.workers) >= 2 and len(asked.pids) >= 40)
        host.send(signal.SIGHUP)
        host.wait(lambda: len(asked.workers) >= 4)
    driver.drive(20)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=40, workers=4, unanswered=40)
    assert host.unclean() == []


def test_row_43_a_worker_killed_for_its_slowness_takes_only_its_own_events_along(
    start: Start, receiver: Receiver
) -> None:
    host = start(uwsgi("--harakiri", "2"))
    driver = Driver(host)
    before = set(driver.drive(40, workers=2).pids)
    driver.drive(1, "/stuck?n={n}")
    host.wait(lambda: not driver.asked.workers <= host.processes())
    killed = driver.asked.workers - host.processes()
    asked = driver.drive(40, workers=3)
    assert host.stop() == 0
    lost = asked.pids.keys() - arrived(receiver).keys()
    assert {asked.pids[n] for n in lost} == killed
    assert len(killed) == 1
    assert lost < before
    assert "HARAKIRI" in host.log
