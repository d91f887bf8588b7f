"""amplitude-analytics at `sluiceway dev`. Its server_url is the whole address, path included."""

import os

from amplitude import Amplitude, BaseEvent, Config

url = os.environ.get("SLUICEWAY_DEV", "http://127.0.0.1:8765") + "/amplitude/2/httpapi"
client = Amplitude("any-key", Config(server_url=url))
client.track(BaseEvent("Item Purchased", user_id="user-1", event_properties={"price": 39.95}))
client.shutdown()
