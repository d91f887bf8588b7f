"""Follow a visitor from the first anonymous click to the signed-up user, in four calls whose order is kept."""

import os

from sluiceway import Segment

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    # The visitor does something before signing up.
    client.track("anonymous_user", "Anonymous Event")
    # The visitor signs up: the two ids are one person.
    client.alias("anonymous_user", "identified@example.com")
    client.identify("identified@example.com", {"plan": "Free"})
    # From here on the new id is used.
    client.track("identified@example.com", "Identified Action")
