"""RudderStack: the client. What its server asks for is on the page beside it (``rudderstack_page.py``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from sluiceway.delivery import Callback
from sluiceway.errors import ConfigError
from sluiceway.events import Id, Timestamp
from sluiceway.options import GivenOptions
from sluiceway.reading import Reader, as_secret
from sluiceway.vendors.rudderstack_page import RUDDERSTACK
from sluiceway.vendors.spec import ALIAS
from sluiceway.vendors.spec_client import SpecClient

if TYPE_CHECKING:
    from typing_extensions import Unpack

LogLevel = Literal["log", "debug", "info", "warn", "error", "none"]

_LEVELS: Mapping[str, int] = {
    "log": 1,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "none": logging.CRITICAL + 1,
}


def _fitting(given: dict[str, Any]) -> dict[str, Any]:
    """Take the server's limit of a body, where it is given as that of an event, for as much as an event may have."""
    body = given.get("max_batch_bytes") or RUDDERSTACK.limits.max_batch_bytes
    event = given.get("max_event_bytes")
    if isinstance(body, int) and isinstance(event, int):
        most = body - RUDDERSTACK.envelope_bytes("")
        if most < event <= body:
            return given | {"max_event_bytes": most}
    return given


class RudderStack(SpecClient):
    """A RudderStack source. ``RudderStack("WRITE_KEY", "https://your-data-plane.example.com")``.

    The data plane URL is that of your workspace, as the dashboard shows it, or of a server of your own; ``/v1/batch``
    at its end may be there or not. Every call answers True when the event was accepted and False when it was refused,
    which ``stats()`` counts by reason. No call does I/O, waits or raises, unless asked to (``on_full``, ``strict``,
    ``sync``). Arguments come in the order of RudderStack's official Python client. None means absent.

    Ids may be str, int or UUID and are sent as text. ``timestamp`` is when it happened, if not now: a datetime (a naive
    one is read as UTC), ISO 8601 text, or a Unix time in seconds or milliseconds. ``message_id`` is what duplicates are
    folded by; by default a fresh UUID. ``callback(error, batch)`` is told once what became of the event, on a thread of
    its own; error is None when it was delivered.
    """

    __slots__ = ()

    vendor = RUDDERSTACK

    def __init__(
        self, write_key: str, data_plane_url: str, *, log_level: LogLevel | None = None, **options: Unpack[GivenOptions]
    ) -> None:
        """``log_level`` is the least that this client logs; by default what the program's ``logging`` lets through."""
        key = as_secret(write_key, "write_key")
        del write_key  # so that no traceback that prints the variables of its frames holds the bare key
        given: dict[str, Any] = dict(options)
        for name in ("host", "region"):
            if given.get(name) is not None:
                raise ConfigError(name, "is not an option here: data_plane_url says where the workspace is")
        if data_plane_url is None:
            raise ConfigError("data_plane_url", "is required: it is the address that the dashboard shows")
        given["host"] = data_plane_url
        if log_level is not None:
            given["log_level"] = _LEVELS[Reader({"log_level": log_level}).choice("log_level", None, tuple(_LEVELS))]
        try:
            self._begin(RUDDERSTACK, key, _fitting(given))
        except ConfigError as error:
            if error.field != "host":
                raise
            raise ConfigError("data_plane_url", error.message) from None

    def alias(
        self,
        previous_id: Id | None = None,
        user_id: Id | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        anonymous_id: Id | None = None,
        traits: Mapping[str, Any] | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Tell that ``previous_id`` is the user now known as ``user_id`` or ``anonymous_id``. Needs one of them."""
        values = (previous_id, user_id, anonymous_id, traits, context, integrations)
        return self._send(ALIAS, callback, message_id, timestamp, values)
