"""How the tests run a command, as its user does, and the checks by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from sluiceway.checking.examination import Examination, Key
from sluiceway.checking.finding import CHECKS, Finding
from sluiceway.checking.probes import Probe
from sluiceway.checking.target import target
from sluiceway.secret import Secret

KEYS = {
    "segment": "Canary0fkz9876543210ABCDEFGHtail",
    "rudderstack": "Canary0fkz9876543210ABCtail",
    "posthog": "phc_Canary0fkz9876543210ABCDEFGHIJKLMNOPQRStail",
    "amplitude": "c0ffee0123456789abcdef0123456789",
}
VARIABLES = {
    "segment": "SEGMENT_WRITE_KEY",
    "rudderstack": "RUDDERSTACK_WRITE_KEY",
    "posthog": "POSTHOG_API_KEY",
    "amplitude": "AMPLITUDE_API_KEY",
}
VENDORS = tuple(KEYS)

# Of the machine's own environment, what a command must not notice.
_NOTICED = (
    "proxy",
    "ssl_cert",
    "ca_bundle",
    "sluiceway",
    "posthog_",
    "do_not_track",
    *map(str.lower, VARIABLES.values()),
)


def bare_environment() -> dict[str, str]:
    """The environment without what changes what a client does."""
    return {name: value for name, value in os.environ.items() if not any(word in name.lower() for word in _NOTICED)}


def run(*arguments: str, environ: Mapping[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sluiceway", *arguments],
        env={**bare_environment(), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        **options,
    )


def pointed(vendor: str, url: str) -> dict[str, str]:
    """The option that points a vendor's client somewhere."""
    return {"data_plane_url" if vendor == "rudderstack" else "host": url}


def examine(
    vendor: str,
    url: str,
    *,
    key: str | None = None,
    probe: bool = False,
    spool_dir: str | None = None,
    seconds: float = 20.0,
    announce: Callable[[list[Probe]], None] = lambda probes: None,
    **options: Any,
) -> dict[str, list[Finding]]:
    """Make all checks; returns the findings by check."""
    found = Key(Secret(KEYS[vendor] if key is None else key), "test")
    whom = target(vendor, {**pointed(vendor, url), **options})
    examination = Examination(whom, found, probe=probe, spool_dir=spool_dir, seconds=seconds, announce=announce)
    by_check: dict[str, list[Finding]] = {}
    for finding in examination.findings():
        by_check.setdefault(finding.check, []).append(finding)
    assert list(by_check) == list(CHECKS), "each check says something, in its turn"
    return by_check


def only(findings: dict[str, list[Finding]], check: str) -> Finding:
    """The one finding of a check."""
    [one] = findings[check]
    return one
