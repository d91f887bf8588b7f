"""While developing, send every event at once, so that it shows up in the debugger as you click."""

import os

from sluiceway import Segment

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST"), flush_at=1, strict=True) as client:
    # strict=True raises InvalidEvent for a call that Segment would silently ignore.
    client.track("019mr8mf4r", "Button Clicked", {"button": "buy"})
    client.track("019mr8mf4r", "Button Clicked", {"button": "pay"})
