"""Choose which of the connected destinations get an event: all or none, and then one by one."""

import os

from sluiceway import Segment

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    client.track(
        "97234974",
        "Upgraded Membership",
        integrations={"All": False, "Vero": True, "Google Analytics": False},
    )
