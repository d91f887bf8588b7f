"""The nightly compiler that the checkers need: found, installed into the project's own place, or named as lacking."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
# One night's compiler, so that a verb that was green yesterday is green today. `.github/workflows/` names the same.
NIGHTLY = os.environ.get("CHECKERS_NIGHTLY", "nightly-2026-10-30")
TOOLS = TARGET / "tools"
# What a verb exits with when it could not look: neither 0 (nothing found) nor 1 (something was).
LACKING = 3
INSTALL_SECONDS = 900

# Where each part of a toolchain lies in it.
PARTS = {"miri": "bin/cargo-miri", "rust-src": "lib/rustlib/src/rust/library/Cargo.lock"}


def lacks(what: str, job: str, why: str = "") -> int:
    """Say what this machine lacks and who runs the check instead; the code to exit with."""
    print(f"LACKING: {what}. Nothing was checked here; .github/workflows/checkers.yml runs it, job `{job}`.")
    if why:
        print(f"  {why}")
    return LACKING


class Lacking(Exception):
    """A part of the toolchain that can neither be found nor installed."""


def nightly(*parts: str) -> dict[str, str]:
    """The environment in which `cargo` is the nightly one, with these parts.

    The user's own rustup is asked first and never changed: what is missing goes into `target/rustup`.
    """
    if shutil.which("rustup") is None:
        raise Lacking("rustup, which gets the nightly compiler")
    own = os.environ | {"RUSTUP_HOME": str(TARGET / "rustup")}
    for environment in (dict(os.environ), own):
        if not missing(environment, parts):
            return chosen(environment)
    command = ["rustup", "toolchain", "install", NIGHTLY, "--profile", "minimal", "--no-self-update"]
    command += [f"--component={part}" for part in parts]
    print(f"getting {NIGHTLY} with {', '.join(parts) or 'no parts'} into target/rustup", flush=True)
    try:
        done = subprocess.run(
            command,
            env=own,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise Lacking(f"{NIGHTLY}: no answer from rustup's server") from None
    left = missing(own, parts)
    if left:
        raise Lacking(f"{left} ({reason(done.stderr)})")
    return chosen(own)


def missing(environment: dict[str, str], parts: tuple[str, ...]) -> str:
    """What of the toolchain is not there, in words; empty if nothing."""
    asked = ["rustc", f"+{NIGHTLY}", "--print", "sysroot"]
    # Without this a rustup of the user's would go and install what was only asked for.
    quiet = environment | {"RUSTUP_AUTO_INSTALL": "0"}
    found = subprocess.run(asked, env=quiet, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        return NIGHTLY
    sysroot = Path(found.stdout.strip())
    return ", ".join(f"{part} of {NIGHTLY}" for part in parts if not (sysroot / PARTS[part]).exists())


def chosen(environment: dict[str, str]) -> dict[str, str]:
    """The environment with the nightly as its `cargo`, and nothing of a caller's that would change what is built."""
    kept = {name: value for name, value in environment.items() if name not in {"RUSTFLAGS", "CARGO_TARGET_DIR"}}
    return kept | {"RUSTUP_TOOLCHAIN": NIGHTLY, "RUSTUP_AUTO_INSTALL": "0"}


def host(environment: dict[str, str]) -> str:
    """The target triple of this machine."""
    said = subprocess.run(["rustc", "-vV"], env=environment, capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in said.splitlines() if line.startswith("host: "))


def tool(name: str, version: str) -> Path:
    """A cargo tool at one version: from `target/tools`, compiled into it if need be."""
    path = TOOLS / "bin" / name
    if not path.exists():
        print(f"compiling {name} {version} into target/tools (some minutes, once)", flush=True)
        command = ["cargo", "install", "--locked", "--quiet", name, "--version", version, "--root", str(TOOLS)]
        quick = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "1", "CARGO_PROFILE_RELEASE_LTO": "off"}
        plain = {key: value for key, value in os.environ.items() if key not in {"RUSTFLAGS", "CARGO_TARGET_DIR"}}
        done = subprocess.run(command, env=plain | quick, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Lacking(f"{name} {version} ({reason(done.stderr)})")
    return path


def reason(errors: str) -> str:
    """The line of a tool's output that says why it failed."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "it does not say")


def say(line: str) -> None:
    """Print at once: what comes next may take minutes."""
    print(line, flush=True)


def fail(line: str) -> int:
    """Say what was found; the code to exit with."""
    print(f"FOUND: {line}", file=sys.stderr, flush=True)
    return 1
