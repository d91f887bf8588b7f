"""A page under watch: whatever it logs, asks for or opens that it should not is kept, and fails the test at its end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Request

# Every test module imports this one, and is skipped with it.
expect = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make test-page does it").expect
expect.set_options(timeout=15_000)

# Runs before the page's own scripts: a breach of the policy is told even where no console line would be.
_REPORT = "document.addEventListener('securitypolicyviolation', (e) => console.error('policy: ' + e.violatedDirective))"


def probe(name: str) -> str:
    """Return the function in `probes/NAME.js`, to be evaluated in the page; its first line says what it finds."""
    return (Path(__file__).parent / "probes" / f"{name}.js").read_text().strip().removesuffix(";")


class Watched:
    """One page, and the problems that were seen while it was open."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = urlsplit(origin).netloc
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._allowed: list[re.Pattern[str]] = []
        context.add_init_script(_REPORT)
        self.page = context.new_page()
        context.on("page", lambda page: self.problems.append(f"a window was opened: {page.url}"))
        context.on("request", self._asked)
        self.page.on("console", lambda line: self._said(line.type, line.text))
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("dialog", self._dialog)

    def live(self) -> None:
        expect(self.page.locator("#connection")).to_have_attribute("data-state", "live")

    def allow(self, pattern: str) -> None:
        """Take a console line that matches as expected: a server that is stopped cannot be asked quietly."""
        self._allowed.append(re.compile(pattern))

    def check(self) -> None:
        bad = [problem for problem in self.problems if not any(allowed.search(problem) for allowed in self._allowed)]
        assert not bad, "\n".join(bad)

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.problems.append(f"console {kind}: {text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)
        where = urlsplit(request.url)
        if where.scheme not in {"data", "blob"} and where.netloc != self.origin:
            self.problems.append(f"asked another host: {request.url}")

    def _dialog(self, dialog: object) -> None:
        self.problems.append("a dialog of the browser opened")
        dialog.dismiss()  # type: ignore[attr-defined]
