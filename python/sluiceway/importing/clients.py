"""The clients of an import: made as its options say, and patient, because an import has time and no second copy."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec

from sluiceway.errors import ConfigError
from sluiceway.importing.faults import Misuse
from sluiceway.retry import RetryPolicy
from sluiceway.secret import Secret

ROOM_EVENTS = 12_000
"""How many events of a client may be on their way: a few full requests. Less than the 16,000 that Amplitude's lanes
hold, so that no event of a throttled user has to be dropped."""
ROOM_BYTES = 24 << 20

# A batch that could be filled is filled, whatever this says; what a slow source gives waits so long for company.
_FLUSH_AT, _FLUSH_SECONDS = 500, 0.5


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where the events go, and how; None is the client's default."""

    vendor: str
    key: Secret
    host: str | None = None
    region: str | None = None
    options: dict[str, Any] = {}
    """Further options of the client, by their names."""


def make_client(
    to: Destination,
    *,
    on_error: Callable[..., Any] | None = None,
    transport: Any = None,
) -> Any:
    """Make one client. Raises Misuse for what its options do not allow; opens nothing."""
    import sluiceway
    from sluiceway.client import DISABLED_VARIABLE

    if os.environ.get(DISABLED_VARIABLE):
        raise Misuse(f"the environment variable {DISABLED_VARIABLE} is set: nothing would be sent")
    kinds: dict[str, Any] = {
        "segment": sluiceway.Segment,
        "rudderstack": sluiceway.RudderStack,
        "posthog": sluiceway.PostHog,
        "amplitude": sluiceway.Amplitude,
    }
    kind = kinds[to.vendor]
    options: dict[str, Any] = {
        "on_full": "block",
        # Not for ever, so that a stop is noticed; the feeder leaves room and rarely gets here.
        "block_timeout": 0.5,
        "strict": True,
        "flush_first": False,
        "flush_at": _FLUSH_AT,
        "flush_interval": _FLUSH_SECONDS,
        # Whatever the vendor's clients do by default, an outage is waited for, and ends the import by its own rule.
        "retry": _patient(kind.vendor.retry),
        "region": to.region,
        "on_error": on_error,
        "transport": transport,
        **to.options,
    }
    places: list[Any] = []
    if to.vendor == "rudderstack":
        if to.host is None:
            raise Misuse("RudderStack has no address that is everybody's: say --host with your data plane's URL")
        places = [to.host]
    else:
        options["host"] = to.host
    try:
        return kind(to.key.reveal(), *places, **options)
    except ConfigError as error:
        raise Misuse(f"{error.field.replace('_', '-')}: {error.message}") from None


def _patient(policy: RetryPolicy) -> RetryPolicy:
    return msgspec.structs.replace(policy, retry_count=None, max_elapsed_seconds=30 * 86_400.0)
