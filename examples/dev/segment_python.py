"""segment-analytics-python at `sluiceway dev`."""

import os

from segment import analytics

analytics.write_key = "any-key"
analytics.host = os.environ.get("SLUICEWAY_DEV", "http://127.0.0.1:8765") + "/segment"
analytics.track("user-1", "Item Purchased", {"price": 39.95})
analytics.shutdown()
