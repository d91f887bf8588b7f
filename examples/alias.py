"""Join two ids of the same user: the previous one first, then the one to use from now on."""

import os

from sluiceway import Segment

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    client.alias("old_id", "new_id")
