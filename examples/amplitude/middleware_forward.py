"""Hand events to other services and keep them from Amplitude: `next` is not called."""

import os

from sluiceway import Amplitude


def forward(payload, next):  # noqa: A002  (its documented name)
    """Send the event elsewhere, with what only the call knew."""
    print(payload.event["event_type"], payload.event.get("event_properties"), payload.extra["anonymous_id"])


client = Amplitude(os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL"))
client.add_event_middleware(forward)
sent = client.track("Page Viewed", device_id="device-1", event_properties={"page": 3}, extra={"anonymous_id": "a-1"})
client.close()
print(sent, dict(client.stats().refused))
