"""Set up a default instance, and further ones by name; any module can ask for them."""

import os

from sluiceway import Amplitude

key, server_url = os.environ["AMPLITUDE_API_KEY"], os.environ.get("AMPLITUDE_SERVER_URL")

Amplitude.init(key, server_url=server_url)
Amplitude.init(key, instance_name="mobile", server_url=server_url, min_id_length=3, plan={"source": "mobile"})


def somewhere_else():
    """Log without having been handed a client."""
    Amplitude.instance().log_event({"event_type": "Page Viewed", "user_id": "datamonster@gmail.com"})
    Amplitude.instance("mobile").log_event({"event_type": "App Opened", "user_id": "dm1"})


somewhere_else()
for name in (None, "mobile"):
    Amplitude.instance(name).close()
