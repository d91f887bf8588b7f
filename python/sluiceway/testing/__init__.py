"""What tests of code that sends events need: a transport without a socket, a local server that keeps what arrives.

`MemoryTransport` is for tests of your own code: no thread, no socket, every call is delivered before it returns.
`Receiver` is for tests of the delivery itself: a real HTTP server on 127.0.0.1, which answers from a script and can
delay, refuse or cut a connection. `ReceiverProcess` is the same server in a process of its own, for measurements.
"""

from __future__ import annotations

from sluiceway.testing.answers import Answer, Script
from sluiceway.testing.arriving import Arriving
from sluiceway.testing.ledger import Received, ReceiverStats
from sluiceway.testing.memory import MemoryTransport
from sluiceway.testing.process import ReceiverProcess
from sluiceway.testing.server import Receiver

__all__ = [
    "Answer",
    "Arriving",
    "MemoryTransport",
    "Received",
    "Receiver",
    "ReceiverProcess",
    "ReceiverStats",
    "Script",
]
