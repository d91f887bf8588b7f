"""Send to Amplitude's servers in the EU."""

import os

from sluiceway import Amplitude

client = Amplitude(
    os.environ["AMPLITUDE_API_KEY"],
    # The same by name: server_zone="EU", with use_batch=True for the batch API.
    server_url=os.environ.get("AMPLITUDE_SERVER_URL", "https://api.eu.amplitude.com/2/httpapi"),
)
client.track("Signed Up", user_id="datamonster@gmail.com")
client.close()
