"""Checkers stay able to run: planted bugs fit the sources, workflows say what the verbs say and may do little."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture
def checkers(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    import checkers.asan
    import checkers.fuzz
    import checkers.miri
    import checkers.mutants
    import checkers.tsan

    yield checkers
    for name in [name for name in sys.modules if name.partition(".")[0] == "checkers"]:
        del sys.modules[name]


def test_each_planted_bug_fits_its_source(checkers: Any) -> None:
    asan = [checkers.asan.ROOM_BEHIND, checkers.asan.FREED, checkers.asan.LEAKED]
    fuzz = [*checkers.fuzz.RUST.values(), *checkers.fuzz.PYTHON.values()]
    bugs = [*checkers.tsan.BUGS, *checkers.miri.BUGS, *asan, *fuzz]
    assert len(bugs) >= 18
    for bug in bugs:
        assert (ROOT / bug.file).read_text().count(bug.old) == 1, f"{bug.name}: {bug.file}"
        assert bug.old != bug.new


def test_every_target_of_the_fuzzers_is_run_and_every_room_is_there(checkers: Any) -> None:
    targets = {path.stem for path in (ROOT / "rust/fuzz/fuzz_targets").glob("*.rs")}
    assert targets == set(checkers.fuzz.RUST)
    for _, file in checkers.mutants.ROOMS.values():
        assert list((ROOT / checkers.mutants.SOURCES).glob(file)), file


def test_workflows_and_verbs_mean_the_same_nightly(checkers: Any) -> None:
    named = re.findall(r"nightly-\d{4}-\d{2}-\d{2}", (ROOT / ".github/workflows/checkers.yml").read_text())
    assert named == [checkers.toolchain.NIGHTLY]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_starts_with_no_rights_and_runs_only_pinned_actions(workflow: Path) -> None:
    text = workflow.read_text()
    assert "\npermissions: {}\n" in text
    granted = re.findall(r"(?m)^ {6}([a-z-]+): (read|write)$", text)
    assert granted
    assert set(granted) == {("contents", "read")}
    uses = re.findall(r"uses: (\S+)(.*)", text)
    assert uses
    for action, comment in uses:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), "the version behind the hash"
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")
