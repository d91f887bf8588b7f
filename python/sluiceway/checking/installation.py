"""What is installed: the package, its engine, and what both stand on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from sluiceway.checking.finding import Finding, fail, ok, warn

_OLDEST_PYTHON = (3, 10)
# By distribution: the oldest release that the package is made for.
_NEEDED = {"msgspec": (0, 19), "urllib3": (2, 7)}


def look() -> Iterator[Finding]:
    """Say which versions there are, whether the native engine is loaded, and whether the GIL is on. Opens nothing."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.system()} {platform.machine()}"
    try:
        from sluiceway.client import VERSION
    except ImportError as error:
        yield fail(
            "installation",
            f"the native engine cannot be loaded on {python}, {machine}: {type(error).__name__}",
            "Install it anew: pip install --force-reinstall sluiceway. A wheel of another Python or machine is no use.",
        )
        return
    yield ok("installation", f"sluiceway {VERSION} with its native engine, {python}, {machine}, {_gil()}")
    if sys.version_info < _OLDEST_PYTHON:
        yield fail("installation", f"{python} is too old", "Take Python 3.10 or newer.")
    versions = {name: _version(name) for name in _NEEDED}
    old = [name for name, version in versions.items() if _numbers(version) < _NEEDED[name]]
    shown = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    if old:
        wanted = " ".join(f"'{name}>={'.'.join(map(str, _NEEDED[name]))}'" for name in old)
        yield warn("installation", shown, f"Run pip install {wanted}.")
    else:
        yield ok("installation", shown)


def _gil() -> str:
    is_on = getattr(sys, "_is_gil_enabled", lambda: True)()
    return "GIL on" if is_on else "GIL off"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
