"""AddressSanitizer and LeakSanitizer: the engine's tests, then the extension inside Python. `make asan`.

The extension is built with the sanitizer into `target/asan`, and the interpreter, which is not, gets the runtime before
anything else (`LD_PRELOAD`), with its small-object allocator switched off (`PYTHONMALLOC=malloc`), so that each freed
object is poisoned. Leaks are looked for in the engine's tests: an interpreter leaves much behind by design; its objects
are counted by tests/native/test_leaks.py instead. Planted bugs first, in both places.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from checkers import toolchain
from checkers.planted import Bug, Ran, built_in, caught, plant, run
from checkers.toolchain import ROOT, TARGET, Lacking, fail, lacks, say

SECONDS = 900
OUTPUT = TARGET / "asan"
# Says how much processor time a thread may take, which is not meant for one that is watched.
BY_THE_CLOCK = "without_an_interval_the_worker_lingers"
ENGINE = ("--lib", "--test", "ring_stress", "--test", "queue_model", "--test", "batcher_laws", "--test", "join_laws",
          "--test", "json_laws", "--test", "shape_laws")  # fmt: skip
# The tests that hand the native walk everything a caller may, and change it under its hands.
IN_PYTHON = (
    "test_mutation.py", "test_bad_input.py", "test_cut_texts.py", "test_entries.py", "test_short_cut.py",
    "test_mapping_short_cut.py", "test_batch_views.py", "test_field_kinds.py", "test_refusals.py",
)  # fmt: skip

ROOM_BEHIND = Bug(
    "a buffer lacks the room that the escape scan writes into",
    "rust/core/src/json/escape/mod.rs",
    "const SPARE_BYTES: usize = QUOTES_BYTES + word::WORD_BYTES;",
    "const SPARE_BYTES: usize = QUOTES_BYTES;",
    r"AddressSanitizer: heap-buffer-overflow",
)
FREED = Bug(
    "the record behind a heap address is freed and read again",
    "rust/core/src/ring.rs",
    "Some(read(&*body))",
    "let shown = Some(read(&*body)); drop(Box::from_raw(body)); shown",
    r"AddressSanitizer: (heap-use-after-free|attempting double-free)",
)
LEAKED = Bug(
    "records that nobody took are not freed with the ring",
    "rust/core/src/ring.rs",
    "while reader.front(|_| ()).is_some() {",
    "while false && reader.front(|_| ()).is_some() {",
    r"LeakSanitizer: detected memory leaks",
)


def engine(environment: dict[str, str], triple: str) -> int:
    """The engine's own tests."""
    command = ["cargo", "test", "--locked", "--release", "--target", triple, "-p", "sluiceway-core"]
    plans = [
        (ROOM_BEHIND, ("--lib", "escape")),
        (FREED, ("--test=ring_stress", "heap")),
        (LEAKED, ("--test=ring_stress", "heap")),
    ]
    for bug, (program, test) in plans:
        tree = plant(bug)
        if not caught(bug, run([*command, program, "--", test], built_in(environment, OUTPUT, tree), SECONDS, tree)):
            return 1
    tests = ["--no-fail-fast", *ENGINE, "--", "--skip", BY_THE_CLOCK]
    ran = run([*command, *tests], built_in(environment, OUTPUT, ROOT), SECONDS)
    passed = sum(int(count) for count in re.findall(r"test result: ok\. (\d+) passed", ran.output))
    if ran.code != 0 or passed == 0 or "Sanitizer:" in ran.output:
        say(ran.output[-20_000:])
        return fail(f"the engine under AddressSanitizer: code {ran.code}")
    say(f"real: {passed} tests of the engine under AddressSanitizer and LeakSanitizer, 0 reports, {ran.seconds:.0f} s")
    return 0


def runtime(environment: dict[str, str], triple: str) -> Path:
    """The compiler's own sanitizer runtime as a library that can be loaded before Python; it ships as an archive."""
    sysroot = subprocess.run(
        ["rustc", "--print", "sysroot"], env=environment, capture_output=True, text=True, check=True
    )
    archives = Path(sysroot.stdout.strip(), "lib/rustlib", triple, "lib").glob("librustc*_rt.asan.a")
    archive = next(archives, None)
    if archive is None:
        raise Lacking("the compiler's AddressSanitizer runtime")
    library = OUTPUT / "libasan-preload.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    # All but what only a program may have: a hook that runs before its own start.
    parts = OUTPUT / "runtime.a"
    shutil.copy(archive, parts)
    members = subprocess.run(["ar", "t", parts], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["ar", "d", parts, *[name for name in members if "preinit" in name]], check=True)
    whole = ["-Wl,--whole-archive", str(parts), "-Wl,--no-whole-archive"]
    done = run(
        ["cc", "-shared", "-o", library, *whole, "-lpthread", "-ldl", "-lrt", "-lm", "-lgcc_s"], environment, 120
    )
    if done.code != 0:
        raise Lacking(f"a linker for the sanitizer's runtime ({done.output[-300:]})")
    return library


def extension(environment: dict[str, str], triple: str, tree: Path, package: Path) -> Ran:
    """Build the extension with the sanitizer, and lay it with the package's sources into `package`."""
    command = ["cargo", "build", "--locked", "--release", "--target", triple, "-p", "sluiceway-native"]
    for_python = built_in(environment, OUTPUT, tree) | {"PYO3_PYTHON": sys.executable}
    ran = run([*command, "--features", "pyo3/extension-module"], for_python, SECONDS, tree)
    if ran.code == 0:
        shutil.rmtree(package, ignore_errors=True)
        without = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(tree / "python" / "sluiceway", package / "sluiceway", ignore=without)
        built = Path(for_python["CARGO_TARGET_DIR"]) / triple / "release" / "lib_native.so"
        shutil.copy(built, package / "sluiceway" / "_native.so")
    return ran


def in_python(preload: Path, package: Path, tests: tuple[str, ...]) -> Ran:
    """Run tests of the extension in an interpreter that has the sanitizer's runtime."""
    inside = dict(os.environ) | {
        "PYTHONPATH": str(package),
        "LD_PRELOAD": str(preload),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=66:detect_odr_violation=0",
    }
    # Nothing captured (-s): a report is written where pytest would keep it, in the moment that ends the process.
    named = [ROOT / "tests/native" / name for name in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider", "--timeout=600", *named]
    return run(command, inside, SECONDS)


def python(environment: dict[str, str], triple: str) -> int:
    """The extension in this interpreter."""
    preload = runtime(environment, triple)
    planted, real = OUTPUT / "python-planted", OUTPUT / "python"
    built = extension(environment, triple, plant(ROOM_BEHIND), planted)
    if built.code == 0:
        ran = in_python(preload, planted, ("test_cut_texts.py", "test_parity.py"))
        if not caught(ROOM_BEHIND._replace(name=f"{ROOM_BEHIND.name} (inside Python)"), ran):
            return 1
        built = extension(environment, triple, ROOT, real)
    if built.code != 0:
        say(built.output[-4000:])
        return fail("the extension does not build with AddressSanitizer")
    ran = in_python(preload, real, IN_PYTHON)
    passed = re.search(r"(\d+) passed", ran.output)
    if ran.code != 0 or not passed or "AddressSanitizer" in ran.output:
        say(ran.output[-20_000:])
        return fail(f"the extension under AddressSanitizer: code {ran.code}")
    version = sysconfig.get_python_version()
    say(f"real: {passed[1]} tests of the extension inside Python {version}, 0 reports, {ran.seconds:.0f} s")
    return 0


def main() -> int:
    """Planted bugs and the real thing, in the engine and in Python."""
    try:
        environment = toolchain.nightly()
        triple = toolchain.host(environment)
        if "linux-gnu" not in triple:
            return lacks(f"AddressSanitizer for {triple}", "asan")
        environment |= {
            "RUSTFLAGS": "-Zsanitizer=address",
            "CARGO_PROFILE_RELEASE_LTO": "off",
            "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
            "ASAN_OPTIONS": "detect_leaks=1",
        }
        return engine(environment, triple) or python(environment, triple)
    except Lacking as lacking:
        return lacks(str(lacking), "asan")


if __name__ == "__main__":
    sys.exit(main())
