"""What a check says: how bad it is, what was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

Level: TypeAlias = Literal["ok", "warn", "fail", "skipped"]
"""ok: nothing to do. warn: it works, or may, and somebody should know. fail: events will not arrive, or may be lost.
skipped: it was not looked at, and `seen` says why."""

CHECKS = (
    *("key", "installation", "environment", "dns", "tcp", "proxy", "tls"),
    *("http", "clock", "permission", "gzip", "spool"),
)
"""The checks, in the order in which they are made and shown. One may have several findings, and has one at least."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. Neither text ever holds a key, a password or what an event says."""

    check: str
    level: Level
    seen: str
    todo: str = ""
    """What to do about it; empty where there is nothing to do."""


def ok(check: str, seen: str, todo: str = "") -> Finding:
    """A finding of something that is as it should be."""
    return Finding(check=check, level="ok", seen=seen, todo=todo)


def warn(check: str, seen: str, todo: str = "") -> Finding:
    """A finding that somebody should know of."""
    return Finding(check=check, level="warn", seen=seen, todo=todo)


def fail(check: str, seen: str, todo: str = "") -> Finding:
    """A finding that keeps events from arriving."""
    return Finding(check=check, level="fail", seen=seen, todo=todo)


def skipped(check: str, why: str, todo: str = "") -> Finding:
    """A check that was not made."""
    return Finding(check=check, level="skipped", seen=why, todo=todo)


def worst(findings: Sequence[Finding]) -> Literal["ok", "warn", "fail"]:
    """The level of a whole report; what was skipped says nothing."""
    levels = {finding.level for finding in findings}
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "ok"
