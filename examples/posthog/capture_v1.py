"""Speak capture V1, where PostHog answers for each event by itself, and hear what became of one."""

import os

from sluiceway import PostHog


def told(error, batch):
    """Take the outcome: `error` is None when PostHog took the event."""
    print("taken" if error is None else f"failed: {error.reason}")


# The same as POSTHOG_CAPTURE_MODE=v1 in the environment.
with PostHog(os.environ["POSTHOG_PROJECT_API_KEY"], host=os.environ.get("POSTHOG_HOST"), capture_mode="v1") as client:
    client.capture("movie played", distinct_id="user:123", properties={"$session_id": "s-1"}, callback=told)
