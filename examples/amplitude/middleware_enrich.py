"""Change events on their way: take out what is personal, add what is missing, and read what a call says aside."""

import os
import re

from sluiceway import Amplitude

EMAIL = re.compile(r"[\w.]+@[\w.]+")


def without_emails(payload, next):  # noqa: A002  (its documented name)
    """Remove personally identifiable information. What raises in here is not sent."""
    properties = payload.event.get("event_properties", {})
    payload.event["event_properties"] = {
        key: EMAIL.sub("[email]", value) if isinstance(value, str) else value for key, value in properties.items()
    }
    next(payload)


def with_device(payload, next):  # noqa: A002  (its documented name)
    """Hand on another event than the one that came."""
    next({"event": {"device_id": "server-17", **payload.event}, "extra": payload.extra})


def with_groups(payload, next):  # noqa: A002  (its documented name)
    """Take what a call gave as extra into the event; extra itself is never sent."""
    if payload.extra and "groups" in payload.extra:
        payload.event["groups"] = payload.extra["groups"]
    next(payload)


with Amplitude(
    os.environ["AMPLITUDE_API_KEY"],
    server_url=os.environ.get("AMPLITUDE_SERVER_URL"),
    middleware=[without_emails, with_device, with_groups],
) as client:
    client.track(
        "Message Sent",
        user_id="user-17",
        event_properties={"text": "mail me at datamonster@gmail.com", "words": 4},
        extra={"groups": {"test_group_name": "test_group_value"}},
    )
