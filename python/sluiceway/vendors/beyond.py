"""What a vendor asks of an event that its page cannot say as data: the rules of its server, read from its sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sluiceway.vendors.base import Vendor
from sluiceway.vendors.fault import Fault, is_int, iso_faults

CAPTURE_PATH = "/i/v1/analytics/events"
"""By this path PostHog's capture V1 is told from its batch route: both pages bear the name of the vendor."""


def takes_any_id(vendor: Vendor) -> bool:
    """Whether the server makes text of an id that is a number.

    RudderStack's gateway and PostHog's batch route do; of Segment, its own clients do it on their side. Capture V1
    refuses the batch, and Amplitude's documents ask for a string.
    """
    return vendor.name in ("segment", "rudderstack") or (vendor.name == "posthog" and vendor.path != CAPTURE_PATH)


def trims_ids(vendor: Vendor) -> bool:
    """Whether the server trims an id before it asks whether there is one (gateway/handle.go; v1/analytics/types.rs)."""
    return vendor.name == "rudderstack" or vendor.path == CAPTURE_PATH


def elsewhere(vendor: Vendor, key: str, event: Mapping[str, Any]) -> Any:
    """Return what the server takes for the value of an absent key; None if it looks nowhere else.

    PostHog's batch route knows three places of the id (common/types, RawEvent::extract_distinct_id).
    """
    if key != "distinct_id" or vendor.name != "posthog" or vendor.path == CAPTURE_PATH:
        return None
    given = event.get("$distinct_id")
    properties = event.get("properties")
    return properties.get("distinct_id") if given is None and isinstance(properties, Mapping) else given


def needs_no_id(vendor: Vendor, event: Mapping[str, Any]) -> bool:
    """Whether the server takes this event from nobody: Amplitude's groups have properties of their own."""
    return vendor.name == "amplitude" and event.get("event_type") == "$groupidentify"


def has_own_time(vendor: Vendor, event: Mapping[str, Any]) -> bool:
    """Whether an event says when it happened in a way that needs neither the client's clock nor the moment of sending.

    RudderStack takes a ``timestamp`` as it is (processor.go, enhanceWithTimeFields); its Python client sends no more.
    """
    return vendor.name == "rudderstack" and isinstance(event.get(vendor.given_time_key), str)


def further_faults(vendor: Vendor, event: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what this vendor would object to beyond its page."""
    further = _FURTHER.get(vendor.name)
    if further is not None:
        yield from further(vendor, event)


def _rudderstack(vendor: Vendor, event: Mapping[str, Any]) -> Iterator[Fault]:
    """An event without a time of its own says when it was sent; every event has an id, also one that no page knows."""
    sent_at = event.get("sentAt")
    if sent_at is None:
        if not has_own_time(vendor, event):
            yield Fault("missing", "sentAt", "is missing")
    else:
        yield from iso_faults("sentAt", sent_at)
    known = {call.constants.get("type") for call in vendor.calls}
    has_an_id = not (_is_blank(event.get("userId")) and _is_blank(event.get("anonymousId")))
    if not has_an_id and event.get("type") not in (*known, *_NEEDS_NO_ID):
        yield Fault("missing", IDENTITY, "is missing")


IDENTITY = "userId or anonymousId"
"""The key of the fault of an event that has neither."""

# Gateway: the identity check is left out for these (gateway/handle.go).
_NEEDS_NO_ID = ("extract", "rETL")


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _posthog(vendor: Vendor, event: Mapping[str, Any]) -> Iterator[Fault]:
    """The types of capture's own structs, beyond what our page ever writes."""
    properties = event.get("properties")
    inner = properties if isinstance(properties, Mapping) else {}
    for key in _WITHOUT_EFFECT.get(str(event.get("event")), ()):
        if inner.get(key) in (None, ""):
            yield Fault("missing", f"properties.{key}", "is missing")
    if vendor.path == CAPTURE_PATH:
        yield from _capture(event)
        return
    for key in ("$set", "$set_once"):
        if not isinstance(event.get(key, {}), (Mapping, type(None))):
            yield Fault("wrong_type", key, "is no object")
    if event.get("offset") is not None and not is_int(event["offset"]):
        yield Fault("wrong_type", "offset", "is no integer")


# Of an event's name and of a distinct_id (v1/analytics/constants.rs).
MAX_CAPTURE_BYTES = 200

# What the server takes and then makes nothing of (person-merge-service.ts, and the same for groups).
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...]] = {
    "$create_alias": ("alias",),
    "$groupidentify": ("$group_type", "$group_key"),
}


def _capture(event: Mapping[str, Any]) -> Iterator[Fault]:
    for key in ("event", "distinct_id"):
        given = event.get(key)
        if isinstance(given, str) and (nbytes := len(given.encode("utf-8", "surrogatepass"))) > MAX_CAPTURE_BYTES:
            yield Fault("too_long", key, f"has {nbytes} bytes, limit {MAX_CAPTURE_BYTES}")
    options = event.get("options")
    if isinstance(options, Mapping):
        for key in ("cookieless_mode", "disable_skew_correction", "process_person_profile"):
            if not _reads_as_bool(options.get(key)):
                yield Fault("invalid", f"options.{key}", "is no truth value")
        tour = options.get("product_tour_id")
        if tour is not None and not isinstance(tour, str) and not is_int(tour):
            yield Fault("invalid", "options.product_tour_id", "is no text")


def _reads_as_bool(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("true", "false", "1", "0")
    return value is None or isinstance(value, (bool, int, float))


# Amplitude's HTTP V2 API, "Groups": up to 5 types, and 10 of them in one event.
_MAX_GROUP_TYPES = 5
_MAX_GROUPS = 10


def _amplitude(_vendor: Vendor, event: Mapping[str, Any]) -> Iterator[Fault]:
    groups = event.get("groups")
    if isinstance(groups, Mapping):
        count = sum(len(value) if isinstance(value, list) else 1 for value in groups.values())
        if len(groups) > _MAX_GROUP_TYPES or count > _MAX_GROUPS:
            yield Fault("invalid", "groups", f"has {len(groups)} types and {count} groups")


_FURTHER: Mapping[str, Callable[[Vendor, Mapping[str, Any]], Iterator[Fault]]] = {
    "rudderstack": _rudderstack,
    "posthog": _posthog,
    "amplitude": _amplitude,
}
