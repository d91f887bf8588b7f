"""sluiceway's clients, one adapter each, and one more for Amplitude's second way to say the same."""

# ruff: noqa: D102 - what each method does is said once, in adapter.py

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.measuring.adapter import FOREVER_SECONDS, KEY, Adapter

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.measuring.event import Call, Properties

HUGE_QUEUE: dict[str, Any] = {"max_queue_events": 2_000_000, "max_queue_bytes": 1 << 30}
UNREACHED: dict[str, Any] = {"flush_first": False, "flush_at": 1_000_000, "flush_interval": FOREVER_SECONDS}
PLAIN: dict[str, Any] = {"gzip": False}
SETTINGS: dict[str, dict[str, Any]] = {
    "idle": UNREACHED | HUGE_QUEUE | PLAIN,
    "flow": {"on_full": "block"} | PLAIN,
    "backlog": {"on_full": "block"} | HUGE_QUEUE | PLAIN,
    "stock": {},
}


class Sluiceway(Adapter):
    """What all of them have in common."""

    ours = True

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        return self.open(url, SETTINGS[setting])

    def open(self, url: str, options: dict[str, Any]) -> Any:
        """Return the client of one vendor."""
        raise NotImplementedError

    def forget(self) -> int:
        """Deliver instead: what the calls left behind must be whole events, and the sink counts them."""
        result = self.client.flush(timeout=60)
        return int(result.delivered)

    def drain(self) -> None:
        self.client.flush(timeout=120)

    def close(self) -> None:
        self.client.close()


class OurSegment(Sluiceway):
    """`Segment.track`."""

    imported = "from sluiceway import Segment"

    def open(self, url: str, options: dict[str, Any]) -> Any:
        from sluiceway import Segment

        return Segment(KEY, host=url, **options)


class OurRudderStack(Sluiceway):
    """`RudderStack.track`."""

    imported = "from sluiceway import RudderStack"
    path = "/rudder"

    def open(self, url: str, options: dict[str, Any]) -> Any:
        from sluiceway import RudderStack

        return RudderStack(KEY, url, **options)


class OurPostHog(Sluiceway):
    """`PostHog.capture`."""

    imported = "from sluiceway import PostHog"

    def open(self, url: str, options: dict[str, Any]) -> Any:
        from sluiceway import PostHog

        return PostHog(KEY, host=url, **options)

    def calls(self, batch: list[Call]) -> None:
        client = self.client
        for user, event, properties in batch:
            client.capture(event, distinct_id=user, properties=properties)

    def caller(self) -> Callable[[str, str, Properties], Any]:
        capture = self.client.capture
        return lambda user, event, properties: capture(event, distinct_id=user, properties=properties)


class OurAmplitude(Sluiceway):
    """`Amplitude.track`."""

    imported = "from sluiceway import Amplitude"
    path = "/2/httpapi"

    def open(self, url: str, options: dict[str, Any]) -> Any:
        from sluiceway import Amplitude

        return Amplitude(KEY, server_url=url, **options)

    def calls(self, batch: list[Call]) -> None:
        client = self.client
        for user, event, properties in batch:
            client.track(event, user_id=user, event_properties=properties)

    def caller(self) -> Callable[[str, str, Properties], Any]:
        track = self.client.track
        return lambda user, event, properties: track(event, user_id=user, event_properties=properties)


class OurLogEvent(OurAmplitude):
    """`Amplitude.log_event`, which takes the whole event as a dict: making that is part of the call."""

    def calls(self, batch: list[Call]) -> None:
        client = self.client
        for user, event, properties in batch:
            client.log_event({"event_type": event, "user_id": user, "event_properties": properties})

    def caller(self) -> Callable[[str, str, Properties], Any]:
        log_event = self.client.log_event
        return lambda user, event, properties: log_event(
            {"event_type": event, "user_id": user, "event_properties": properties}
        )


OURS: dict[str, type[Adapter]] = {
    "sluiceway.Segment": OurSegment,
    "sluiceway.RudderStack": OurRudderStack,
    "sluiceway.PostHog": OurPostHog,
    "sluiceway.Amplitude": OurAmplitude,
    "sluiceway.Amplitude.log_event": OurLogEvent,
}
