"""Coverage-guided fuzzing: the engine's targets by cargo-fuzz, the readers of foreign bytes by Atheris. `make fuzz`.

    make fuzz                          # each target for 60 s, after its planted bug
    make fuzz SECONDS=600 TARGET=record
    make fuzz SEED=7

Every target meets a planted bug first, in a copy of the sources, and has to find it; then it runs on the sources as
they are. What it learns stays in `target/fuzz/corpus` for the next run; an input that fails is left in
`target/fuzz/artifacts`, and the output names it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from checkers import toolchain
from checkers.planted import Bug, Ran, built_in, caught, plant, run
from checkers.toolchain import ROOT, TARGET, Lacking, fail, lacks, say

CARGO_FUZZ = "0.13.2"
ATHERIS = "3.0.0"
OUTPUT = TARGET / "fuzz"
VENV = ROOT / ".venv-fuzz"
# What a planted bug is given to be found in. All were found within a tenth of it.
PLANTED_SECONDS = 120
BUILD_SECONDS = 1800

RUST = {
    "encoder": Bug(
        "a quote inside a text is not escaped where the text is short",
        "rust/core/src/json/escape/word.rs",
        "let not_quote = (low ^ (b'\"' as u64 * ONES))",
        "let not_quote = (low ^ (b'\\'' as u64 * ONES))",
        r"SUMMARY: .*|panicked at .*",
    ),
    "record": Bug(
        "a length on the tape is believed",
        "rust/core/src/json/writer.rs",
        "self.rest.split_at_checked(len).unwrap_or((self.rest, &[]))",
        "self.rest.split_at(len)",
        r"SUMMARY: .*|panicked at .*",
    ),
    "batcher": Bug(
        "a batch may be one byte over its limit",
        "rust/core/src/batcher.rs",
        "if end > self.limits.joined_bytes() {",
        "if end > self.limits.joined_bytes() + 1 {",
        r"panicked at .*",
    ),
    "queue": Bug(
        "an event that did not fit its batch is lost",
        "rust/core/src/queue/next.rs",
        "None | Some((Fit::Full, ..)) => break,",
        "None => break, Some((Fit::Full, ..)) => {}",
        r"panicked at .*",
    ),
    "shelf": Bug(
        "an id is believed to lie within its event",
        "rust/core/src/batch/shelf.rs",
        "if id_start > id_end || id_end > len {",
        "if id_start > id_end {",
        r"panicked at .*",
    ),
}
PYTHON = {
    "segment": Bug(
        "a date beyond what a clock can say is believed to be impossible",
        "python/sluiceway/retry.py",
        "except (ValueError, TypeError, IndexError, OverflowError, AttributeError):",
        "except (TypeError, IndexError, AttributeError):",
        r"(?m)^(ValueError|OverflowError).*",
    ),
    "amplitude": Bug(
        "an index is believed to be a number",
        "python/sluiceway/vendors/amplitude_judge.py",
        "yield from (index for index in value if type(index) is int and index >= 0)",
        "yield from (index for index in value if index >= 0)",
        r"(?m)^(TypeError|AssertionError).*",
    ),
    "posthog": Bug(
        "what is told of an event is believed to be an object",
        "python/sluiceway/vendors/posthog_judge.py",
        "return told.get(key) if isinstance(told, dict) else None",
        "return told.get(key) if told is not None else None",
        r"(?m)^AttributeError.*",
    ),
    "spool": Bug(
        "a layout is believed to fit the events",
        "python/sluiceway/spool/contents.py",
        "if sum(lengths) + self.count - 1 != len(self.events):",
        "if False:",
        r"(?m)^(IndexError|AssertionError).*",
    ),
}


def figures(ran: Ran) -> tuple[int, int, str]:
    """How many executions, how many covered edges, and the input that failed, of libFuzzer's last words."""
    executions = [int(count) for count in re.findall(r"stat::number_of_executed_units:\s*(\d+)", ran.output)]
    executions += [int(count) for count in re.findall(r"(?m)^#(\d+)\s+DONE", ran.output)]
    covered = re.findall(r"cov: (\d+)", ran.output)
    artifact = re.search(r"Test unit written to (\S+)", ran.output)
    return max(executions, default=0), int(covered[-1]) if covered else 0, artifact[1] if artifact else ""


def libfuzzer(target: str, seconds: int, seed: int) -> list[str]:
    """Arguments that cargo-fuzz and Atheris both hand to libFuzzer."""
    artifacts = OUTPUT / "artifacts" / target
    artifacts.mkdir(parents=True, exist_ok=True)
    return [
        f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=2048",
        "-print_final_stats=1", f"-artifact_prefix={artifacts}/",
    ]  # fmt: skip


def corpus(target: str) -> Path:
    """Where a target keeps the inputs that taught it something."""
    path = OUTPUT / "corpus" / target
    path.mkdir(parents=True, exist_ok=True)
    return path


def fuzz_rust(target: str, tree: Path, inputs: Path, seconds: int, seed: int) -> Ran:
    """Build and run one target of rust/fuzz in `tree`, with AddressSanitizer."""
    toolchain.tool("cargo-fuzz", CARGO_FUZZ)
    environment = toolchain.nightly()
    environment["PATH"] = f"{toolchain.TOOLS / 'bin'}{os.pathsep}{environment['PATH']}"
    place = built_in(environment, OUTPUT, tree)["CARGO_TARGET_DIR"]
    where = ["--fuzz-dir", tree / "rust/fuzz", "--target-dir", place]
    built = run(["cargo", "fuzz", "build", *where, target], environment, BUILD_SECONDS, tree / "rust/fuzz")
    if built.code != 0:
        return built
    command = ["cargo", "fuzz", "run", *where, target, inputs, "--", *libfuzzer(target, seconds, seed)]
    return run(command, environment, seconds + 300, tree / "rust/fuzz")


def python() -> Path:
    """The interpreter of the fuzzers' own environment, made if need be."""
    interpreter = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (VENV / ".made").exists():
        say(f"making .venv-fuzz with atheris {ATHERIS}")
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        wanted = [f"atheris=={ATHERIS}", "msgspec>=0.19", "urllib3>=2.7,<3"]
        done = run([interpreter, "-m", "pip", "install", "--quiet", *wanted], os.environ, BUILD_SECONDS)
        if done.code != 0:
            raise Lacking(f"atheris {ATHERIS} for this Python ({toolchain.reason(done.output)})")
        (VENV / ".made").touch()
    return interpreter


def fuzz_python(target: str, tree: Path, inputs: Path, seconds: int, seed: int) -> Ran:
    """Run one target of `readers.py` on the package in `tree`."""
    environment = dict(os.environ) | {"PYTHONPATH": str(tree / "python")}
    program = Path(__file__).with_name("readers.py")
    command = [python(), program, target, inputs, *libfuzzer(target, seconds, seed)]
    return run(command, environment, seconds + 300)


def one(target: str, bug: Bug, fuzz: Callable[..., Ran], seconds: int, seed: int) -> bool:
    """The planted bug, then the real thing; whether both went as they should."""
    scratch = OUTPUT / "planted-corpus" / target
    scratch.mkdir(parents=True, exist_ok=True)
    if not caught(bug, fuzz(target, plant(bug), scratch, PLANTED_SECONDS, seed)):
        return False
    ran = fuzz(target, ROOT, corpus(target), seconds, seed)
    executions, covered, artifact = figures(ran)
    if ran.code != 0 or executions == 0:
        say("\n".join(ran.output.splitlines()[-60:]))
        fail(f"{target} after {executions} executions: {artifact or f'code {ran.code}'}")
        return False
    say(f"real: {target}: {executions:,} executions in {seconds} s, {covered} edges, 0 failures (seed {seed})")
    return True


def main() -> int:
    """Every target asked for; 1 if one fails, 3 if one could not run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="of " + ", ".join([*RUST, *PYTHON]))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    code = 0
    for target in options.targets or [*RUST, *PYTHON]:
        bug, fuzz = (RUST[target], fuzz_rust) if target in RUST else (PYTHON[target], fuzz_python)
        try:
            if not one(target, bug, fuzz, options.seconds, options.seed):
                code = 1
        except Lacking as lacking:
            code = code or lacks(f"{target}: {lacking}", "fuzz")
    return code


if __name__ == "__main__":
    sys.exit(main())
