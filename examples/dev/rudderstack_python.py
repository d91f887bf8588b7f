"""rudder-sdk-python at `sluiceway dev`."""

import os

from rudderstack import analytics as rudder_analytics

rudder_analytics.write_key = "any-key"
rudder_analytics.dataPlaneUrl = os.environ.get("SLUICEWAY_DEV", "http://127.0.0.1:8765") + "/rudderstack"
rudder_analytics.track("user-1", "Item Purchased", {"price": 39.95})
rudder_analytics.shutdown()
