"""Set the options of the documentation, by their names in Python; times are seconds."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]


def on_error(error, batch):
    """Say what failed and why. Runs on a thread of its own, and may take its time."""
    print(f"{len(batch.ids)} event failed: {error.reason}, status {error.status}, sent: {error.sent}")


client = RudderStack(
    key,
    url,  # with or without /v1/batch at its end
    flush_at=20,  # send when so many events wait,
    flush_interval=10.0,  # or when one has waited so many seconds
    max_queue_events=20_000,  # what may be held in memory; beyond that the call returns False
    max_batch_bytes=460_800,  # the largest request; by default what the server takes, 4,096,000
    max_event_bytes=32_768,
    retry_count=3,
    gzip=True,
    log_level="info",
    on_error=on_error,
)
client.track("1hKOmRA4GRlm", "Item Viewed", {"revenue": 19.95})
client.close()
