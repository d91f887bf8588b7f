"""Record what a user did."""

import os

from sluiceway import Segment

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    # True: the event is accepted and on its way. The call does no I/O.
    accepted = client.track("019mr8mf4r", "Item Purchased", {"revenue": 39.95, "shippingMethod": "2-day"})
    print("accepted" if accepted else "refused")
