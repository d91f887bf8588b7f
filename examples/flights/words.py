"""One departure in the words of each vendor: who it was, what happened, when, and where the details go.

An aircraft is known by its tail number and is the user. Where the tail number is missing, only the flight is known, by
its carrier and number, and each vendor has its own word for somebody whom one cannot name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from flights.rows import Departure
from sluiceway import Amplitude, PostHog, RudderStack, Segment

EVENT = "Flight Departed"
KEY = "demo-write-key"

AnyClient: TypeAlias = "Segment | RudderStack | PostHog | Amplitude"


class Speaker(NamedTuple):
    """A client that waits when its queue is full, and how it is told of some departures."""

    client: AnyClient
    say: Callable[[list[Departure]], None]


def segment(url: str) -> Speaker:
    """Speak to Segment: an anonymous id stands for whom one cannot name."""
    client = Segment(KEY, host=url, on_full="block")

    def say(departures: list[Departure]) -> None:
        for tail, flight, properties, moment in departures:
            client.track(tail, EVENT, properties, timestamp=moment, anonymous_id=flight)

    return Speaker(client, say)


def rudderstack(url: str) -> Speaker:
    """Speak to RudderStack, as to Segment."""
    client = RudderStack(KEY, url, on_full="block")

    def say(departures: list[Departure]) -> None:
        for tail, flight, properties, moment in departures:
            client.track(tail, EVENT, properties, timestamp=moment, anonymous_id=flight)

    return Speaker(client, say)


def posthog(url: str) -> Speaker:
    """Speak to PostHog: everybody has a distinct id, and an event says whether there is a person behind it."""
    client = PostHog(KEY, host=url, on_full="block", historical_migration=True)

    def say(departures: list[Departure]) -> None:
        for tail, flight, properties, moment in departures:
            if tail is None:
                nobody = {**properties, "$process_person_profile": False}
                client.capture(EVENT, distinct_id=flight, properties=nobody, timestamp=moment)
            else:
                client.capture(EVENT, distinct_id=tail, properties=properties, timestamp=moment)

    return Speaker(client, say)


def amplitude(url: str) -> Speaker:
    """Speak to Amplitude's batch API, which is the one for imports: a device id stands for whom one cannot name.

    Ids have five characters at least unless the client says otherwise, and the shortest flight is "AA1".
    """
    client = Amplitude(KEY, server_url=f"{url}/batch", min_id_length=3, on_full="block")

    def say(departures: list[Departure]) -> None:
        for tail, flight, properties, moment in departures:
            client.track(EVENT, user_id=tail, device_id=flight, event_properties=properties, time=moment)

    return Speaker(client, say)


SPEAKERS: Mapping[str, Callable[[str], Speaker]] = {
    "segment": segment,
    "rudderstack": rudderstack,
    "posthog": posthog,
    "amplitude": amplitude,
}
