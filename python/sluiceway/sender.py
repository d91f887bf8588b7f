"""Bring one batch to its end, one attempt at a time; between two attempts it waits elsewhere.

`attempt` talks to the network and decides nothing; `conclude` decides and talks to nobody. So the worker can hold its
lock around every decision and never around a request.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from sluiceway.acks import Acks
from sluiceway.endings import ParcelEndings
from sluiceway.handover import hand_over
from sluiceway.hold import Hold
from sluiceway.notices import LOUD, Notice, Voice
from sluiceway.parcel import Bisection, Parcel, Rest
from sluiceway.retry import GiveUp, RetryPolicy, plan
from sluiceway.sorting import Sorted, sort_mixed, sort_partial, sort_throttled
from sluiceway.standing import Attempt, Progress, Standing
from sluiceway.transport import KeptResponse, Request, Response, Transport, TransportError
from sluiceway.vendors.base import Envelope, Sending, retry_count_header
from sluiceway.verdict import Bisect, Delivered, Judge, Mixed, Partial, Retry, Split, Throttled, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sluiceway.doubt import Doubter
    from sluiceway.endings import Endings
    from sluiceway.engine import Clock
    from sluiceway.handover import Retry as RetryHandler
    from sluiceway.lanes import LaneKeeper


# Statuses by which a server says that it has not taken the events. After any other 5xx it may have.
_REFUSING_5XX = frozenset({501, 503, 505})

# What a page asks for is the vendor's word and not a server's, but a slip there must not become a stream of requests.
_SHORTEST_THROTTLE_SECONDS = 1.0


class Sender:
    """Sends parcels to one endpoint with one key. For one thread at a time."""

    def __init__(
        self,
        *,
        transport: Transport,
        path: str,
        headers: Mapping[str, str],
        envelope: Callable[[Sending], Envelope],
        judge: Judge,
        policy: RetryPolicy,
        endings: Endings,
        clock: Clock,
        random: Callable[[], float],
        attempt_headers: Callable[[Sending], dict[str, str]] = retry_count_header,
        timeout_seconds: float = 15.0,
        lanes: LaneKeeper | None = None,
        on_retry: Callable[[Response, int, bool], Any] | None = None,
        retry_handler: RetryHandler | None = None,
        keeps: Callable[[], bool] | None = None,
        doubter: Doubter | None = None,
        strict_ack: bool = False,
        voice: Voice = LOUD,
    ) -> None:
        """`random` draws the jitter from [0, 1). `on_retry` is called under the worker's lock and must not block.

        `keeps` says whether there is a spool and it takes batches: then what the endpoint is to blame for, a refused
        key included, ends no event. It stays, and is tried again and again.
        """
        self._transport = transport
        self._path = path
        self._headers = dict(headers)
        self._envelope = envelope
        self._attempt_headers = attempt_headers
        self._judge = judge
        # Where a handler retries, nothing is tried again on top of it.
        self._policy = policy if retry_handler is None else msgspec.structs.replace(policy, delays=())
        self._ends = ParcelEndings(endings, clock, voice)
        self._clock = clock
        self._voice = voice
        self._random = random
        self._timeout_seconds = timeout_seconds
        self._lanes = lanes
        self._on_retry = on_retry
        self._retry_handler = retry_handler
        self._keeps = keeps if self._policy.resends and keeps is not None else _never
        self._standing = Standing(clock)
        progress = self._standing.progress
        self._acks = None if doubter is None else Acks(doubter, is_strict=strict_ack, progress=progress, voice=voice)
        self._broken = Notice(clock, logging.ERROR, "the %s raised %s; %d times", voice)
        self._locked_out = Notice(
            clock,
            logging.ERROR,
            "the write key was refused with status %s; events stay in the spool; tried %d times",
            voice,
        )
        self._untrusted = Notice(
            clock, logging.ERROR, "no secure connection (%s): nothing is sent; tried %d times", voice
        )

    @property
    def progress(self) -> Progress:
        """What `stats()` shows of the sending side."""
        return self._standing.progress

    @property
    def held_until(self) -> float:
        """Monotonic: before this the server wants no request at all."""
        return self._standing.held_until

    def attempt(self, parcel: Parcel, *, until: float | None = None) -> Attempt:
        """Make one request, unless the outcome is known without one. Ends by `until`, monotonic, when given.

        A retry handler cannot be told when to end.
        """
        now = self._clock.monotonic()
        if self._retry_handler is None:
            foreseen = self._standing.foresee(parcel, now)
            if foreseen is not None:
                return foreseen
        if parcel.first_at is None:
            parcel.first_at = now
        sending = parcel.sending(self._clock.time())
        around = self._envelope(sending)
        parcel.event_tail = around.event_tail
        parcel.attempts += 1
        self.progress.attempts += 1
        if self._retry_handler is not None:
            return self._hand_over(self._retry_handler, parcel)
        deadline = now + self._timeout_seconds
        return self._send(parcel, sending, around, deadline, until)

    def _send(
        self, parcel: Parcel, sending: Sending, around: Envelope, deadline: float, until: float | None
    ) -> Attempt:
        # No local variable holds a header or the body: whoever prints the variables of our frames would print the key.
        request = Request(
            path=self._path,
            headers={**self._headers, **self._attempt_headers(sending)},
            body=parcel.batch.body(around.head, around.tail, around.event_tail),
            deadline=deadline if until is None else min(deadline, until),
            until=until,
        )
        self.progress.bytes_sent += len(request.body)
        try:
            response = self._transport.send(request)
        except TransportError as error:
            if error.kind == "tls":
                self._untrusted.give(error.detail)
            message = f"{error.kind}: {error.detail}" if error.detail else error.kind
            if error.kind == "proxy_auth":
                return Attempt(verdict=Unauthorized(by="proxy"), status=407, message=message)
            return Attempt(verdict=Retry(endpoint=True), sent=error.sent, message=message)
        except Exception as error:
            # Somebody else's transport. What it did with the bytes is unknown.
            self._broken.give("transport", f"{type(error).__name__}, which is no TransportError")
            return Attempt(verdict=Retry(endpoint=True), sent="maybe", message=type(error).__name__)
        attempt = self._judged(response)
        return attempt if self._acks is None else self._acks.weigh(attempt, response, len(parcel))

    def _hand_over(self, handler: RetryHandler, parcel: Parcel) -> Attempt:
        try:
            response = hand_over(handler, parcel.batch, parcel.event_tail)
        except Exception as error:
            self._broken.give("retry handler", type(error).__name__)
            return Attempt(verdict=Retry(endpoint=True), sent="maybe", message=type(error).__name__)
        if not response.status:
            return Attempt(verdict=Retry(endpoint=True), sent="maybe", message="no response", response=response)
        attempt = self._judged(response)
        if isinstance(attempt.verdict, Retry):
            # When to send again is the handler's to know, and so is how long to pause before.
            return msgspec.structs.replace(attempt, verdict=Retry(endpoint=attempt.verdict.endpoint))
        return attempt

    def _judged(self, response: Response) -> Attempt:
        verdict = self._judge(response.status, response.headers, response.body, now=self._clock.time())
        refused = response.status < 500 or response.status in _REFUSING_5XX
        return Attempt(
            verdict=verdict,
            status=response.status,
            sent="no" if refused else "maybe",
            message=f"status {response.status}",
            response=response,
        )

    def conclude(self, parcel: Parcel, attempt: Attempt) -> Rest:
        """Settle what has ended, and return the rest with its due times."""
        if attempt.requested:
            self._standing.note(parcel, attempt)
            self._tell_retry(parcel, attempt)
        rest = self._concluded(parcel, attempt)
        if not attempt.requested or self._policy.resends:
            return rest
        for left in rest.line:
            self._ends.fail(left, "retries_exhausted", attempt)
        # Who has to wait has to do so with new events, too; a handler sees to that itself.
        return Rest() if self._retry_handler is not None else Rest(hold=rest.hold)

    def _concluded(self, parcel: Parcel, attempt: Attempt) -> Rest:
        verdict = attempt.verdict
        if isinstance(verdict, Delivered):
            self._ends.deliver(parcel, attempt)
            return Rest()
        if isinstance(attempt.response, KeptResponse):
            return self._kept(parcel, attempt)
        if isinstance(verdict, Retry):
            return self._retry(parcel, verdict, attempt)
        if isinstance(verdict, Split):
            return self._split(parcel, attempt)
        if isinstance(verdict, Bisect):
            return self._bisect(parcel, attempt)
        if isinstance(verdict, Partial):
            return self._partly(parcel, verdict, attempt)
        if isinstance(verdict, Mixed):
            return self._mixed(parcel, verdict, attempt)
        if isinstance(verdict, Throttled):
            return self._throttled(parcel, verdict, attempt)
        if not isinstance(verdict, Unauthorized):
            return self._fail(parcel, verdict.reason, attempt)
        if not self._keeps():
            return self._fail(parcel, "unauthorized", attempt)
        if attempt.requested:
            self._locked_out.give(attempt.status)
        return self._stay(parcel, self._standing.probe_seconds)

    def _tell_retry(self, parcel: Parcel, attempt: Attempt) -> None:
        if parcel.backed_off and self._on_retry is not None:
            most = self._policy.max_counted(endpoint=True)
            is_last = most is not None and parcel.retries >= most
            self._on_retry(attempt.response or Response(status=0), parcel.retries - 1, is_last)

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
                self._standing.wait(verdict.after, asked_seconds=verdict.after)
            if verdict.endpoint and self._keeps():
                return self._stay(parcel, self._policy.cap_seconds * (0.5 + self._random() / 2))
            return self._fail(parcel, decision.reason, attempt)
        parcel.due = self._standing.wait(decision.seconds, asked_seconds=decision.asked_seconds)
        parcel.asked_until = parcel.due - decision.seconds + decision.asked_seconds
        parcel.asked_seconds += decision.asked_seconds
        parcel.rate_limited = 0 if verdict.after is None or verdict.counted else parcel.rate_limited + 1
        parcel.backed_off = verdict.counted
        if verdict.counted:
            parcel.retries += 1
        self._voice.log(
            logging.DEBUG, "attempt %d failed (%s); next in %.3f s", parcel.attempts, attempt.message, decision.seconds
        )
        return Rest([parcel])

    def _stay(self, parcel: Parcel, seconds: float) -> Rest:
        """Let a parcel wait beyond what the policy has for it, because the spool will not lose it."""
        parcel.due = self._standing.wait(seconds, asked_seconds=0.0)
        parcel.backed_off = False
        return Rest([parcel])

    def _split(self, parcel: Parcel, attempt: Attempt) -> Rest:
        if len(parcel) == 1:
            return self._fail(parcel, "rejected", attempt)
        return Rest(parcel.halves(parcel.bisection))

    def _bisect(self, parcel: Parcel, attempt: Attempt) -> Rest:
        # A vendor that refused everything in one batch would refuse all of the next one too: until something is
        # delivered again, a refused batch is not searched.
        if parcel.bisection is None and self._standing.refuses_all:
            return self._fail(parcel, "rejected", attempt)
        if len(parcel) == 1:
            self._standing.refuses_all = parcel.bisection is not None and not parcel.bisection.has_delivered
            return self._fail(parcel, "rejected", attempt)
        return Rest(parcel.halves(parcel.bisection or Bisection()))

    def _partly(self, parcel: Parcel, verdict: Partial, attempt: Attempt) -> Rest:
        """Fail the events that the vendor named; the others go again at once."""
        parts = sort_partial(verdict, len(parcel))
        if parts.names_nobody:
            # Search for them.
            return self._bisect(parcel, attempt)
        rest = self._end_parts(parcel, parts, attempt)
        return Rest([] if rest is None else [rest])

    def _kept(self, parcel: Parcel, attempt: Attempt) -> Rest:
        """Hand over all events but those that the vendor named: these the handler keeps no longer."""
        kept: Parcel | None = parcel
        if isinstance(attempt.verdict, Partial):
            kept = self._end_parts(parcel, sort_partial(attempt.verdict, len(parcel)), attempt)
        if kept is not None:
            self._ends.keep(kept, attempt)
        return Rest()

    def _mixed(self, parcel: Parcel, verdict: Mixed, attempt: Attempt) -> Rest:
        """End all events but those that the vendor wants again; these wait as after any failure of the endpoint."""
        rest = self._end_parts(parcel, sort_mixed(verdict, parcel.batch.ids), attempt)
        if rest is None:
            return Rest()
        rest.created_at, rest.request_id, rest.sendings = parcel.created_at, parcel.request_id, parcel.sendings
        return self._retry(rest, Retry(after=verdict.after, counted=True, endpoint=True), attempt)

    def _throttled(self, parcel: Parcel, verdict: Throttled, attempt: Attempt) -> Rest:
        """Have those wait whom the vendor wants later; the others go again at once."""
        if self._lanes is None:
            # Nobody waits alone here: all wait.
            return self._retry(parcel, Retry(after=verdict.seconds, counted=False, endpoint=True), attempt)
        now = self._clock.monotonic()
        since = [stay.since for stay in parcel.stays] or [now] * len(parcel)
        most = self._policy.max_rate_limited_seconds
        overdue = {index for index, began in enumerate(since) if now - began >= most}
        parts = sort_throttled(verdict, self._lanes.owners(parcel), overdue)
        if parts.names_nobody:
            return self._retry(parcel, Retry(endpoint=True), attempt)
        rest = self._end_parts(parcel, parts, attempt)
        seconds = max(_SHORTEST_THROTTLE_SECONDS, min(verdict.seconds, self._policy.retry_after_cap_seconds))
        hold = Hold(parts.names, now + seconds) if parts.names else None
        return Rest([] if rest is None else [rest], hold)

    def _end_parts(self, parcel: Parcel, parts: Sorted, attempt: Attempt) -> Parcel | None:
        """End what a verdict says has ended; return what has not."""
        for reason, indices in parts.failed.items():
            self._ends.fail(parcel.only(indices), reason, attempt)
        if parts.delivered:
            self._ends.deliver(parcel.only(parts.delivered), attempt)
        return parcel.only(parts.again) if parts.again else None

    def _fail(self, parcel: Parcel, reason: str, attempt: Attempt) -> Rest:
        self._ends.fail(parcel, reason, attempt)
        return Rest()


def _never() -> bool:
    return False
