"""What is done for hosts, where they are absent or stand in for themselves; `make test-hosts` has the real ones."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from sluiceway import Segment, hosting
from sluiceway.notices import Voice


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("uwsgi")
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    monkeypatch.setattr(hosting, "_warned_in", None)
    return module


def warned(caplog: pytest.LogCaptureFixture) -> int:
    return sum("enable-threads" in record.getMessage() for record in caplog.records)


def test_row_43_resting_threads_are_told_of_once_in_each_process(
    uwsgi: ModuleType, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    uwsgi.has_threads = 0  # type: ignore[attr-defined]
    for _ in range(3):
        hosting.warn_if_threads_rest(Voice())
    assert warned(caplog) == 1
    monkeypatch.setattr(hosting, "_warned_in", os.getpid() + 1)  # as a child finds it
    hosting.warn_if_threads_rest(Voice())
    assert warned(caplog) == 2


def test_what_tls_needs_is_loaded_by_the_constructor_under_uwsgi_alone(
    uwsgi: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "hashlib")
    Segment("key", enable=False).close()
    assert "hashlib" in sys.modules
    monkeypatch.delitem(sys.modules, "hashlib")
    monkeypatch.delitem(sys.modules, "uwsgi")
    Segment("key", enable=False).close()
    assert "hashlib" not in sys.modules


@pytest.mark.parametrize("has_threads", [1, None], ids=["on", "unsaid"])
def test_row_43_running_threads_are_not_spoken_of(
    uwsgi: ModuleType, caplog: pytest.LogCaptureFixture, has_threads: int | None
) -> None:
    if has_threads is not None:
        uwsgi.has_threads = has_threads  # type: ignore[attr-defined]
    hosting.warn_if_threads_rest(Voice())
    assert warned(caplog) == 0


def test_row_43_a_client_that_asks_for_silence_gets_it(uwsgi: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    uwsgi.has_threads = 0  # type: ignore[attr-defined]
    hosting.warn_if_threads_rest(Voice(logging.ERROR))
    assert warned(caplog) == 0


@pytest.fixture
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def shut_down(monkeypatch: pytest.MonkeyPatch, said: list[object]) -> None:
    """Connect to a Celery of the test's own, and end as one of its pool processes does."""
    shutdown = ModuleType("celery.signals.worker_process_shutdown")
    celery = ModuleType("celery.signals")
    celery.worker_process_shutdown = shutdown  # type: ignore[attr-defined]
    receivers = []
    shutdown.connect = lambda receiver, **_: receivers.append(receiver)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "celery.signals", celery)
    hosting.at_exit(lambda: said.append("left"))
    for receiver in receivers:
        receiver(sender="host", pid=os.getpid(), exitcode=0)


def billiard(monkeypatch: pytest.MonkeyPatch, said: list[object], number: int) -> ModuleType:
    util = ModuleType("billiard.util")
    util.get_pdeathsig = lambda: number  # type: ignore[attr-defined]
    util.set_pdeathsig = said.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "billiard.util", util)
    return util


@pytest.mark.usefixtures("sigterm")
@pytest.mark.parametrize(("number", "expected"), [(9, [0, "left", 9]), (0, ["left"])], ids=["asked", "not asked"])
def test_row_44_the_death_of_a_parent_waits_until_all_is_sent(
    monkeypatch: pytest.MonkeyPatch, number: int, expected: list[object]
) -> None:
    said: list[object] = []
    billiard(monkeypatch, said, number)
    shut_down(monkeypatch, said)
    assert said == expected


@pytest.mark.usefixtures("sigterm")
def test_row_44_a_system_that_knows_no_such_signal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> int:
        raise OSError

    said: list[object] = []
    billiard(monkeypatch, said, 9).get_pdeathsig = unknown  # type: ignore[attr-defined]
    shut_down(monkeypatch, said)
    assert said == ["left"]


@pytest.mark.usefixtures("sigterm")
def test_row_44_a_sigterm_after_the_exit_kills_no_holder_of_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "billiard.util", raising=False)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    shut_down(monkeypatch, [])
    os.kill(os.getpid(), signal.SIGTERM)  # would end the tests


@pytest.mark.usefixtures("sigterm")
def test_row_44_a_handler_of_the_programs_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "billiard.util", raising=False)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    shut_down(monkeypatch, [])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
