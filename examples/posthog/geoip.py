"""Decide whether PostHog looks up the place of the sending address, which is that of your server."""

import os

from sluiceway import PostHog

# By default it does not; a program that runs on the user's own machine may want it to.
with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST"), disable_geoip=False) as client:
    client.capture("your_event", distinct_id="distinct_id")
    client.capture("your_event", distinct_id="distinct_id", disable_geoip=True)
