"""One client of each vendor, and what a producer pushes into it: mixed calls, some with an id of ours."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conserving.faults import POISON
from sluiceway import Amplitude, Identify, PostHog, Revenue, RudderStack, Segment
from sluiceway.client import Client
from sluiceway.vendors import amplitude_judge

# Each producer's events belong to so many owners.
OWNERS = 25
# One event in so many is one that the server refuses a whole batch for, where it does such things.
POISONED_EVERY = 2_000

# How long a throttled user's events wait in this run. The documents say 30 s; whatever is said, it is one at least.
THROTTLE_SECONDS = 1.25


class Driver:
    """A client under test. `push` may be called from many threads."""

    client: Client
    poisons = False
    """Whether some of its events are such that the server refuses their whole batch."""

    def __init__(self, seed: int) -> None:
        self.payloads = list(payloads(random.Random(seed)))

    def push(self, number: int, index: int, event_id: str | None, callback: Any) -> bool:
        """Push one event; True when it was accepted."""
        raise NotImplementedError


class _Segment(Driver):
    """Segment's calls, which RudderStack's are, too."""

    def __init__(self, url: str, seed: int, options: Mapping[str, Any]) -> None:
        super().__init__(seed)
        self.client: Any = self.make(url, options)

    def make(self, url: str, options: Mapping[str, Any]) -> Client:
        return Segment("conserve-write-key", host=url, **options)

    def push(self, number: int, index: int, event_id: str | None, callback: Any) -> bool:
        payload = self.payloads[index & 63]
        user = f"user-{number}-{index % OWNERS}"
        rest = {"message_id": event_id, "callback": callback}
        client = self.client
        if self.poisons and is_poisoned(index):
            return client.track(user, POISON, payload, **rest)  # type: ignore[no-any-return]
        match index % 16:
            case 10:
                return client.identify(user, payload, **rest)  # type: ignore[no-any-return]
            case 11:
                return client.page(anonymous_id=user, name="Home", properties=payload, **rest)  # type: ignore[no-any-return]
            case 12:
                return client.screen(user, "Category", "Home", payload, **rest)  # type: ignore[no-any-return]
            case 13:
                return client.group(user, f"group-{index & 7}", payload, **rest)  # type: ignore[no-any-return]
            case 14:
                return client.alias(f"before-{user}", user, **rest)  # type: ignore[no-any-return]
        return client.track(user, "Counted", payload, **rest)  # type: ignore[no-any-return]


class _RudderStack(_Segment):
    poisons = True

    def make(self, url: str, options: Mapping[str, Any]) -> Client:
        return RudderStack("conserve-write-key", url, **options)


class _PostHog(Driver):
    mode = "v0"
    poisons = True

    def __init__(self, url: str, seed: int, options: Mapping[str, Any]) -> None:
        super().__init__(seed)
        self.client: PostHog = PostHog("conserve-key", host=url, capture_mode=self.mode, **options)

    def push(self, number: int, index: int, event_id: str | None, callback: Any) -> bool:
        payload = self.payloads[index & 63]
        person = f"person-{number}-{index % OWNERS}"
        rest: Any = {"uuid": event_id, "callback": callback}
        client = self.client
        if self.poisons and is_poisoned(index):
            return client.capture(POISON, distinct_id=person, properties=payload, **rest)
        match index % 16:
            case 9:
                return client.capture("Counted", properties=payload, **rest)
            case 10:
                return client.identify(person, payload, **rest)
            case 11:
                return client.alias(distinct_id=person, alias=f"before-{person}", **rest)
            case 12:
                return client.group_identify("company", f"group-{index & 7}", payload, **rest)
            case 13:
                return client.set_once(person, payload, **rest)
            case 14:
                return client.page_view("https://example.com/", distinct_id=person, **rest)
        return client.capture("Counted", distinct_id=person, properties=payload, groups={"company": "a"}, **rest)


class _Capture(_PostHog):
    mode = "v1"
    poisons = False


class _Amplitude(Driver):
    def __init__(self, url: str, seed: int, options: Mapping[str, Any]) -> None:
        super().__init__(seed)
        # The client has no option for it, and thirty seconds each time are too long for a run.
        amplitude_judge.THROTTLE_SECONDS = THROTTLE_SECONDS
        self.client: Amplitude = Amplitude("conserve-api-key", server_url=f"{url}/2/httpapi", **options)
        self.operations = [Identify().set("number", number).add("count", 1) for number in range(8)]
        self.purchases = [Revenue(price=1.5, quantity=number + 1, product_id="p") for number in range(8)]

    def push(self, number: int, index: int, event_id: str | None, callback: Any) -> bool:
        payload = self.payloads[index & 63]
        who = owner(number, index)
        rest: Any = {"insert_id": event_id, "callback": callback} | who
        client = self.client
        match index % 16:
            case 9:
                event = {"event_type": "Counted", "event_properties": payload, "insert_id": event_id} | who
                return client.log_event(event, callback=callback)
            case 10:
                return client.identify(identify=self.operations[index & 7], **rest)
            case 11:
                return client.set_group("company", f"group-{index & 7}", **rest)
            case 12:
                return client.group_identify("company", "a", self.operations[index & 7], **rest)
            case 13:
                return client.revenue(self.purchases[index & 7], **rest)
        return client.track("Counted", event_properties=payload, **rest)


def owner(number: int, index: int) -> dict[str, str]:
    """Whose event it is: a user's, a device's, or that of a user with a device of their own."""
    which = index // 2 % OWNERS  # ids of ours and others alike
    user, device = {"user_id": f"user-{number}-{which}"}, {"device_id": f"device-{number}-{which}"}
    return [user, device, user | device][which % 3]


DRIVERS: Mapping[str, Callable[[str, int, Mapping[str, Any]], Driver]] = {
    "segment": _Segment,
    "rudderstack": _RudderStack,
    "posthog": _PostHog,
    "capture": _Capture,
    "amplitude": _Amplitude,
}


def is_poisoned(index: int) -> bool:
    """Whether this event is one that the server cannot take. It has an id of ours, to be asked for."""
    return index % POISONED_EVERY == POISONED_EVERY - 1


def payloads(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield 64 payloads of different shapes and lengths."""
    for number in range(64):
        yield {
            "number": number,
            "price": chance.random() * 100,
            "text": "".join(chance.choices('abc "\\\n\té€😀', k=chance.randrange(80))),
            "nested": {"list": [chance.random() < 0.5, None, chance.randrange(10**9)]},
        }
