"""The receiver as a program: `python -m sluiceway.testing.receiver`.

It prints its address and serves until SIGINT or SIGTERM or, with `--until-eof`, until its standard input ends.
"""

from __future__ import annotations

import argparse
import json
import runpy
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from sluiceway.testing.answers import Script
from sluiceway.testing.server import Receiver

EXAMPLES = """examples:
  python -m sluiceway.testing.receiver --port 8080
  python -m sluiceway.testing.receiver --keep ids --json
  python -m sluiceway.testing.receiver --script faults.py:answers --seed 7

While it runs, GET /_receiver/stats, /_receiver/violations and /_receiver/ids tell what has arrived.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m sluiceway.testing.receiver",
        description="A local server that takes events as Segment does, counts them, and answers from a script.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 (the default) takes a free one")
    parser.add_argument("--keep", choices=("all", "ids"), default="ids", help="keep everything, or ids and counts only")
    parser.add_argument("--json", action="store_true", help="print the address as one line of JSON")
    parser.add_argument("--script", metavar="FILE:FUNCTION", help="a function that gets the seed and returns a script")
    parser.add_argument("--seed", type=int, default=0, help="what the function gets; 0 by default")
    parser.add_argument(
        "--until-eof", action="store_true", help="end when standard input does, as a parent's death ends it"
    )
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        # Set for both: a shell starts a background job with SIGINT ignored.
        signal.signal(number, _stop)
    with Receiver(_script(options.script, options.seed), keep=options.keep, port=options.port) as receiver:
        started = {"url": receiver.url, "port": receiver.port}
        sys.stdout.write(f"{json.dumps(started) if options.json else f'listening on {receiver.url}'}\n")
        sys.stdout.flush()
        _wait(until_eof=options.until_eof)
    return 0


def _script(where: str | None, seed: int) -> Script | None:
    if where is None:
        return None
    path, _, function = where.rpartition(":")
    script: Script = runpy.run_path(path)[function](seed)
    return script


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _wait(*, until_eof: bool) -> None:
    while until_eof and sys.stdin.read(4096):
        pass
    while not until_eof:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
