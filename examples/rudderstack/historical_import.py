"""Import what happened in the past: RudderStack keeps a time that you give as it is."""

import os
from datetime import datetime, timezone

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

# "block" waits for room instead of refusing events: right for an import, wrong in a web request.
with RudderStack(key, url, on_full="block") as client:
    client.track(
        "1hKOmRA4GRlm",
        "Item Viewed",
        {"revenue": 19.95},
        timestamp=datetime(2013, 1, 1, 10, 15, tzinfo=timezone.utc),
        # An id of your own makes the import safe to repeat where duplicates are folded.
        message_id="viewed-1hKOmRA4GRlm-20130101",
    )
