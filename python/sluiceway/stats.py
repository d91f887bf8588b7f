"""The accounting as a user reads it: what became of every event, frozen at the moment of asking.

    offered            = accepted + refused
    accepted + adopted = delivered + failed + dropped + handed_over + pending

Each term is counted where it happens and none is computed from the others, so the two lines are a proof and not a
definition: ``Stats.balanced`` says whether they hold. They hold at any quiescent moment; while other threads push and
send, a snapshot may catch an event between two counters.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class FlushResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events that had been accepted, and had not ended, when a flush or close began.

    True when it is all well.
    """

    delivered: int = 0
    failed: int = 0
    pending: int = 0
    dropped: int = 0
    handed_over: int = 0

    @property
    def ok(self) -> bool:
        """Whether none of them failed and none is still pending.

        Events that a policy of yours dropped, or that a retry handler of yours keeps, do not count.
        """
        return not self.failed and not self.pending

    def __bool__(self) -> bool:
        return self.ok


class SpoolStats(msgspec.Struct, frozen=True, kw_only=True):
    """The disk spool of one client in one process."""

    files: int = 0
    nbytes: int = 0
    """On disk now, what was adopted included."""
    written: int = 0
    removed: int = 0
    """Files, since the client was made."""
    quarantined_files: int = 0
    quarantined_events: int = 0
    """Found bad and put aside; where their events were ours, these ended as dropped `corrupt`."""
    foreign_files: int = 0
    """Left alone: of another key or host, of another version, or none of ours at all."""
    write_errors: int = 0
    unlink_errors: int = 0
    over_quota: int = 0
    """Batches that stayed in memory because `spool_max_bytes` is used up."""
    late: int = 0
    """Events read again so late that the vendor may no longer know the ids that it has had."""
    degraded: str = ""
    """Why nothing is written at the moment; empty when all is well."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of one client in one process. Counts are events, times are Unix seconds or None for never.

    ``refused`` maps a reason to events that were never accepted; ``failed_by_reason`` and ``dropped_by_reason`` split
    ``failed`` (given up) and ``dropped`` (removed by a policy). ``pending`` is what the ring holds plus what is sealed
    and has not ended yet plus what waits on disk only, each measured on its own.
    """

    offered: int = 0
    accepted: int = 0
    adopted: int = 0
    refused: Mapping[str, int] = {}
    delivered: int = 0
    failed: int = 0
    failed_by_reason: Mapping[str, int] = {}
    dropped: int = 0
    dropped_by_reason: Mapping[str, int] = {}
    handed_over: int = 0
    pending: int = 0

    ring_events: int = 0
    """Events that wait in the ring, not yet part of a batch."""
    spooled_events: int = 0
    """Events that wait on disk and not in memory."""
    reserved_events: int = 0
    reserved_bytes: int = 0
    """What counts against max_queue_events and max_queue_bytes now: waiting, in flight, waiting for a retry."""
    max_reserved_events: int = 0
    max_reserved_bytes: int = 0
    """The high-water marks of the two."""
    batches: int = 0
    replaced: Mapping[str, int] = {}
    """Values that JSON cannot hold and that were replaced: non-finite floats, lone surrogates, very long integers."""

    attempts: int = 0
    last_success: float | None = None
    last_error: str | None = None
    back_off_until: float | None = None
    spool: SpoolStats | None = None
    """None without a spool."""
    ack_suspect: int = 0
    """Answers with a 2xx that do not read like the vendor's: from a captive portal, a proxy, or the wrong host."""
    ack_mismatch: int = 0
    """Answers with a 2xx in which the vendor names another number of events than it was sent."""

    faults: int = 0
    """Errors of the engine's own in this process, whichever client met them. Anything but 0 is worth a report."""

    @property
    def balanced(self) -> bool:
        """Whether both lines of the accounting hold in this snapshot."""
        ended = self.delivered + self.failed + self.dropped + self.handed_over
        return (
            self.offered == self.accepted + sum(self.refused.values())
            and self.accepted + self.adopted == ended + self.pending
        )


def from_counters(
    counters: Mapping[str, int],
    *,
    attempts: int = 0,
    last_success: float | None = None,
    last_error: str | None = None,
    back_off_until: float | None = None,
    spool: SpoolStats | None = None,
    ack_suspect: int = 0,
    ack_mismatch: int = 0,
    faults: int = 0,
) -> Stats:
    """Build the snapshot from the engine's counters; a name carries its reason after a dot (``refused.queue_full``)."""
    failed = _by_reason(counters, "failed")
    dropped = _by_reason(counters, "dropped")
    return Stats(
        offered=counters.get("offered", 0),
        accepted=counters.get("accepted", 0),
        adopted=counters.get("adopted", 0),
        refused=_by_reason(counters, "refused"),
        delivered=counters.get("delivered", 0),
        failed=sum(failed.values()),
        failed_by_reason=failed,
        dropped=sum(dropped.values()),
        dropped_by_reason=dropped,
        handed_over=counters.get("handed_over", 0),
        pending=counters.get("ring", 0) + counters.get("sealed", 0) + counters.get("spooled", 0),
        ring_events=counters.get("ring", 0),
        spooled_events=counters.get("spooled", 0),
        reserved_events=counters.get("reserved_events", 0),
        reserved_bytes=counters.get("reserved_bytes", 0),
        max_reserved_events=counters.get("max_reserved_events", 0),
        max_reserved_bytes=counters.get("max_reserved_bytes", 0),
        batches=counters.get("batches", 0),
        replaced=_by_reason(counters, "replaced"),
        attempts=attempts,
        last_success=last_success,
        last_error=last_error,
        back_off_until=back_off_until,
        spool=spool,
        ack_suspect=ack_suspect,
        ack_mismatch=ack_mismatch,
        faults=faults,
    )


def _by_reason(counters: Mapping[str, int], group: str) -> dict[str, int]:
    prefix = group + "."
    return {name[len(prefix) :]: count for name, count in counters.items() if count and name.startswith(prefix)}
