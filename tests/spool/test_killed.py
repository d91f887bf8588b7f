"""Row 70: SIGKILL at every call to the file system: a file is absent, whole, or of no name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .batches import made
from .killed import leave_one_behind, what_is_wrong
from .tracing import SCRIPT, syscalls


@pytest.mark.timeout(180)
def test_row_70_killed_before_every_call(tmp_path: Path) -> None:
    """In a process of its own, which forks once for each call."""
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT, "campaign", tmp_path, "batch"],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["batch"]
    for line in lines:
        _, points, wrong = line.split()
        assert int(points) > 80
        assert int(wrong) == 0


@pytest.mark.parametrize("call", ["fdatasync", "rename", "flock", "mkdir", "unlinkat", "pwrite64", "fsync"])
def test_row_70_killed_inside_a_system_call(tmp_path: Path, call: str) -> None:
    """The same under strace, at one place of each kind; `make crashes` goes through all of them."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    names = "/^(renameat2?|rename)$" if call == "rename" else f"/^{call}(at)?$"
    directory = made(tmp_path)
    leave_one_behind(directory)
    done = syscalls(directory, "-e", f"inject={names}:signal=KILL:when=1")
    if "ptrace" in done.stderr:
        pytest.skip("may not trace")
    log = Path(f"{directory}.log").read_text()
    assert re.search(r"killed by SIGKILL", log), done.stderr
    assert "finished" not in done.stdout
    assert what_is_wrong(directory, done.stdout.splitlines()) == []


@pytest.mark.parametrize(("call", "error"), [("fdatasync", "EIO"), ("fsync", "EIO"), ("fdatasync", "ENOSPC")])
def test_row_73_a_system_call_for_a_sync_fails_once(tmp_path: Path, call: str, error: str) -> None:
    """A real one this time: the batch goes to a new file, and the script comes to its end."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    directory = made(tmp_path)
    leave_one_behind(directory)
    done = syscalls(directory, "-e", f"inject={call}:error={error}:when=4")
    if "ptrace" in done.stderr:
        pytest.skip("may not trace")
    log = Path(f"{directory}.log").read_text()
    assert log.count("(INJECTED)") == 1
    assert log.count("fdatasync(") == 6  # five batches, and one again
    assert "finished" in done.stdout
    assert what_is_wrong(directory, done.stdout.splitlines()) == []
