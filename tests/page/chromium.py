"""Where Debian's Chromium is, and how it is told to stay at home."""

from __future__ import annotations

import shutil
from pathlib import Path

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def find_chromium() -> str | None:
    """Return the path of the system's Chromium, None where there is none. Never one that Playwright would fetch."""
    for name in ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None and Path(found).exists():
            return found
    return None
