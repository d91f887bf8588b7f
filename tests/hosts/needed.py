"""Leaves these tests out, with a word, where the hosts are not installed: `make test-hosts` installs them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

_PACKAGES = ("celery", "django", "fastapi", "flask", "gevent", "granian", "gunicorn", "hypercorn", "uvicorn", "uvloop")

if any(find_spec(package) is None for package in _PACKAGES):
    pytest.skip("the hosts are not installed here: make test-hosts", allow_module_level=True)
