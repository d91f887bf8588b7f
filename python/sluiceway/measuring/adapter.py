"""What every client under test is to the measures: how it is set, called, emptied and drained.

Each adapter spells the public call as the package's documents do, inside its own loop, so that nobody pays for a
wrapper. Four settings:

- `idle`: whole calls, and nothing is sent meanwhile. Peers with a consumer thread get none (`thread=0`), so that even
  the wait for its lock is spared them;
- `flow`: what delivers a backlog fastest: unbounded queue or blocking, large batches, no gzip, no per-event logging;
- `backlog`: the same with room for a backlog of any size, where a bounded queue would end the measure early;
- `stock`: the package's own defaults, gzip included, but for a queue that drops nothing.

benches/README.md says why for each, and measures with the same adapters.
"""

from __future__ import annotations

import importlib.util
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.measuring.event import Call, Properties

KEY = "bench-key-0123456789"
FOREVER_SECONDS = 3_600.0

BATCH_EVENTS = 400
"""Events of one request where nothing else is said: of those that were tried, the best for every peer."""


class Adapter:
    """A client pointed at the sink."""

    imported: str
    """The import that a program needs to make this client."""
    distribution = "sluiceway"
    """What is to be installed for it."""
    path = ""
    """Where below the sink's address it is pointed."""
    ours = False
    threaded = True
    """Whether it sends from a thread of its own, and not inside a call."""

    def __init__(self, url: str, setting: str, batch_events: int = BATCH_EVENTS) -> None:
        """Make the client; `batch_events` is how many events a peer is told to put into a request in `flow`."""
        self.client = self.make(url + self.path, setting, batch_events)

    @classmethod
    def importable(cls) -> bool:
        """Say whether the package is there at all; one that is, and fails, is a failure and is seen."""
        return importlib.util.find_spec(cls.imported.split()[1].partition(".")[0]) is not None

    @classmethod
    def version(cls) -> str:
        """Return the release that is installed; "" for none."""
        try:
            return metadata.version(cls.distribution)
        except metadata.PackageNotFoundError:
            return ""

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        """Return the client, configured."""
        raise NotImplementedError

    def calls(self, batch: list[Call]) -> None:
        """Make the calls, as a user writes them."""
        client = self.client
        for user, event, properties in batch:
            client.track(user, event, properties)

    def caller(self) -> Callable[[str, str, Properties], Any]:
        """Return what makes one call: the client's own method wherever its arguments allow it."""
        track: Callable[[str, str, Properties], Any] = self.client.track
        return track

    def forget(self) -> int:
        """Get rid of what is queued and return how much it was; only for `idle`."""
        raise NotImplementedError

    def drain(self) -> None:
        """Have everything sent; returns when it is, or, for amplitude-analytics, when it is on its way."""
        self.client.flush()

    def close(self) -> None:
        """End the client and its threads, once all is sent."""
        self.client.shutdown()
