"""Add properties to every event; what an event says itself takes their place."""

import os

from sluiceway import PostHog

with PostHog(
    os.environ["POSTHOG_PROJECT_API_KEY"],
    host=os.environ.get("POSTHOG_HOST"),
    super_properties={"app_version": "1.2.0", "environment": "production"},
) as client:
    client.capture("page_viewed", distinct_id="distinct_id")
    client.capture("page_viewed", distinct_id="distinct_id", properties={"environment": "staging"})
