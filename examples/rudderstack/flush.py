"""Wait until everything accepted so far has reached RudderStack, and hear of it."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]


def flushed(error, batch):
    """Take the outcome of the flush: the first error among its events, or None, and the last batch."""
    print("Flushing done" if error is None else f"failed: {error.reason}")


client = RudderStack(key, url)
client.identify("1hKOmRA4GRlm", {"plan": "Free"})
client.track("1hKOmRA4GRlm", "Item Viewed", {"revenue": 19.95})
client.flush(timeout=5, callback=flushed)
client.close()
