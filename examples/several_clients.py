"""Two sources side by side, each with a queue, a worker and options of its own."""

import os

from sluiceway import Segment

host = os.environ.get("SEGMENT_HOST")

app = Segment(os.environ["SEGMENT_WRITE_KEY"], host=host)
marketing = Segment(os.environ["SEGMENT_MARKETING_WRITE_KEY"], host=host, flush_at=100, flush_interval=30.0)

app.track("019mr8mf4r", "Report Generated", {"pages": 12})
marketing.track("019mr8mf4r", "Campaign Opened", {"campaign": "spring"})

app.close()
marketing.close()
