"""The account of an import: where each row went, and whether the numbers of both sides agree.

    rows = sent + rejected          sent = delivered + failed + left

``delivered``, ``failed`` and ``left`` are counted by the clients, ``rows``, ``sent`` and ``rejected`` by the feeder; of
earlier runs of a resumed import they come from the checkpoint, before which every event had ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sluiceway.importing.checkpoint import Counts
from sluiceway.importing.watching import Standing, Stop


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an import, runs before a resume included."""

    rows: int
    sent: int
    rejected: int
    delivered: int
    failed: int
    left: int
    """Not delivered and not refused: the next run sends them."""
    is_balanced: bool
    stopped: Stop = ""
    detail: str = ""
    is_complete: bool = True
    """Whether the files were read to their ends."""
    signal: int = 0
    seconds: float = 0.0
    run_delivered: int = 0
    """Of this run alone, for its rate."""
    reasons: Mapping[str, int] = {}
    left_out: Mapping[str, int] = {}
    checkpoint: str = ""
    rejects: str = ""
    notes: list[str] = []

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        if self.signal:
            return 128 + self.signal
        if self.stopped in ("unauthorized", "outage", "disk", "internal"):
            return 3
        if self.rejected or self.failed or self.left or self.stopped or self.notes or not self.is_balanced:
            return 1
        return 0

    def line(self) -> str:
        """Return the identity in one line."""
        return (
            f"{self.rows:,} rows = {self.sent:,} sent + {self.rejected:,} rejected; "
            f"{self.sent:,} sent = {self.delivered:,} delivered + {self.failed:,} failed + {self.left:,} left"
        )

    def as_json(self) -> str:
        """Return it as one line of JSON, for scripts."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        told["exit_code"] = self.exit_code
        told["seconds"] = round(self.seconds, 3)
        return msgspec.json.encode(told).decode()


def account(before: Counts, counts: Counts, standing: Standing) -> dict[str, Any]:
    """Return the numbers of a `Summary`: of the runs before, of the feeder now, and of the clients now."""
    sent = counts.sent - before.sent
    delivered = before.sent - before.failed + standing.delivered
    failed = before.failed + standing.failed
    return {
        "rows": counts.rows,
        "sent": counts.sent,
        "rejected": counts.rejected,
        "delivered": delivered,
        "failed": failed,
        "left": standing.left,
        "run_delivered": standing.delivered,
        "is_balanced": counts.rows == counts.sent + counts.rejected
        and sent == standing.accepted
        and counts.sent == delivered + failed + standing.left,
    }
