"""The receiver as a fixture: it remembers whether what a strict vendor objects to is to fail the test."""

from __future__ import annotations

from typing import Any

from sluiceway.testing.server import Receiver
from sluiceway.vendors.base import Vendor

_MOST = 10


class StrictServer(Receiver):
    """A `Receiver` whose violations fail the test that they happen in, unless ``allow_violations`` is set."""

    def __init__(self, *, vendor: Vendor | str | None = None, allow_violations: bool = False, **more: Any) -> None:
        """Listen. ``more`` are the options of `Receiver`."""
        super().__init__(vendor=vendor, **more)
        self.allow_violations = allow_violations
        """A test that violates on purpose sets it to True."""

    def problem(self) -> str:
        """Return why the test is to fail, in a few lines; empty when all is well."""
        found = self.violations
        if self.allow_violations or not found:
            return ""
        lines = [f"a strict vendor objects to what was sent ({len(found)}):", *(f"  {text}" for text in found[:_MOST])]
        if len(found) > _MOST:
            lines.append(f"  … and {len(found) - _MOST} more")
        return "\n".join(lines)
