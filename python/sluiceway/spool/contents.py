"""What one file of the spool holds: the events of one sealed batch, and how far their sending has come."""

from __future__ import annotations

import sys
from array import array
from itertools import accumulate
from operator import le

import msgspec

LAYOUT_BYTES = 12
"""Bytes of layout for each event: its length, and where the text of its id starts and ends within it."""

_COMMA = 0x2C


class Contents(msgspec.Struct, frozen=True):
    """The events of one batch as they were encoded: no envelope, no credential, no time of sending."""

    events: bytes
    """The events joined by commas."""
    layout: bytes
    """For each event three little-endian u32: its length, and start and end of its id's text within it."""
    count: int
    """Events, at least one."""
    created_at: float
    """Unix seconds when the batch was first sealed."""
    attempts: int = 0
    maybe_sent: bool = False
    """Whether bytes of it may have reached the vendor without an answer being read."""

    @property
    def is_consistent(self) -> bool:
        """Whether the layout describes exactly these events. The caller's mistakes and a damaged file's look alike."""
        if self.count < 1 or len(self.layout) != self.count * LAYOUT_BYTES:
            return False
        numbers = array("I", self.layout)
        if sys.byteorder == "big":
            numbers.byteswap()
        lengths, starts, ends = numbers[0::3], numbers[1::3], numbers[2::3]
        if sum(lengths) + self.count - 1 != len(self.events):
            return False
        # Where each event but the last stops, there is a comma.
        commas = accumulate((length + 1 for length in lengths[:-1]), initial=-1)
        next(commas)
        return (
            all(map(le, starts, ends))
            and all(map(le, ends, lengths))
            and all(self.events[comma] == _COMMA for comma in commas)
        )
