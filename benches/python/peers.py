"""The other packages, one adapter each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter import FOREVER_SECONDS, KEY, Adapter

if TYPE_CHECKING:
    from collections.abc import Callable

    from events import Call, Properties

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


class RudderPython(Queueing):
    """rudder-sdk-python."""

    imported = "from rudderstack.analytics import Client"
    path = "/rudder"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from rudderstack.analytics import Client

        if setting == "stock":
            return Client(KEY, host=url, max_queue_size=UNBOUNDED)
        threads = 0 if setting == "idle" else 1
        client = Client(KEY, host=url, max_queue_size=UNBOUNDED, upload_size=batch_events, gzip=False, thread=threads)
        if setting == "idle":
            client.consumers = []
        return client


class PostHogPython(Queueing):
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


class AmplitudePython(Adapter):
    """amplitude-analytics. Its public call takes an event object, so making one is part of the call."""

    imported = "from amplitude import Amplitude, BaseEvent"
    path = "/2/httpapi"

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from amplitude import Amplitude, BaseEvent, Config
        from amplitude.constants import EventLogLevel

        self._event = BaseEvent
        config: dict[str, Any] = {"server_url": url, "event_log_level": EventLogLevel.NONE}
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


class MixpanelPython(Adapter):
    """mixpanel with its BufferedConsumer: no thread; every 50th call sends, on the caller's time."""

    imported = "from mixpanel import BufferedConsumer, Mixpanel"
    threaded = False

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


PEERS: dict[str, type[Adapter]] = {
    "segment-analytics-python": SegmentPython,
    "rudder-sdk-python": RudderPython,
    "posthog": PostHogPython,
    "amplitude-analytics": AmplitudePython,
    "mixpanel": MixpanelPython,
}
