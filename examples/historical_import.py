"""Import what happened in the past: give each event the time at which it did, as a datetime that knows its zone."""

import os
from datetime import datetime, timedelta, timezone

from sluiceway import Segment

NEW_YORK = timezone(timedelta(hours=-5))  # in winter; zoneinfo.ZoneInfo("America/New_York") knows the summer too

PURCHASES = [
    ("019mr8mf4r", datetime(2013, 1, 1, 5, 15, tzinfo=NEW_YORK), 39.95),
    ("56mk24fd0q", datetime(2013, 1, 1, 10, 15, 30, 250_000, tzinfo=timezone.utc), 17.5),
]

# "block" waits for room instead of refusing events: right for an import, wrong in a web request.
with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST"), on_full="block") as client:
    for user_id, when, revenue in PURCHASES:
        # An id of your own makes the import safe to repeat: Segment drops what it has seen in the last 24 hours.
        client.track(
            user_id,
            "Item Purchased",
            {"revenue": revenue},
            timestamp=when,
            message_id=f"purchase-{user_id}-{when:%Y%m%d}",
        )
