"""Miri over the engine: undefined behaviour, races and leaks, statement by statement. `make miri`.

Miri is a thousand times slower than a processor, so tests have sizes of their own under `cfg(miri)`, and of the slow
files only some tests are run. Those with threads are run with several seeds: each is another order of events, and
another choice of which store a weak load sees. Planted bugs first.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from checkers import toolchain
from checkers.planted import Bug, built_in, caught, plant, run
from checkers.toolchain import ROOT, TARGET, Lacking, fail, lacks, say

SECONDS = 1200
OUTPUT = TARGET / "miri"

# A record on the heap leaves its address in the ring as a number: the one place where provenance is exposed.
STRICT = "-Zmiri-strict-provenance"
EXPOSED = "-Zmiri-permissive-provenance"


class Part(NamedTuple):
    """Some tests of one program, and how Miri is to run them."""

    program: tuple[str, ...]
    tests: tuple[str, ...]
    flags: str
    seeds: int = 1


PARTS = (
    Part(("--lib",), (), STRICT),
    Part(("--lib",), ("wake::", "signal::", "batch::"), STRICT, 8),
    Part(("--test", "ring_stress"), (), EXPOSED),
    Part(("--test", "ring_stress"), ("many_producers", "make_room"), EXPOSED, 8),
    Part(("--test", "batcher_laws"), ("an_event", "a_batch", "the_largest", "no_batch", "views_on_many"), STRICT),
    Part(("--test", "join_laws"), ("nothing_is", "an_event_that", "joining_and_ending"), STRICT, 4),
    Part(
        ("--test", "queue_model"),
        ("events_accepted_before", "tokens_end_once", "two_who", "a_flush_hands_out", "an_event_larger"),
        EXPOSED,
        2,
    ),
)

BUGS = (
    Bug(
        "a record is published without Release",
        "rust/core/src/ring.rs",
        "page.word(offset).store(word, Ordering::Release);",
        "page.word(offset).store(word, Ordering::Relaxed);",
        r"Undefined Behavior: Data race",
    ),
    Bug(
        "the record behind a heap address is freed twice",
        "rust/core/src/ring.rs",
        "Some(read(&*body))",
        "let shown = Some(read(&*body)); drop(Box::from_raw(body)); shown",
        r"Undefined Behavior: .*(dangling|freed|has been freed).*",
    ),
    Bug(
        "records that nobody took are not freed with the ring",
        "rust/core/src/ring.rs",
        "while reader.front(|_| ()).is_some() {",
        "while false && reader.front(|_| ()).is_some() {",
        r"memory leaked",
    ),
)


def main() -> int:
    """Planted bugs, then the engine as it is."""
    try:
        environment = toolchain.nightly("miri", "rust-src")
    except Lacking as lacking:
        return lacks(str(lacking), "miri")
    command = ["cargo", "miri", "test", "--locked", "-p", "sluiceway-core"]
    for bug in BUGS:
        only = ["--test", "ring_stress", "--", "many_producers", "records_on_the_heap"]
        tree = plant(bug)
        watched = built_in(environment, OUTPUT, tree) | {"MIRIFLAGS": EXPOSED}
        if not caught(bug, run([*command, *only], watched, SECONDS, tree)):
            return 1
    total, seconds = 0, 0.0
    for part in PARTS:
        flags = part.flags + (f" -Zmiri-many-seeds=0..{part.seeds}" if part.seeds > 1 else "")
        watched = built_in(environment, OUTPUT, ROOT) | {"MIRIFLAGS": flags}
        ran = run([*command, *part.program, "--", *part.tests], watched, SECONDS)
        passed = sum(int(count) for count in re.findall(r"test result: ok\. (\d+) passed", ran.output))
        name = " ".join([part.program[-1].removeprefix("--"), *part.tests])
        if ran.code != 0 or passed == 0:
            say("\n".join(ran.output.splitlines()[-80:]))
            return fail(f"Miri: {name}: code {ran.code}, {passed} passed")
        say(f"real: {name}: {passed} passed ({part.seeds} seeds, {flags.split()[0]}), {ran.seconds:.0f} s")
        total, seconds = total + passed, seconds + ran.seconds
    say(f"real: {total} runs of tests under Miri, 0 findings, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
