"""Tie events to a company or a team, and describe it."""

import os

from sluiceway import PostHog

with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST")) as client:
    client.capture("some event", distinct_id="[distinct id]", groups={"company": "id:5"})
    client.group_identify("company", "id:5", {"company_name": "Awesome Inc", "employees": 11})
    # Without distinct_id, each group appears as a person of its own.
    client.group_identify("company", "id:5", {"employees": 12}, distinct_id="group_identifier")
