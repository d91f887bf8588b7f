"""Row 42: gunicorn with every kind of worker; preloaded or not, recycled, reloaded, stopped, killed for taking too long."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from sluiceway.testing import Receiver

from .driving import Driver, arrived, assert_nothing_lost
from .host import BIN, Host

Start = Callable[..., Host]

KINDS = {
    "sync": ["-k", "sync", "plain_wsgi:app"],
    "gthread": ["-k", "gthread", "--threads", "4", "flask_app:app"],
    "gevent": ["-k", "gevent", "django_app:app"],
    "uvicorn": ["-k", "uvicorn.workers.UvicornWorker", "fastapi_app:bare"],
    "asgi": ["-k", "asgi", "fastapi_app:bare"],
}


def gunicorn(kind: str, *more: str, workers: int = 2) -> list[str]:
    start = [str(BIN / "gunicorn"), "--bind", "127.0.0.1:{port}", "--workers", str(workers), "--graceful-timeout", "20"]
    return [*start, *more, *KINDS[kind]]


@pytest.mark.parametrize("client_at", ["import", "first"])
@pytest.mark.parametrize("preload", [False, True], ids=["each", "preload"])
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
