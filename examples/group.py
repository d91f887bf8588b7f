"""Say which company, team or account a user belongs to."""

import os

from sluiceway import Segment

with Segment(os.environ["SEGMENT_WRITE_KEY"], host=os.environ.get("SEGMENT_HOST")) as client:
    client.group("019mr8mf4r", "56", {"name": "Initech", "description": "Accounting Software"})
