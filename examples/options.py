"""Set the options that matter most in production; every one has a default that is fit for it."""

import os

from sluiceway import Segment

client = Segment(
    os.environ["SEGMENT_WRITE_KEY"],
    host=os.environ.get("SEGMENT_HOST"),  # EU workspaces: "https://events.eu1.segmentapis.com"
    flush_at=20,  # send when so many events wait,
    flush_interval=10.0,  # or when one has waited so many seconds
    max_queue_events=50_000,  # what may be held in memory while the network is down
    on_full="drop_new",  # and what happens beyond that: the call returns False
    timeout=15.0,  # seconds for one request, all in all
    gzip=False,
    enable=os.environ.get("ANALYTICS", "on") == "on",  # False: calls are checked, nothing is ever sent
)
client.track("019mr8mf4r", "Item Purchased", {"revenue": 39.95})
client.close()
