"""The pytest plugin: what clients send is captured, or goes to a strict server of the test's own.

pytest loads this for every project that has sluiceway installed, so it imports nothing before a fixture is used.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

    from sluiceway.testing.collection import CapturedEvents
    from sluiceway.testing.guarding import StrictServer
    from sluiceway.testing.kit_options import KitOptions
    from sluiceway.testing.stamps import Clock, Ids

_OPTIONS = ("allow_violations", "freeze", "ids", "strict", "vendor")
_MARKER = "sluiceway({}): options of the fixtures of sluiceway, for one test".format(
    ", ".join(f"{name}=…" for name in _OPTIONS)
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def sluiceway_options() -> KitOptions:
    """Options for all tests below the place where you define a fixture of this name; a marker overrides them.

    A dict with entries of `sluiceway.testing.KitOptions`.
    """
    return {}


@pytest.fixture
def sluiceway_events(request: pytest.FixtureRequest, sluiceway_options: KitOptions) -> Iterator[CapturedEvents]:
    """Everything that any client of this process sends during the test, in order, right after each call.

    No thread, no socket, no file; flush is not needed. See `sluiceway.testing.capture`.
    """
    from sluiceway.testing.captor import capture

    options = _options(request, sluiceway_options)
    with capture(strict=options.get("strict"), freeze=options.get("freeze"), ids=options.get("ids", False)) as events:
        yield events


@pytest.fixture
def sluiceway_clock(sluiceway_events: CapturedEvents, sluiceway_options: KitOptions) -> Clock:
    """A clock that stands still, at 2026-01-01T00:00:00Z unless the options say otherwise, until the test moves it."""
    clock = sluiceway_events.clock
    return sluiceway_events.freeze() if clock is None else clock


@pytest.fixture
def sluiceway_ids(sluiceway_events: CapturedEvents) -> Ids:
    """Ids that are the same in each run: events without an id of their own get UUIDs by number, from 1."""
    return sluiceway_events.number_ids()


@pytest.fixture
def sluiceway_server(request: pytest.FixtureRequest, sluiceway_options: KitOptions) -> Iterator[StrictServer]:
    """A real HTTP server on 127.0.0.1 that stands in for the vendor: give ``sluiceway_server.url`` to a client as host.

    After the test it fails the test for each thing that a strict vendor would object to.
    """
    from sluiceway.testing.captor import spare, spare_no_more
    from sluiceway.testing.guarding import StrictServer

    options = _options(request, sluiceway_options)
    server = StrictServer(vendor=options.get("vendor"), allow_violations=options.get("allow_violations", False))
    spare(server.port)
    try:
        yield server
    finally:
        spare_no_more(server.port)
        server.close()
    if problem := server.problem():
        pytest.fail(problem, pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Show what was captured with a test that fails."""
    outcome = yield
    events = getattr(item, "funcargs", {}).get("sluiceway_events")
    if events is None:
        return
    report = outcome.get_result()
    told = call.excinfo is not None and hasattr(call.excinfo.value, "tells_what_was_sent")
    if report.when == "call" and report.failed and not told:
        report.sections.append(("what sluiceway captured", str(events)))


def _options(request: pytest.FixtureRequest, options: KitOptions) -> KitOptions:
    """The options of a test: the fixture's, then those of its markers, the nearest last. Raises UsageError."""
    told: dict[str, Any] = dict(options)
    for marker in reversed(list(request.node.iter_markers("sluiceway"))):
        if marker.args:
            raise pytest.UsageError("the marker sluiceway takes its options by name")
        told.update(marker.kwargs)
    unknown = sorted(set(told) - set(_OPTIONS))
    if unknown:
        raise pytest.UsageError(f"{unknown[0]!r} is not an option of the fixtures: those are {', '.join(_OPTIONS)}")
    return told  # type: ignore[return-value]
