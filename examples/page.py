"""Record which page of a website a user looked at."""

import os

from sluiceway import Segment

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    client.page(
        "019mr8mf4r",
        category="Docs",
        name="Node.js Library",
        properties={
            "url": "https://segment.com/docs/connections/sources/catalog/libraries/server/node/",
            "path": "/docs/connections/sources/catalog/libraries/server/node/",
            "title": "Node.js Library - Segment",
            "referrer": "https://github.com/segmentio",
        },
    )
