"""Look at every event, and let only some of them pass."""

import os

from sluiceway import Amplitude

SENT = {"Signed Up", "Item Purchased"}


def logging_middleware(payload, next):  # noqa: A002  (its documented name)
    """Tell which event passes by."""
    print(f"[amplitude] event={payload.event['event_type']} extra={payload.extra}")
    # Continue to the next middleware in the chain.
    next(payload)


def filtering_middleware(payload, next):  # noqa: A002  (its documented name)
    """Hold some events back."""
    if payload.event["event_type"] in SENT:
        next(payload)
    else:
        # The event will not go on, neither to the following middleware nor to Amplitude.
        print(f"filtered: {payload.event['event_type']}")


client = Amplitude(os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL"))
client.add_event_middleware(logging_middleware)
client.add_event_middleware(filtering_middleware)

client.log_event({"event_type": "Signed Up", "user_id": "datamonster@gmail.com"}, {"request": 17})
client.log_event({"event_type": "Mouse Moved", "user_id": "datamonster@gmail.com"})
client.close()
