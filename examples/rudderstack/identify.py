"""Tell RudderStack who a user is, and what you know about them."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

with RudderStack(key, url) as client:
    client.identify(
        "1hKOmRA4GRlm",
        {"name": "Alex Keener", "email": "alex@example.com", "plan": "Free", "friends": 21},
    )
