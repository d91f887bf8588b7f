"""Our clients at `sluiceway dev`: the same event to each of the four vendors."""

import os

from sluiceway import Amplitude, PostHog, RudderStack, Segment

URL = os.environ.get("SLUICEWAY_DEV", "http://127.0.0.1:8765")
with Segment("any-key", host=URL) as segment, RudderStack("any-key", URL) as rudderstack:
    segment.track("user-1", "Item Purchased", {"price": 39.95})
    rudderstack.track("user-1", "Item Purchased", {"price": 39.95})
with PostHog("any-key", host=URL) as posthog, Amplitude("any-key", host=URL) as amplitude:
    posthog.capture("Item Purchased", distinct_id="user-1", properties={"price": 39.95})
    amplitude.track("Item Purchased", user_id="user-1", event_properties={"price": 39.95})
