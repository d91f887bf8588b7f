"""Prove that programs end as they would without us: every way to end, many times, each compared with its control.

Each path of `exiting/` is a short program. It is run once without a client, which gives the exit code and what stands
on the standard error, and then many times with one. The exit code must be the same, nothing may be said but what the
path allows, the end may take the client's exit timeout at most, and what was accepted must have arrived once, by the
receiver's account. A hang, a crash, a signal that nobody sent: each is a wrong end.
"""

from __future__ import annotations

import argparse
import fnmatch
import random
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from exiting import PATHS
from exiting.path import Path
from exiting.trial import Stage, stage

EXAMPLES = """examples:
  python tests/exits.py --rounds 5
  python tests/exits.py --path 'ctrl-c*' --rounds 200 --seed 7
"""


def run(stage: Stage, chosen: list[Path], rounds: int, jobs: int) -> tuple[dict[str, list[float]], list[str]]:
    """Run all paths, round by round; returns how long the ends took, by path, and what was wrong."""
    seconds: dict[str, list[float]] = defaultdict(list)
    wrong: list[str] = []

    def one(path: Path, number: int) -> None:
        name = f"{path.name}/{number}"
        ended = stage.run(path, name)
        seconds[path.name].append(ended.seconds)
        for what in stage.judge(path, name, ended):
            wrong.append(f"{name}: {what}")
            sys.stderr.write(f"{wrong[-1]}\n")

    for path in chosen:
        stage.control(path)
    with ThreadPoolExecutor(jobs) as pool:
        for number in range(rounds):
            list(pool.map(one, chosen, [number] * len(chosen)))
    return seconds, wrong


def main() -> int:
    """Run the campaign; 0 when every end was as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200, help="how often each path is run")
    parser.add_argument("--path", default="*", help="a pattern of names")
    parser.add_argument("--jobs", type=int, default=3, help="how many programs run at once")
    parser.add_argument("--seed", type=int, default=None, help="of the moments of the signals; a random one by default")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    chosen = [
        path for path in PATHS if fnmatch.fnmatch(path.name, options.path) and sys.version_info >= path.min_python
    ]
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"seed {seed}, CPython {version}, {len(chosen)} paths, {options.rounds} times each", flush=True)
    began = time.monotonic()
    with stage(seed) as around:
        seconds, wrong = run(around, chosen, options.rounds, options.jobs)
        stats, stuck = around.answers.stats(), around.silent.stats()
        violations = around.answers.violations
    for path in chosen:
        took = sorted(seconds[path.name])
        bad = len({line.split(":")[0] for line in wrong if line.startswith(f"{path.name}/")})
        print(
            f"row {path.row}  {path.name:<52} {bad} of {len(took)} wrong, "
            f"{took[len(took) // 2]:6.2f} s typical, {took[-1]:6.2f} s longest"
        )
    ends = sum(map(len, seconds.values()))
    print(
        f"{ends:,} ends in {time.monotonic() - began:.0f} s; arrived: {stats.ids:,} events, twice: {stats.duplicates}"
    )
    print(f"requests that were never answered: {stuck.requests:,}")
    wrong += [f"the receiver objects: {violation}" for violation in violations[:5]]
    hopeful = any(path.expects and path.endpoint == "answers" for path in chosen)
    hopeless = any(path.endpoint == "silent" for path in chosen)
    if (hopeful and not stats.ids) or (hopeless and not stuck.requests):
        wrong.append("no traffic: nothing was proved")
    print("\n".join(["wrong:", *wrong[:50]]) if wrong else f"0 of {ends:,} ends were wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
