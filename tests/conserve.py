"""Prove that no event is lost: millions of them, from many threads, through a receiver that fails all the time.

The receiver runs in a process of its own, as one of the vendors, and answers at random (seeded) with success, 413, 429,
500, 503 and whatever that vendor has for bad events and busy users, or resets the connection before or after it has
read the request. What counts as the truth is what it counted, never what the client says of itself. Half of the events
carry an id of ours, so that each single one can be asked for; the other half get the client's own ids, whose
distinctness is thereby proved as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from conserving.drivers import DRIVERS, THROTTLE_SECONDS
from conserving.laws import LaneFigures, broken, broken_lanes, lane_figures
from conserving.load import Figures, Load

from sluiceway.retry import RetryPolicy
from sluiceway.testing import ReceiverProcess

EXAMPLES = """examples:
  python tests/conserve.py --events 200000 --seed 7
  python tests/conserve.py --vendor amplitude --events 100000
  python tests/conserve.py --events 5000000 --threads 8
"""

FAULTS = Path(__file__).parent / "conserving" / "faults.py"


def table(figures: Figures, lanes: LaneFigures | None, seconds: float, vendor: str, seed: int) -> str:
    """Return the figures as lines of text."""
    stats, receiver = figures.stats, figures.receiver
    answers = ", ".join(f"{status}: {count:,}" for status, count in receiver.statuses.items())
    throttled = (
        ()
        if lanes is None
        else (
            ("told to wait", f"{lanes.throttled:,}, came too early {lanes.early:,}"),
            ("beside them", f"{lanes.beside:,}, waited as well {lanes.late:,}"),
            ("order", f"{lanes.taken:,} taken, {lanes.swapped:,} swapped"),
        )
    )
    lines = (
        ("vendor, seed", f"{vendor}, {seed}"),
        ("offered", f"{stats.offered:,}"),
        ("accepted", f"{stats.accepted:,}"),
        ("refused", f"{sum(stats.refused.values()):,} {dict(stats.refused) or ''}"),
        ("delivered", f"{stats.delivered:,}"),
        ("failed", f"{stats.failed:,} {dict(stats.failed_by_reason) or ''}"),
        ("dropped", f"{stats.dropped:,}"),
        ("pending", f"{stats.pending:,}"),
        ("receiver: distinct ids", f"{receiver.ids:,}, refused {receiver.refused:,}"),
        ("receiver: sent again", f"{receiver.repeats:,}, other bytes {receiver.mismatches:,}"),
        ("receiver: after a 200", f"{receiver.duplicates:,}, after a refusal {receiver.refused_again:,}"),
        ("receiver: requests", f"{receiver.requests:,}, retries {receiver.retries:,}"),
        ("receiver: answers", f"{answers}, reset: {receiver.resets:,}"),
        ("ids of ours", f"{figures.ours_accepted:,}, ended {figures.ours_ended:,}"),
        *throttled,
        ("callbacks", f"{figures.callbacks_asked:,}, told {figures.callbacks_told:,}"),
        ("high-water mark", f"{stats.max_reserved_events:,} events, {stats.max_reserved_bytes:,} bytes"),
        ("seconds", f"{seconds:.1f}, {stats.offered / seconds:,.0f} events/s"),
    )
    return "\n".join(f"{name:<24}{text}" for name, text in lines)


def main() -> int:
    """Run the job; 0 when every law holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vendor", choices=tuple(DRIVERS), default="segment", help="capture is PostHog's capture V1")
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=None, help="of the receiver's answers; a random one by default")
    parser.add_argument("--batch-events", type=int, default=250, help="small batches make many requests to fail")
    options = parser.parse_args()
    vendor = options.vendor
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    lanes: LaneFigures | None = None
    has_lanes = vendor == "amplitude"
    speaks = "posthog" if vendor == "capture" else vendor
    script = f"{FAULTS}:{vendor}"
    with ReceiverProcess(vendor=speaks, keep="log" if has_lanes else "ids", script=script, seed=seed) as receiver:
        client_options = {
            "on_full": "block",
            "max_batch_events": options.batch_events,
            "retry": RetryPolicy(base_seconds=0.001, cap_seconds=0.01),
        }
        began = time.perf_counter()
        load = Load(vendor, receiver.url, client_options, options.events, options.threads, seed)
        for thread in load.start():
            thread.join()
        load.finish()
        seconds = time.perf_counter() - began
        figures = load.figures(receiver.stats(), receiver.acknowledged_ids(), receiver.refused_ids())
        violations = receiver.violations()
        if has_lanes:
            lanes = lane_figures(receiver.log(), THROTTLE_SECONDS)
    print(table(figures, lanes, seconds, vendor, seed))
    wrong = [
        *broken(figures),
        *(broken_lanes(lanes) if lanes is not None else ()),
        *violations[:10],
        *(f"a producer raised {type(error).__name__}: {error}" for error in load.raised),
    ]
    print("\n".join(["broken:", *wrong]) if wrong else "every law holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
