"""Say who somebody is: when they sign up, or when what you know of them changes."""

import os

from sluiceway import PostHog

with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST")) as client:
    client.identify("user:123", {"email": "john@doe.com", "proUser": False})
    # Properties that are set only once, and the id that the person had before signing up.
    client.identify("user:123", {"plan": "pro"}, set_once={"first_plan": "free"}, anon_distinct_id="session:987")
