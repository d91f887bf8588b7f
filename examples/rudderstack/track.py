"""Record what a user did."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

with RudderStack(key, url) as client:
    # True: the event is accepted and on its way. The call does no I/O.
    accepted = client.track("1hKOmRA4GRlm", "Item Viewed", {"revenue": 19.95, "shippingMethod": "Premium"})
    print("accepted" if accepted else "refused")
