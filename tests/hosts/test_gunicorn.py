"""Row 42: gunicorn with each kind of worker; preloaded or not, recycled, reloaded, stopped, killed for its slowness."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from sluiceway.testing import Receiver

from .conftest import WAITING
from .driving import Driver, arrived, assert_nothing_lost
from .host import BIN, Host

Start = Callable[..., Host]

KINDS = {
    "sync": ["-k", "sync", "plain_wsgi:app"],
    "gthread": ["-k", "gthread", "--threads", "4", "flask_app:app"],
    "gevent": ["-k", "gevent", "django_app:app"],
    "uvicorn": ["-k", "uvicorn.workers.UvicornWorker", "fastapi_app:app"],
    "asgi": ["-k", "asgi", "fastapi_app:bare"],
}


def gunicorn(kind: str, *more: str, workers: int = 2) -> list[str]:
    start = [str(BIN / "gunicorn"), "--bind", "127.0.0.1:{port}", "--workers", str(workers), "--graceful-timeout", "20"]
    return [*start, *more, *KINDS[kind]]


@pytest.mark.parametrize(
    ("preload", "client_at"),
    [(False, "import"), (True, "import"), (True, "first")],
    ids=["each", "preload", "preload-first"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_row_42_a_graceful_stop_loses_nothing(
    start: Start, receiver: Receiver, kind: str, preload: bool, client_at: str
) -> None:
    imported = client_at == "import"
    host = start(gunicorn(kind, *["--preload"] * preload), client_at=client_at, imported=imported)
    asked = Driver(host).drive(60, workers=2)
    assert receiver.stats().events == 0  # all of it waits for the end
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=2)
    if imported:
        # Preloaded, it was taken once, before the fork, and is the master's to send.
        pids = [event["properties"]["pid"] for event in receiver.events if event["event"] == "Imported"]
        assert set(pids) == {host.pid} if preload else asked.workers <= set(pids)
        assert len(pids) == len(set(pids))
    assert host.unclean() == []


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["int", "quit"])
def test_row_42_a_quick_stop_loses_nothing_either(
    start: Start, receiver: Receiver, kind: str, number: signal.Signals
) -> None:
    host = start(gunicorn(kind))
    asked = Driver(host).drive(60, workers=2)
    assert receiver.stats().events == 0
    assert host.stop(number) == 0
    assert_nothing_lost(receiver, asked, at_least=60, workers=2)
    assert host.unclean() == []


# What has no lifespan of its own: nothing runs when the server ends.
BARE = [*KINDS["uvicorn"][:2], "fastapi_app:bare"]


@pytest.mark.parametrize("asked_for", [False, True], ids=["default", "install_sigterm"])
def test_row_42_a_uvicorn_worker_ends_by_its_own_sigterm_which_install_sigterm_makes_an_exit(
    start: Start, receiver: Receiver, asked_for: bool
) -> None:
    host = start([*gunicorn("uvicorn")[:-3], *BARE], options={**WAITING, "install_sigterm": asked_for})
    asked = Driver(host).drive(60, workers=2)
    assert host.stop() == 0
    if asked_for:
        assert_nothing_lost(receiver, asked, at_least=60, workers=2)
    else:
        # The worker raises the signal again when it is done, and its default action is what G4 allows to lose.
        assert arrived(receiver) == {}
    assert host.unclean() == []


@pytest.mark.parametrize("kind", KINDS)
def test_row_42_workers_that_are_recycled_lose_nothing(start: Start, receiver: Receiver, kind: str) -> None:
    host = start(gunicorn(kind, "--max-requests", "10", "--preload"))
    driver = Driver(host)
    asked = driver.drive(100, workers=6)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=90, workers=6, unanswered=10)
    assert host.unclean() == []


@pytest.mark.parametrize("preload", [False, True], ids=["each", "preload"])
@pytest.mark.parametrize("kind", KINDS)
def test_row_42_a_reload_under_load_loses_nothing(start: Start, receiver: Receiver, kind: str, preload: bool) -> None:
    host = start(gunicorn(kind, *["--preload"] * preload))
    driver = Driver(host)
    with driver.driving() as asked:
        host.wait(lambda: len(asked.workers) >= 2 and len(asked.pids) >= 40)
        host.send(signal.SIGHUP)
        host.wait(lambda: len(asked.workers) >= 4)
    driver.drive(20)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=40, workers=4, unanswered=20)
    assert host.unclean() == []


@pytest.mark.parametrize("kind", KINDS)
def test_row_42_a_worker_killed_for_its_slowness_takes_only_its_own_events_along(
    start: Start, receiver: Receiver, kind: str
) -> None:
    host = start(gunicorn(kind, "--timeout", "2", "--preload"))
    driver = Driver(host)
    before = set(driver.drive(40, workers=2).pids)
    driver.drive(1, "/stuck?n={n}")
    host.wait(lambda: not driver.asked.workers <= host.processes())
    killed = driver.asked.workers - host.processes()
    driver.drive(40, workers=3)
    assert host.stop() == 0
    there = arrived(receiver)
    asked = driver.asked
    assert len(killed) == 1
    assert len(asked.pids) >= 80
    assert asked.refused == []
    lost = asked.pids.keys() - there.keys()
    assert {asked.pids[n] for n in lost} <= killed
    assert lost <= before  # of what came after, nothing
    assert there.keys() <= asked.pids.keys() | set(asked.unknown)
    assert "WORKER TIMEOUT" in host.log
    assert host.unclean(but="was sent SIGKILL|was sent SIGABRT") == []


def test_row_42_a_sleeper_that_hears_the_timeout_sends_what_it_has(start: Start, receiver: Receiver) -> None:
    host = start(gunicorn("sync", "--timeout", "2"))
    driver = Driver(host)
    driver.drive(40, workers=2)
    driver.drive(1, "/slow?n={n}&seconds=600")
    host.wait(lambda: not driver.asked.workers <= host.processes())
    asked = driver.drive(40, workers=3)
    assert host.stop() == 0
    assert_nothing_lost(receiver, asked, at_least=80, workers=3, unanswered=1)
    assert "WORKER TIMEOUT" in host.log
