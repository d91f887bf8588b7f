"""Tell Segment who a user is, and what you know about them."""

import os

from sluiceway import Segment

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    client.identify(
        "019mr8mf4r",
        {"name": "Michael Bolton", "email": "mbolton@example.com", "plan": "Enterprise", "friends": 42},
    )
    # Somebody who has not signed up yet has an anonymous id of your own making.
    client.identify(
        anonymous_id="48d213bb-95c3-4f8d-af97-86b2b404dcfe",
        traits={"friends": 42},
    )
