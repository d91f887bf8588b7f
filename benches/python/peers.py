"""The clients under test, one adapter each: how it is set, called, emptied and drained.

Every adapter spells the public call as the package's documents do, inside its own loop, so that nobody pays for a
wrapper. Four settings:

- `idle`: whole calls, and nothing is sent meanwhile. Peers with a consumer thread get none (`thread=0`), so that even
  the wait for its lock is spared them;
- `flow`: what delivers a backlog fastest: unbounded queue or blocking, large batches, no gzip, no per-event logging;
- `backlog`: the same with room for a backlog of any size, where a bounded queue would end the measure early;
- `stock`: the package's own defaults, but for a queue that drops nothing.

benches/README.md says why for each.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from events import Call, Properties

KEY = "bench-key-0123456789"
UNBOUNDED = 0  # queue.Queue's own word for it
FOREVER_SECONDS = 3_600.0

HUGE_QUEUE: dict[str, Any] = {"max_queue_events": 1_000_000, "max_queue_bytes": 1 << 30}

# Events of one request, so chosen that every peer's request stays under its byte limit and that a round's number of
# events is a multiple of it: no peer then waits for a last batch that never fills.
BATCH_EVENTS = {"tiny": 1000, "rig": 400, "mixed": 400, "large": 50}


class Peer:
    """A client pointed at the sink."""

    imported: str
    """The import that a program needs to make this client."""
    path = ""

    def __init__(self, url: str, setting: str, kind: str = "rig") -> None:
        self.client = self.make(url + self.path, setting, BATCH_EVENTS[kind])

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
        """Throw away what is queued, unsent, and return how much it was; only for `idle`."""
        queue = self.client.queue
        held = queue.qsize()
        queue.queue.clear()
        queue.unfinished_tasks = 0
        return int(held)

    def drain(self) -> None:
        """Have everything sent; returns when it is, or, for amplitude, when it is on its way."""
        self.client.flush()

    def close(self) -> None:
        """End the client and its threads, once all is sent."""
        self.client.shutdown()


class SegmentPython(Peer):
    """segment-analytics-python."""

    imported = "from segment.analytics import Client"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from segment.analytics import Client

        if setting == "stock":
            return Client(KEY, host=url, max_queue_size=UNBOUNDED)
        client = Client(
            KEY, host=url, max_queue_size=UNBOUNDED, upload_size=batch_events, thread=0 if setting == "idle" else 1
        )
        if setting == "idle":
            client.consumers = []
        return client


class RudderPython(Peer):
    """rudder-sdk-python."""

    imported = "from rudderstack.analytics import Client"
    path = "/rudder"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from rudderstack.analytics import Client

        if setting == "stock":
            return Client(KEY, host=url, max_queue_size=UNBOUNDED, gzip=False)
        threads = 0 if setting == "idle" else 1
        client = Client(KEY, host=url, max_queue_size=UNBOUNDED, upload_size=batch_events, gzip=False, thread=threads)
        if setting == "idle":
            client.consumers = []
        return client


class PostHogPython(Peer):
    """posthog."""

    imported = "from posthog import Posthog"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from posthog import Posthog

        if setting == "stock":
            return Posthog(KEY, host=url, max_queue_size=UNBOUNDED)
        threads = 0 if setting == "idle" else 1
        return Posthog(KEY, host=url, max_queue_size=UNBOUNDED, flush_at=batch_events, thread=threads)

    def calls(self, batch: list[Call]) -> None:
        client = self.client
        for user, event, properties in batch:
            client.capture(event, distinct_id=user, properties=properties)

    def caller(self) -> Callable[[str, str, Properties], Any]:
        capture = self.client.capture
        return lambda user, event, properties: capture(event, distinct_id=user, properties=properties)

    def drain(self) -> None:
        self.client.flush(timeout_seconds=None)


class AmplitudePython(Peer):
    """amplitude-analytics. Its public call takes an event object, so making one is part of the call."""

    imported = "from amplitude import Amplitude, BaseEvent"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from amplitude import Amplitude, BaseEvent, Config
        from amplitude.constants import EventLogLevel

        self._event = BaseEvent
        config: dict[str, Any] = {"server_url": url + "/2/httpapi", "event_log_level": EventLogLevel.NONE}
        if setting in ("flow", "backlog"):
            config |= {"flush_queue_size": batch_events}
        elif setting == "idle":
            config |= {"flush_queue_size": 1_000_000_000, "flush_interval_millis": int(FOREVER_SECONDS * 1000)}
        return Amplitude(KEY, Config(**config))

    def calls(self, batch: list[Call]) -> None:
        client, event_class = self.client, self._event
        for user, event, properties in batch:
            client.track(event_class(event, user_id=user, event_properties=properties))

    def caller(self) -> Callable[[str, str, Properties], Any]:
        track, event_class = self.client.track, self._event
        return lambda user, event, properties: track(event_class(event, user_id=user, event_properties=properties))

    def forget(self) -> int:
        plugins = self.client._Amplitude__timeline.plugins
        storage = next(plugin.storage for group in plugins.values() for plugin in group if hasattr(plugin, "storage"))
        return len(storage.pull_all())

    def drain(self) -> None:
        self.client.flush()


class MixpanelPython(Peer):
    """mixpanel with its BufferedConsumer: no thread; every 50th call sends, on the caller's time."""

    imported = "from mixpanel import BufferedConsumer, Mixpanel"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from mixpanel import BufferedConsumer, Mixpanel

        self.consumer = BufferedConsumer(events_url=url + "/track", request_timeout=15)
        if setting == "idle":
            self.consumer._max_size = 1_000_000_000  # capped at 50 by its constructor
        return Mixpanel(KEY, consumer=self.consumer)

    def forget(self) -> int:
        held = len(self.consumer._buffers["events"])
        self.consumer._buffers["events"] = []
        return held

    def drain(self) -> None:
        self.consumer.flush()

    def close(self) -> None:
        self.consumer.flush()


class Sluiceway(Peer):
    """sluiceway, to Segment."""

    imported = "from sluiceway import Segment"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from sluiceway import Segment

        if setting == "stock":
            return Segment(KEY, host=url)
        if setting == "flow":
            return Segment(KEY, host=url, on_full="block")
        if setting == "backlog":
            return Segment(KEY, host=url, on_full="block", **HUGE_QUEUE)
        return Segment(
            KEY, host=url, flush_first=False, flush_at=1_000_000, flush_interval=FOREVER_SECONDS, **HUGE_QUEUE
        )

    def forget(self) -> int:
        """Deliver instead: what the calls left behind must be whole events, and the sink counts them."""
        result = self.client.flush(timeout=60)
        return int(result.delivered)

    def drain(self) -> None:
        self.client.flush(timeout=120)

    def close(self) -> None:
        self.client.close()


PEERS: dict[str, type[Peer]] = {
    "sluiceway": Sluiceway,
    "segment": SegmentPython,
    "rudderstack": RudderPython,
    "posthog": PostHogPython,
    "amplitude": AmplitudePython,
    "mixpanel": MixpanelPython,
}
THREADED = tuple(name for name in PEERS if name != "mixpanel")
"""Those that send from a thread of their own; mixpanel sends inside every 50th call."""


def importable(name: str) -> bool:
    """Say whether the peer is there at all; one that is, and fails, is a failure and is seen."""
    return importlib.util.find_spec(PEERS[name].imported.split()[1].partition(".")[0]) is not None
