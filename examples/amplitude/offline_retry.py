"""Keep events while there is no network, and send them with the next ones."""

import os

from sluiceway import Amplitude, OfflineRetryHandler

key, server_url = os.environ["AMPLITUDE_API_KEY"], os.environ.get("AMPLITUDE_SERVER_URL")

# In memory, a thousand events at most; the oldest go first.
handler = OfflineRetryHandler(key, server_url=server_url, max_cached_events=1_000)
client = Amplitude(key, retry_class=handler)

client.track("Door Opened", device_id="door-17")
client.flush()
print("kept", handler.saved)

client.track("Door Closed", device_id="door-17")
client.close()
print("kept", handler.saved)
