"""Try a million hostile calls: values, types, subclasses that lie, keys, ids, times, depths and sizes.

Each call is made at random (seeded) together with what must become of it by the documented rules. No call may raise;
each is refused for a reason it has given, or accepted; what is accepted arrives as valid JSON that says what was to
arrive; and the account is exact at the end. Prints the figures, and the number of each call that was wrong: `--only`
repeats it.
"""

from __future__ import annotations

import argparse
import logging
import sys

from hostile.campaign import run


def main() -> int:
    """Return 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=20131231)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this call alone")
    options = parser.parse_args()
    logging.getLogger("sluiceway").setLevel(logging.CRITICAL)
    first, count = (0, options.calls) if options.only is None else (options.only, 1)
    outcome = run(count, options.seed, first=first)
    lines = (
        ("seed", f"{options.seed}"),
        ("calls", f"{outcome.tried:,}"),
        ("accepted", f"{outcome.accepted:,}"),
        ("compared", f"{outcome.compared:,}"),
        ("refused", f"{sum(outcome.refused.values()):,} {dict(outcome.refused)}"),
        ("failed late", f"{outcome.stats.failed:,} {dict(outcome.stats.failed_by_reason) or ''}"),
        ("replaced", f"{dict(outcome.stats.replaced)}"),
        ("seconds", f"{outcome.seconds:.1f}"),
        ("wrong", f"{len(outcome.faults):,} of {outcome.tried:,}"),
    )
    sys.stdout.write("\n".join(f"{name:<12}{text}" for name, text in lines) + "\n")
    for fault in outcome.faults:
        sys.stdout.write(f"  {fault}\n")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
