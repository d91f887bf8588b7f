"""Say which company, team or account a user belongs to."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

with RudderStack(key, url) as client:
    client.group("12345", "1", {"name": "Company", "description": "Google"})
