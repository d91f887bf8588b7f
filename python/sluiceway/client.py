"""The client: what a program holds. The only room that knows the native engine.

A call goes straight from the vendor's method into `Queue.push`; `_submit` is where it goes when that did not settle it.
"""

from __future__ import annotations

import logging
import os
from functools import update_wrapper
from itertools import takewhile
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, cast

from sluiceway import _native, awaiting, lifecycle
from sluiceway.admission import Word
from sluiceway.assembly import CLOCK, Assembly, Queue, deadline_in
from sluiceway.delivery import Callback
from sluiceway.errors import DeliveryError
from sluiceway.notices import Notice
from sluiceway.options import GivenOptions, Options, resolve
from sluiceway.reading import as_secret
from sluiceway.report import BatchReport
from sluiceway.stats import FlushResult, Stats
from sluiceway.threads import allocate_lock
from sluiceway.vendors.base import Call, Field, Vendor, library

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self, Unpack

VERSION: str = getattr(_native, "__version__", "0.1.0")

# A library is silent until the program sets logging up.
logging.getLogger("sluiceway").addHandler(logging.NullHandler())

DISABLED_VARIABLE = "SLUICEWAY_DISABLED"
FLUSH_TIMEOUT_SECONDS = 10.0
CLOSE_TIMEOUT_SECONDS = 10.0

_WORDS: dict[int, Word] = {
    True: "accepted",
    _native.UNATTENDED: "unattended",
    _native.HARD: "hard",
    _native.QUEUE_FULL: "queue_full",
    _native.EVENT_TOO_LARGE: "event_too_large",
    _native.CLOSED: "closed",
    _native.STALE: "stale",
    _native.INTERNAL: "internal",
}

_in_clear = Notice(CLOCK, logging.WARNING, "a client sends in clear, because its host is http; clients so far: %d")

# What a child inherits is kept for ever: taking it down could wait for threads that do not exist in the child.
_inherited: list[Assembly] = []


class Client(_native.Inlet):
    """What the clients of all vendors share. Make one per write key and keep it; every method is safe from any thread.

    The constructor checks every option (README, "Options") and raises ConfigError; it starts no thread and opens no
    connection. The worker, one daemon thread, starts with the first accepted event. After a fork, the child's first use
    of the client gives it an engine of its own; events accepted before the fork are the parent's to send.
    """

    __slots__ = ("__weakref__", "_assembly", "_closed", "_locks", "_options", "_push")

    vendor: ClassVar[Vendor]
    """The page of the vendor that the class speaks to."""

    _assembly: Assembly
    _push: Callable[..., bool | int]

    def __init_subclass__(cls) -> None:
        """Put the native short cut in front of the calls that a vendor's class defines."""
        if "vendor" in vars(cls):
            for number, call in enumerate(cls.vendor.calls):
                setattr(cls, call.name, _short_cut(vars(cls)[call.name], number, call))

    def __init__(self, write_key: str, **options: Unpack[GivenOptions]) -> None:
        # From here on no local variable, and so no traceback that prints them, holds the bare key.
        write_key = as_secret(write_key)  # type: ignore[assignment]
        self._options: Options = resolve(self.vendor, write_key, options)
        self._closed = False
        # One per process: a lock that another thread holds at a fork stays held in the child.
        self._locks: dict[int, Any] = {}
        if self._options.install_sigterm:
            lifecycle.install_sigterm()
        if self._options.endpoint.scheme == "http" and not self._options.endpoint.is_loopback:
            _in_clear.give()
        self._build()

    def flush(self, timeout: float = FLUSH_TIMEOUT_SECONDS, *, callback: Callback | None = None) -> FlushResult:
        """Wait until everything accepted before this call has ended and been told, for up to ``timeout`` seconds.

        Sends at once what waits for `flush_at` or `flush_interval`, and cuts our own back-off short; a wait that the
        server asked for is kept. The result counts the events accepted before the call only, and is true when none
        failed and none is pending. ``callback(error, batch)`` is told once, with the first error among them and the
        last batch. Blocks for ``timeout`` at most, also when the network or a name look-up hangs. Raises nothing.
        """
        return self._own().worker.flush(deadline_in(timeout), callback)

    def close(self, timeout: float | None = None) -> FlushResult:
        """Refuse new events, send what was accepted for up to ``timeout`` seconds (10 by default), fail the rest.

        What is left ends as failed, reason ``shutdown``, and its callbacks are told. Blocks for ``timeout`` at most.
        May be called again, from any thread and from a callback. Raises nothing. `shutdown` is the same.
        """
        self._closed = True
        return self._own().close(deadline_in(CLOSE_TIMEOUT_SECONDS if timeout is None else timeout))

    shutdown = close

    async def aflush(self, timeout: float = FLUSH_TIMEOUT_SECONDS) -> FlushResult:
        """Wait as `flush` does, without blocking the asyncio loop. Cancelling it loses and repeats nothing."""
        return await awaiting.flush(self._own(), timeout)

    async def aclose(self, timeout: float | None = None) -> FlushResult:
        """Close as `close` does, without blocking the asyncio loop."""
        return await awaiting.in_a_thread(self.close, timeout)

    def stats(self) -> Stats:
        """Return what has become of every event so far, counted in this process. Never blocks."""
        return self._own().stats()

    def purge(self) -> int:
        """Drop what waits in memory and is not yet part of a batch; return how many events those were. Never blocks.

        They end as dropped, reason ``purged``, and their callbacks are told.
        """
        return self._own().purge()

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

    # -- what a vendor's methods call when `_push` did not settle it

    def _submit(
        self,
        outcome: int,
        number: int,
        callback: Callback | None,
        message_id: object,
        timestamp: object,
        values: tuple[Any, ...],
    ) -> bool:
        """Settle a call that needs a closer look, found no room, or found no worker. Raises only what was asked for."""
        word = _WORDS[outcome]
        if word == "stale":
            self._own()
            word = _WORDS[self._push(number, callback, message_id, timestamp, *values)]
        assembly = self._assembly
        ending = None
        if word not in ("accepted", "unattended"):
            if self._options.sync and (callback is None or callable(callback)):
                callback = ending = _Ending(callback)
            admitted = assembly.admission.submit(word, number, callback, message_id, timestamp, values)
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
        options = self._options
        queue = _native_queue(self.vendor, options)
        self._assembly = Assembly(self.vendor, options, cast("Queue", queue), _WORDS, VERSION)
        if self._closed:
            queue.close()
        if os.environ.get(DISABLED_VARIABLE, "").lower() in ("1", "true", "yes", "on"):
            self._push = _take_and_forget
        elif options.middleware or options.opt_out or options.sync:
            self._push = queue.offer
        else:
            self._push = queue.push
            self._open(queue)


def _short_cut(method: FunctionType, number: int, call: Call) -> Callable[..., bool]:
    """Return the method with the native short cut in front: what is plain and accepted never enters Python.

    Everything else calls the method itself, so what a call means, its errors included, is written there alone.
    """
    code = method.__code__
    parameters = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    slots = {field.argument: index for index, field in enumerate(call.fields)}
    slots |= {"message_id": _native.MESSAGE_ID, "timestamp": _native.TIMESTAMP}
    known = [name for name in parameters if name in slots]
    # By position only up to the first parameter that the short cut does not know.
    positional = len(list(takewhile(slots.__contains__, parameters[: code.co_argcount - 1])))
    hot = _native.hot(method, number, len(call.fields), known, [slots[name] for name in known], positional)
    return cast("Callable[..., bool]", update_wrapper(hot, method))


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


def _take_and_forget(*_: object) -> bool:
    """Stand in for `push` where SLUICEWAY_DISABLED is set: every call is a no-op that answers True."""
    return True


def _native_queue(vendor: Vendor, options: Options) -> _native.Queue:
    """Make the engine. Each call has two shapes: its own, and behind them all one that takes further fields, too."""
    lists = [[_native_field(field) for field in call.fields] for call in vendor.calls]
    extras = _native.Field("", "spread")
    shapes = [_native_shape(vendor, call, fields) for call, fields in zip(vendor.calls, lists, strict=True)]
    shapes += [_native_shape(vendor, call, [*fields, extras]) for call, fields in zip(vendor.calls, lists, strict=True)]
    return _native.Queue(
        shapes,
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


def _native_shape(vendor: Vendor, call: Call, fields: list[_native.Field]) -> _native.Shape:
    keys = {field.argument: field.key for field in call.fields}
    return _native.Shape(
        call.head,
        fields,
        one_of=[keys[argument] for argument in call.one_of],
        id_key=vendor.id_key,
        time_key=vendor.time_key,
        time_format=vendor.time_format,
        id_max_chars=vendor.limits.max_id_chars,
    )


def _native_field(field: Field) -> _native.Field:
    # Ids and names are short texts to the engine; the closer look knows them apart (vendors/base.py).
    kind = field.kind if field.kind in ("map", "any") else "text"
    if field.library:
        who = library(VERSION)
        return _native.Field(
            field.key,
            kind,
            required=field.required,
            default=b'{"library":' + who + b"}",
            merge_key="library",
            merge_json=who,
        )
    return _native.Field(field.key, kind, required=field.required, default=field.default)
