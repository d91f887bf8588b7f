"""An event said to a vendor's client, in that vendor's words: which method it is, and what goes where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from sluiceway.importing.faults import Unfit
from sluiceway.importing.making import Event

Say: TypeAlias = Callable[[Event], Any]
"""Hands one event to a client; what the client's method answers. Raises InvalidEvent and Unfit."""

PERSONLESS = "$process_person_profile"


def say_to(vendor: str, client: Any) -> Say:
    """Return what says events to this client, which must be one of this vendor, made with ``strict=True``."""
    words: Mapping[str, Callable[[Any], Say]] = {"posthog": _posthog, "amplitude": _amplitude}
    return words.get(vendor, _spec)(client)


def _spec(client: Any) -> Say:
    """Segment and RudderStack."""
    track = client.track

    def say(event: Event) -> Any:
        kind, name, user, anonymous, moment, message_id, properties, context, _, more = event
        if kind == "track" and not more:
            return track(user, name, properties, context, moment, anonymous, None, message_id)
        integrations = more.get("integrations")
        if "user_properties" in more:
            context = {**(context or {}), "traits": more["user_properties"]}
        if kind == "track":
            return track(user, name, properties, context, moment, anonymous, integrations, message_id)
        if kind == "identify":
            return client.identify(user, properties, context, moment, anonymous, integrations, message_id)
        if kind in ("page", "screen"):
            method = client.page if kind == "page" else client.screen
            category = more.get("category")
            return method(user, category, name, properties, context, moment, anonymous, integrations, message_id)
        if kind == "group":
            group = more.get("group_id")
            return client.group(user, group, properties, context, moment, anonymous, integrations, message_id)
        alias = client.alias
        return alias(more.get("previous_id"), user, context, moment, integrations, message_id)

    return say


def _posthog(client: Any) -> Say:
    capture = client.capture

    def say(event: Event) -> Any:
        kind, name, user, anonymous, moment, message_id, properties, _, _, more = event
        if user is None and kind != "group":
            if anonymous is None:
                # The client would make up an id, and the same row another one the next time.
                raise Unfit("missing_id", "user_id or anonymous_id is required")
            if kind in ("track", "page", "screen"):
                properties = {**properties, PERSONLESS: False}
        person = more.get("user_properties")
        if person:
            properties = {**properties, "$set": person}
        owner = anonymous if user is None else user
        if kind == "wire":
            return capture(name, distinct_id=user, properties=properties, timestamp=moment, uuid=message_id)
        if kind == "track":
            return capture(name, distinct_id=owner, properties=properties, timestamp=moment, uuid=message_id)
        if kind in ("page", "screen"):
            own = {"$pathname": name} if kind == "page" else {"$screen_name": name}
            properties = {**properties, **(own if name else {})}
            event_name = "$pageview" if kind == "page" else "$screen"
            return capture(event_name, distinct_id=owner, properties=properties, timestamp=moment, uuid=message_id)
        if kind == "identify":
            merged = anonymous if user is not None else None
            return client.identify(owner, properties, anon_distinct_id=merged, timestamp=moment, uuid=message_id)
        if kind == "alias":
            return client.alias(distinct_id=owner, alias=more.get("previous_id"), timestamp=moment, uuid=message_id)
        return client.group_identify(
            more.get("group_type"),
            more.get("group_id"),
            properties,
            distinct_id=owner,
            timestamp=moment,
            uuid=message_id,
        )

    return say


def _amplitude(client: Any) -> Say:
    track, log_event = client.track, client.log_event

    def say(event: Event) -> Any:
        kind, name, user, anonymous, moment, message_id, properties, _, _, more = event
        if kind == "wire":
            return log_event(more["wire"])
        if kind == "track" and not more:
            return track(
                name,
                user_id=user,
                device_id=anonymous,
                event_properties=properties,
                time=moment,
                insert_id=message_id,
            )
        wire = {**more.get("fields", {}), "user_id": user, "device_id": anonymous, "time": moment}
        wire["insert_id"] = message_id
        if kind == "identify":
            wire |= {"event_type": "$identify", "user_properties": {"$set": properties}}
        else:
            wire |= {"event_type": name, "event_properties": properties}
            wire["user_properties"] = more.get("user_properties") or None
        return log_event(wire)

    return say
