"""Choose which of the connected destinations get an event: all or none, and then one by one."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

with RudderStack(key, url) as client:
    client.track(
        "1hKOmRA4GRlm",
        "Item Viewed",
        integrations={"All": False, "Amplitude": True, "Google Analytics": False},
    )
