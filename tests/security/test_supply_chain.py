"""Section 6, Supply chain: what can be checked in the tree itself. Advisories and attestations are the public CI's."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sluiceway
from sluiceway import _native

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PACKAGE = Path(sluiceway.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = tomllib.loads((ROOT / "Cargo.lock").read_text())
DENY = tomllib.loads((ROOT / "deny.toml").read_text())
THIRD_PARTY = {"msgspec", "urllib3"}

# What a room may import besides, by the beginning of its name: an extra's parts, or what is there or not.
BESIDES = {
    "sluiceway.cli": {"click", "rich"},
    "sluiceway.devserver": {"anyio", "click", "rich", "sse_starlette", "starlette", "uvicorn"},
    "sluiceway.importing": {"click", "pyarrow", "rich", "zstandard"},
    "sluiceway.measuring.messages": {"orjson"},
    "sluiceway.testing.arriving": {"zstandard"},
    "sluiceway.testing.plugin": {"pytest"},
}


def besides(room: str) -> set[str]:
    return {name for start, names in BESIDES.items() if room == start or room.startswith(f"{start}.") for name in names}


# How many places of each crate say `unsafe`. Fewer is welcome; more is a decision, made here, after a look at each.
UNSAFE = {"core": 140, "native": 165}


def test_the_lock_file_is_committed_and_every_build_keeps_to_it() -> None:
    listed = subprocess.run(["git", "ls-files", "Cargo.lock"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:  # a source distribution has no history
        assert listed.stdout == "Cargo.lock\n"
    recipes = [line.strip() for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t")]
    builds = [
        line
        for line in recipes
        if re.search(r"\b(cargo (build|test|bench|clippy|run)|maturin (develop|build))\b", line)
    ]
    assert len(builds) >= 6
    assert [line for line in builds if "--locked" not in line] == []


def test_every_crate_comes_from_the_registry_with_a_checksum() -> None:
    foreign = [each for each in LOCK["package"] if "source" in each]
    assert len(foreign) > 50
    for each in foreign:
        assert each["source"] == "registry+https://github.com/rust-lang/crates.io-index", each["name"]
        assert re.fullmatch(r"[0-9a-f]{64}", each["checksum"]), each["name"]
    ours = {each["name"] for each in LOCK["package"] if "source" not in each}
    assert ours == {"sluiceway-core", "sluiceway-native", "sluiceway-benches"}


def test_the_engine_needs_these_crates_and_no_others() -> None:
    def direct(crate: str) -> set[str]:
        manifest = tomllib.loads((ROOT / "rust" / crate / "Cargo.toml").read_text())
        return set(manifest["dependencies"]) | set(
            manifest.get("target", {}).get("cfg(unix)", {}).get("dependencies", {})
        )

    assert direct("core") == {"itoa", "zmij", "getrandom", "rand_chacha", "memmap2"}
    assert direct("native") == {"itoa", "pyo3", "pyo3-ffi", "sluiceway-core", "libc"}


def test_every_crate_that_is_shipped_has_a_licence_that_is_allowed() -> None:
    # cargo-deny's rule, for a machine that has no cargo-deny.
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("cargo or its registry is not here")
    allowed = set(DENY["licenses"]["allow"])
    packages = [each for each in json.loads(done.stdout)["packages"] if each["source"] is not None]
    assert len(packages) > 20
    for each in packages:
        alternatives = re.split(r"\s+OR\s+|/", (each["license"] or "").replace("(", "").replace(")", ""))
        fits = [set(re.split(r"\s+AND\s+", one.strip())) <= allowed for one in alternatives]
        assert any(fits), (each["name"], each["license"])


def test_what_a_panic_and_an_interpreters_end_need_is_pinned() -> None:
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert manifest["profile"]["release"]["panic"] == "unwind"
    [pyo3] = [each for each in LOCK["package"] if each["name"] == "pyo3"]
    assert tuple(map(int, pyo3["version"].split("."))) >= (0, 29, 0)
    assert manifest["workspace"]["lints"]["clippy"]["undocumented_unsafe_blocks"] == "deny"
    assert manifest["workspace"]["lints"]["rust"]["unsafe_code"] == "deny"


@pytest.mark.parametrize("crate", UNSAFE)
def test_there_is_no_more_unsafe_code_than_was_counted(crate: str) -> None:
    found = 0
    for path in (ROOT / "rust" / crate / "src").rglob("*.rs"):
        text = re.sub(r"//.*", "", path.read_text())
        count = len(re.findall(r"\bunsafe\s*(?:\{|fn|impl|extern)", text))
        if count:
            assert re.search(r"(allow|expect)\(\s*unsafe_code,\s*reason", text), f"{path.name} does not say why"
        found += count
    assert 0 < found <= UNSAFE[crate], f"{found} places in {crate}"


def test_at_run_time_the_package_needs_msgspec_and_urllib3_and_nothing_else() -> None:
    names = {re.match(r"[a-z0-9_-]+", each).group() for each in PROJECT["project"]["dependencies"]}  # type: ignore[union-attr]
    assert names == THIRD_PARTY
    [urllib3] = [each for each in PROJECT["project"]["dependencies"] if each.startswith("urllib3")]
    assert ">=2.7" in urllib3, "2.7.0 ends a decompression bomb and a leak of headers to a proxy"
    imported: dict[str, str] = {}
    for path in PACKAGE.rglob("*.py"):
        room = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        waiting: list[ast.AST] = [ast.parse(path.read_text())]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                continue
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules.append(node.module)
            tops = {module.partition(".")[0] for module in modules} - besides(room)
            imported.update(dict.fromkeys(tops, str(path)))
            waiting.extend(ast.iter_child_nodes(node))
    foreign = set(imported) - set(sys.stdlib_module_names) - {"sluiceway"}
    assert foreign == THIRD_PARTY, {name: imported[name] for name in foreign - THIRD_PARTY}


def test_every_room_imports_where_nothing_else_is_installed() -> None:
    # An interpreter that finds the standard library, the two, and us.
    import msgspec
    import urllib3

    allowed = [str(PACKAGE.parent)]
    script = f"""
import sys, importlib, importlib.abc, json, pkgutil
class Only(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition('.')[0]
        if top not in sys.stdlib_module_names and top not in {sorted(THIRD_PARTY | {"sluiceway"})!r}:
            raise ModuleNotFoundError(name, name=name)
sys.path[:0] = {allowed!r} + {sorted({str(Path(module.__file__).parents[1]) for module in (msgspec, urllib3)})!r}
sys.meta_path.insert(0, Only())
import sluiceway
names = [each.name for each in pkgutil.walk_packages(sluiceway.__path__, 'sluiceway.') if '__main__' not in each.name]
missing = {{}}
for name in names:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing[name] = error.name.partition('.')[0]
print(json.dumps([len(names), missing]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr[-1000:]
    count, missing = json.loads(done.stdout)
    assert count - len(missing) > 50
    assert {room: name for room, name in missing.items() if name not in besides(room)} == {}


def test_nothing_runs_at_installation() -> None:
    assert PROJECT["build-system"] == {"requires": ["maturin>=1.12,<2"], "build-backend": "maturin"}
    assert PROJECT["project"]["scripts"] == {"sluiceway": "sluiceway.cli:main"}
    # A plugin for pytest is loaded by pytest, and by nobody else.
    assert set(PROJECT["project"].get("entry-points", {})) <= {"pytest11"}
    assert not [name for name in ("setup.py", "setup.cfg", "conftest.py") if (ROOT / name).exists()]
    assert not list(PACKAGE.rglob("*.pth"))
    scripts = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "rust").rglob("build.rs")}
    assert set(scripts) == {"rust/native/build.rs"}
    body = re.sub(r"//.*", "", scripts["rust/native/build.rs"])
    assert "".join(body.split()) == "fnmain(){pyo3_build_config::use_pyo3_cfgs();}"


def test_the_engine_that_is_tested_here_cannot_be_told_to_fail() -> None:
    assert not hasattr(_native, "fail_at")
    engine = Path(_native.__file__).read_bytes()
    assert b"as asked for" not in engine
    assert b"core::encode" not in engine


def test_no_pickle_is_read_and_no_text_is_run() -> None:
    # One exception: an empty-handed `raise`, so that Ctrl-C ends a program as its parent expects (lifecycle).
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                argument = node.args[0]
                found.add((path.name, argument.value if isinstance(argument, ast.Constant) else "?"))
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not {"pickle", "marshal", "shelve"} & {name.partition(".")[0] for name in names}, path.name
    assert found == {("lifecycle.py", "raise KeyboardInterrupt")}
