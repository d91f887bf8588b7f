"""Weaken each memory ordering of the lock-free parts, one at a time, and see a loom model fail.

    make loom-mutants            # all
    python3 rust/core/tests/weaken.py wake.rs

Acquire and Release become Relaxed; AcqRel becomes Acquire, then Release. What survives is either an ordering that is
not needed, to be weakened for good, or one that carries `loom: ` and the reason in the comment above it: that is then
reported as argued. An argued ordering that a model does fail on is reported too, for its comment is stale.

Works on a copy of the crate. Exits with 1 if anything survives without an argument.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
FILES = ("ring.rs", "page.rs", "wake.rs", "budget.rs")
WEAKER = {"Acquire": ("Relaxed",), "Release": ("Relaxed",), "AcqRel": ("Acquire", "Release")}
ORDERING = re.compile(r"Ordering::(AcqRel|Acquire|Release)\b")
ARGUED = "loom: "
# A mutant may loop for ever; the whole suite takes a minute.
TIMEOUT_SECONDS = 300


class Mutant(NamedTuple):
    """One ordering made weaker."""

    name: str
    line: int
    code: str
    weaker: str
    text: str
    argued: bool


def mutants(name: str, text: str) -> Iterator[Mutant]:
    """Find every ordering outside comments and test modules."""
    lines = text.split("\n")
    for found in ORDERING.finditer(text):
        line = text.count("\n", 0, found.start())
        if any(code.startswith("#[cfg(all(test") for code in lines[:line]):
            return
        if lines[line].lstrip().startswith("//"):
            continue
        for weaker in WEAKER[found[1]]:
            changed = f"{text[: found.start()]}Ordering::{weaker}{text[found.end() :]}"
            argued = ARGUED in "\n".join(comment_above(lines, line))
            yield Mutant(name, line + 1, lines[line].strip(), f"{found[1]} -> {weaker}", changed, argued)


def comment_above(lines: list[str], line: int) -> Iterator[str]:
    """Yield the comment that belongs to the statement at `line`, from its end."""
    above = line - 1
    while above > 0 and not lines[above].lstrip().startswith("//") and line - above < 4:
        above -= 1
    while lines[above].lstrip().startswith("//"):
        yield lines[above]
        above -= 1


def copy_crate(into: Path) -> Path:
    """Copy the core crate as a workspace of its own, so that the original is never touched."""
    crate = into / "rust" / "core"
    shutil.copytree(ROOT / "rust" / "core", crate)
    workspace = (ROOT / "Cargo.toml").read_text()
    workspace = re.sub(r"(?m)^(default-)?members = .*$", r'\1members = ["rust/core"]', workspace)
    (into / "Cargo.toml").write_text(workspace)
    shutil.copy(ROOT / "Cargo.lock", into)
    return crate


def failing_model(crate: Path, target: Path) -> str | None:
    """Run the models; return the first that fails, or None if all hold."""
    command = ["cargo", "test", "--quiet", "--release", "--test", "ring_loom", "--", "--nocapture", "--test-threads=1"]
    environment = os.environ | {
        "RUSTFLAGS": "--cfg loom",
        "CARGO_TARGET_DIR": str(target),
        "LOOM_MAX_PREEMPTIONS": os.environ.get("LOOM_MAX_PREEMPTIONS", "3"),
        "RUST_BACKTRACE": "0",
        # Compiled once for each mutant: quickly, then.
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
        "CARGO_PROFILE_RELEASE_DEBUG": "none",
    }
    try:
        done = subprocess.run(
            command, cwd=crate, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "(no end)"
    output = done.stdout + done.stderr
    if "could not compile" in output:
        # No verdict at all.
        sys.exit(output)
    if done.returncode == 0:
        return None
    failed = re.findall(r"^(\w+) --- FAILED", output, re.MULTILINE)
    return f"{failed[0]} and {len(failed) - 1} more" if len(failed) > 1 else (failed or ["(crash)"])[0]


def main() -> int:
    """Weaken, run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", default=FILES, help=f"of {', '.join(FILES)}")
    names = parser.parse_args().files
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "loom-mutants"
    counts = {"killed": 0, "argued": 0, "survived": 0, "stale argument": 0}
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sluiceway-weaken-") as directory:
        crate = copy_crate(Path(directory))
        failed = failing_model(crate, target)
        if failed is not None:
            sys.exit(f"the models fail as they are: {failed}")
        for name in names:
            path = crate / "src" / name
            original = path.read_text()
            for mutant in mutants(name, original):
                path.write_text(mutant.text)
                failed = failing_model(crate, target)
                path.write_text(original)
                if failed is not None:
                    verdict = "stale argument" if mutant.argued else "killed"
                else:
                    verdict = "argued" if mutant.argued else "survived"
                counts[verdict] += 1
                print(f"{verdict:9} {name}:{mutant.line} {mutant.weaker}: {failed or mutant.code}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()), f"{time.monotonic() - start:.0f} s")
    return 1 if counts["survived"] or counts["stale argument"] else 0


if __name__ == "__main__":
    sys.exit(main())
