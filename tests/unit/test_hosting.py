"""What is done for hosts, where they are absent or stand in for themselves; `make test-hosts` has the real ones."""

from __future__ import annotations

import logging
import os
import sys
from types import ModuleType

import pytest

from sluiceway import hosting
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
