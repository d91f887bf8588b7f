"""What the answers so far say about the next request: the key's standing, the size that passes, the pause asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sluiceway.verdict import Delivered, Mixed, Reject, Retry, Split, Throttled, Unauthorized, Verdict

if TYPE_CHECKING:
    from sluiceway.engine import Clock
    from sluiceway.errors import Sent
    from sluiceway.parcel import Parcel
    from sluiceway.transport import Response

PROBE_SECONDS = 60.0
"""How often a refused key is tried again, with one batch; others fail unsent meanwhile."""

# After a 413 batches as large are split before they are sent, so that the refusal is not bought with each one. Not
# below this, not for long, and not where as much has just been taken: one odd answer must not make every later request
# small. A refused request in ten seconds costs nothing.
CEILING_FLOOR_BYTES = 65_536
CEILING_SECONDS = 10.0


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt came to. `requested` is False when it ended without a request."""

    verdict: Verdict
    status: int | None = None
    sent: Sent = "no"
    message: str = ""
    requested: bool = True
    response: Response | None = None


class Progress:
    """What `stats()` shows beside the queue's counters. Written by the sending thread, read by any."""

    __slots__ = (
        "ack_mismatch",
        "ack_suspect",
        "attempts",
        "back_off_until",
        "bytes_sent",
        "last_error",
        "last_success",
    )

    def __init__(self) -> None:
        self.ack_mismatch = 0
        self.ack_suspect = 0
        self.attempts = 0
        self.bytes_sent = 0
        """Of bodies, before compression."""
        self.last_success: float | None = None
        """Unix seconds."""
        self.last_error: str | None = None
        """A status or a kind of transport error."""
        self.back_off_until: float | None = None
        """Unix seconds; None while nothing holds the sender up."""


class Standing:
    """How the endpoint has answered. For the sending thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.progress = Progress()
        self.held_until = 0.0
        """Monotonic: before this the server wants no request at all."""
        self.refuses_all = False
        """A search came to an event that is refused by itself, and nothing has been delivered in it or since."""
        self._probe_at: float | None = None
        self._refused_by = Unauthorized()
        self._refused_status: int | None = None
        self._ceiling_bytes: int | None = None
        self._ceiling_until = 0.0
        self._taken_bytes = 0
        self._taken_until = 0.0

    @property
    def probe_seconds(self) -> float:
        """Until a refused key is tried again."""
        return 0.0 if self._probe_at is None else max(0.0, self._probe_at - self._clock.monotonic())

    def foresee(self, parcel: Parcel, now: float) -> Attempt | None:
        """Return the outcome of an attempt that needs no request, or None."""
        if self._probe_at is not None and now < self._probe_at:
            return Attempt(verdict=self._refused_by, status=self._refused_status, requested=False)
        if parcel.bisection is not None and parcel.bisection.requests_left <= 0:
            return Attempt(verdict=Reject(), status=400, message="too many refused parts", requested=False)
        if self._ceiling_bytes is not None:
            if now >= self._ceiling_until:
                self._ceiling_bytes = None
            elif parcel.batch.nbytes >= self._ceiling_bytes and len(parcel.batch) > 1:
                return Attempt(verdict=Split(), requested=False)
        return None

    def note(self, parcel: Parcel, attempt: Attempt) -> None:
        """Keep what a request says about the endpoint, and about its parcel."""
        verdict = attempt.verdict
        now = self._clock.monotonic()
        if attempt.sent == "maybe":
            parcel.sent = "maybe"
        if isinstance(verdict, Unauthorized):
            self._probe_at = now + PROBE_SECONDS
            self._refused_by, self._refused_status = verdict, attempt.status
        if not isinstance(verdict, Retry):
            self.held_until = 0.0
            self.progress.back_off_until = None
            if parcel.bisection is not None and not isinstance(verdict, Throttled):
                parcel.bisection.requests_left -= 1
        if isinstance(verdict, Delivered | Mixed):
            self.progress.last_success = self._clock.time()
            self.refuses_all = False
            if parcel.bisection is not None:
                parcel.bisection.has_delivered = True
        else:
            self.progress.last_error = attempt.message
        self._note_size(parcel, verdict, now)

    def _note_size(self, parcel: Parcel, verdict: Verdict, now: float) -> None:
        nbytes = parcel.batch.nbytes
        if now >= self._taken_until:
            self._taken_bytes = 0
        if isinstance(verdict, Delivered | Mixed) and nbytes >= self._taken_bytes:
            self._taken_bytes = nbytes
            self._taken_until = now + CEILING_SECONDS
        elif (
            isinstance(verdict, Split)
            and len(parcel.batch) > 1
            and nbytes > max(CEILING_FLOOR_BYTES, self._taken_bytes)
        ):
            self._ceiling_bytes = nbytes
            self._ceiling_until = now + CEILING_SECONDS

    def wait(self, seconds: float, *, asked_seconds: float) -> float:
        """Note a wait before the next request, so much of it asked for; returns when it ends, monotonic."""
        now = self._clock.monotonic()
        if asked_seconds:
            self.held_until = now + asked_seconds
        self.progress.back_off_until = self._clock.time() + seconds
        return now + seconds
