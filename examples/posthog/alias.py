"""Join two ids of the same person: the current one stays, the other one is merged into it."""

import os

from sluiceway import PostHog

with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST")) as client:
    client.alias(distinct_id="user:123", alias="user:12345")
