"""A cloud function: every call is delivered before it returns, or everything is when the function ends."""

import os

from sluiceway import PostHog

key, host = os.environ["POSTHOG_PROJECT_API_KEY"], os.environ.get("POSTHOG_HOST")


def handler(event, context):
    """Send each event with a request of its own, and know that it has arrived."""
    with PostHog(key, host=host, sync=True) as client:
        return client.capture("thing_happened", distinct_id="distinct_id_of_the_user")


# Kept between calls of the function, which may be frozen in between: so each ends with a flush.
shared = PostHog(key, host=host, flush_at=0, flush_interval=0)


def quick_handler(event, context):
    """Send without waiting, a request for whatever has come together meanwhile, and wait once at the end."""
    shared.capture("thing_happened", distinct_id="distinct_id_of_the_user")
    shared.capture("other_thing_happened", distinct_id="distinct_id_of_the_user")
    return shared.flush(timeout=5).ok


if __name__ == "__main__":
    print(handler({}, None), quick_handler({}, None))
