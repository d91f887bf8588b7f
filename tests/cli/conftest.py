"""An environment in which nothing changes what a client does."""

from __future__ import annotations

import os

import pytest

from .running import bare_environment


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the machine's own environment says to clients."""
    kept = bare_environment()
    for name in set(os.environ) - set(kept):
        monkeypatch.delenv(name)
