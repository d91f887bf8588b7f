"""Put users into groups, and give the groups properties of their own."""

import os

from sluiceway import Amplitude, Identify

with Amplitude(os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL")) as client:
    # The user's groups: along with other operations, or by themselves.
    client.identify("USER_ID", None, Identify().set("role", "admin").set_group("org", "acme"))
    client.set_group("team", ["red", "blue"], user_id="USER_ID")
    # The group's properties belong to nobody in particular.
    client.group_identify("org", "acme", Identify().set("seats", 12).set_once("since", 2013))
    # An event of this user in this group.
    client.track("Invoice Paid", user_id="USER_ID", groups={"org": "acme"})
