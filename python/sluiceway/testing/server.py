"""The receiver: an HTTP server on 127.0.0.1 that keeps what arrives and answers from a script."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Any

from sluiceway.testing.answers import Reply
from sluiceway.testing.conversation import Conversation
from sluiceway.testing.ledger import Keep, Ledger, Logged, Received, ReceiverStats
from sluiceway.testing.script import Prompter, Script
from sluiceway.testing.strict.detect import prepare, vendor_name
from sluiceway.testing.strict.reading import Limits
from sluiceway.testing.wire import Wire
from sluiceway.vendors.base import Vendor

_JOIN_SECONDS = 5.0


class Receiver:
    """Stands in for the vendor: listens from its construction until `close()`.

    `vendor` is "segment", "rudderstack", "posthog", "amplitude", or one of their pages. Without one, each request is
    read by what its path and body say: Segment's where nothing speaks of another.
    A request is answered as a strict vendor would: what it refuses is refused, and `violations` tells why.

    Answers come from `script` (answers or statuses in order, or a function of the arriving request) and then from
    `default`. `keep="all"` keeps every request and every event; "log" only what became of each event, in order; "ids"
    counts, and holds 16 bytes for each id, so that millions of events do not fill the memory. Any write key is welcome.
    One thread for each connection.

    Safe to use from several threads; a `with` block closes it. Raises OSError when `port` is taken.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        vendor: Vendor | str | None = None,
        default: Reply = 200,
        keep: Keep = "all",
        limits: Limits | None = None,
        port: int = 0,
    ) -> None:
        name = vendor_name(vendor)
        prepare(name)
        self._ledger = Ledger(keep)
        self._prompter = Prompter(script, default)
        self._closing = threading.Event()
        self._conversation = Conversation(
            self._ledger,
            self._prompter,
            vendor=name,
            limits=limits or Limits(),
            numbers=count(),
            closing=self._closing,
        )
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, Wire] = {}
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="receiver", daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """The address to give to a client as its host."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Received]:
        """Every request whose body was read, in that order; a copy. Empty unless `keep="all"`."""
        return list(self._ledger.requests)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that were acknowledged, in that order; a copy. Empty unless `keep="all"`."""
        return list(self._ledger.events)

    @property
    def log(self) -> list[Logged]:
        """What became of each event of each request, in the order of the answers; a copy. Empty with `keep="ids"`."""
        return list(self._ledger.log)

    @property
    def violations(self) -> list[str]:
        """What a strict vendor objects to; the first thousand."""
        return list(self._ledger.violations)

    @property
    def ids(self) -> int:
        """How many distinct ids were acknowledged."""
        return self.stats().ids

    @property
    def duplicates(self) -> int:
        """How many events came after their id had been acknowledged."""
        return self.stats().duplicates

    def acknowledged(self, event_id: str) -> bool:
        """Return whether this id was acknowledged: in a request answered with 2xx that does not except it."""
        return self._ledger.acknowledged(event_id)

    def acknowledged_ids(self) -> bytes:
        """Return every acknowledged id, 16 bytes each: a UUID's own, or a digest of another text."""
        return bytes(self._ledger.acknowledged_ids())

    def refused_ids(self) -> bytes:
        """Return every id that an answer refused for good, 16 bytes each."""
        return bytes(self._ledger.refused_ids())

    def stats(self) -> ReceiverStats:
        """Return a snapshot of the counts."""
        return self._ledger.stats()

    def answer(self, *replies: Reply) -> None:
        """Append answers to the script."""
        self._prompter.add(replies)

    def wait_for(self, *, events: int = 0, requests: int = 0, timeout: float = 10.0) -> bool:
        """Block until so many events are acknowledged and so many requests have arrived; False after `timeout` seconds.

        A request has arrived when its head was read: it may still be delayed.
        """

        def enough() -> bool:
            stats = self._ledger.stats()
            return stats.events >= events and stats.requests >= requests

        return self._ledger.wait_for(enough, timeout)

    def clear(self) -> None:
        """Forget what has arrived; connections and the rest of the script stay."""
        self._ledger.clear()

    def close(self) -> None:
        """Stop listening, cut every connection, end every thread. May be called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        with suppress(OSError):
            # Closing a listener does not wake the thread in accept() everywhere; a last visitor does.
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._accepting.join(_JOIN_SECONDS)
        self._listener.close()
        with self._lock:
            conversations = list(self._open.items())
        for _, wire in conversations:
            wire.shut()
        for thread, _ in conversations:
            thread.join(_JOIN_SECONDS)

    def __enter__(self) -> Receiver:
        """Return the receiver, which is already listening."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the receiver."""
        self.close()

    def _accept(self) -> None:
        for connection in count():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self._closing.is_set():
                sock.close()
                return
            wire = Wire(sock)
            thread = threading.Thread(target=self._hold, args=(wire, connection), name="receiver-conn", daemon=True)
            with self._lock:
                self._open[thread] = wire
            thread.start()

    def _hold(self, wire: Wire, connection: int) -> None:
        self._conversation.hold(wire, connection)
        with self._lock:
            self._open.pop(threading.current_thread(), None)
