"""For every test: who leaves a client at work fails, not the tests after it that see its threads and log lines."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest

# For tests of the testing kit; pytest takes this from here only.
pytest_plugins = ["pytester"]

# What a client that was closed, or that nobody holds any more, may take to end.
_PATIENCE_SECONDS = 10.0


def _at_work() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("sluiceway-")}


@pytest.fixture(autouse=True)
def _no_client_is_left_at_work() -> Iterator[None]:
    before = _at_work()
    yield
    if not _at_work() - before:
        return
    # A client that nobody holds any more may be part of a circle.
    gc.collect()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while left := {thread.name for thread in _at_work() - before}:
        if time.monotonic() >= deadline:
            pytest.fail(f"threads are left: {', '.join(sorted(left))}")
        time.sleep(0.005)
