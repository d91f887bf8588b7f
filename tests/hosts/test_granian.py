"""Row 42: granian and hypercorn, which start their workers with multiprocessing; stopped, reloaded, killed."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from sluiceway.testing import Receiver

from .driving import Driver, arrived, assert_nothing_lost
from .host import BIN, Host

Start = Callable[..., Host]


def granian(*more: str, workers: int = 2) -> list[str]:
    return [str(BIN / "granian"), "--port", "{port}", "--workers", str(workers), *more]


def hypercorn(*more: str, workers: int = 2) -> list[str]:
    return [str(BIN / "hypercorn"), "--bind", "127.0.0.1:{port}", "--workers", str(workers), *more]


KINDS = {
    "granian-wsgi": granian("--interface", "wsgi", "--blocking-threads", "2", "plain_wsgi:app"),
    "granian-flask": granian("--interface", "wsgi", "--runtime-mode", "mt", "flask_app:app"),
    "granian-asgi": granian("--interface", "asgi", "fastapi_app:app"),
    "granian-uvloop": granian("--interface", "asgi", "--loop", "uvloop", "fastapi_app:bare"),
    "granian-alone": granian("--interface", "wsgi", "django_app:app", workers=1),
    "hypercorn": hypercorn("fastapi_app:app"),
    "hypercorn-bare": hypercorn("-k", "uvloop", "fastapi_app:bare"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_row_42_a_graceful_stop_loses_nothing(start: Start, receiver: Receiver, kind: str) -> None:
    workers = 1 if kind == "granian-alone" else 2
    host = start(KINDS[kind], client_at="first" if "bare" in kind else "import")
    asked = Driver(host).drive(60, workers=workers)
    assert receiver.stats().events == 0
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=workers)
    assert host.unclean() == []


@pytest.mark.parametrize("kind", ["granian-wsgi", "granian-asgi"])
def test_row_42_a_reload_under_load_loses_nothing(start: Start, receiver: Receiver, kind: str) -> None:
    host = start(KINDS[kind])
    driver = Driver(host)
    with driver.driving() as asked:
        host.wait(lambda: len(asked.workers) >= 2 and len(asked.pids) >= 40)
        host.send(signal.SIGHUP)
        host.wait(lambda: len(asked.workers) >= 4)
    driver.drive(20)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=4, unanswered=20)
    assert host.unclean() == []


def test_row_42_a_killed_worker_takes_only_its_own_events_along(start: Start, receiver: Receiver) -> None:
    host = start([*KINDS["granian-wsgi"], "--respawn-failed-workers"])
    driver = Driver(host)
    driver.drive(40, workers=2)
    killed = min(driver.asked.workers)
    host.send(signal.SIGKILL, killed)
    asked = driver.drive(40, workers=3)
    assert host.stop() == 0
    lost = asked.pids.keys() - arrived(receiver).keys()
    assert lost == {n for n, pid in asked.pids.items() if pid == killed}
    assert lost
    assert len(asked.pids) - len(lost) >= 40
