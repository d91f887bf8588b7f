"""Rows 42 and 39: uvicorn on both loops, alone and with workers, stopped, reloaded, killed; and programs it starts."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from sluiceway.testing import Receiver

from .conftest import WAITING
from .driving import Driver, arrived, assert_nothing_lost
from .host import BIN, Host

Start = Callable[..., Host]


def uvicorn(app: str, *more: str) -> list[str]:
    return [str(BIN / "uvicorn"), "--port", "{port}", "--no-access-log", *more, app]


@pytest.mark.parametrize(("workers", "client_at"), [(1, "first"), (1, "import"), (2, "import")])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_row_42_a_lifespan_that_closes_the_client_loses_nothing(
    start: Start, receiver: Receiver, loop: str, workers: int, client_at: str
) -> None:
    host = start(uvicorn("fastapi_app:app", "--loop", loop, "--workers", str(workers)), client_at=client_at)
    asked = Driver(host).drive(60, workers=workers)
    assert receiver.stats().events == 0
    # One process raises the signal again when it is done, so that whoever watches it sees what ended it.
    assert host.stop() == (-signal.SIGTERM if workers == 1 else 0)
    assert_nothing_lost(receiver, asked, at_least=60, workers=workers)
    assert host.unclean() == []


def test_row_42_without_a_lifespan_one_process_needs_install_sigterm(start: Start, receiver: Receiver) -> None:
    host = start(uvicorn("fastapi_app:bare"), options={**WAITING, "install_sigterm": True})
    asked = Driver(host).drive(60)
    assert receiver.stats().events == 0
    assert host.stop() == 128 + signal.SIGTERM
    assert_nothing_lost(receiver, asked, at_least=60)


def test_row_42_without_either_the_signal_is_a_kill_and_takes_what_waits(start: Start, receiver: Receiver) -> None:
    host = start(uvicorn("fastapi_app:bare"))
    driver = Driver(host)
    driver.drive(40)
    assert host.get("/aflush")["pending"] == 0
    flushed = set(driver.asked.pids)
    driver.drive(40)
    assert host.stop() == -signal.SIGTERM
    assert arrived(receiver).keys() == flushed
    assert len(flushed) == 40


def test_row_42_ctrl_c_is_an_exit_like_any_other(start: Start, receiver: Receiver) -> None:
    host = start(uvicorn("fastapi_app:bare"))
    asked = Driver(host).drive(60)
    assert host.stop(signal.SIGINT) in (0, -signal.SIGINT)
    assert_nothing_lost(receiver, asked, at_least=60)


def test_row_42_workers_that_are_replaced_under_load_lose_nothing(start: Start, receiver: Receiver) -> None:
    host = start(uvicorn("fastapi_app:app", "--workers", "2"))
    driver = Driver(host)
    with driver.driving() as asked:
        host.wait(lambda: len(asked.workers) >= 2 and len(asked.pids) >= 40)
        host.send(signal.SIGHUP)
        host.wait(lambda: len(asked.workers) >= 4)
    driver.drive(20)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=40, workers=4, unanswered=20)
    assert host.unclean() == []


def test_row_42_a_killed_worker_takes_only_its_own_events_along(start: Start, receiver: Receiver) -> None:
    host = start(uvicorn("fastapi_app:app", "--workers", "2"))
    driver = Driver(host)
    driver.drive(40, workers=2)
    killed = min(driver.asked.workers)
    host.send(signal.SIGKILL, killed)
    asked = driver.drive(40, workers=3)
    assert host.stop() == 0
    there = arrived(receiver)
    lost = asked.pids.keys() - there.keys()
    assert lost == {n for n, pid in asked.pids.items() if pid == killed}
    assert len(lost) >= 1
    assert len(there) >= 40


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_row_39_a_hundred_programs_started_by_requests_leave_the_engine_at_work(
    start: Start, receiver: Receiver, loop: str
) -> None:
    host = start(uvicorn("fastapi_app:app", "--loop", loop), options={"flush_interval": 0.2})
    driver = Driver(host)
    asked = driver.drive(100, "/spawn?n={n}")
    # Sent by the worker that was there before, without a flush, a close or an exit.
    assert receiver.wait_for(events=100, timeout=30)
    driver.drive(1)
    assert receiver.wait_for(events=101, timeout=30)
    stats = host.get("/stats")
    assert (stats["accepted"], stats["balanced"]) == (101, True)
    host.stop()
    assert_nothing_lost(receiver, asked, at_least=101)
    assert host.unclean() == []
