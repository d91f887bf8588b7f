"""cargo-mutants over the engine's core rooms: `make mutants`.

Each mutant is one small change (an operator, a constant result, a branch left out), compiled and held against the
tests. What no test notices survives, and has to stand in rust/core/MUTANTS.md with the reason why it may. Two stages,
for the tests of a room are quicker than all of them: what those let through meets the queue's model as well.

    make mutants                       # all, some hours on two cores
    make mutants ROOM=budget           # one room
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from checkers import toolchain
from checkers.toolchain import ROOT, TARGET, Lacking, fail, lacks, say

VERSION = "27.1.0"
SOURCES = "rust/core/src/"
OUTPUT = TARGET / "mutants"
RECORD = ROOT / "rust/core/MUTANTS.md"

RING = ("--lib", "--test=ring_stress")
BATCH = ("--lib", "--test=batcher_laws", "--test=join_laws")
ROOMS = {
    "budget": (RING, "budget.rs"),
    "ring": (RING, "ring.rs"),
    "page": (RING, "page.rs"),
    "taker": (RING, "taker.rs"),
    "wake": (RING, "wake.rs"),
    "batcher": (BATCH, "batcher.rs"),
    "batch": (BATCH, "batch/*.rs"),
}
ALL_TESTS = (*BATCH, "--test=ring_stress", "--test=queue_model")
# A mutant that spins is ended by the processor time it took, which a busy machine does not change: the longest of the
# test programs takes five seconds of it.
CPU_SECONDS = 20
TIMEOUT_SECONDS = 120


def stage(cargo_mutants: Path, files: list[str], tests: tuple[str, ...]) -> None:
    """One run of cargo-mutants; what an earlier one caught is not run again."""
    command = [
        str(cargo_mutants),
        "mutants",
        "--no-config",
        "--iterate",
        "--output",
        str(OUTPUT),
        "--package",
        "sluiceway-core",
    ]
    command += ["--profile", "mutants", "--cap-lints", "true", "--baseline", "skip", "--colors", "never", "--no-times"]
    command += ["--timeout", str(TIMEOUT_SECONDS), "--build-timeout", "300", "--cargo-arg=--locked"]
    command += [f"--file={SOURCES}{file}" for file in files]
    # For the build as well: what is not run is not compiled once for each mutant either.
    command += [f"--cargo-arg={test}" for test in tests]
    environment = dict(os.environ)
    environment.pop("CARGO_TARGET_DIR", None)
    triple = toolchain.host(environment)
    if shutil.which("prlimit"):
        runner = f"CARGO_TARGET_{triple.upper().replace('-', '_')}_RUNNER"
        environment[runner] = f"prlimit --cpu={CPU_SECONDS}"
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    # 2: some were missed; 3: some timed out. Both are told below, from its lists.
    if done.returncode not in {0, 2, 3}:
        sys.exit(f"cargo-mutants ended with {done.returncode}")


def listed(name: str) -> set[str]:
    """One of the lists that the last run left."""
    path = OUTPUT / "mutants.out" / f"{name}.txt"
    return set(path.read_text().splitlines()) if path.exists() else set()


def argued() -> set[str]:
    """The mutants that MUTANTS.md gives a reason for, without their places, which every edit moves."""
    lines = RECORD.read_text().splitlines() if RECORD.exists() else []
    return {found[1].replace("\\|", "|") for line in lines if (found := re.match(r"\| `([^`]+)`", line))}


def nameless(mutant: str) -> str:
    """`page.rs: replace Spares::trim with ()`: file and change."""
    path, _, _, change = mutant.split(":", 3)
    return f"{path.removeprefix(SOURCES)}:{change}"


def main() -> int:
    """Change, run, report; 1 if anything survives without a reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="of " + ", ".join(ROOMS))
    parser.add_argument("--again", action="store_true", help="go on where a run was broken off")
    options = parser.parse_args()
    rooms = options.rooms or list(ROOMS)
    try:
        cargo_mutants = toolchain.tool("cargo-mutants", VERSION)
    except Lacking as lacking:
        return lacks(str(lacking), "mutants")
    if not options.again:
        shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for tests in (RING, BATCH):
        files = [file for room, (own, file) in ROOMS.items() if room in rooms and own == tests]
        if files:
            say(f"== {', '.join(files)}: their own tests")
            stage(cargo_mutants, files, tests)
    say("== what is left, against all tests")
    stage(cargo_mutants, [ROOMS[room][1] for room in rooms], ALL_TESTS)
    return report(rooms)


def report(rooms: list[str]) -> int:
    """The figures, and the survivors that nobody has argued for."""
    caught = listed("caught") | listed("previously_caught")
    missed, timeout, unviable = listed("missed"), listed("timeout"), listed("unviable")
    known = argued()
    open_ones = sorted(mutant for mutant in missed if nameless(mutant) not in known)
    total = len(caught | missed | timeout | unviable)
    ends = f"{len(caught - unviable)} caught, {len(timeout)} ran for ever, {len(unviable)} did not compile"
    say(f"{', '.join(rooms)}: {total} mutants, {ends}, {len(missed)} survived, {len(missed) - len(open_ones)} argued")
    (OUTPUT / "figures.json").write_text(json.dumps({"missed": sorted(missed), "timeout": sorted(timeout)}, indent=1))
    for mutant in open_ones:
        say(f"survived: {mutant}")
    return fail(f"{len(open_ones)} mutants survive without a reason in rust/core/MUTANTS.md") if open_ones else 0


if __name__ == "__main__":
    sys.exit(main())
