"""Retry in a way of your own: one object with `send_events_with_retry`, built from the parts of `BaseRetryHandler`."""

import os

from sluiceway import Amplitude, BaseRetryHandler


class OneMoreTry(BaseRetryHandler):
    """Sends a second time what the server was too busy for."""

    def send_events_with_retry(self, events):
        """Send the events of one request; what is returned decides how they end."""
        response = super().send_events_with_retry(events)
        if response.status == 503:
            response = super().send_events_with_retry(events)
        return response


key, server_url = os.environ["AMPLITUDE_API_KEY"], os.environ.get("AMPLITUDE_SERVER_URL")
with Amplitude(key, retry_class=OneMoreTry(key, server_url=server_url)) as client:
    client.track("Report Generated", user_id="user-17", callback=lambda error, batch: print(batch.status))
