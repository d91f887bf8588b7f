"""A script or a cloud function: leaving the `with` block sends everything, within a deadline."""

import os

from sluiceway import Segment


def main():
    """Do the work, and tell the caller whether the events arrived."""
    with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
        client.identify("019mr8mf4r", {"plan": "Enterprise"})
        client.track("019mr8mf4r", "Report Generated", {"pages": 12})
    # Closed now: every accepted event has come to its end, and has been counted under it.
    stats = client.stats()
    print(f"accepted {stats.accepted}, delivered {stats.delivered}")
    return 0 if stats.delivered == stats.accepted else 1


if __name__ == "__main__":
    raise SystemExit(main())
