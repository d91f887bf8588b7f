"""Join two ids of the same user: the previous one first, then the one to use from now on."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

with RudderStack(key, url) as client:
    client.alias("old_id", "new_id")
    # Where there is no user id yet, the new one may be an anonymous id.
    client.alias("old_id", anonymous_id="48d213bb-95c3-4f8d-af97-86b2b404dcfe", traits={"plan": "Free"})
