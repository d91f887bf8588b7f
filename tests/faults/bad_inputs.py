"""Answers that no server should give, by the thousand: each request gets one, and no law may break.

    python -m tests.faults.bad_inputs --count 5000 --seed 20131231

An answer is a proper one with bytes flipped, cut, inserted, doubled or moved. Which of them still is a verdict is the
client's to say, within limits: what it calls delivered must have been answered with something that reads as a 2xx.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter

from sluiceway import RetryPolicy, standing

from .acts import answer, reset_at
from .book import Book
from .clients import VENDORS, client
from .laws import Resources, alive, broken
from .server import FINE, FaultServer, Visit

BASES = (
    FINE,
    answer(200, {"Content-Type": "application/json", "X-Request-Id": "7"}, b'{"code":200,"events_ingested":1}'),
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\nTrailer: x\r\n\r\n',
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + FINE,
    answer(503, body=b"busy"),
    answer(400, body=b'{"code":400,"events_with_invalid_fields":{"time":[0]},"silenced_events":[0]}'),
    answer(429, body=b'{"code":429,"throttled_events":[],"exceeded_daily_quota_users":{}}'),
    answer(413, body=b"too large"),
    answer(401),
    answer(302, {"Location": "http://127.0.0.1:1/"}),
)
TOKENS = (
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b"\xff",
    b":",
    b" ",
    b"0",
    b"-1",
    b"9" * 30,
    b"Content-Length: 5\r\n",
    b"\x1b[31m",
)

# As http.client reads a status line: as Latin-1, where a few bytes beyond ASCII are spaces, too.
# A 2xx is none before its head has ended.
_2XX = re.compile(r"HTTP/\S*\s+0*\+?2\d\d[\s\S]*\n\r?\n")
_REFUSAL = re.compile(r"HTTP/\S*\s+\+?(?:[34]\d\d|50[135])")


def mutated(draw: random.Random) -> bytes:
    """A proper answer with one to four things wrong with it."""
    data = bytearray(draw.choice(BASES))
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(data) + 1)
        kind = draw.randrange(6)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place:place] = draw.choice(TOKENS)
        elif kind == 3:
            data[place:place] = data[place : place + draw.randint(1, 40)]
        elif kind == 4:
            del data[place : place + draw.randint(1, 10)]
        else:
            data[place:place] = draw.randbytes(draw.randint(1, 20))
    return bytes(data)


def run(count: int, seed: int, vendor: str) -> tuple[Counter[str], list[str]]:
    """Give so many bad answers to one vendor's client; returns what was seen, and the laws that broke."""
    draw = random.Random(f"{seed}-{vendor}")
    given: dict[str, list[bytes]] = {}

    def misbehave(visit: Visit) -> None:
        seen = visit.read()
        if seen is None:
            return
        said = mutated(draw)
        for id_ in seen.ids:
            given.setdefault(id_, []).append(said)
        visit.send(said)
        visit.end()

    counts: Counter[str] = Counter()
    before = Resources()
    with FaultServer(*[misbehave] * count) as server:
        book = Book(seed)
        one = client(server, book, vendor, retry=RetryPolicy(base_seconds=0.0, cap_seconds=0.0))
        while server.unused:
            book.push(one, 2)
            one.flush(timeout=60)
        alive(one, book, server)
        # And a reset at every byte of a request, as in row 19.
        sample = server.record.requests[-1]
        resets = range(1, len(sample.head) + 4 + len(sample.sent_body) + 1)
        server.then(*map(reset_at, resets))
        book.push(one)
        one.flush(timeout=60)
        one.close(timeout=60)
        stats = one.stats()
        wrong = [law for law in broken(book, stats, server.record) if not _is_borne_out(law, given)]
        counts.update(
            bad_answers=count,
            resets=len(resets),
            requests=len(server.record.requests) + server.record.fragments,
            delivered=stats.delivered,
            failed=stats.failed,
            came_again=sum(entry.attempt > 1 for entry in server.record.entries),
        )
    before.check(stats)
    return counts, wrong


def _is_borne_out(law: str, given: dict[str, list[bytes]]) -> bool:
    """Whether some answer can be read as the verdict that the client says it read."""
    pattern = {"L:": _2XX, "S:": _REFUSAL}.get(law[:2])
    answers = given.get(law.split()[1], [])
    return pattern is not None and any(pattern.search(said.decode("latin-1")) for said in answers)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=5_000, help="bad answers for each vendor")
    options.add_argument("--seed", type=int, default=20131231)
    given = options.parse_args()
    # A status that turned into a 401 must not silence the client for a minute.
    standing.PROBE_SECONDS = 0.0
    broke = 0
    for vendor in VENDORS:
        began = time.monotonic()
        counts, wrong = run(given.count, given.seed, vendor)
        said = ", ".join(f"{name} {number:,}" for name, number in counts.items())
        print(f"{vendor}: {said}; laws broken {len(wrong)}; {time.monotonic() - began:.1f} s", flush=True)
        for law in wrong[:10]:
            print(f"  {law}")
        broke += len(wrong)
    print(f"seed {given.seed}: {broke} laws broken")
    return 1 if broke else 0


if __name__ == "__main__":
    sys.exit(main())
