"""What every matrix row is held to: it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .laws import Resources


@pytest.fixture
def resources() -> Iterator[Resources]:
    """R: whatever the test did, threads and descriptors are back to what they were."""
    before = Resources()
    yield before
    before.check()
