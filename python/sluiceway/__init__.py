"""sluiceway: take analytics events at the speed of a dictionary copy, deliver them batched, and account for each.

    from sluiceway import Segment

    client = Segment("WRITE_KEY")
    client.track("user-1", "Item Purchased", {"revenue": 39.95})
    client.close()

Names are loaded when they are first used: `import sluiceway` costs next to nothing, starts nothing and opens nothing.
"""

from __future__ import annotations

# Type checkers take this name for true; `typing` itself takes longer to import than all that happens here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from sluiceway.delivery import Callback
    from sluiceway.errors import ConfigError, DeliveryError, InvalidEvent, QueueFull, SluicewayError
    from sluiceway.middleware import Middleware
    from sluiceway.report import BatchReport
    from sluiceway.retry import RetryPolicy
    from sluiceway.stats import FlushResult, Stats
    from sluiceway.transport import Request, Response, Transport, TransportError
    from sluiceway.vendors.segment import Segment

    __version__: str

__all__ = [
    "BatchReport",
    "Callback",
    "ConfigError",
    "DeliveryError",
    "FlushResult",
    "InvalidEvent",
    "Middleware",
    "QueueFull",
    "Request",
    "Response",
    "RetryPolicy",
    "Segment",
    "SluicewayError",
    "Stats",
    "Transport",
    "TransportError",
    "__version__",
]

_HOMES = {
    "BatchReport": "sluiceway.report",
    "Callback": "sluiceway.delivery",
    "ConfigError": "sluiceway.errors",
    "DeliveryError": "sluiceway.errors",
    "FlushResult": "sluiceway.stats",
    "InvalidEvent": "sluiceway.errors",
    "Middleware": "sluiceway.middleware",
    "QueueFull": "sluiceway.errors",
    "Request": "sluiceway.transport",
    "Response": "sluiceway.transport",
    "RetryPolicy": "sluiceway.retry",
    "Segment": "sluiceway.vendors.segment",
    "SluicewayError": "sluiceway.errors",
    "Stats": "sluiceway.stats",
    "Transport": "sluiceway.transport",
    "TransportError": "sluiceway.transport",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        value: Any = import_module("sluiceway.client").VERSION
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
