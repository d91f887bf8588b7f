"""The parts of one client in one process, put together: everything that must not cross a fork.

    push ─► queue ─► worker ─► sender ─► transport
              ▲         └► endings ─► flushing (who waits) and delivery (who is told)
          admission

A child of a fork builds a new assembly and leaves the parent's alone: its locks may be held by threads that do not
exist in the child, and its events are the parent's to send.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from sluiceway import hosting, lifecycle
from sluiceway.admission import Admission, Words
from sluiceway.admission import Queue as ProducersQueue
from sluiceway.delivery import Callback, Delivery
from sluiceway.desk import Desk
from sluiceway.endings import Endings
from sluiceway.engine import Queue as ConsumersQueue
from sluiceway.errors import DeliveryError, SpoolError
from sluiceway.flushing import Flushing
from sluiceway.inheriting import Parts
from sluiceway.lanes import LaneKeeper
from sluiceway.middleware import Middleware
from sluiceway.notices import Voice
from sluiceway.options import Options
from sluiceway.report import BatchReport
from sluiceway.rounds import Rounds
from sluiceway.sender import Sender
from sluiceway.stats import FlushResult, Stats, from_counters
from sluiceway.transport import Transport, Urllib3Transport
from sluiceway.vendors.base import Vendor
from sluiceway.worker import Worker

if TYPE_CHECKING:
    from sluiceway.backlog import Backlog
    from sluiceway.spool.settings import SpoolSettings
    from sluiceway.spooler import Spooler

# `monotonic()` and `time()` are all that is wanted of a clock.
CLOCK = time


class Queue(ProducersQueue, ConsumersQueue, Protocol):
    """The whole native queue."""

    def counters(self) -> dict[str, int]:
        """Return every counter and gauge by name."""
        ...

    def purge(self) -> list[int]:
        """Drop what waits; return the tokens of its callbacks."""
        ...

    @property
    def stale(self) -> bool:
        """Whether it belongs to the parent of this process."""
        ...


class Assembly:
    """The parts of one client in this process. ``leave``, ``let_go`` and ``is_over`` are for the exit."""

    def __init__(
        self,
        vendor: Vendor,
        options: Options,
        queue: Queue,
        words: Words,
        version: str,
        steps: Sequence[Middleware],
        said: Callable[[], Parts | None],
    ) -> None:
        """Put the parts together.

        ``steps`` is the client's middleware, which may grow; ``said`` tells what the scope says that a call is made in.
        """
        self.queue = queue
        self.exit_timeout = options.exit_timeout
        self._enabled = options.enable
        self.transport: Transport = options.transport
        if options.transport is None:
            self.transport = Urllib3Transport(
                options.endpoint,
                connect_seconds=options.connect_timeout,
                gzip=options.gzip,
                ssl_context=options.ssl_context,
                proxy=options.proxy,
            )
        self.sends_nothing = not options.enable or bool(getattr(self.transport, "inline", False))
        """Whether no network is behind it, so that no call can take long."""
        self.is_inline = options.sync or self.sends_nothing
        """Whether there is no thread: what is accepted is brought to its end before the call returns."""
        self.is_captured = False
        """Whether a test captures what is sent, so that every call goes through Python."""
        self._voice = voice = Voice(options.log_level)
        self.delivery = Delivery(
            clock=CLOCK,
            on_delivery=options.on_delivery,
            on_error=options.on_error,
            inline=self.is_inline,
            voice=voice,
        )
        self.flushing = Flushing(queue)
        self.endings = Endings(queue, self.flushing, self.delivery)
        write_key = options.write_key
        lanes = None
        if vendor.lanes is not None:
            lanes = LaneKeeper(
                vendor.lanes,
                max_joined_bytes=options.max_batch_bytes - vendor.envelope_bytes(write_key.reveal()),
                max_batch_events=options.max_batch_events,
            )
        backlog = None
        if options.spool is not None and options.enable:
            backlog = self._backlog_in(options.spool, vendor, options, voice)
        self._backlog = backlog
        self._sender = Sender(
            transport=self.transport,
            path=options.endpoint.path,
            headers=vendor.headers(write_key.reveal(), version),
            envelope=lambda sending: vendor.envelope(write_key.reveal(), sending),
            attempt_headers=vendor.attempt_headers,
            judge=vendor.judge,
            policy=options.retry,
            endings=self.endings,
            clock=CLOCK,
            random=_jitter,
            timeout_seconds=options.timeout,
            lanes=lanes,
            on_retry=None if vendor.on_retry is None else partial(self.delivery.call, vendor.on_retry),
            retry_handler=vendor.retry_handler,
            keeps=None if backlog is None else backlog.can_keep,
            # What somebody else's transport answers need not read like a vendor.
            doubter=vendor.doubter if options.transport is None or options.strict_ack else None,
            strict_ack=options.strict_ack,
            voice=voice,
        )
        desk = Desk(
            queue=queue,
            endings=self.endings,
            flushing=self.flushing,
            clock=CLOCK,
            lanes=lanes,
            backlog=backlog,
            voice=voice,
        )
        rounds = Rounds(
            desk=desk,
            queue=queue,
            sender=self._sender,
            endings=self.endings,
            flushing=self.flushing,
            delivery=self.delivery,
            clock=CLOCK,
            voice=voice,
        )
        self._spooler: Spooler | None = None
        if backlog is not None and not self.is_inline:
            from sluiceway.spooler import Spooler

            self._spooler = Spooler(
                desk=desk,
                queue=queue,
                clock=CLOCK,
                max_queue_events=options.max_queue_events,
                max_queue_bytes=options.max_queue_bytes,
                max_wait_seconds=options.flush_interval,
                voice=voice,
            )
            rounds.watch = self._spooler.watch
        self.worker = Worker(
            queue=queue,
            rounds=rounds,
            flushing=self.flushing,
            delivery=self.delivery,
            clock=CLOCK,
            inline=self.is_inline,
        )
        self.admission = Admission(
            vendor=vendor,
            options=options,
            queue=queue,
            words=words,
            delivery=self.delivery,
            clock=CLOCK,
            steps=steps,
            said=said,
            must_not_block=self._must_not_block,
            attend=self.worker.start,
            tell=self._tell,
            voice=voice,
        )
        self._timeout = options.timeout
        self._failed_before = 0

    def _backlog_in(self, settings: SpoolSettings, vendor: Vendor, options: Options, voice: Voice) -> Backlog:
        # Here, so that a client without a spool does not load what one takes.
        from sluiceway.backlog import Backlog
        from sluiceway.spool.settings import destination
        from sluiceway.spool.store import Spool

        endpoint = options.endpoint
        address = destination(vendor.name, endpoint.host, endpoint.path, options.write_key.reveal())
        spool = Spool(settings, address, clock=CLOCK, voice=voice, late_after=vendor.ids_known_seconds)
        return Backlog(spool, always=settings.mode == "always", queue=self.queue, endings=self.endings, clock=CLOCK)

    def attend(self) -> None:
        """See to an event that was accepted while nobody was there: start the worker, or bring it to its end here."""
        if not self._enabled:
            self._drop_all()
        elif self.is_inline:
            lifecycle.enrol(self)
            self.worker.drain(deadline_in(self._timeout))
        elif lifecycle.exiting():
            # A new thread would be cut off in the middle: what comes now is sent here, while there is time.
            if not lifecycle.spend(self.exit_timeout, self.worker.drain):
                self.close(CLOCK.monotonic())
        else:
            lifecycle.enrol(self)
            hosting.warn_if_threads_rest(self._voice)
            self.worker.start()

    def stats(self) -> Stats:
        """Return the counters and what the sender knows."""
        progress = self._sender.progress
        counters = self.queue.counters()
        return from_counters(
            counters,
            attempts=progress.attempts,
            last_success=progress.last_success,
            last_error=progress.last_error,
            back_off_until=progress.back_off_until,
            spool=None if self._backlog is None else self._backlog.stats(),
            ack_suspect=progress.ack_suspect,
            ack_mismatch=progress.ack_mismatch,
            faults=counters.get("faults", 0),
        )

    def make_durable(self, deadline: float) -> None:
        """Have everything accepted so far on disk. Raises SpoolError, also without a spool."""
        if self._backlog is None:
            raise SpoolError('a durable flush needs a client with spool="on_failure" or spool="always"')
        self.worker.make_durable(deadline)

    def purge(self) -> int:
        """Drop what waits in the ring and tell its callbacks; return how many events those were."""
        before = self.queue.counters().get("dropped.purged", 0)
        self.endings.removed(self.queue.purge(), "purged")
        return self.queue.counters().get("dropped.purged", 0) - before

    @property
    def is_over(self) -> bool:
        """Whether it was closed and its worker is gone."""
        return self.queue.closed and not self.worker.alive

    def let_go(self, deadline: float) -> None:
        """Begin to close, by a deadline, and leave the log line about the rest to the caller. Does not wait.

        A child leaves its parent's alone.
        """
        if not self.queue.stale:
            self._failed_before = self._failed_as_shutdown
            self.worker.begin_close(deadline, quiet=True)

    def leave(self, deadline: float) -> int:
        """Close what was let go; return how many of its events were not sent in time, if the client may be heard."""
        self.worker.close(deadline, quiet=True)
        self._close_rest()
        return self._failed_as_shutdown - self._failed_before if self._voice.speaks(logging.WARNING) else 0

    @property
    def _failed_as_shutdown(self) -> int:
        return self.queue.counters().get("failed.shutdown", 0)

    def forget(self) -> None:
        """What a client does that is collected without having been closed. Does not wait.

        A worker goes on until everything is sent, and the exit of the process waits for it. Where there is none, nobody
        would ever come back for what is left.
        """
        if self.queue.stale:
            return
        if self.worker.alive:
            self.flushing.open(hurries=False, then=self._close_rest)
            self.worker.let_go()
        if not self.worker.alive:
            self.close(CLOCK.monotonic())

    def close(self, deadline: float) -> FlushResult:
        """Take no more events, send the rest until the deadline, fail what is left as ``shutdown``."""
        result = self.worker.close(deadline)
        self._close_rest()
        return result

    def _close_rest(self) -> None:
        with suppress(Exception):  # it may be somebody else's
            self.transport.close()
        self.delivery.let_go()
        if self._backlog is not None:
            self._backlog.close()
        if self._spooler is not None:
            self._spooler.stop()

    def _drop_all(self) -> None:
        """What a disabled client accepts ends here, counted and told as if it had been delivered."""
        self.queue.flush_mark()
        while (batch := self.queue.next_batch(0.0)) is not None:
            self.endings.dropped(batch, "disabled")
        self.delivery.run_pending()

    def _tell(self, callback: Callback, error: DeliveryError) -> None:
        self.delivery.call(callback, error, BatchReport(None, status=None, attempts=0))
        if self.is_inline:
            self.delivery.run_pending()

    def _must_not_block(self) -> bool:
        return self.worker.is_here or self.delivery.is_here or lifecycle.exiting()


def _jitter() -> float:
    """Draw from [0, 1). Not from `random`: forked siblings would draw alike, and retry in the same instants."""
    return int.from_bytes(os.urandom(7), "big") / 2**56


def deadline_in(timeout: Any) -> float:
    """The moment ``timeout`` seconds from now, on the clock that every deadline is measured by."""
    return CLOCK.monotonic() + max(0.0, float(timeout))
