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
    from sluiceway.errors import ConfigError, DeliveryError, InvalidEvent, QueueFull, SluicewayError, SpoolError
    from sluiceway.handover import Retry
    from sluiceway.middleware import Middleware
    from sluiceway.report import BatchReport
    from sluiceway.retry import RetryPolicy
    from sluiceway.scopes import OpenScope, Scope, scope
    from sluiceway.stats import FlushResult, SpoolStats, Stats
    from sluiceway.transport import KeptResponse, Request, Response, Transport, TransportError
    from sluiceway.vendors.amplitude import Amplitude
    from sluiceway.vendors.amplitude_identify import Identify
    from sluiceway.vendors.amplitude_middleware import Payload
    from sluiceway.vendors.amplitude_retry import BaseRetryHandler, OfflineRetryHandler
    from sluiceway.vendors.amplitude_values import IngestionMetadata, Plan, Revenue
    from sluiceway.vendors.posthog import PostHog
    from sluiceway.vendors.rudderstack import RudderStack
    from sluiceway.vendors.segment import Segment

    __version__: str

__all__ = [
    "Amplitude",
    "BaseRetryHandler",
    "BatchReport",
    "Callback",
    "ConfigError",
    "DeliveryError",
    "FlushResult",
    "Identify",
    "IngestionMetadata",
    "InvalidEvent",
    "KeptResponse",
    "Middleware",
    "OfflineRetryHandler",
    "OpenScope",
    "Payload",
    "Plan",
    "PostHog",
    "QueueFull",
    "Request",
    "Response",
    "Retry",
    "RetryPolicy",
    "Revenue",
    "RudderStack",
    "Scope",
    "Segment",
    "SluicewayError",
    "SpoolError",
    "SpoolStats",
    "Stats",
    "Transport",
    "TransportError",
    "__version__",
    "scope",
]

_HOMES = {
    "Amplitude": "sluiceway.vendors.amplitude",
    "BaseRetryHandler": "sluiceway.vendors.amplitude_retry",
    "BatchReport": "sluiceway.report",
    "Callback": "sluiceway.delivery",
    "ConfigError": "sluiceway.errors",
    "DeliveryError": "sluiceway.errors",
    "FlushResult": "sluiceway.stats",
    "Identify": "sluiceway.vendors.amplitude_identify",
    "IngestionMetadata": "sluiceway.vendors.amplitude_values",
    "InvalidEvent": "sluiceway.errors",
    "KeptResponse": "sluiceway.transport",
    "Middleware": "sluiceway.middleware",
    "OfflineRetryHandler": "sluiceway.vendors.amplitude_retry",
    "OpenScope": "sluiceway.scopes",
    "Payload": "sluiceway.vendors.amplitude_middleware",
    "Plan": "sluiceway.vendors.amplitude_values",
    "PostHog": "sluiceway.vendors.posthog",
    "QueueFull": "sluiceway.errors",
    "Request": "sluiceway.transport",
    "Response": "sluiceway.transport",
    "Retry": "sluiceway.handover",
    "RetryPolicy": "sluiceway.retry",
    "Revenue": "sluiceway.vendors.amplitude_values",
    "RudderStack": "sluiceway.vendors.rudderstack",
    "Scope": "sluiceway.scopes",
    "Segment": "sluiceway.vendors.segment",
    "SluicewayError": "sluiceway.errors",
    "SpoolError": "sluiceway.errors",
    "SpoolStats": "sluiceway.stats",
    "Stats": "sluiceway.stats",
    "Transport": "sluiceway.transport",
    "TransportError": "sluiceway.transport",
    "scope": "sluiceway.scopes",
}

_SUBINTERPRETER = (
    "sluiceway works in the main interpreter only, not in a subinterpreter: use threads or processes there "
    "(mod_wsgi: `WSGIApplicationGroup %{GLOBAL}`; uWSGI: `single-interpreter = true`)"
)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name != "__version__" and name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        if name == "__version__":
            value: Any = import_module("sluiceway.client").VERSION
        else:
            value = getattr(import_module(_HOMES[name]), name)
    except ImportError as error:
        # CPython says it of whichever extension it meets first, and that need not be ours.
        if "subinterpreter" not in str(error):
            raise
        raise ImportError(_SUBINTERPRETER, name=__name__) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
