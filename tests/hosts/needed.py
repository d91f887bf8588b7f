"""What these tests need, and leaves them out with a word where it is missing: `make test-hosts` installs it."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

_PACKAGES = ("celery", "django", "fastapi", "flask", "gevent", "granian", "gunicorn", "hypercorn", "uvicorn", "uvloop")

if any(find_spec(package) is None for package in _PACKAGES):
    pytest.skip("the hosts are not installed here: make test-hosts", allow_module_level=True)

# What a log must not say after a graceful end: a crash, a traceback, or anything of ours.
NOISE = re.compile(
    r"Traceback|FATAL|Fatal Python error|Segmentation|SIGSEGV|panicked|Exception ignored|core dumped|double free|"
    r"ERROR sluiceway|WARNING sluiceway|Error in atexit|was sent SIG(?!TERM|INT)"
)
