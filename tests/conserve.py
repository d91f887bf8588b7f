"""Prove that no event is lost: millions of them, from many threads, through a receiver that fails all the time.

The receiver runs in a process of its own and answers at random (seeded) with 200, 413, 429, 500 and 503, or resets the
connection before or after it has read the request. What counts as the truth is what it counted, never what the client
says of itself. Half of the events carry an id of ours, so that each single one can be asked for; the other half get the
client's own ids, whose distinctness is thereby proved as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from sluiceway import Segment
from sluiceway.retry import RetryPolicy
from sluiceway.stats import Stats
from sluiceway.testing import Answer, Arriving, ReceiverProcess, ReceiverStats

EXAMPLES = """examples:
  python tests/conserve.py --events 200000 --seed 7
  python tests/conserve.py --events 5000000 --threads 8
"""

MIN_RETRIES = 100
# Nothing settled for so long means that something is stuck, not slow.
STALLED_SECONDS = 60.0
# One event in so many also asks for a callback of its own.
CALLBACK_EVERY = 1_000
# The first two bytes of an id of ours. The client's own begin with the time, which reaches c0de in the year 8700.
OURS = b"\xc0\xde"

FAULTS = (
    (70, Answer()),
    (4, Answer(413, body=b"")),
    (6, Answer(429, {"Retry-After": "0"}, b"")),
    (6, Answer(500, body=b"")),
    (6, Answer(503, body=b"")),
    (4, Answer(reset="before")),
    (4, Answer(reset="after")),
)


def faults(seed: int) -> Any:
    """Return the receiver's script: a random answer for each request. Called in the receiver's process."""
    weights, answers = zip(*FAULTS, strict=True)
    chance = random.Random(seed)
    lock = threading.Lock()

    def answer(_arriving: Arriving) -> Answer:
        with lock:
            return chance.choices(answers, weights)[0]

    return answer


class Figures(msgspec.Struct, kw_only=True):
    """Everything that was counted, by the client, by the receiver, and by us from outside."""

    offered: int
    """Calls made."""
    accepted: int
    """Calls answered with True."""
    stats: Stats
    receiver: ReceiverStats
    ours_accepted: int = 0
    """Accepted events that carried an id of ours,"""
    ours_ended: int = 0
    """and those that the receiver acknowledged or the client called failed."""
    strangers: int = 0
    """Acknowledged ids of ours that were never given out."""
    failed_told: int = 0
    """Events that on_error was told of."""
    failed_yet_acknowledged: int = 0
    """Events told as failed and surely not sent, which the receiver had acknowledged."""
    callbacks_asked: int = 0
    callbacks_told: int = 0


def broken(figures: Figures) -> list[str]:
    """Return the laws that these figures break."""
    stats, receiver = figures.stats, figures.receiver
    ended = stats.delivered + stats.failed + stats.dropped + stats.handed_over
    laws = (
        ("offered, as called = as counted", figures.offered, stats.offered),
        ("offered = accepted + refused", stats.offered, stats.accepted + sum(stats.refused.values())),
        ("accepted, as answered = as counted", figures.accepted, stats.accepted),
        ("accepted + adopted = ended + pending", stats.accepted + stats.adopted, ended + stats.pending),
        ("nothing refused, on_full is block", sum(stats.refused.values()), 0),
        ("nothing dropped", stats.dropped, 0),
        ("nothing pending after close", stats.pending, 0),
        ("no slot reserved after close", stats.reserved_events, 0),
        ("no byte reserved after close", stats.reserved_bytes, 0),
        ("delivered = distinct ids acknowledged", stats.delivered, receiver.ids),
        ("failed, as told = as counted", figures.failed_told, stats.failed),
        ("every id of ours has ended", figures.ours_accepted, figures.ours_ended),
        ("no id that was never given out", figures.strangers, 0),
        ("nothing failed that had arrived", figures.failed_yet_acknowledged, 0),
        ("every callback told once", figures.callbacks_asked, figures.callbacks_told),
        ("copies carry the same bytes", receiver.mismatches, 0),
        ("nothing sent again once acknowledged", receiver.duplicates, 0),
        ("no limit violated", receiver.violations, 0),
    )
    wrong = [f"{law}: {left:,} is not {right:,}" for law, left, right in laws if left != right]
    if receiver.retries < MIN_RETRIES:
        wrong.append(f"at least {MIN_RETRIES} retries seen: {receiver.retries}")
    if receiver.repeats == 0:
        wrong.append("at least one event came twice: 0")
    return wrong


class Load:
    """Pushes the events and keeps account from outside: one byte for each id of ours, and nothing for the others."""

    def __init__(self, client_options: dict[str, Any], events: int, threads: int, seed: int) -> None:
        self.shares = [events // threads + (number < events % threads) for number in range(threads)]
        self.ours = [bytearray(share) for share in self.shares]
        self.accepted = [0] * threads
        self.ours_accepted = [0] * threads
        self.callbacks_asked = [0] * threads
        self.callbacks_told = 0
        self.failed: list[tuple[str, str]] = []
        self.raised: list[BaseException] = []
        self.seed = seed
        self.client = Segment("conserve-write-key", on_error=self.on_error, **client_options)

    def on_error(self, error: Any, batch: Any) -> None:
        """Remember what the client gave up. Runs on the one callback thread."""
        self.failed.extend((event_id, error.sent) for event_id in batch.ids)

    def on_outcome(self, _error: Any, _batch: Any) -> None:
        """Count one callback. Runs on the one callback thread."""
        self.callbacks_told += 1

    def start(self) -> list[threading.Thread]:
        """Start the producers."""
        threads = [threading.Thread(target=self._push, args=(number,)) for number in range(len(self.shares))]
        for thread in threads:
            thread.start()
        return threads

    def _push(self, number: int) -> None:
        try:
            self._push_share(number)
        except BaseException as error:
            self.raised.append(error)
            raise

    def _push_share(self, number: int) -> None:
        track = self.client.track
        kinds = list(properties(random.Random(f"{self.seed}-{number}")))
        accepted = ours_accepted = asked = 0
        for index in range(self.shares[number]):
            ours = index & 1
            message_id = f"c0de{number:04x}-0000-8000-8000-{index:012x}" if ours else None
            callback = None
            if not index % CALLBACK_EVERY:
                callback = self.on_outcome
                asked += 1
            if track(f"user-{number}", "Counted", kinds[index & 63], message_id=message_id, callback=callback):
                accepted += 1
                ours_accepted += ours
        self.accepted[number] = accepted
        self.ours_accepted[number] = ours_accepted
        self.callbacks_asked[number] = asked

    def finish(self) -> None:
        """Wait until everything has ended, then close."""
        pending, moved = -1, time.monotonic()
        while (now := self.client.stats().pending) and time.monotonic() - moved < STALLED_SECONDS:
            if now != pending:
                pending, moved = now, time.monotonic()
            self.client.flush(timeout=0.5)
        self.client.close(timeout=5.0)

    def figures(self, receiver: ReceiverStats, acknowledged: bytes) -> Figures:
        """Compare what was pushed with what arrived."""
        figures = Figures(
            offered=sum(self.shares),
            accepted=sum(self.accepted),
            stats=self.client.stats(),
            receiver=receiver,
            ours_accepted=sum(self.ours_accepted),
            failed_told=len(self.failed),
            callbacks_asked=sum(self.callbacks_asked),
            callbacks_told=self.callbacks_told,
        )
        for at in range(0, len(acknowledged), 16):
            if acknowledged[at : at + 2] == OURS and not self._mark(acknowledged[at : at + 16], 1):
                figures.strangers += 1
        for text, sent in self.failed:
            event_id = bytes.fromhex(text.replace("-", ""))
            if event_id[:2] != OURS:
                continue
            if self._marks(event_id) & 1 and sent == "no":
                figures.failed_yet_acknowledged += 1
            self._mark(event_id, 2)
        figures.ours_ended = sum(len(marks) - marks.count(0) for marks in self.ours)
        return figures

    def _mark(self, event_id: bytes, mark: int) -> bool:
        number, index = _place(event_id)
        if number >= len(self.ours) or index >= len(self.ours[number]):
            return False
        self.ours[number][index] |= mark
        return True

    def _marks(self, event_id: bytes) -> int:
        number, index = _place(event_id)
        return self.ours[number][index]


def _place(event_id: bytes) -> tuple[int, int]:
    """Return the thread and the index that an id of ours was made from."""
    return int.from_bytes(event_id[2:4], "big"), int.from_bytes(event_id[10:], "big")


def properties(chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield 64 payloads of different shapes and lengths."""
    for number in range(64):
        yield {
            "number": number,
            "price": chance.random() * 100,
            "text": "".join(chance.choices('abc "\\\n\té€😀', k=chance.randrange(80))),
            "nested": {"list": [chance.random() < 0.5, None, chance.randrange(10**9)]},
        }


def table(figures: Figures, seconds: float, seed: int) -> str:
    """Return the figures as lines of text."""
    stats, receiver = figures.stats, figures.receiver
    answers = ", ".join(f"{status}: {count:,}" for status, count in receiver.statuses.items())
    lines = (
        ("seed", str(seed)),
        ("offered", f"{stats.offered:,}"),
        ("accepted", f"{stats.accepted:,}"),
        ("refused", f"{sum(stats.refused.values()):,}"),
        ("delivered", f"{stats.delivered:,}"),
        ("failed", f"{stats.failed:,} {dict(stats.failed_by_reason) or ''}"),
        ("dropped", f"{stats.dropped:,}"),
        ("pending", f"{stats.pending:,}"),
        ("receiver: distinct ids", f"{receiver.ids:,}"),
        ("receiver: sent again", f"{receiver.repeats:,}, other bytes {receiver.mismatches:,}"),
        ("receiver: after a 200", f"{receiver.duplicates:,}"),
        ("receiver: requests", f"{receiver.requests:,}, retries {receiver.retries:,}"),
        ("receiver: answers", f"{answers}, reset: {receiver.resets:,}"),
        ("ids of ours", f"{figures.ours_accepted:,}, ended {figures.ours_ended:,}"),
        ("callbacks", f"{figures.callbacks_asked:,}, told {figures.callbacks_told:,}"),
        ("high-water mark", f"{stats.max_reserved_events:,} events, {stats.max_reserved_bytes:,} bytes"),
        ("seconds", f"{seconds:.1f}, {stats.offered / seconds:,.0f} events/s"),
    )
    return "\n".join(f"{name:<24}{text}" for name, text in lines)


def main() -> int:
    """Run the job; 0 when every law holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=None, help="of the receiver's answers; a random one by default")
    parser.add_argument("--batch-events", type=int, default=250, help="small batches make many requests to fail")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with ReceiverProcess(keep="ids", script=f"{__file__}:faults", seed=seed) as receiver:
        client_options = {
            "host": receiver.url,
            "on_full": "block",
            "max_batch_events": options.batch_events,
            "retry": RetryPolicy(base_seconds=0.001, cap_seconds=0.01),
        }
        began = time.perf_counter()
        load = Load(client_options, options.events, options.threads, seed)
        for thread in load.start():
            thread.join()
        load.finish()
        seconds = time.perf_counter() - began
        figures = load.figures(receiver.stats(), receiver.acknowledged_ids())
        violations = receiver.violations()
    print(table(figures, seconds, seed))
    wrong = [
        *broken(figures),
        *violations[:10],
        *(f"a producer raised {type(error).__name__}" for error in load.raised),
    ]
    print("\n".join(["broken:", *wrong]) if wrong else "every law holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
