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

from sluiceway.testing.script import Script
from sluiceway.testing.server import Receiver
from sluiceway.testing.strict.detect import VENDORS

EXAMPLES = """examples:
  python -m sluiceway.testing.receiver --port 8080
  python -m sluiceway.testing.receiver --vendor amplitude --keep ids --json
  python -m sluiceway.testing.receiver --script faults.py:answers --seed 7

While it runs, GET /_receiver/stats, /_receiver/violations, /_receiver/ids, /_receiver/refused and
/_receiver/log tell what has arrived.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m sluiceway.testing.receiver",
        description="A local server that takes events as a strict vendor does, counts them, and answers from a script.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 (the default) takes a free one")
    parser.add_argument("--vendor", choices=VENDORS, help="by default, the one that a request's path speaks of")
    parser.add_argument(
        "--keep", choices=("all", "log", "ids"), default="ids", help="keep everything, a log of the events, or ids only"
    )
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
    script = _script(options.script, options.seed)
    with Receiver(script, vendor=options.vendor, keep=options.keep, port=options.port) as receiver:
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
