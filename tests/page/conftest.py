"""What each test of the page has: a server of its own, clients, and a browser that is watched meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway import Amplitude, PostHog, RudderStack, Segment
from sluiceway.client import Client

from .chromium import ARGUMENTS, find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from sluiceway.devserver import DevServer

    from .watching import Watched

ROOMY = {"width": 1280, "height": 800}


# Of this folder only: while Playwright runs, the main thread has an event loop, which asyncio's own tests would meet.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here; what belongs to a test is its context."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: make test-page does it"
    )
    path = find_chromium()
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or make test-page as root")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def server() -> Iterator[DevServer]:
    pytest.importorskip("uvicorn", reason="sluiceway[dev] is not installed")
    from sluiceway.devserver import DevServer

    with DevServer(port=0) as server:
        yield server


@pytest.fixture
def client(server: DevServer) -> Iterator[Callable[..., Any]]:
    """`client("segment")`: one of ours, pointed at the server as the page says; closed with the test."""
    with contextlib.ExitStack() as made:

        def client(vendor: str, url: str = "", **options: Any) -> Client:
            url = url or server.url
            options = {"flush_interval": 0.05, "exit_timeout": 1} | options
            one: Client
            if vendor == "segment":
                one = Segment("dev", host=f"{url}/segment", **options)
            elif vendor == "rudderstack":
                one = RudderStack("dev", f"{url}/rudderstack", **options)
            elif vendor == "posthog":
                one = PostHog("phc_dev", host=f"{url}/posthog", **options)
            else:
                options.pop("flush_interval")
                one = Amplitude("dev", server_url=f"{url}/amplitude/2/httpapi", **options)
            made.callback(one.close, timeout=5)
            return one

        yield client


@pytest.fixture
def watch(browser: Browser, server: DevServer) -> Iterator[Callable[..., Watched]]:
    """`watch()`: the page, opened; at the end it must not have said or asked for anything that it should not."""
    from .watching import Watched

    with contextlib.ExitStack() as opened:

        def watch(at: str = "", **context: Any) -> Watched:
            made = browser.new_context(**({"viewport": ROOMY} | context))
            opened.callback(made.close)
            made.set_default_timeout(15_000)
            watched = Watched(made, server.url)
            opened.callback(watched.check)
            watched.page.goto(server.page + at)
            return watched

        yield watch


@pytest.fixture
def page(watch: Callable[..., Watched]) -> Any:
    """The page itself, opened and live."""
    watched = watch()
    watched.live()
    return watched.page
