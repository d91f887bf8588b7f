"""A process that runs until it is told to stop, and sends what it has left before it ends."""

import os
import signal
import sys
import time

from sluiceway import Segment


def stop(signum, frame):
    """End the program the normal way: the `with` block flushes. A handler itself should not wait for anything."""
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    number = 0
    while True:
        client.track(f"user-{number}", "Test Event", {"number": number})
        number += 1
        time.sleep(0.01)
