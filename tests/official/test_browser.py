"""The vendors' scripts in a browser, on a page of another origin: preflights, text/plain, gzip and beacons arrive."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from .needed import HERE, needs_node
from .page import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed here")
pytestmark = [needs_node, pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed here")]

SPEC = ["Docs", "identify", "Item Purchased", "group", "alias"]
# What each page sends, by the name or the type that it is shown under.
SENDS: list[tuple[str, list[str]]] = [
    ("segment.html", SPEC),
    ("segment.html?batch", SPEC),
    ("rudderstack.html", SPEC),
    ("rudderstack.html?beacon", SPEC),
    ("posthog.html", ["$identify", "Item Purchased", "$groupidentify", "$create_alias", "by beacon"]),
    ("posthog.html?plain", ["$identify", "Item Purchased", "$groupidentify", "$create_alias", "by beacon"]),
    ("amplitude.html", ["Item Purchased", "$identify", "$identify", "revenue_amount"]),
    ("amplitude.html?gzip", ["Item Purchased", "$identify", "$identify", "revenue_amount"]),
    ("amplitude.html?beacon", ["Item Purchased", "$identify", "$identify", "revenue_amount"]),
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the pages, and the packages that they load, as another program on the machine does."""

    def translate_path(self, path: str) -> str:
        below = path.partition("?")[0]
        return str(HERE / ("" if below.startswith("/node_modules/") else "programs/browser")) + below

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(HERE)))
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    serving.join(10)
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.mark.parametrize(("name", "expected"), SENDS)
def test_a_page_of_another_origin(page: Page, site: str, browser: Any, name: str, expected: list[str]) -> None:
    vendor = name.partition(".")[0]
    tab = browser.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    # The browser takes note of every answer that it may not read, and of every request that fails.
    tab.on(
        "console", lambda said: errors.append(said.text) if said.type == "error" and "404" not in said.text else None
    )
    tab.goto(f"{site}/{name}#{page.url}")
    if name == "rudderstack.html?beacon":
        tab.wait_for_function("document.title === 'ready'", timeout=30_000)
        tab.goto("about:blank")  # it is sent when the page is left

    def shown() -> list[str]:
        tab.wait_for_timeout(50)  # the browser's own loop runs in here
        return [row["event"] if vendor in ("posthog", "amplitude") else row["type"] for row in page.rows()]

    assert page.wait_for(lambda: len(shown()) >= len(expected)), (shown(), errors)
    rows = page.rows()
    tab.close()
    assert errors == []
    assert page.violations() == []
    assert {row["vendor"] for row in rows} == {vendor}
    told = [text for row in rows for text in (row["event"], row["type"])]
    assert set(expected) <= set(told)
    assert len({row["id"] for row in rows}) == len(rows)
