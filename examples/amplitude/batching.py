"""Collect events and send them in large requests, through the batch API."""

import os

from sluiceway import Amplitude

with Amplitude(
    os.environ["AMPLITUDE_API_KEY"],
    # A whole address that ends in /batch takes that API's limits; use_batch=True does the same for the usual hosts.
    server_url=os.environ.get("AMPLITUDE_SERVER_URL", "https://api2.amplitude.com") + "/batch",
    max_cached_events=20_000,  # send when so many events wait,
    upload_interval_in_sec=10,  # or when one has waited so many seconds
) as client:
    for number in range(5_000):
        client.track("Row Imported", user_id=f"user-{number % 7}", event_properties={"number": number})
