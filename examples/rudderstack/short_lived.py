"""A script or a cloud function: every call is delivered before it returns, without a thread."""

import os

from sluiceway import RudderStack

key, url = os.environ["RUDDERSTACK_WRITE_KEY"], os.environ["RUDDERSTACK_DATA_PLANE_URL"]

with RudderStack(key, url, sync=True) as client:
    delivered = client.track("1hKOmRA4GRlm", "Report Generated", {"pages": 12})
print("delivered" if delivered else "not delivered")
