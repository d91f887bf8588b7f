"""What every matrix row is held to: it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from .laws import Resources

_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[_failed] = report.failed
    return report


@pytest.fixture
def resources(request: pytest.FixtureRequest) -> Iterator[Resources]:
    """R: whatever the test did, threads and descriptors are back to what they were."""
    before = Resources()
    yield before
    # A test that failed did not come to close its client.
    if not request.node.stash.get(_failed, False):
        before.check()
