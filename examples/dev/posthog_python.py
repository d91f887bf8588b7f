"""posthog (Python) at `sluiceway dev`."""

import os

from posthog import Posthog

posthog = Posthog("any-key", host=os.environ.get("SLUICEWAY_DEV", "http://127.0.0.1:8765") + "/posthog")
posthog.capture("Item Purchased", distinct_id="user-1", properties={"price": 39.95})
posthog.shutdown()
