"""ThreadSanitizer over the engine's tests with real threads: `make tsan`.

The standard library is compiled with it (`-Zbuild-std`), so that its locks, parks and allocations are seen for what
they are: there is no list of suppressions that could hide a race of ours. Planted races first: each must be reported.
"""

from __future__ import annotations

import re
import sys

from checkers import toolchain
from checkers.planted import Bug, Ran, built_in, caught, plant, run
from checkers.toolchain import ROOT, TARGET, Lacking, fail, lacks, say

TESTS = ("--lib", "--test", "ring_stress", "--test", "queue_model")
SECONDS = 900
OUTPUT = TARGET / "tsan"
# Says how much processor time a thread may take, which is not meant for one that is watched.
BY_THE_CLOCK = "without_an_interval_the_worker_lingers"

BUGS = (
    Bug(
        "a record is published without Release",
        "rust/core/src/ring.rs",
        "page.word(offset).store(word, Ordering::Release);",
        "page.word(offset).store(word, Ordering::Relaxed);",
        r"WARNING: ThreadSanitizer: data race",
    ),
    Bug(
        "the consumer does not acquire what it reads",
        "rust/core/src/ring.rs",
        "let word = unsafe { &*page }.word(offset).load(Ordering::Acquire);",
        "let word = unsafe { &*page }.word(offset).load(Ordering::Relaxed);",
        r"WARNING: ThreadSanitizer: data race",
    ),
    Bug(
        "a commit word is written as plain memory",
        "rust/core/src/ring.rs",
        "page.word(offset).store(word, Ordering::Release);",
        "unsafe { page.word(offset).as_ptr().write(word) };",
        r"WARNING: ThreadSanitizer: data race",
    ),
)


def main() -> int:
    """Planted races, then the engine as it is."""
    try:
        environment = toolchain.nightly("rust-src")
    except Lacking as lacking:
        return lacks(str(lacking), "tsan")
    triple = toolchain.host(environment)
    if triple not in {"x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin"}:
        return lacks(f"ThreadSanitizer for {triple}", "tsan")
    environment |= {
        "RUSTFLAGS": "-Zsanitizer=thread",
        # The frames of a report, at a tenth of the time to compile.
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "TSAN_OPTIONS": "halt_on_error=0 exitcode=66",
    }
    command = ["cargo", "test", "--locked", "--release", "-Zbuild-std", "--target", triple, "-p", "sluiceway-core"]
    for bug in BUGS:
        only = ["--test", "ring_stress", "--", "many_producers_one_consumer"]
        tree = plant(bug)
        if not caught(bug, run([*command, *only], built_in(environment, OUTPUT, tree), SECONDS, tree)):
            return 1
    tests = ["--no-fail-fast", *TESTS, "--", "--skip", BY_THE_CLOCK]
    ran = run([*command, *tests], built_in(environment, OUTPUT, ROOT), SECONDS)
    return verdict(ran)


def verdict(ran: Ran) -> int:
    """What the run of the real sources says."""
    passed = sum(int(count) for count in re.findall(r"test result: \w+\. (\d+) passed", ran.output))
    reports = ran.output.count("WARNING: ThreadSanitizer")
    if ran.code != 0 or reports or passed == 0:
        say(ran.output[-20_000:])
        return fail(f"{reports} reports of ThreadSanitizer, code {ran.code}")
    say(f"real: {passed} tests under ThreadSanitizer, standard library included, 0 reports, {ran.seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
