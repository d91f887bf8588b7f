"""Check events while developing: one that breaks your own rules is not sent."""

import os

from sluiceway import Amplitude

SCHEMA = {"Item Purchased": {"item", "price"}}


def validate(payload, next):  # noqa: A002  (its documented name)
    """Raise for an event that does not fit; it is dropped, counted, and told to its callback."""
    wanted = SCHEMA[payload.event["event_type"]]
    if payload.event.get("event_properties", {}).keys() != wanted:
        raise ValueError("invalid event")
    next(payload)


def told(error, batch):
    """Say what became of an event."""
    print("delivered" if error is None else error.reason)


with Amplitude(
    os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL"), middleware=[validate]
) as client:
    for properties in ({"item": "book", "price": 9.5}, {"item": "book"}):
        client.track("Item Purchased", user_id="user-17", event_properties=properties, callback=told)
        client.flush()
