"""One connection of the receiver: reads request after request, keeps each, and answers it as the script says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import repeat

import msgspec

from sluiceway.testing.answers import Answer
from sluiceway.testing.arriving import Arriving, events_of
from sluiceway.testing.ledger import Ledger, Logged, Received
from sluiceway.testing.script import Prompter
from sluiceway.testing.strict.detect import spoken_of, strict_for
from sluiceway.testing.strict.reading import Fate, Limits, Reading, Strict, Told, as_dict
from sluiceway.testing.strict.single import as_batch
from sluiceway.testing.wire import Head, Malformed, Wire, compose

# Where a receiver in another process is asked for its counts; such requests are neither kept nor counted.
CONTROL_PATH = "/_receiver/"


class Conversation:
    """What the threads of one receiver share: the ledger, the script, the vendor, and whether it is closing."""

    def __init__(
        self,
        ledger: Ledger,
        prompter: Prompter,
        *,
        vendor: str | None,
        limits: Limits,
        numbers: Iterator[int],
        closing: threading.Event,
    ) -> None:
        self._ledger = ledger
        self._prompter = prompter
        self._vendor = vendor
        self._limits = limits
        self._numbers = numbers
        self._closing = closing

    def hold(self, wire: Wire, connection: int) -> None:
        """Serve one connection until either side ends it; raises nothing."""
        # The peer may go away at any moment; what it sent in full has been counted by then.
        with suppress(OSError):
            self._hold(wire, connection)

    def _hold(self, wire: Wire, connection: int) -> None:
        counted = False
        try:
            while not self._closing.is_set() and (head := wire.read_head()) is not None:
                if head.path.startswith(CONTROL_PATH):
                    self._report(wire, head)
                    continue
                self._ledger.count("requests", *(() if counted else ("connections",)))
                counted = True
                if not self._serve(wire, head, connection):
                    return
        except Malformed as wrong:
            self._ledger.object_to(f"request: {wrong}")
            with suppress(OSError):
                wire.refuse(wrong.status)
        finally:
            wire.close()

    def _serve(self, wire: Wire, head: Head, connection: int) -> bool:
        """Read one request, keep it and answer it; False when the connection ends with it."""
        now = time.monotonic()
        if "100-continue" in head.headers.get("expect", "").lower():
            wire.go_on()
        arriving = Arriving(
            number=next(self._numbers),
            connection=connection,
            method=head.method,
            path=head.path,
            headers=head.headers,
            body_bytes=head.body_bytes(),
            read=wire.read_body,
        )
        if arriving.attempt:
            self._ledger.count("retries")
        answer = self._prompt(arriving)
        if answer.reset in ("before", "during"):
            if answer.reset == "during" and not arriving.is_read:
                wire.read_body(arriving.body_bytes // 2)
            self._ledger.count("resets")
            wire.reset()
            return False
        sent_bytes = len(arriving.sent_body)
        vendor = self._vendor or (spoken_of(arriving) if arriving.method == "POST" else "segment")
        strict = strict_for(arriving, vendor) if arriving.method == "POST" else None
        reading, told = self._read(strict, arriving, vendor, answer)
        received = self._keep(arriving, now) if self._ledger.keeps_all else None
        answer = told.answer
        if answer.delay:
            self._closing.wait(answer.delay)
        fates = "open" if answer.told is None else told.fates
        log = self._log(strict, reading, fates, arriving.number, now) if self._ledger.keeps_log else ()
        # Counted before the answer leaves: whoever has read the answer finds the count already there.
        self._ledger.settle(reading, fates, status=answer.told, nbytes=sent_bytes, received=received, log=log)
        return self._reply(wire, answer, keep_alive=head.keep_alive)

    def _prompt(self, arriving: Arriving) -> Answer:
        try:
            return self._prompter.next(arriving)
        except (OSError, Malformed):
            raise
        except Exception as error:  # a mistake in a test's function must not look like a lost connection
            self._ledger.object_to(f"script: {type(error).__name__} in request {arriving.number}")
            return Answer(500, body=b"")

    def _read(self, strict: Strict | None, arriving: Arriving, vendor: str, answer: Answer) -> tuple[Reading, Told]:
        """Read a request as its vendor does. Where the script is content, the vendor's own objections are answered."""
        if strict is None:
            return Reading(), Told(answer.saying(b""))
        try:
            reading = strict.read(as_batch(arriving, vendor), self._limits)
        except Malformed as wrong:
            reading = Reading(violations=[str(wrong)], refusal=Answer(wrong.status, body=b""))
        if reading.violations:
            self._ledger.object_to(*(f"request {arriving.number}: {text}" for text in reading.violations))
        if reading.refusal is not None and answer.status < 300:
            answer = answer.instead(reading.refusal)
        return reading, strict.tell(answer, reading)

    def _log(
        self, strict: Strict | None, reading: Reading, fates: Fate | Sequence[Fate], number: int, arrived_seconds: float
    ) -> list[Logged]:
        if strict is None:
            return []
        user_key, device_key = strict.owner_keys
        answered_seconds = time.monotonic()
        each = repeat(fates, len(reading.ids)) if isinstance(fates, str) else fates
        log = []
        for event_id, raw, fate in zip(reading.ids, reading.events, each, strict=True):
            event = as_dict(raw) or {}
            user, device = (said if isinstance(said := event.get(key), str) else "" for key in (user_key, device_key))
            log.append(Logged(event_id, user, device, fate, number, arrived_seconds, answered_seconds))
        return log

    def _keep(self, arriving: Arriving, now: float) -> Received:
        try:
            body = arriving.body
        except Malformed:
            body = arriving.sent_body
        try:
            document = arriving.document
            batch = events_of(document)
        except Malformed:
            document, batch = None, []
        received = Received(
            number=arriving.number,
            connection=arriving.connection,
            method=arriving.method,
            path=arriving.path,
            headers=arriving.headers,
            attempt=arriving.attempt,
            arrived_seconds=now,
            sent_bytes=len(arriving.sent_body),
            body=body,
            document=document,
            batch=batch,
        )
        self._ledger.arrive(received)
        return received

    def _reply(self, wire: Wire, answer: Answer, *, keep_alive: bool) -> bool:
        keep_alive = keep_alive and answer.headers.get("Connection", "").lower() != "close"
        data = compose(answer.status, answer.headers, answer.body or b"", keep_alive=keep_alive)
        data = b"" if answer.reset else data[: answer.cut_bytes]
        if answer.drip_seconds:
            wire.drip(data, lambda: self._closing.wait(answer.drip_seconds))
        elif data:
            wire.send(data)
        if answer.told is None:
            self._ledger.count("resets")
            wire.reset()
            return False
        return keep_alive

    def _report(self, wire: Wire, head: Head) -> None:
        wire.read_body(head.body_bytes())
        what = head.path.removeprefix(CONTROL_PATH)
        said: bytes | bytearray = b""
        if what == "stats":
            said = msgspec.json.encode(self._ledger.stats())
        elif what == "violations":
            said = msgspec.json.encode(self._ledger.violations)
        elif what == "ids":
            said = self._ledger.acknowledged_ids()
        elif what == "refused":
            said = self._ledger.refused_ids()
        elif what == "log":
            said = msgspec.json.encode(self._ledger.log)
        known = what in ("stats", "violations", "ids", "refused", "log")
        wire.answer(200 if known else 404, {}, said, keep_alive=head.keep_alive)
