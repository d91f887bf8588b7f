"""What these tests need, and leave out with a word where it is missing: `make test-official` installs it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent

# The interpreter that has the official clients; ours would have to share its packages with them.
PYTHON = os.environ.get("OFFICIAL_PYTHON", "")
NODE = shutil.which("node") or ""

if not PYTHON:
    pytest.skip("the official clients are not installed here: make test-official", allow_module_level=True)

needs_node = pytest.mark.skipif(
    not (NODE and (HERE / "node_modules").is_dir()), reason="node, or the clients for it, are not installed here"
)
