"""Running a program that uses an official client, and what it reports."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

from .needed import HERE, NODE, PYTHON

KEY = "key-of-a-test"
_RUNS = itertools.count(1)
_SECONDS = 55.0


def run(
    program: str,
    url: str,
    *,
    calls: int = 1_000,
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    **further: Any,
) -> dict[str, Any]:
    """Run one of the programs to its end: it makes `calls` calls with a client pointed at `url`.

    Returns what it printed: how many events its client says were `accepted`, and the `errors` it tells of.
    """
    said = {
        "url": url,
        "key": KEY,
        "calls": calls,
        "name": f"run-{next(_RUNS)}",
        "options": dict(options or {}),
        **further,
    }
    where = HERE / "programs" / ("node" if program.endswith(".mjs") else "python") / program
    done = subprocess.run(
        [NODE if program.endswith(".mjs") else PYTHON, str(where), json.dumps(said)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, "NO_PROXY": "127.0.0.1", **(environment or {})},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reported: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**reported, "name": said["name"]}
