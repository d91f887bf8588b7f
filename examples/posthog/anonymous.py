"""Capture events that make no person: with an id of your own, or of nobody at all."""

import os

from sluiceway import PostHog

with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST")) as client:
    client.capture("movie_played", distinct_id="user:123", properties={"$process_person_profile": False})
    client.capture("movie_played")
