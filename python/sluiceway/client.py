"""The client: what a program holds. The only room that knows the native engine.

A call goes straight from the vendor's method into `Queue.push`; `_submit` is where it goes when that did not settle it.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from functools import update_wrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from sluiceway import _native, awaiting, capturing, hosting, lifecycle, short_cuts
from sluiceway.admission import Word
from sluiceway.assembly import CLOCK, Assembly, Queue, deadline_in
from sluiceway.delivery import Callback
from sluiceway.errors import DeliveryError
from sluiceway.inheriting import Parts
from sluiceway.notices import Notice
from sluiceway.options import GivenOptions, Options, check_middleware, resolve
from sluiceway.reading import as_secret
from sluiceway.report import BatchReport
from sluiceway.secret import Secret
from sluiceway.shapes import Shape, shape
from sluiceway.stats import FlushResult, Stats
from sluiceway.threads import allocate_lock
from sluiceway.vendors.base import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self, Unpack

    from sluiceway.scopes import OpenScope

VERSION: str = getattr(_native, "__version__", "0.1.0")

# A library is silent until the program sets logging up.
logging.getLogger("sluiceway").addHandler(logging.NullHandler())

DISABLED_VARIABLE = "SLUICEWAY_DISABLED"
FLUSH_TIMEOUT_SECONDS = 10.0
CLOSE_TIMEOUT_SECONDS = 10.0

# What `scopes.py` needs of the engine.
Scoped = _native.Scoped
SCOPE = _native.SCOPE

_WORDS: dict[int, Word] = {
    True: "accepted",
    _native.UNATTENDED: "unattended",
    _native.HARD: "hard",
    _native.QUEUE_FULL: "queue_full",
    _native.EVENT_TOO_LARGE: "event_too_large",
    _native.CLOSED: "closed",
    _native.STALE: "stale",
    _native.INTERNAL: "internal",
    _native.REENTRANT: "reentrant",
    _native.NO_MEMORY: "memory",
}

_Answer = TypeVar("_Answer")

_at_fault = Notice(CLOCK, logging.ERROR, "the engine met an error of its own at %s; %d times")
_in_clear = Notice(CLOCK, logging.WARNING, "a client sends in clear, because its host is http; clients so far: %d")

# What a child inherits is kept for ever: taking it down could wait for threads that do not exist in the child.
_inherited: list[Assembly] = []


class Client(_native.Inlet):
    """What the clients of all vendors share. Make one per write key and keep it; every method is safe from any thread.

    The constructor checks every option (README, "Options") and raises ConfigError; it starts no thread and opens no
    connection. The worker, one daemon thread, starts with the first accepted event. After a fork, the child's first use
    of the client gives it an engine of its own; events accepted before the fork are the parent's to send.
    """

    __slots__ = ("__weakref__", "_assembly", "_closed", "_locks", "_options", "_page", "_push", "_steps")

    vendor: ClassVar[Vendor]
    """The page of the vendor that the class speaks to."""

    _assembly: Assembly
    _push: Callable[..., bool | int]
    _page: Vendor
    """The page that this client speaks by: its class's own, or a variant that its options made."""

    def __init_subclass__(cls) -> None:
        """Put the native short cut in front of the calls that a vendor's class defines."""
        if "vendor" not in vars(cls):
            return
        for name, plan in short_cuts.plans(cls, cls.vendor).items():
            hot: Any = _native.hot(
                plan.method, plan.number, plan.fields, plan.names, plan.slots, plan.positional, mapping=plan.mapping
            )
            update_wrapper(hot, plan.method)
            # The method may be that of a class above; what stands here is named after its own place.
            hot.__module__, hot.__qualname__ = cls.__module__, f"{cls.__qualname__}.{name}"
            setattr(cls, name, hot)

    def __init__(self, write_key: str, **options: Unpack[GivenOptions]) -> None:
        # From here on no local variable, and so no traceback that prints them, holds the bare key.
        write_key = as_secret(write_key, self.vendor.key_name)  # type: ignore[assignment]
        self._begin(self.vendor, write_key, options)

    def _begin(self, page: Vendor, write_key: str | Secret, options: Mapping[str, Any]) -> None:
        """Read the options and make the engine. What a class with options of its own calls when it has read those."""
        self._page = page
        self._options: Options = resolve(page, write_key, options)
        self._steps = list(self._options.middleware)
        self._closed = False
        # One per process: a lock that another thread holds at a fork stays held in the child.
        self._locks: dict[int, Any] = {}
        if self._options.install_sigterm:
            lifecycle.install_sigterm()
        if self._options.endpoint.scheme == "http" and not self._options.endpoint.is_loopback:
            _in_clear.give()
        hosting.load_early()
        capturing.know(self)
        self._build()

    def flush(
        self, timeout: float = FLUSH_TIMEOUT_SECONDS, *, callback: Callback | None = None, durable: bool = False
    ) -> FlushResult:
        """Wait until everything accepted before this call has ended and been told, for up to ``timeout`` seconds.

        Sends at once what waits for `flush_at` or `flush_interval`, and cuts our own back-off short; a wait that the
        server asked for is kept. The result counts the events accepted before the call only, and is true when none
        failed and none is pending. ``callback(error, batch)`` is told once, with the first error among them and the
        last batch. Blocks for ``timeout`` at most, also when the network or a name look-up hangs. Raises nothing.

        With ``durable=True`` it waits for the disk instead of the network: when it returns, every event accepted before
        the call has ended or is in the spool, synced to the disk with its directory; the result says how many are still
        pending. Raises SpoolError when that cannot be done in time, and without a spool.
        """
        deadline = deadline_in(timeout)
        if durable:
            self._own().make_durable(deadline)
            deadline = deadline_in(0.0)
        return _shielded(lambda: self._own().worker.flush(deadline, callback), FlushResult(pending=1))

    def close(self, timeout: float | None = None) -> FlushResult:
        """Refuse new events, send what was accepted for up to ``timeout`` seconds (10 by default), fail the rest.

        What is left ends as failed, reason ``shutdown``, or with a spool as handed over to a later process, and its
        callbacks are told. Blocks for ``timeout`` at most, and for as long as the disk takes to write what is left.
        May be called again, from any thread and from a callback. Raises nothing. `shutdown` is the same.
        """
        self._closed = True
        deadline = deadline_in(CLOSE_TIMEOUT_SECONDS if timeout is None else timeout)
        return _shielded(lambda: self._own().close(deadline), FlushResult(pending=1))

    shutdown = close

    async def aflush(self, timeout: float = FLUSH_TIMEOUT_SECONDS) -> FlushResult:
        """Wait as `flush` does, without blocking the asyncio loop. Cancelling it loses and repeats nothing."""
        try:
            return await awaiting.flush(self._own(), timeout)
        except _native.Fault:
            return await awaiting.in_a_thread(self.flush, timeout)

    async def aclose(self, timeout: float | None = None) -> FlushResult:
        """Close as `close` does, without blocking the asyncio loop."""
        return await awaiting.in_a_thread(self.close, timeout)

    def stats(self) -> Stats:
        """Return what has become of every event so far, counted in this process. Never blocks."""
        return _shielded(lambda: self._own().stats(), Stats(faults=1))

    def purge(self) -> int:
        """Drop what waits in memory and is not yet part of a batch; return how many events those were. Never blocks.

        They end as dropped, reason ``purged``, and their callbacks are told.
        """
        return _shielded(lambda: self._own().purge(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        options: Options | None = getattr(self, "_options", None)
        where = "without options" if options is None else f"{options.write_key!r} {options.endpoint.url}"
        return f"<{type(self).__name__} {where}>"

    def __reduce__(self) -> Any:
        raise TypeError("a client holds a thread and connections: make one where it is used, it cannot be pickled")

    def __del__(self) -> None:
        """Let the worker send what is left and end. Does not wait; at the exit of the process it is waited for."""
        # Not only a constructor that raised: the interpreter may be half taken down, and this module's names gone.
        try:  # noqa: SIM105
            self._assembly.forget()
        except Exception:
            pass

    # -- what a vendor's methods call: `_send`, or `_push`, and then `_submit` when that did not settle it

    def _send(
        self,
        number: int,
        callback: Callback | None,
        message_id: object,
        timestamp: object,
        values: tuple[Any, ...],
        extra: Any = None,
        extras: Mapping[str, Any] | None = None,
    ) -> bool:
        """Take one event of the call of that number, with values for the first of its fields.

        ``extras`` are further fields under their wire keys, which the page does not know. ``extra`` is for middleware
        only. Raises nothing but what the user asked for.
        """
        # With something in the callback's place `push` leaves everything to the long way, where extras are known.
        outcome = self._push(number, extras or callback, message_id, timestamp, *values)
        if outcome is True:
            return True
        return self._submit(outcome, number, callback, message_id, timestamp, values, extra, extras)

    def _add_middleware(self, step: Callable[..., Any]) -> None:
        """Have a further function see each event from now on. Raises ConfigError for what cannot run inside a call."""
        self._steps.append(check_middleware(step))
        self._choose_way()

    def _submit(
        self,
        outcome: int,
        number: int,
        callback: Callback | None,
        message_id: object,
        timestamp: object,
        values: tuple[Any, ...],
        extra: Any = None,
        extras: Mapping[str, Any] | None = None,
    ) -> bool:
        """Settle a call that needs a closer look, found no room, or found no worker. Raises only what was asked for."""
        word = _WORDS[outcome]
        if word == "stale":
            self._own()
            word = _WORDS[self._push(number, extras or callback, message_id, timestamp, *values)]
        assembly = self._assembly
        ending = None
        if word not in ("accepted", "unattended"):
            if self._options.sync and (callback is None or callable(callback)):
                callback = ending = _Ending(callback)
            admitted = assembly.admission.submit(
                word, number, callback, message_id, timestamp, values, extra, extras or None
            )
            if admitted is None:
                return False
            word = admitted
        if word == "unattended":
            assembly.attend()
        return ending is None or ending.delivered

    # -- the engine of this process

    def _own(self) -> Assembly:
        """Return the assembly of this process; the first use in a child makes one."""
        assembly = self._assembly
        if not assembly.queue.stale:
            return assembly
        with self._locks.setdefault(os.getpid(), allocate_lock()):
            if self._assembly.queue.stale:
                _inherited.append(self._assembly)
                self._build()
        return self._assembly

    def _build(self) -> None:
        self._assembly = capturing.assemble(self._page, self._options, self._put_together)
        if self._closed:
            self._assembly.queue.close()
        self._choose_way()

    def _put_together(self, page: Vendor, options: Options, around: Callable[[Queue], Queue] | None = None) -> Assembly:
        queue = cast("Queue", _native_queue(page, options))
        return Assembly(page, options, queue if around is None else around(queue), _WORDS, VERSION, self._steps, _said)

    def _take_back(self, assembly: Assembly, closed: bool) -> None:
        """Go on with what a test put aside."""
        self._closed = closed
        if assembly is capturing.NO_ENGINE_YET:
            self._put_off()
            return
        self._assembly = assembly
        self._choose_way()

    def _put_off(self) -> None:
        """Have an engine made by whatever wants one next: what a test made may never be used again."""
        self._open(None)
        self._assembly = capturing.NO_ENGINE_YET
        self._push = _nobody_there

    def _choose_way(self) -> None:
        """Decide how a call goes: straight into the engine, or through Python, or nowhere."""
        options, queue = self._options, cast("_native.Queue", self._assembly.queue)
        captured = self._assembly.is_captured
        if not captured and os.environ.get(DISABLED_VARIABLE, "").lower() in ("1", "true", "yes", "on"):
            self._push = _take_and_forget
        elif captured or self._steps or options.opt_out or options.sync:
            self._open(None)
            self._push = queue.offer
        else:
            self._push = queue.push
            self._open(queue)


class _Ending:
    """Learns what became of one event, for ``sync=True``, and tells the call's own callback."""

    __slots__ = ("_callback", "delivered")

    def __init__(self, callback: Callback | None) -> None:
        self._callback = callback
        self.delivered = False

    def __call__(self, error: DeliveryError | None, batch: BatchReport) -> None:
        self.delivered = error is None
        if self._callback is not None:
            self._callback(error, batch)


def _shielded(call: Callable[[], _Answer], instead: _Answer) -> _Answer:
    """Return what the call does; where the engine meets an error of its own, try once more, and then ``instead``."""
    for _ in range(2):
        try:
            return call()
        except _native.Fault:
            with suppress(Exception):  # a handler or a filter of the user's
                _at_fault.give(_native.faults()[1])
    return instead


def _said() -> Parts | None:
    """What the scope says that is open here."""
    opened = SCOPE.get(None)
    return None if opened is None else cast("OpenScope", opened).settled()


def _take_and_forget(*_: object) -> bool:
    """Stand in for `push` where SLUICEWAY_DISABLED is set: every call is a no-op that answers True."""
    return True


def _nobody_there(*_: object) -> int:
    """Stand in for `push` where no engine is there yet."""
    return _native.STALE


def _native_queue(vendor: Vendor, options: Options) -> _native.Queue:
    """Make the engine. Each call has two shapes: its own, and behind them all one that takes further fields, too."""
    laid_out = [shape(vendor, call, VERSION, extras=extras) for extras in (False, True) for call in vendor.calls]
    return _native.Queue(
        [_native_shape(vendor, one) for one in laid_out],
        max_queue_events=options.max_queue_events,
        max_queue_bytes=options.max_queue_bytes,
        max_event_bytes=options.max_event_bytes,
        max_batch_bytes=options.max_batch_bytes,
        max_batch_events=options.max_batch_events,
        envelope_bytes=vendor.envelope_bytes(options.write_key.reveal()),
        flush_at=options.flush_at,
        flush_interval=options.flush_interval,
        flush_first=options.flush_first,
        drop_oldest=options.on_full == "drop_oldest",
    )


def _native_shape(vendor: Vendor, laid_out: Shape) -> _native.Shape:
    return _native.Shape(
        laid_out.head,
        [_native.Field(**place) for place in laid_out.places],
        one_of=laid_out.one_of,
        id_key=vendor.id_key,
        time_key=vendor.time_key,
        time_format=vendor.time_format,
        tail=laid_out.tail,
        id_max_chars=vendor.limits.max_id_chars,
        id_format=vendor.id_format,
        given_time_key=vendor.given_time_key,
        max_text_chars=vendor.limits.max_text_chars,
        max_depth=vendor.limits.max_depth,
    )
