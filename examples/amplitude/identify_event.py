"""Make the event of an `Identify` yourself, to change it before it is logged."""

import os

from sluiceway import Amplitude, Identify

identify = Identify().set("plan", "pro").set_once("first_seen", "2026-01-02")

with Amplitude(os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL")) as client:
    event = identify.identify_user("USER_ID", "DEVICE_ID")
    event["app_version"] = "2.1.3"
    client.log_event(event)
