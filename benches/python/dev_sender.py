"""Send events to a server at a steady rate with our own client, and say how many were delivered: one line of JSON.

Our client, not bodies made beforehand: every event has an id and a time of its own, as a real service's have, and it
leaves the server the core that it needs.
"""

from __future__ import annotations

import json
import sys
import time

from sluiceway import Segment

TICK_SECONDS = 0.01


def main() -> None:
    url, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    users = [f"user-{number}" for number in range(997)]
    carriers = ["UA", "AA", "B6", "DL", "EV", "MQ", "US", "WN"]
    client = Segment("bench-key-0123456789", host=url, on_full="block", flush_at=1_000, flush_interval=0.2)
    started = time.monotonic()
    sent = 0
    late_seconds = 0.0
    while (elapsed := time.monotonic() - started) < seconds:
        due = int(elapsed * rate) - sent
        for number in range(sent, sent + due):
            client.track(
                users[number % 997],
                "Flight Departed",
                {
                    "flight": number,
                    "carrier": carriers[number % 8],
                    "tail_number": f"N{number % 10_000:05d}",
                    "origin": {"airport": "JFK", "terminal": "4", "gate": "B22", "city": "New York"},
                    "destination": {"airport": "LAX", "terminal": "6", "gate": "65A", "city": "Los Angeles"},
                    "scheduled": "2013-01-01T10:15:00Z",
                    "delay_minutes": number % 97,
                    "distance_miles": 2475.5,
                    "on_time": number % 3 == 0,
                    "crew": ["captain", "first officer", "purser"],
                    "note": "boarding was completed eleven minutes before the scheduled departure",
                },
            )
        sent += due
        late_seconds = max(late_seconds, time.monotonic() - started - elapsed)
        time.sleep(TICK_SECONDS)
    took = time.monotonic() - started
    client.flush(60)
    stats = client.stats()
    client.close()
    told = {
        "offered": sent,
        "delivered": stats.delivered,
        "seconds": took,
        "settled_seconds": time.monotonic() - started,
        "requests": stats.batches,
        "longest_tick_seconds": late_seconds,
        "cpu_seconds": time.process_time(),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
