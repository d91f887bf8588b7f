"""Send page views from the back end: as a call of its own, or as the event that it is."""

import os

from sluiceway import PostHog

with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST")) as client:
    client.page_view("https://example.com", distinct_id="distinct id")
    client.capture("$pageview", distinct_id="distinct id", properties={"$current_url": "https://example.com"})
