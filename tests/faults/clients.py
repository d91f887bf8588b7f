"""The four vendors' clients, made to talk to a fault server as fast as a test can bear."""

from __future__ import annotations

from typing import Any

from sluiceway import Amplitude, PostHog, RetryPolicy, RudderStack, Segment

from .book import Book
from .server import FaultServer

KEY = "canary-key-77aa8c1d"

# Backs off like the real one, a hundred times as fast, and without an end.
QUICK = RetryPolicy(base_seconds=0.005, cap_seconds=0.05)

VENDORS = ("segment", "rudderstack", "posthog", "amplitude")

_CLASSES: dict[str, Any] = {"segment": Segment, "rudderstack": RudderStack, "posthog": PostHog, "amplitude": Amplitude}


def client(server: FaultServer | str, book: Book, vendor: str = "segment", **options: Any) -> Any:
    """Make a client that holds events back until it is flushed, so that one batch carries them."""
    url = server if isinstance(server, str) else server.url
    key = "phc_" + KEY if vendor == "posthog" else KEY
    given: dict[str, Any] = {
        "flush_at": 100_000,
        "flush_interval": 60.0,
        "flush_first": False,
        "retry": QUICK,
        **book.asks,
        **options,
    }
    if vendor == "rudderstack":
        return RudderStack(key, url, **given)
    if vendor == "amplitude":
        given.setdefault("log_level", "warn")
    return _CLASSES[vendor](key, host=url, **given)
