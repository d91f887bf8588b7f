"""Record which page of a website a user looked at. Its name may be left out."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

with RudderStack(key, url) as client:
    client.page(
        "1hKOmRA4GRlm",
        category="Food",
        name="Pizza",
        properties={"url": "https://example.com", "title": "Pizza", "referrer": "https://google.com"},
    )
