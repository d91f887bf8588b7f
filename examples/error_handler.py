"""Hear of every event that could not be delivered; nothing is raised into the program."""

import os

from sluiceway import Segment


def on_error(error, batch):
    """Say what failed and why. Runs on a thread of its own, and may take its time."""
    print(f"{len(batch.ids)} event failed: {error.reason}, status {error.status}, sent: {error.sent}")


with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST"), on_error=on_error) as client:
    client.track("019mr8mf4r", "Item Purchased", {"revenue": 39.95})
