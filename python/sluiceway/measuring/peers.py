"""The vendors' official Python clients, one adapter each. Imported by name: none of them is needed by sluiceway."""

# ruff: noqa: D102 - what each method does is said once, in adapter.py

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sluiceway.measuring.adapter import FOREVER_SECONDS, KEY, Adapter

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.measuring.event import Call, Properties

UNBOUNDED = 0  # queue.Queue's own word for it


class Queueing(Adapter):
    """A client that keeps its events in a `queue.Queue`."""

    def forget(self) -> int:
        queue = self.client.queue
        held = queue.qsize()
        queue.queue.clear()
        queue.unfinished_tasks = 0
        return int(held)


class SegmentPython(Queueing):
    """segment-analytics-python."""

    distribution = "segment-analytics-python"
    imported = "from segment.analytics import Client"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        client_class = import_module("segment.analytics").Client
        if setting == "stock":
            return client_class(KEY, host=url, max_queue_size=UNBOUNDED)
        client = client_class(
            KEY, host=url, max_queue_size=UNBOUNDED, upload_size=batch_events, thread=0 if setting == "idle" else 1
        )
        if setting == "idle":
            client.consumers = []
        return client


class RudderPython(Queueing):
    """rudder-sdk-python."""

    distribution = "rudder-sdk-python"
    imported = "from rudderstack.analytics import Client"
    path = "/rudder"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        client_class = import_module("rudderstack.analytics").Client
        if setting == "stock":
            return client_class(KEY, host=url, max_queue_size=UNBOUNDED)
        threads = 0 if setting == "idle" else 1
        client = client_class(
            KEY, host=url, max_queue_size=UNBOUNDED, upload_size=batch_events, gzip=False, thread=threads
        )
        if setting == "idle":
            client.consumers = []
        return client


class PostHogPython(Queueing):
    """posthog."""

    distribution = "posthog"
    imported = "from posthog import Posthog"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        posthog = import_module("posthog").Posthog
        if setting == "stock":
            return posthog(KEY, host=url, max_queue_size=UNBOUNDED)
        threads = 0 if setting == "idle" else 1
        return posthog(KEY, host=url, max_queue_size=UNBOUNDED, flush_at=batch_events, thread=threads)

    def calls(self, batch: list[Call]) -> None:
        client = self.client
        for user, event, properties in batch:
            client.capture(event, distinct_id=user, properties=properties)

    def caller(self) -> Callable[[str, str, Properties], Any]:
        capture = self.client.capture
        return lambda user, event, properties: capture(event, distinct_id=user, properties=properties)

    def drain(self) -> None:
        self.client.flush(timeout_seconds=None)


class AmplitudePython(Adapter):
    """amplitude-analytics. Its public call takes an event object, so making one is part of the call."""

    distribution = "amplitude-analytics"
    imported = "from amplitude import Amplitude, BaseEvent"
    path = "/2/httpapi"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        amplitude = import_module("amplitude")
        self._event = amplitude.BaseEvent
        quiet = import_module("amplitude.constants").EventLogLevel.NONE
        config: dict[str, Any] = {"server_url": url, "event_log_level": quiet}
        if setting in ("flow", "backlog"):
            config |= {"flush_queue_size": batch_events}
        elif setting == "idle":
            config |= {"flush_queue_size": 1_000_000_000, "flush_interval_millis": int(FOREVER_SECONDS * 1000)}
        return amplitude.Amplitude(KEY, amplitude.Config(**config))

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


PEERS: dict[str, type[Adapter]] = {
    "segment-analytics-python": SegmentPython,
    "rudder-sdk-python": RudderPython,
    "posthog": PostHogPython,
    "amplitude-analytics": AmplitudePython,
}
