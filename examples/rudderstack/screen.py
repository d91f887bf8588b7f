"""Record which screen of an app a user looked at."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

with RudderStack(key, url) as client:
    client.screen(
        "12345",
        category="Food",
        name="Pizza",
        properties={"screenSize": 10, "title": "Pizza", "referrer": "https://google.com"},
    )
