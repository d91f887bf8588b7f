"""Wait until everything accepted so far has reached Segment, and go on using the client."""

import os

from sluiceway import Segment

client = Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST"))
client.identify("019mr8mf4r", {"plan": "Enterprise"})
client.track("019mr8mf4r", "Item Purchased", {"revenue": 39.95})

result = client.flush(timeout=5)  # at most so many seconds; never raises
print("all delivered" if result.ok else f"{result.failed} failed, {result.pending} pending")

client.track("019mr8mf4r", "Item Returned", {"revenue": -39.95})
result = client.flush(timeout=5)  # covers what was accepted since
print("all delivered" if result.ok else f"{result.failed} failed, {result.pending} pending")
client.close()
