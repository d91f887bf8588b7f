"""The long way of an event: from a call that the native walk handed back to an admitted record or a counted refusal.

    outcome of push ── accepted, nobody there yet ──────────────► start the worker
                    ── not a plain event ─► check ─► middleware ─► admit ─► plain values, admit again
                    ── no room ───────────────────────────────────► on_full: refuse, wait, or raise
                    ── too large, closed ─────────────────────────► refuse

A refusal is counted under one reason, told once to the call's own callback and, at a bounded rate, to the log, which
names the argument and a type or a size and never a value. Nothing is raised but what the user asked for
(``strict=True``, ``on_full="raise"``) and what is no Exception: an interrupt passes through and leaves nothing behind.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol, TypeAlias

from sluiceway import events as event_forms
from sluiceway import inheriting, middleware, nesting
from sluiceway.delivery import Callback, Delivery
from sluiceway.engine import Clock
from sluiceway.errors import DeliveryError, InvalidEvent, QueueFull
from sluiceway.events import CheckedEvent
from sluiceway.inheriting import Parts
from sluiceway.middleware import Middleware
from sluiceway.notices import Notice, Voice
from sluiceway.options import Options
from sluiceway.threads import on_a_hub
from sluiceway.values import Plain, TooLarge, Unserializable
from sluiceway.vendors.base import Call, Vendor

Word: TypeAlias = Literal[
    "accepted",
    "unattended",
    "hard",
    "queue_full",
    "event_too_large",
    "closed",
    "stale",
    "reentrant",
    "memory",
    "internal",
]
"""What became of a push, as a word: the engine's numbers stay in ``client.py``."""

Words: TypeAlias = Mapping[int, Word]
"""From the engine's numbers to words."""


class Queue(Protocol):
    """The producer's face of the native queue."""

    @property
    def admit(self) -> Callable[..., bool | int]:
        """``admit(token, shape, message_id, timestamp, *values)``: take an event that was checked here."""
        ...

    def refuse(self, reason: str, /) -> None:
        """Count a refusal."""
        ...

    def wait_for_space(self, timeout: float | None, /) -> bool:
        """Wait until budget is given back."""
        ...

    def count_replaced(self, what: str, /) -> None:
        """Count something of an event's that was replaced."""
        ...

    def refused_bytes(self) -> int:
        """Tell how large the event was, as far as measured, that this thread last saw refused as too large."""
        ...

    @property
    def closed(self) -> bool:
        """Whether new events are refused."""
        ...


# How long a producer waits at a time for room that nobody makes, because the system gave no thread for the worker.
_ASK_AGAIN_SECONDS = 1.0


class Refusal(Exception):
    """The event is not taken: the reason of the accounting, and what is wrong with which argument.

    ``arranged`` marks what the user's own policy asked for: counted like the others, but nothing to warn of.
    """

    def __init__(self, reason: str, field: str, message: str, *, arranged: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.message = message
        self.arranged = arranged


class _Interruption(Exception):
    """A wait was ended by what a handler of a signal raised: that is for the caller, like Ctrl-C."""

    def __init__(self, raised: Exception) -> None:
        super().__init__()
        self.raised = raised


class Admission:
    """Admits or refuses the events of one client. Safe to use from any thread; holds no lock while user code runs."""

    def __init__(
        self,
        *,
        vendor: Vendor,
        options: Options,
        queue: Queue,
        words: Words,
        delivery: Delivery,
        clock: Clock,
        steps: Sequence[Middleware],
        said: Callable[[], Parts | None],
        must_not_block: Callable[[], bool],
        attend: Callable[[], bool],
        tell: Callable[[Callback, DeliveryError], None],
        voice: Voice,
    ) -> None:
        """Keep the parts.

        ``steps`` is the client's middleware, looked at anew for each event; ``said`` tells what the scope says that the
        call is made in. ``must_not_block`` knows our own threads and the exit; ``attend`` starts the worker if it does
        not run, and returns whether it does; ``tell`` tells a callback an error.
        """
        self._vendor = vendor
        self._steps = steps
        self._said = said
        self._run_middleware = vendor.run_middleware or middleware.run
        self._options = options
        self._queue = queue
        self._admit_natively = queue.admit
        self._words = words
        self._delivery = delivery
        self._clock = clock
        self._must_not_block = must_not_block
        self._attend = attend
        self._tell = tell
        # Fields that middleware adds need a shape of their own; those stand behind the calls' own shapes.
        self._shapes_with_extras = len(vendor.calls)
        self._voice = voice
        self._notices: dict[tuple[str, int], Notice] = {}
        template = 'on_full="block" cannot wait on this thread; %d times'
        self._blocking_refused = Notice(clock, logging.WARNING, template, voice)
        self.on_refused: Callable[[Call, Refusal, Sequence[Any]], None] | None = None
        """Told of each refusal, with the values of the call: a test's."""

    def submit(
        self,
        word: Word,
        number: int,
        callback: Callback | None,
        message_id: object,
        timestamp: object,
        values: tuple[Any, ...],
        extra: Any = None,
        extras: Mapping[str, Any] | None = None,
    ) -> Word | None:
        """Settle a call that `push` answered with ``word``: "accepted", "unattended", or None when it is refused.

        Runs user code (middleware, ``default``, ``__str__``) and, with on_full="block", waits. Raises InvalidEvent and
        QueueFull where that was asked for, and lets BaseException through.
        """
        call = self._vendor.calls[number]
        interruption = None
        try:
            return self._admit(word, number, call, callback, message_id, timestamp, values, extra, extras)
        except Refusal as refusal:
            error = refusal
        except _Interruption as caught:
            interruption = caught.raised
        except Exception as broken:
            error = Refusal("internal", call.name, f"met {type(broken).__name__} inside sluiceway")
        except BaseException:
            # An interrupt out of the user's own code: it passes, but the call was offered and must be accounted for.
            with suppress(RuntimeError):
                self._queue.refuse("interrupted")
            raise
        if interruption is not None:
            with suppress(RuntimeError):
                self._queue.refuse("interrupted")
            raise interruption
        if self.on_refused is not None:
            self.on_refused(call, error, values)
        self._refuse(error, call, callback)
        return None

    def _admit(
        self,
        word: Word,
        number: int,
        call: Call,
        callback: Callback | None,
        message_id: object,
        timestamp: object,
        values: tuple[Any, ...],
        extra: Any,
        extras: Mapping[str, Any] | None,
    ) -> Word:
        """Take the event or raise Refusal."""
        if callback is not None and not callable(callback):
            raise Refusal("invalid", "callback", f"must be callable, not {type(callback).__name__}")
        said = self._said()
        must_wait = word == "queue_full" and self._options.on_full == "block"
        if must_wait and said is None:
            # The native walk took all of it, so there is nothing to look at more closely.
            event = CheckedEvent(message_id, timestamp, tuple(values))  # type: ignore[arg-type]
            return self._enter(number, call, callback, event)
        if word != "hard" and not must_wait:
            raise self._refusal(word, call)
        if self._queue.closed:
            # Before anything of the user's runs for an event that has no chance.
            raise self._refusal("closed", call)
        if self._options.opt_out:
            raise Refusal("opted_out", call.name, "is opted out of", arranged=True)
        try:
            if said is not None:
                values = inheriting.fill(call, values, said)
            event = event_forms.check(self._vendor, call, message_id, timestamp, values, extras)
            if self._steps:
                event = self._through_middleware(call, event, extra)
        except InvalidEvent as error:
            raise Refusal("invalid", error.field, error.message) from None
        return self._enter(number, call, callback, event)

    def _refuse(self, refusal: Refusal, call: Call, callback: Callback | None) -> None:
        """Count a refusal and tell about it; raise where that was asked for."""
        reason = refusal.reason
        if reason == "queue_full":
            # It may be full because no thread could be had when its worker was to start.
            self._attend()
        with suppress(RuntimeError):  # user code that forked in the middle: the child's account begins anew
            self._queue.refuse(reason)
        if callable(callback):
            self._tell(callback, DeliveryError(reason, "no", None, f"{refusal.field} {refusal.message}"))
        with suppress(Exception):  # a handler or a filter of the user's
            self._notice(refusal).give(call.name, refusal.field, refusal.message)
        if reason == "queue_full" and self._options.on_full == "raise":
            raise QueueFull(f"{refusal.field} {refusal.message}")
        if self._options.strict and reason in ("invalid", "event_too_large", "unserializable"):
            raise InvalidEvent(refusal.field, refusal.message)

    def _notice(self, refusal: Refusal) -> Notice:
        level = logging.DEBUG if refusal.arranged else logging.WARNING
        notice = self._notices.get((refusal.reason, level))
        if notice is None:
            template = f"{refusal.reason}: %s() was refused, because %s %s; %d events"
            notice = self._notices.setdefault(
                (refusal.reason, level), Notice(self._clock, level, template, self._voice)
            )
        return notice

    def _through_middleware(self, call: Call, event: CheckedEvent, extra: Any) -> CheckedEvent:
        """Let the user's functions see a copy of the event; the caller's own objects are not theirs to change."""
        told = event_forms.to_dict(self._vendor, call, self._plain(call, event))
        try:
            answer = self._run_middleware(tuple(self._steps), told, extra)
        except middleware.MiddlewareFault as fault:
            raise Refusal("middleware", "middleware", str(fault)) from None
        if answer is None:
            raise Refusal("middleware", "middleware", "dropped it", arranged=True)
        return event_forms.from_dict(self._vendor, call, answer, event)

    def _enter(self, number: int, call: Call, callback: Callback | None, event: CheckedEvent) -> Word:
        token = 0 if callback is None else self._delivery.register(callback)
        try:
            word = self._push(token, number, event)
            if word == "hard":
                event = self._plain(call, event)
                word = self._push(token, number, event)
            if word == "queue_full" and self._options.on_full == "block":
                word = self._wait_for_room(token, number, event)
            if word in ("accepted", "unattended"):
                token = 0
                if event.lost_id:
                    self._queue.count_replaced("id")
                return word
            raise self._refusal(word, call)
        finally:
            if token:
                self._delivery.forget(token)

    def _push(self, token: int, number: int, event: CheckedEvent) -> Word:
        if event.extras is None:
            outcome = self._admit_natively(token, number, event.message_id, event.timestamp, *event.values)
        else:
            number += self._shapes_with_extras
            outcome = self._admit_natively(
                token, number, event.message_id, event.timestamp, *event.values, event.extras
            )
        return self._words[outcome]

    def _plain(self, call: Call, event: CheckedEvent) -> CheckedEvent:
        """Replace every value by a plain copy. Raises Refusal for what cannot become JSON or is certainly too large."""
        plain = Plain(self._options.max_event_bytes, self._options.default, self._vendor.limits.max_depth)
        name = call.name
        try:
            values = []
            for field, value in zip(call.fields, event.values, strict=True):
                name = field.argument
                values.append(plain(value))
            extras = None if event.extras is None else plain(event.extras)
        except Unserializable as error:
            raise Refusal("unserializable", name, str(error)) from None
        except TooLarge as error:
            raise self._too_large(call, error.at_least_bytes) from None
        except Exception as error:
            # Of the user's own code only the type is told: its text may quote the value.
            raise Refusal("unserializable", name, f"raised {type(error).__name__} while it was read") from None
        # Keys that only now are text may be such as have a place of their own.
        arguments = {field.argument: value for field, value in zip(call.fields, values, strict=True)}
        nesting.part(call, arguments)
        values = [arguments[field.argument] for field in call.fields]
        return CheckedEvent(event.message_id, event.timestamp, tuple(values), extras, event.lost_id)

    def _wait_for_room(self, token: int, number: int, event: CheckedEvent) -> Word:
        """Wait as on_full="block" asks, unless this thread must not: then behave as drop_new, and say so once."""
        if self._must_not_block() or on_a_hub() or _on_a_running_loop():
            self._blocking_refused.give()
            return "queue_full"
        timeout = self._options.block_timeout
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        while True:
            left = None if deadline is None else deadline - self._clock.monotonic()
            if left is not None and left <= 0:
                return "queue_full"
            if not self._attend():
                # Nobody makes room: the system gave no thread, and is asked again before long.
                left = _ASK_AGAIN_SECONDS if left is None else min(left, _ASK_AGAIN_SECONDS)
            try:
                self._queue.wait_for_space(left)
            except Exception as raised:
                if self._queue.closed:
                    raise
                raise _Interruption(raised) from None
            word = self._push(token, number, event)
            if word != "queue_full":
                return word

    def _refusal(self, word: Word, call: Call) -> Refusal:
        """Put the engine's answer into words that name sizes and limits."""
        if word == "queue_full":
            slots, size = self._options.max_queue_events, self._options.max_queue_bytes
            return Refusal(word, "the queue", f"is full ({slots:,} events or {size:,} bytes)")
        if word == "closed":
            return Refusal(word, "the client", "is closed")
        if word == "event_too_large":
            return self._too_large(call, self._queue.refused_bytes())
        if word == "reentrant":
            return Refusal(word, call.name, "was called by what sends events: it would never end")
        if word == "memory":
            return Refusal(word, "the system", "has no memory for it")
        if word == "hard":
            return Refusal("unserializable", call.name, "holds a value that did not become plain")
        return Refusal("internal", call.name, f"met an engine that answered {word}")

    def _too_large(self, call: Call, at_least_bytes: int) -> Refusal:
        limit = self._options.max_event_bytes
        return Refusal("event_too_large", call.name, f"takes at least {at_least_bytes:,} bytes; the limit is {limit:,}")


def _on_a_running_loop() -> bool:
    """Whether an asyncio loop runs on this thread; asyncio is looked at only if the application has imported it."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
