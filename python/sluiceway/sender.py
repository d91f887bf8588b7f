"""Bring one batch to its end, one attempt at a time; between two attempts it waits elsewhere.

`attempt` talks to the network and decides nothing; `conclude` decides and talks to nobody. So the worker can hold its
lock around every decision and never around a request.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sluiceway.notices import Notice
from sluiceway.parcel import Bisection, Parcel, Rest
from sluiceway.retry import GiveUp, RetryPolicy, plan
from sluiceway.standing import Attempt, Progress, Standing
from sluiceway.transport import Request, Transport, TransportError
from sluiceway.verdict import Bisect, Delivered, Judge, Partial, Retry, Split, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sluiceway.endings import Endings
    from sluiceway.engine import Batch, Clock

log = logging.getLogger("sluiceway")

# Statuses by which a server says that it has not taken the events. After any other 5xx it may have.
_REFUSING_5XX = frozenset({501, 503, 505})


class Sender:
    """Sends parcels to one endpoint with one key. For one thread at a time."""

    def __init__(
        self,
        *,
        transport: Transport,
        path: str,
        headers: Mapping[str, str],
        envelope: Callable[[float], tuple[bytes, bytes]],
        judge: Judge,
        policy: RetryPolicy,
        endings: Endings,
        clock: Clock,
        random: Callable[[], float],
        timeout_seconds: float = 15.0,
    ) -> None:
        """`envelope(unix_seconds)` gives head and tail of a body sent then; `random` draws the jitter from [0, 1)."""
        self._transport = transport
        self._path = path
        self._headers = dict(headers)
        self._envelope = envelope
        self._judge = judge
        self._policy = policy
        self._endings = endings
        self._clock = clock
        self._random = random
        self._timeout_seconds = timeout_seconds
        self._standing = Standing(clock)
        self._lost = Notice(clock, logging.ERROR, "gave up events: %s (sent: %s, status %s); %d so far")
        self._unauthorized = Notice(clock, logging.ERROR, "the write key was refused with status %s; %d events failed")
        self._broken = Notice(clock, logging.ERROR, "the transport raised %s, which is no TransportError; %d times")
        self._untrusted = Notice(clock, logging.ERROR, "no secure connection (%s): nothing is sent; tried %d times")

    @property
    def progress(self) -> Progress:
        """What `stats()` shows of the sending side."""
        return self._standing.progress

    @property
    def held_until(self) -> float:
        """Monotonic: before this the server wants no request at all."""
        return self._standing.held_until

    def attempt(self, parcel: Parcel, *, until: float | None = None) -> Attempt:
        """Make one request, unless the outcome is known without one. Ends by `until`, monotonic, when given."""
        now = self._clock.monotonic()
        foreseen = self._standing.foresee(parcel, now)
        if foreseen is not None:
            return foreseen
        if parcel.first_at is None:
            parcel.first_at = now
        # A server shifts every event's time by arrival minus sentAt, so the moment is that of this very attempt.
        body = parcel.batch.body(*self._envelope(self._clock.time()))
        headers = self._headers
        if parcel.attempts:
            headers = {**headers, "X-Retry-Count": str(parcel.attempts)}
        deadline = now + self._timeout_seconds
        if until is not None:
            deadline = min(deadline, until)
        parcel.attempts += 1
        self.progress.attempts += 1
        self.progress.bytes_sent += len(body)
        try:
            response = self._transport.send(Request(path=self._path, headers=headers, body=body, deadline=deadline))
        except TransportError as error:
            if error.kind == "tls":
                self._untrusted.give(error.detail)
            message = f"{error.kind}: {error.detail}" if error.detail else error.kind
            return Attempt(verdict=Retry(endpoint=True), sent=error.sent, message=message)
        except Exception as error:
            # Somebody else's transport. What it did with the bytes is unknown.
            self._broken.give(type(error).__name__)
            return Attempt(verdict=Retry(endpoint=True), sent="maybe", message=type(error).__name__)
        verdict = self._judge(response.status, response.headers, response.body, now=self._clock.time())
        refused = response.status < 500 or response.status in _REFUSING_5XX
        return Attempt(
            verdict=verdict,
            status=response.status,
            sent="no" if refused else "maybe",
            message=f"status {response.status}",
        )

    def conclude(self, parcel: Parcel, attempt: Attempt) -> Rest:
        """Settle what has ended, and return the rest with its due times."""
        verdict = attempt.verdict
        if attempt.requested:
            self._standing.note(parcel, attempt)
        if isinstance(verdict, Delivered):
            return self._deliver(parcel, attempt)
        if isinstance(verdict, Retry):
            return self._retry(parcel, verdict, attempt)
        if isinstance(verdict, Split):
            return self._split(parcel, attempt)
        if isinstance(verdict, Bisect):
            return self._bisect(parcel, attempt)
        if isinstance(verdict, Partial):
            return self._part(parcel, verdict, attempt)
        return self._fail(parcel, "unauthorized" if isinstance(verdict, Unauthorized) else verdict.reason, attempt)

    def _deliver(self, parcel: Parcel, attempt: Attempt) -> Rest:
        parcel.ended = True
        self._endings.delivered(parcel.batch, status=attempt.status, attempts=parcel.attempts)
        return Rest()

    def _retry(self, parcel: Parcel, verdict: Retry, attempt: Attempt) -> Rest:
        decision = plan(
            self._policy,
            parcel.history(self._clock.monotonic()),
            after=verdict.after,
            counted=verdict.counted,
            endpoint=verdict.endpoint,
            jitter=self._random(),
        )
        if isinstance(decision, GiveUp):
            if verdict.after is not None:
                # The batch ends here, the pause that the server asked for does not.
                self._standing.wait(verdict.after, asked=True)
            return self._fail(parcel, decision.reason, attempt)
        parcel.due = self._standing.wait(decision.seconds, asked=decision.asked)
        parcel.asked = decision.asked
        if decision.asked:
            parcel.rate_limited += 1
            parcel.asked_seconds += decision.seconds
        else:
            parcel.rate_limited = 0
        if verdict.counted:
            parcel.retries += 1
        log.debug("attempt %d failed (%s); next in %.3f s", parcel.attempts, attempt.message, decision.seconds)
        return Rest([parcel])

    def _split(self, parcel: Parcel, attempt: Attempt) -> Rest:
        if len(parcel.batch) == 1:
            return self._fail(parcel, "rejected", attempt)
        return self._halves(parcel, parcel.bisection)

    def _bisect(self, parcel: Parcel, attempt: Attempt) -> Rest:
        # A vendor that refused everything in one batch would refuse all of the next one too: until something is
        # delivered again, a refused batch is not searched.
        if parcel.bisection is None and self._standing.refuses_all:
            return self._fail(parcel, "rejected", attempt)
        if len(parcel.batch) == 1:
            self._standing.refuses_all = parcel.bisection is not None
            return self._fail(parcel, "rejected", attempt)
        return self._halves(parcel, parcel.bisection or Bisection())

    def _halves(self, parcel: Parcel, bisection: Bisection | None) -> Rest:
        halves = parcel.batch.split_at(len(parcel.batch) // 2)
        return Rest([parcel.part(half, bisection=bisection) for half in halves])

    def _part(self, parcel: Parcel, verdict: Partial, attempt: Attempt) -> Rest:
        """Fail the events that the vendor named, put aside those it wants later, resend the others at once."""
        count = len(parcel.batch)
        fates: dict[int, str | float] = {}
        for index, delay in verdict.later.items():
            if 0 <= index < count:
                fates[index] = delay
        for index, reason in verdict.failed.items():
            if 0 <= index < count:
                fates[index] = reason
        if not fates:
            # It named nobody: search for them.
            return self._bisect(parcel, attempt)
        others = parcel.batch.without(list(fates))
        line = [] if others is None else [parcel.part(others)]
        aside: list[Parcel] = []
        now = self._clock.monotonic()
        for fate in dict.fromkeys(fates.values()):
            some = parcel.part(_only(parcel.batch, {index for index, own in fates.items() if own == fate}))
            if isinstance(fate, str):
                self._fail(some, fate, attempt)
            else:
                some.due = now + fate
                some.asked = True
                aside.append(some)
        return Rest(line, aside)

    def _fail(self, parcel: Parcel, reason: str, attempt: Attempt) -> Rest:
        parcel.ended = True
        count = self._endings.failed(
            parcel.batch,
            reason,
            sent=parcel.sent,
            status=attempt.status,
            attempts=parcel.attempts,
            message="the write key was refused" if reason == "unauthorized" else attempt.message,
        )
        if reason == "unauthorized":
            self._unauthorized.give(attempt.status, events=count)
        else:
            self._lost.give(reason, parcel.sent, attempt.status, events=count)
        return Rest()


def _only(batch: Batch, indices: set[int]) -> Batch:
    """Return the batch without all others; `indices` is not empty."""
    some = batch.without([index for index in range(len(batch)) if index not in indices])
    assert some is not None
    return some
