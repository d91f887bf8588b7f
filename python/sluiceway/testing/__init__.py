"""What tests of code that sends events need: a transport without a socket, a local server that keeps what arrives.

`MemoryTransport` is for tests of your own code: no thread, no socket, every call is delivered before it returns.
`Receiver` is for tests of the delivery itself: a real HTTP server on 127.0.0.1, which answers from a script and can
delay, refuse or cut a connection. `ReceiverProcess` is the same server in a process of its own, for measurements.
`answers` has the words of each vendor: `answers.plain(429, "slow down")`, `answers.amplitude_throttled(["user-1"])`.
"""

from __future__ import annotations

from sluiceway.testing import answers
from sluiceway.testing.answers import Answer
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.ledger import Logged, Received, ReceiverStats
from sluiceway.testing.memory import MemoryTransport
from sluiceway.testing.process import ReceiverProcess
from sluiceway.testing.script import Script
from sluiceway.testing.server import Receiver
from sluiceway.testing.strict.reading import Limits

__all__ = [
    "Answer",
    "Arriving",
    "Limits",
    "Logged",
    "MemoryTransport",
    "Received",
    "Receiver",
    "ReceiverProcess",
    "ReceiverStats",
    "Script",
    "answers",
]
