"""Record what somebody did, with the properties that describe it."""

import os

from sluiceway import PostHog

with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST")) as client:
    accepted = client.capture(
        "movie played",
        distinct_id="distinct id",
        properties={"movieId": "123", "category": "romcom"},
    )
print("accepted" if accepted else "refused")
