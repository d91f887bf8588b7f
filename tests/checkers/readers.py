"""Atheris targets: whatever a server or a disk hands in, its reader answers and never raises.

    .venv-fuzz/bin/python tests/checkers/readers.py amplitude target/fuzz/corpus/amplitude -max_total_time=60

Run by `make fuzz`. Half of the inputs go to a judge as they are; the other half are steered into JSON that has the
vendor's own keys, which bytes by themselves would not find in a minute.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from typing import Any
from zlib import crc32

import atheris

with atheris.instrument_imports(include=["sluiceway", "email"]):
    import email.utils  # noqa: F401 - what parse_retry_after loads when it first meets a date

    from sluiceway import retry, sorting, verdict
    from sluiceway.spool import format as spool_format
    from sluiceway.spool.contents import Contents
    from sluiceway.vendors import amplitude_judge, base, posthog_judge

COUNT = 5
NOW = 1_767_225_600.0
OWNERS = [base.Owner(user=f"u{index % 2}", device=f"d{index % 3}") for index in range(COUNT)]
IDS = [f"00000000-0000-7000-8000-00000000000{index}" for index in range(COUNT)]
WORDS = (
    "code", "error", "missing_field", "events_with_invalid_fields", "events_with_missing_fields",
    "events_with_invalid_id_lengths", "silenced_events", "throttled_events", "throttled_users", "throttled_devices",
    "exceeded_daily_quota_users", "exceeded_daily_quota_devices", "results", "result", "drop", "retry", "ok", "u0",
    "u1", "d0", "d1", "d2", "billing_limit_exceeded", "invalid api key", *IDS,
)  # fmt: skip
# What dates are made of, right and wrong.
PIECES = (
    "Sun, ", "06 ", "6", "Nov ", "nov", "1994 ", "94", "99999", "08:49:37", ":", " GMT", " -0000", " +2599", " EST",
    "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "0", "9", "-", ".5", "1e5", "nan", "inf", "\u0663",
    " ", "\t",
)  # fmt: skip
STATUSES = (200, 207, 301, 400, 401, 403, 408, 410, 413, 429, 460, 500, 501, 503, 505, 511)
DEPTH = 5


class Steered:
    """Decisions read off the input."""

    def __init__(self, data: bytes) -> None:
        self.bytes = atheris.FuzzedDataProvider(data)

    def status(self) -> int:
        """A status with a meaning, or any number."""
        number: int = self.bytes.ConsumeIntInRange(0, 700)
        return STATUSES[number % len(STATUSES)] if number < 500 else number

    def headers(self) -> dict[str, str]:
        """A Retry-After or none."""
        return {"retry-after": self.moment()} if self.bytes.ConsumeBool() else {}

    def moment(self) -> str:
        """Seconds, a date, the pieces of one, or any text."""
        if self.bytes.ConsumeBool():
            return self.text(200)
        some = range(self.bytes.ConsumeIntInRange(1, 9))
        return "".join(PIECES[self.bytes.ConsumeIntInRange(0, len(PIECES) - 1)] for _ in some)

    def text(self, most: int) -> str:
        """A word of a vendor's, or any text."""
        if self.bytes.ConsumeBool():
            return WORDS[self.bytes.ConsumeIntInRange(0, len(WORDS) - 1)]
        text: str = self.bytes.ConsumeUnicode(self.bytes.ConsumeIntInRange(0, most))
        return text

    def tree(self, depth: int = DEPTH) -> Any:
        """Some JSON."""
        kind = self.bytes.ConsumeIntInRange(0, 8 if depth else 5)
        if kind == 0:
            return None
        if kind == 1:
            return self.bytes.ConsumeBool()
        if kind == 2:
            return self.bytes.ConsumeIntInRange(-2, 700)
        if kind == 3:
            return self.bytes.ConsumeFloat()
        if kind <= 5:
            return self.text(20)
        some = range(self.bytes.ConsumeIntInRange(0, 5))
        if kind == 6:
            return [self.tree(depth - 1) for _ in some]
        return {self.text(20): self.tree(depth - 1) for _ in some}

    def body(self) -> bytes:
        """Any bytes, or JSON of the vendors' words, at times cut as a body of 64 KiB is."""
        if self.bytes.ConsumeBool():
            return bytes(self.bytes.ConsumeBytes(4096))
        body = json.dumps(self.tree()).encode("utf-8", "surrogatepass")
        return body[: self.bytes.ConsumeIntInRange(0, len(body))] if self.bytes.ConsumeBool() else body


def judged(judge: verdict.Judge, steered: Steered) -> verdict.Verdict:
    """Judge, twice: the same response has the same verdict."""
    status, headers, body = steered.status(), steered.headers(), steered.body()
    told = judge(status, headers, body, now=NOW)
    assert judge(status, headers, body, now=NOW) == told
    check(told)
    return told


def check(told: verdict.Verdict) -> None:
    """What every verdict keeps to, and that sorting by it gives each event one place and no other event any."""
    after = getattr(told, "after", None)
    assert after is None or 0.0 <= after <= retry.RETRY_AFTER_CAP_SECONDS
    if isinstance(told, verdict.Partial):
        assert all(type(index) is int and index >= 0 for index in told.failed)
        places = sorting.sort_partial(told, COUNT)
    elif isinstance(told, verdict.Mixed):
        assert not told.again & told.failed.keys()
        places = sorting.sort_mixed(told, IDS)
    elif isinstance(told, verdict.Throttled):
        assert told.seconds >= 30.0
        for named in (told.failed, told.later):
            assert all(type(index) is int and index >= 0 for index in named.indices)
            assert all(isinstance(name, str) and name for name in named.users | named.devices)
        places = sorting.sort_throttled(told, OWNERS, {0})
    else:
        return
    sorted_ones = [*(index for failed in places.failed.values() for index in failed), *places.delivered, *places.again]
    assert sorted(sorted_ones) == list(range(COUNT)), "an event has no place, or two"


def segment(data: bytes) -> None:
    """Segment's and RudderStack's judge, and the header that all vendors have."""
    steered = Steered(data)
    seconds = retry.parse_retry_after(steered.moment(), NOW)
    assert seconds is None or 0.0 <= seconds <= retry.RETRY_AFTER_CAP_SECONDS
    judged(verdict.judge, steered)


def amplitude(data: bytes) -> None:
    """Amplitude's judge, and what its retry handlers ask of a body."""
    judged(amplitude_judge.judge, Steered(data))
    body = Steered(data).body()
    assert all(type(index) is int and index >= 0 for index in amplitude_judge.refused_indices(body))
    assert isinstance(amplitude_judge.refuses_all(400, body), bool)


def posthog(data: bytes) -> None:
    """Both of PostHog's."""
    judged(posthog_judge.judge_v0, Steered(data))
    judged(posthog_judge.judge_v1, Steered(data))


def spool(data: bytes) -> None:
    """A file of the spool: as the disk has it, and with checksums that fit, since no mutation finds those."""
    read_file(data)
    if len(data) >= spool_format.HEADER_BYTES:
        read_file(repaired(data))
    spool_format.read_label(data[:200])
    name = spool_format.read_name(data[:60].decode("latin-1"))
    assert name is None or spool_format.file_name(*name).encode("latin-1") == data[:60]


def repaired(data: bytes) -> bytes:
    """The same with magic, lengths and checksums that fit: damage that a checksum would not show."""
    body = data[spool_format.HEADER_BYTES :]
    count = 1 + data[40] % 4
    events_bytes = len(body) - 12 * count
    if events_bytes < 0:
        return data
    numbers = struct.pack("<III", count, events_bytes, crc32(body))
    fixed = spool_format.MAGIC + data[8:40] + numbers
    progress = data[56:60]
    return fixed + struct.pack("<I", crc32(fixed)) + progress + struct.pack("<I", crc32(progress)) + body


def read_file(data: bytes) -> None:
    """Read as the store does; what is read is written back to the same bytes."""
    try:
        header = spool_format.read_header(data[: spool_format.HEADER_BYTES])
        contents = spool_format.read_body(header, data[spool_format.HEADER_BYTES :])
    except spool_format.Malformed:
        return
    assert header.file_bytes == len(data) == spool_format.nbytes_of(contents)
    assert spool_format.header_of(contents, header.sequence, header.destination)[:56] == data[:56]
    walk(contents)


def walk(contents: Contents) -> None:
    """Every event that the layout names lies within the events, and its id within it."""
    place = 0
    for length, start, end in struct.iter_unpack("<III", contents.layout):
        assert start <= end <= length
        assert place + length <= len(contents.events)
        place += length + 1
        assert place > len(contents.events) or contents.events[place - 1] == ord(",")
    assert place == len(contents.events) + 1


TARGETS: dict[str, Callable[[bytes], None]] = {
    "segment": segment,
    "amplitude": amplitude,
    "posthog": posthog,
    "spool": spool,
}

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
