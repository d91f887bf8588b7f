"""What every app of these tests does: a client made at import or at first use, and a few pages that use it.

The environment says what to build: RECEIVER (where to), CLIENT_AT (import or first), OPTIONS (JSON), and IMPORTED=1 for
an event that is taken while the app is imported, so before a preloading host forks.
"""

from __future__ import annotations

import collections
import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from typing import Any

from sluiceway import Segment

logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")

_client: Segment | None = None
_making = threading.Lock()


def client() -> Segment:
    """The program's client, made at the first call in whichever process that is."""
    global _client  # noqa: PLW0603  (as programs do it)
    with _making:
        if _client is None:
            options = json.loads(os.environ.get("OPTIONS", "{}"))
            _client = Segment("a-write-key-of-tests", host=os.environ["RECEIVER"], **options)
    return _client


def answer(path: str, query: dict[str, str]) -> dict[str, Any]:
    """One request's answer. `n` numbers the requests, so that each event can be told from every other."""
    said: dict[str, Any] = {"pid": os.getpid(), "accepted": None}
    if path in ("/track", "/slow"):
        said["accepted"] = track(int(query["n"]))
    if path == "/slow":
        time.sleep(float(query["seconds"]))
    elif path == "/stuck":
        collections.deque(
            itertools.repeat(0), maxlen=0
        )  # without end, in C, deaf to signals, and never without the GIL
    elif path == "/die":
        os.kill(os.getpid(), int(query["signal"]))
        time.sleep(30)
    elif path == "/flush":
        said["pending"] = client().flush(10).pending
    elif path == "/run":
        said["code"] = subprocess.run(["true"], check=False).returncode
    elif path == "/stats":
        stats = client().stats()
        said.update(accepted=stats.accepted, delivered=stats.delivered, balanced=stats.balanced)
    return said


def track(n: int) -> bool:
    """Take the event of one request."""
    return client().track("user-1", "Request", {"n": n, "pid": os.getpid()})


if os.environ.get("CLIENT_AT") == "import":
    client()
if os.environ.get("IMPORTED"):
    client().track("user-1", "Imported", {"pid": os.getpid()})
