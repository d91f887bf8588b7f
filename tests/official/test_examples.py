"""The five-line scripts of examples/dev: what each sends is on the page within a second."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .needed import HERE, NODE, PYTHON, REPOSITORY, needs_node
from .page import VENDORS, Page

SCRIPTS = sorted((REPOSITORY / "examples" / "dev").glob("*.*"))
# Ten times what was measured on a busy machine; docs/official-clients.md has the figures themselves.
SECONDS = 10.0
_ENDS_SECONDS = 40.0


@pytest.fixture
def live(page: Page) -> Iterator[queue.SimpleQueue[tuple[float, dict[str, Any]]]]:
    """What the page is told live: when, and the row."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        for name, said in page.stream():
            now = time.time()
            if name == "hello":
                told.put(None)
            for row in said["events"] if name == "rows" else ():
                told.put((now, row))
                if row["event"] == "last":
                    return

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    assert told.get(timeout=SECONDS) is None
    yield told
    _say_last(page)
    listening.join(SECONDS)
    assert not listening.is_alive()


def _say_last(page: Page) -> None:
    import urllib.request

    body = b'{"api_key": "k", "event": "last", "distinct_id": "nobody"}'
    urllib.request.urlopen(f"{page.url}/posthog/capture/", data=body, timeout=SECONDS).close()


def command(script: Path, beside: Path) -> list[str]:
    if script.suffix != ".mjs":
        return [sys.executable if script.stem == "ours" else PYTHON, str(script)]
    # An import looks for packages where the script is and above.
    copy = beside / script.name
    copy.write_bytes(script.read_bytes())
    (beside / "node_modules").symlink_to(HERE / "node_modules")
    return [NODE, str(copy)]


@pytest.mark.parametrize(
    "script", [pytest.param(path, marks=needs_node if path.suffix == ".mjs" else (), id=path.name) for path in SCRIPTS]
)
def test_it_appears_on_the_page(page: Page, live: queue.SimpleQueue[Any], script: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "SLUICEWAY_DEV": page.url, "NO_PROXY": "127.0.0.1"}
    began = time.time()
    with subprocess.Popen(command(script, tmp_path), env=environment, stderr=subprocess.PIPE) as running:
        expected = list(VENDORS) if script.stem == "ours" else [script.stem.partition("_")[0]]
        seen = [live.get(timeout=SECONDS + 10) for _ in expected]
        if script.stem.startswith("amplitude"):
            running.terminate()  # Amplitude's clients hold a process for their flush interval of ten seconds
        running.communicate(timeout=_ENDS_SECONDS)
    ended = time.time()
    assert running.returncode == 0 or script.stem.startswith("amplitude")
    rows = [row for _, row in seen]
    assert sorted(row["vendor"] for row in rows) == sorted(expected)
    assert {row["verdict"] for row in rows} == {"delivered"}
    assert {row["event"] for row in rows} == {"Item Purchased"}
    after = max(now - row["received"] for now, row in seen)
    assert after < SECONDS
    print(f"{script.name}: shown {max(now for now, _ in seen) - began:.2f} s after the start of the script, "
          f"{after:.3f} s after the request arrived; the script ended after {ended - began:.2f} s")  # fmt: skip
