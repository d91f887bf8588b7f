"""Set the options of the documentation, by their names in Python; times are seconds."""

import os

from sluiceway import PostHog


def on_error(error, batch):
    """Say what failed and why. Runs on a thread of its own, and may take its time."""
    print(f"{len(batch.ids)} event failed: {error.reason}, status {error.status}, sent: {error.sent}")


client = PostHog(
    os.environ["POSTHOG_PROJECT_API_KEY"],
    host=os.environ.get("POSTHOG_HOST"),  # a project in the EU: region="eu", or "https://eu.i.posthog.com"
    flush_at=20,  # send when so many events wait,
    flush_interval=10.0,  # or when one has waited so many seconds
    retry_count=3,  # 0: try once
    timeout=10.0,  # for one request, all in all
    disable_geoip=True,
    on_error=on_error,
)
client.capture("movie played", distinct_id="distinct id")
# Everything that waits is sent before the program ends.
client.shutdown()
