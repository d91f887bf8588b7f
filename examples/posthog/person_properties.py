"""Set properties of a person: along with an event, or by themselves."""

import os

from sluiceway import PostHog

with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST")) as client:
    client.capture("movie played", distinct_id="distinct id", properties={"$set": {"userProperty": "value"}})
    # $set_once sets only what the person does not have yet.
    client.capture("movie played", distinct_id="distinct id", properties={"$set_once": {"userProperty": "value"}})
    client.set("distinct id", {"name": "Max Hedgehog"})
    client.set_once("distinct id", {"initial_url": "/blog"})
