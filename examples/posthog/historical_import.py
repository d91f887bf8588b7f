"""Import what happened in the past: PostHog takes such batches another way, and keeps their times."""

import os
from datetime import datetime, timezone

from sluiceway import PostHog

# "block" waits for room instead of refusing events: right for an import, wrong in a web request.
with PostHog(
    os.environ["POSTHOG_PROJECT_API_KEY"],
    host=os.environ.get("POSTHOG_HOST"),
    historical_migration=True,
    on_full="block",
) as client:
    client.capture(
        "movie played",
        distinct_id="user:123",
        timestamp=datetime(2013, 1, 1, 10, 15, tzinfo=timezone.utc),
        # An id of your own, which must be a UUID, makes the import safe to repeat.
        uuid="0190b3f2-7e1c-7abc-8def-000000000001",
    )
