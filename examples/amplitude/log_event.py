"""Log an event: one mapping with the keys of the HTTP API, or arguments by the same names."""

import os

from sluiceway import Amplitude

client = Amplitude(os.environ["AMPLITUDE_API_KEY"], server_url=os.environ.get("AMPLITUDE_SERVER_URL"))

client.log_event(
    {
        "event_type": "Node.js Event",
        "user_id": "datamonster@gmail.com",
        "location_lat": 37.77,
        "location_lng": -122.39,
        "ip": "127.0.0.1",
        "event_properties": {"keyString": "valueString", "keyInt": 11, "keyBool": True},
    }
)
client.track("Python Event", user_id="datamonster@gmail.com", event_properties={"keyInt": 11})

# It is on its way already; this waits until it has arrived.
print(client.flush().delivered)
client.close()
