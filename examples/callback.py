"""Hear what became of one particular event."""

import os

from sluiceway import Segment


def told(error, batch):
    """Take the outcome: `error` is None when the batch that carried the event was delivered."""
    if error is None:
        print(f"delivered after {batch.attempts} attempt with status {batch.status}")
    else:
        print(f"failed: {error.reason}")


with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    client.track("019mr8mf4r", "Ultimate Event", callback=told)
