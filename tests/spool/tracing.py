"""The script of `killed.py` under strace, which delivers signals and errors at chosen system calls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("killed.py")


def syscalls(directory: str, *inject: str) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-f", "-o", f"{directory}.log", *inject]
    return subprocess.run(
        [*command, sys.executable, "-S", "-B", SCRIPT, "script", directory],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
