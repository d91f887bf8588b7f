"""Small stand-ins in Python for what the delivery side is handed: a clock, a queue, a transport with a script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.delivery import Delivery
from sluiceway.desk import Desk
from sluiceway.endings import Endings
from sluiceway.flushing import Flushing
from sluiceway.lanes import LaneKeeper
from sluiceway.parcel import Parcel
from sluiceway.retry import RetryPolicy
from sluiceway.rounds import Rounds
from sluiceway.sender import Sender
from sluiceway.transport import Request, Response, TransportError
from sluiceway.vendors.base import Envelope, Lanes, Owner
from sluiceway.verdict import Judge, judge
from sluiceway.worker import Worker

if TYPE_CHECKING:
    from sluiceway.report import BatchReport

NEW_YEAR_2026 = 1_767_225_600.0


class FakeClock:
    """Time that passes only when somebody says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return NEW_YEAR_2026 + self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds


class FakeBlock:
    """What the views of one batch share."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.moved: set[str] = set()
        """Names of events that were joined into another block: through this one nothing can end them."""


class FakeBatch:
    """Events with consecutive positions; an event's name is its id and, in JSON, its body."""

    def __init__(
        self,
        names: Sequence[str],
        positions: Sequence[int],
        tokens: Mapping[str, int] | None = None,
        block: FakeBlock | None = None,
    ) -> None:
        self.names = list(names)
        self.positions = list(positions)
        self.all_tokens = dict(tokens or {})
        self.nbytes = sum(len(name) + 3 for name in self.names) - 1
        self.block = block or FakeBlock(self.nbytes)

    @property
    def ids(self) -> list[str]:
        return list(self.names)

    @property
    def tokens(self) -> list[tuple[int, int]]:
        return [(index, self.all_tokens[name]) for index, name in enumerate(self.names) if name in self.all_tokens]

    @property
    def block_bytes(self) -> int:
        return self.block.nbytes

    @property
    def alive(self) -> list[str]:
        """The names of events that this view can still end."""
        return [name for name in self.names if name not in self.block.moved]

    def __len__(self) -> int:
        return len(self.names)

    def body(self, head: bytes, tail: bytes, event_tail: bytes = b"", /) -> bytes:
        events = (self.event(index) for index in range(len(self)))
        return head + b",".join(event[: len(event) - len(event_tail)] + event_tail for event in events) + tail

    def event(self, index: int, /) -> bytes:
        return f'"{self.names[index]}"'.encode()

    def count_before(self, mark: int, /) -> int:
        return sum(position < mark for position in self.positions)

    @staticmethod
    def join(batches: Sequence[FakeBatch], /) -> FakeBatch:
        names = [name for batch in batches for name in batch.names]
        positions = [position for batch in batches for position in batch.positions]
        tokens = {name: token for batch in batches for name, token in batch.all_tokens.items() if name in batch.names}
        joined = FakeBatch(names, positions, tokens)
        for batch in batches:
            joined.block.moved |= batch.block.moved & set(batch.names)
            batch.block.moved |= set(batch.names)
        return joined

    def slice(self, start: int, stop: int, /) -> FakeBatch:
        assert 0 <= start < stop <= len(self)
        return FakeBatch(self.names[start:stop], self.positions[start:stop], self.all_tokens, self.block)

    def split_at(self, index: int, /) -> tuple[FakeBatch, FakeBatch]:
        return self.slice(0, index), self.slice(index, len(self))

    def without(self, indices: Sequence[int], /) -> FakeBatch | None:
        gone = set(indices)
        kept = [index for index in range(len(self)) if index not in gone]
        if not kept:
            return None
        return FakeBatch([self.names[i] for i in kept], [self.positions[i] for i in kept], self.all_tokens, self.block)


class FakeQueue:
    """The consumer's face of the queue. An idle wait is a real one; a wait with a timeout passes on the fake clock."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.changed = threading.Condition()
        self.waiting: list[FakeBatch] = []
        self.position = 0
        self.ends: dict[str, str] = {}
        self.released: list[str] = []
        self.overflow: list[tuple[int, str]] = []
        self.interrupted = False
        self.closed = False
        self.attended: list[bool] = []
        self.pauses: list[float | None] = []
        self.wakeups = 0
        self.before_wait: Callable[[], None] = lambda: None

    def push(self, *names: str, tokens: Mapping[str, int] | None = None) -> FakeBatch:
        """Accept events that will be one batch."""
        with self.changed:
            batch = FakeBatch(names, range(self.position, self.position + len(names)), tokens)
            self.position += len(names)
            self.waiting.append(batch)
            self.changed.notify_all()
        return batch

    def next_batch(self, timeout: float | None, /) -> FakeBatch | None:
        self.before_wait()
        with self.changed:
            if timeout is None:
                self.changed.wait_for(lambda: self.waiting or self.interrupted or self.closed)
            self.wakeups += 1
            if self.waiting:
                return self.waiting.pop(0)
            if self.interrupted or self.closed or not timeout:
                self.interrupted = False
                return None
            self.clock.pass_seconds(timeout)
            return None

    def mark_sending(self, is_sending: bool, /) -> bool:
        return False

    def pause(self, timeout: float | None, /) -> bool:
        self.pauses.append(timeout)
        self.before_wait()
        with self.changed:
            if timeout is None:
                self.changed.wait_for(lambda: self.interrupted)
            interrupted, self.interrupted = self.interrupted, False
            if not interrupted and timeout is not None:
                self.clock.pass_seconds(timeout)
            return interrupted

    def interrupt(self) -> None:
        with self.changed:
            self.interrupted = True
            self.changed.notify_all()

    def flush_mark(self) -> int:
        return self.position

    def count_before(self, mark: int, /) -> int:
        with self.changed:
            return sum(position < mark for batch in self.waiting for position in batch.positions)

    def has_passed(self, mark: int, /) -> bool:
        return self.count_before(mark) == 0

    def attend(self, attended: bool, /) -> None:
        self.attended.append(attended)

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def take_overflow(self) -> list[tuple[int, str]]:
        removed, self.overflow = self.overflow, []
        return removed

    def settle(self, batch: FakeBatch, end: str, reason: str = "", /) -> int:
        fresh = [name for name in batch.alive if name not in self.ends]
        self.ends.update(dict.fromkeys(fresh, f"{end}.{reason}" if reason else end))
        return len(fresh)

    def release(self, batch: FakeBatch, /) -> None:
        assert not set(batch.alive) & set(self.released), "released twice"
        self.released.extend(batch.alive)


Scripted = int | Response | Exception | Callable[[Request], "int | Response"]


class ScriptedTransport:
    """Answers from a script, then 200. Keeps every request."""

    def __init__(self, *script: Scripted) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.closed = False
        self.default: Scripted = 200

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self.script.pop(0) if self.script else self.default
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, int | Response):
            answer = answer(request)
        return Response(status=answer) if isinstance(answer, int) else answer

    def close(self) -> None:
        self.closed = True

    @property
    def bodies(self) -> list[str]:
        """The events of each request, as `a,b,c`."""
        return [request.body.split(b"|")[1].decode().replace('"', "") for request in self.requests]


def owner_of(event: bytes) -> Owner:
    """Whose an event is whose name is ``user/device/…``; any other is nobody's."""
    user, slash, rest = event.decode().strip('"').partition("/")
    return Owner(user, rest.partition("/")[0]) if slash else Owner()


def keeper(*, max_events: int = 1_000, max_joined_bytes: int = 100_000, max_batch_events: int = 100) -> LaneKeeper:
    """Lanes by those owners."""
    page = Lanes(owner=owner_of, max_events=max_events)
    return LaneKeeper(page, max_joined_bytes=max_joined_bytes, max_batch_events=max_batch_events)


def answer(status: int, body: bytes = b"", **headers: str) -> Response:
    """A response; header names with underscores."""
    return Response(
        status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body
    )


def lost(sent: Any = "no", kind: str = "connect") -> TransportError:
    """No connection."""
    return TransportError(kind, sent, "ECONNREFUSED")


class Rig:
    """The whole delivery side, wired as a client wires it, over fakes."""

    def __init__(
        self,
        *script: Scripted,
        policy: RetryPolicy | None = None,
        judged_by: Judge = judge,
        jitter: float = 0.5,
        inline: bool = False,
        on_delivery: Callable[[BatchReport], Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        lanes: LaneKeeper | None = None,
        **sending: Any,
    ) -> None:
        self.clock = FakeClock()
        self.queue = FakeQueue(self.clock)
        self.transport = ScriptedTransport(*script)
        self.flushing = Flushing(self.queue)
        self.delivery = Delivery(clock=self.clock, on_delivery=on_delivery, on_error=on_error, inline=inline)
        self.endings = Endings(self.queue, self.flushing, self.delivery)
        self.sender = Sender(
            transport=self.transport,
            path="/v1/batch",
            headers={"Authorization": "Basic secret"},
            envelope=lambda sending: Envelope(b"%.3f|" % sending.sent_at, b"|"),
            judge=judged_by,
            policy=policy or RetryPolicy(),
            endings=self.endings,
            clock=self.clock,
            random=lambda: jitter,
            lanes=lanes,
            **sending,
        )
        self.desk = Desk(queue=self.queue, endings=self.endings, flushing=self.flushing, clock=self.clock, lanes=lanes)
        self.rounds = Rounds(
            desk=self.desk,
            queue=self.queue,
            sender=self.sender,
            endings=self.endings,
            flushing=self.flushing,
            delivery=self.delivery,
            clock=self.clock,
        )
        self.worker = Worker(
            queue=self.queue,
            rounds=self.rounds,
            flushing=self.flushing,
            delivery=self.delivery,
            clock=self.clock,
            inline=inline,
        )

    def answer_once_a_flush_waits(self, request: Request) -> int:
        """For scripts: hold the request up until somebody flushes, so that the flush has something to wait for."""
        deadline = time.monotonic() + 10.0
        while not self.flushing.hurried and time.monotonic() < deadline:
            time.sleep(0.001)
        return 200

    def carry(self, *names: str, most: int = 10_000) -> list[float]:
        """Send a batch to its end on the fake clock, without a worker; returns the waits between attempts."""
        position = self.queue.position
        self.queue.position += len(names)
        line = [Parcel(FakeBatch(names, range(position, position + len(names))))]
        waits = []
        for _ in range(most):
            if not line:
                break
            parcel = line.pop(0)
            if parcel.due > self.clock.now:
                waits.append(parcel.due - self.clock.now)
                self.clock.now = parcel.due
            rest = self.sender.conclude(parcel, self.sender.attempt(parcel))
            line = rest.line + line
        assert not line, "did not end"
        return waits
