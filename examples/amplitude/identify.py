"""Change the properties of a user, one operation for each."""

import os

from sluiceway import Amplitude, Identify

identify = Identify().set("start_date", "March 3rd").add("num_clicks", 4).unset("needs_to_activate")

with Amplitude(os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL")) as client:
    client.identify("USER_ID", "DEVICE_ID", identify)

    # Of two operations on one property the first counts; `ignored` tells of the second.
    client.identify("USER_ID", None, identify.set("num_clicks", 0))
    print(identify.ignored)

    # Alone, because it takes everything else back.
    client.identify("USER_ID", None, Identify().clear_all())
