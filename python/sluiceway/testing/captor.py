"""Captures what every client of the process sends: checked, encoded and delivered as ever, but into a list.

A captured client has its own middleware, options and callbacks and a real engine, but one without a thread, whose
transport keeps what it is given. So each call is delivered before it returns. Retries, spools, a transport or a retry
handler of the user's are out of the way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from sluiceway import capturing
from sluiceway.testing.arriving import events_of
from sluiceway.testing.assertions import done, fill
from sluiceway.testing.captured import VENDORS, CapturedEvent, captured
from sluiceway.testing.collection import CapturedEvents
from sluiceway.testing.refused import RefusedCall
from sluiceway.testing.stamping import Times, numbered, stamped
from sluiceway.testing.stamps import Stamps
from sluiceway.transport import Response

if TYPE_CHECKING:
    from datetime import datetime

    from sluiceway.admission import Refusal
    from sluiceway.assembly import Assembly
    from sluiceway.options import Options
    from sluiceway.transport import Request
    from sluiceway.vendors.base import Call, Vendor

_FORKED = "note: this process was forked meanwhile; what the child sends goes nowhere and is not seen here"


@contextmanager
def capture(
    *, strict: bool | None = None, freeze: datetime | str | float | None = None, ids: bool = False
) -> Iterator[CapturedEvents]:
    """Capture what all clients of this process send inside the ``with`` block, those made before it included.

    No thread, no socket, no file. ``strict`` overrides the option of that name of every client: True makes a call that
    is refused because it is invalid raise InvalidEvent. ``freeze`` stops the clock (`CapturedEvents.freeze`), ``ids``
    numbers the ids (`CapturedEvents.number_ids`). Blocks may stand inside each other: what is sent is in all of their
    collections, and the options are those of the outermost.

    Afterwards each client is as it was, open if it was open, and what waited in it before still waits.
    """
    running = _running or _Running(strict)
    events = CapturedEvents(running.stamps)
    if freeze is not None:
        events.freeze(freeze)
    if ids:
        events.number_ids()
    running.enter(events)
    try:
        yield events
    finally:
        running.leave(events)


def spare(port: int) -> None:
    """Leave clients alone that send to this port of this machine: a server of the test's own listens there."""
    _spared.append(port)


def spare_no_more(port: int) -> None:
    """Take back what `spare` said."""
    _spared.remove(port)


_spared: list[int] = []


class _Running:
    """The capture that is going on, and the collections that it fills."""

    def __init__(self, strict: bool | None) -> None:
        self.stamps = Stamps()
        self._strict = strict
        self._collections: tuple[CapturedEvents, ...] = ()

    def enter(self, events: CapturedEvents) -> None:
        global _running  # noqa: PLW0603  (a process has one network)
        _watch_forks()
        if not self._collections:
            capturing.begin(self)
        _running = self
        self._collections = (*self._collections, events)
        fill(events)

    def leave(self, events: CapturedEvents) -> None:
        global _running  # noqa: PLW0603
        done(events)
        self._collections = tuple(each for each in self._collections if each is not events)
        if not self._collections:
            _running = None
            capturing.end()

    # -- what capturing.Capture asks for

    def takes(self, options: Options) -> bool:
        """Whether it captures a client of these options: any but those that speak to a server of the test's."""
        return not (options.endpoint.is_loopback and options.endpoint.port in _spared)

    def assemble(self, page: Vendor, options: Options, make: capturing.Make) -> Assembly:
        """Put the parts of a client together with nothing behind them."""
        page = msgspec.structs.replace(
            page,
            calls=tuple(numbered(call, self.stamps) for call in page.calls),
            lanes=None,
            on_retry=None,
            retry_handler=None,
        )
        times = Times(page, self.stamps)
        options = msgspec.structs.replace(
            options,
            transport=_IntoMemory(page, times, self._add),
            # A switch says whether to send, and nothing is sent.
            enable=True,
            strict=options.strict if self._strict is None else self._strict,
            strict_ack=False,
        )
        durable = options.spool is not None
        assembly = make(page, msgspec.structs.replace(options, spool=None), partial(stamped, times=times))
        assembly.is_captured = True
        assembly.admission.on_refused = partial(self._add_refused, page)
        if durable:
            # There is nothing left to be written when a call has returned.
            assembly.make_durable = _nothing_to_do  # type: ignore[assignment, method-assign]
        return assembly

    def _add(self, event: CapturedEvent) -> None:
        for collection in self._collections:
            collection.add(event)

    def _add_refused(self, page: Vendor, call: Call, refusal: Refusal, values: Sequence[Any]) -> None:
        arguments = {
            field.argument: value
            for field, value in zip(call.fields, values, strict=False)
            if value is not None and not isinstance(value, Exception)
        }
        refused = RefusedCall(
            vendor=page.name,
            call=call.name,
            reason=refusal.reason,
            field=refusal.field,
            message=refusal.message,
            arguments=arguments,
        )
        for collection in self._collections:
            collection.add_refused(refused)

    def note(self, text: str) -> None:
        """Have a line told to whoever is told that a test fails."""
        for collection in self._collections:
            collection.note(text)


_running: _Running | None = None


class _IntoMemory:
    """The transport of one captured client: hands on each event of each body, decoded."""

    inline = True

    def __init__(self, page: Vendor, times: Times, add: Callable[[CapturedEvent], None]) -> None:
        self._page = page
        self._times = times
        self._add = add

    def send(self, request: Request) -> Response:
        name = self._page.name
        for event in events_of(json.loads(request.body)):
            self._times.write(event)
            self._add(captured(name, event) if name in VENDORS else CapturedEvent(vendor=name, type="", wire=event))
        return Response(status=200)

    def close(self) -> None:
        pass


def _nothing_to_do(_deadline: float) -> None:
    pass


_watches_forks = False


def _watch_forks() -> None:
    """Have a test that forks told of it: what the child sends is captured there, in a copy of the collection."""
    global _watches_forks  # noqa: PLW0603
    if not _watches_forks and hasattr(os, "register_at_fork"):
        _watches_forks = True
        os.register_at_fork(after_in_parent=_forked)


def _forked() -> None:
    if _running is not None:
        _running.note(_FORKED)
