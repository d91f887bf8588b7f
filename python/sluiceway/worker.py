"""The one background thread: has the rounds done, and is told what flush and close want of them.

Nothing kills the worker. Whatever is raised, and wherever, the next round goes on with what the line still holds.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sluiceway.desk import Wish
from sluiceway.errors import SpoolError
from sluiceway.report import BatchReport
from sluiceway.threads import allocate_lock, start_thread, thread_id

if TYPE_CHECKING:
    from sluiceway.delivery import Callback, Delivery
    from sluiceway.engine import Clock, Queue
    from sluiceway.flushing import Flush, Flushing
    from sluiceway.rounds import Rounds
    from sluiceway.stats import FlushResult

# How often a durable flush looks whether the worker is where it can be passed by.
_LOOK_SECONDS = 0.02


class Worker:
    """Carries every batch of one queue to its end. Its public methods may be called from any thread."""

    def __init__(
        self,
        *,
        queue: Queue,
        rounds: Rounds,
        flushing: Flushing,
        delivery: Delivery,
        clock: Clock,
        name: str = "sluiceway-worker",
        inline: bool = False,
    ) -> None:
        """Start nothing yet. `inline` never starts a thread: everything happens in `drain`, `flush` and `close`."""
        self._queue = queue
        self._rounds = rounds
        self.desk = rounds.desk
        self._flushing = flushing
        self._delivery = delivery
        self._clock = clock
        self._name = name
        self._inline = inline
        # Held by whoever does the work; for its whole life by the thread.
        self._turn = allocate_lock()
        self._starting = allocate_lock()
        self._start_again_at = float("-inf")
        self._alive = False
        # Which life of the thread this is: one that was replaced has nothing more to say.
        self._run: object | None = None
        self._working_on: int | None = None

    # -- any thread

    @property
    def alive(self) -> bool:
        """Whether the thread runs, or is about to."""
        return self._alive

    def start(self) -> bool:
        """Start the thread unless it runs; returns whether it does. Does not wait for it, takes no lock that waits."""
        return self._start(waits=False)

    def _start(self, *, waits: bool) -> bool:
        if self._alive:
            return True
        now = self._clock.monotonic()
        if self._inline or self.desk.ended.is_set() or now < self._start_again_at:
            return False
        if not self._starting.acquire(waits):
            return True
        try:
            if not self._alive:
                self._alive = True
                self._run = run = object()
                try:
                    has_started = start_thread(self._name, partial(self._main, run))
                except BaseException:
                    # Injected, and the thread may run or not. A second one would wait for its turn.
                    self._alive = False
                    raise
                if not has_started:
                    self._alive = False
                    # Each push asks for a worker while there is none; the system is asked for a thread once a second.
                    self._start_again_at = now + 1.0
            return self._alive
        finally:
            self._starting.release()

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the one that does the work, so that it must not wait for it."""
        return self._working_on == thread_id()

    def flush(self, deadline: float, callback: Callback | None = None) -> FlushResult:
        """Wait until everything accepted before the call has ended and its callbacks have run, or until the deadline.

        Cuts our own back-off short, once a second at most; a wait that the server asked for is kept. On the worker's
        own thread it does not wait. The deadline is in the seconds of the clock's `monotonic()`. `callback` is told
        once, with the first error among the events or None, and the last batch.
        """
        flush = self._flushing.open()
        try:
            if not self.is_here:
                self._await(flush, deadline)
        finally:
            result = self._flushing.result(flush)
        if callback is not None:
            report = flush.report or BatchReport(None, status=None, attempts=0)
            self._delivery.call(callback, flush.error, report)
            if self._inline:
                self._delivery.run_pending()
        return result

    def make_durable(self, deadline: float) -> None:
        """Have everything accepted so far on disk, synced, or ended; does not wait for delivery. Raises SpoolError."""
        wish = Wish(self._queue.flush_mark())
        try:
            while not wish.done.is_set():
                if self.is_here or (not self.start() and self._turn.acquire(timeout=self._seconds_until(deadline))):
                    try:
                        self.desk.make_durable(wish, in_turn=True)
                    finally:
                        if not self.is_here:
                            self._turn.release()
                else:
                    self.desk.make_durable(wish, in_turn=False)
                    self._queue.interrupt()
                wish.done.wait(_LOOK_SECONDS)
                if not wish.done.is_set() and self._clock.monotonic() >= deadline:
                    raise SpoolError("not everything could be written to the spool in time; it is still in memory")
        finally:
            self.desk.forget(wish)
        if not wish.granted:
            raise SpoolError("the spool takes no more: see stats().spool; what it did not take is still in memory")

    def drain(self, deadline: float) -> bool:
        """Do the worker's work on this thread until nothing is left, or the deadline; returns whether nothing is left.

        For clients without a thread, and for the exit when the thread is gone. False too when another thread works.
        """
        if self.is_here or not self._turn.acquire(timeout=self._seconds_until(deadline)):
            return False
        try:
            self._working_on = thread_id()
            self._queue.flush_mark()
            empty = False
            while True:
                try:
                    if not self._rounds.step(deadline):
                        empty = self.desk.empty
                        break
                except Exception as error:
                    self._rounds.stumble(error)
                    if self._clock.monotonic() >= deadline:
                        break  # an error of ours that does not go away must not hold the caller for ever
        finally:
            self._working_on = None
            self._turn.release()
        if not self._alive:
            self._delivery.run_pending()
        return empty

    def let_go(self) -> None:
        """Refuse new events and send what is left. Does not wait."""
        self._queue.close()
        self._queue.interrupt()

    def begin_close(self, deadline: float, *, quiet: bool = False) -> float:
        """Do what `close` does before it waits; returns when the sending ends."""
        # Callbacks of what fails at the very end need a moment, too.
        grace = min(0.2, 0.1 * self._seconds_until(deadline)) if self._delivery.registered else 0.0
        self.desk.quiet = quiet
        self.desk.closing_at = closing_at = deadline - grace
        self.let_go()
        return closing_at

    def close(self, deadline: float, *, quiet: bool = False) -> FlushResult:
        """Refuse new events, send what is left until the deadline, fail the rest as `shutdown`. May be called again.

        Our own back-off is cut short for a last attempt; what cannot be due before the deadline fails at once. When it
        returns nothing is pending, even if the thread is stuck in a request: close the transport then. `quiet` leaves
        the log line about the rest to the caller.
        """
        flush = self._flushing.open(hurries=False)
        closing_at = self.begin_close(deadline, quiet=quiet)
        if not self.is_here:
            if self._alive:
                self.desk.ended.wait(self._seconds_until(closing_at))
            else:
                self.drain(closing_at)
            self.desk.abandon()
            self._delivery.close(deadline)
        return self._flushing.result(flush)

    # -- the thread

    def _main(self, run: object) -> None:
        # An exception may be injected into the leaving as well, so that is done again.
        try:
            try:
                self._work()
            finally:
                self._leave(run)
        except BaseException:
            self._leave(run)

    def _work(self) -> None:
        self._working_on = thread_id()
        while not self.desk.ended.is_set():
            try:
                with self._turn:
                    self._queue.attend(True)
                    while self._rounds.step(None):
                        pass
                self.desk.ended.set()
            except BaseException as error:
                self._rounds.stumble(error)

    def _leave(self, run: object) -> None:
        """Make place for another thread, and start it unless all is over. Done again, it does what is left of that."""
        if self._run is run:
            self._working_on = None
            self._alive = False
            self._queue.attend(False)
        # Not over: an exception was injected where none is caught.
        if not self.desk.ended.is_set():
            # Whoever started this thread may not have come back from that yet, and believe that it runs.
            self._start(waits=True)
        elif self._run is run:
            # Who began a flush when the last round had looked, and saw the thread alive, waits for it.
            self._flushing.check()
            self._run = None

    def _await(self, flush: Flush, deadline: float) -> None:
        if not self._alive:
            if flush.expected == 0 and not self.desk.has_spool:
                # Without a worker no batch is between the ring and the line: there is nothing to wait for.
                self._delivery.wait(deadline)
                return
            if not self.start():
                self.drain(deadline)
        if self._alive:
            self._queue.interrupt()
            flush.done.wait(self._seconds_until(deadline))
        self._delivery.wait(deadline)

    def _seconds_until(self, deadline: float) -> float:
        return max(0.0, deadline - self._clock.monotonic())
