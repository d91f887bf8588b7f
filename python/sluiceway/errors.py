"""Every error a user can meet, factored out so that no room imports another for its errors.

    SluicewayError
    ├── ConfigError (a ValueError)     an option is wrong: raised by the constructor, never later
    ├── InvalidEvent (a ValueError)    an event is wrong: raised by a call only with ``strict=True``
    ├── QueueFull                      no room: raised by a call only with ``on_full="raise"``
    ├── SpoolError                     not on disk: raised by ``flush(durable=True)`` only
    └── DeliveryError                  what callbacks are told: handed over, never raised

Messages name the field, a size, a type and a limit. They never hold a write key, a property or any other value of the
user's, because error texts end up in logs, in issue trackers and in other vendors' clouds.
"""

from __future__ import annotations

from typing import Literal

Sent = Literal["no", "maybe"]


class SluicewayError(Exception):
    """The root of every error of this package."""


class ConfigError(SluicewayError, ValueError):
    """An option is wrong. Raised by the constructor only, naming the field, the value's type and what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field} {self.message}"


class InvalidEvent(SluicewayError, ValueError):
    """An event cannot be taken as it is. Raised by a call only with ``strict=True``; else the call answers False."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field} {self.message}"


class QueueFull(SluicewayError):
    """The queue has no room for the event. Raised by a call only with ``on_full="raise"``."""


class DeliveryError(SluicewayError):
    """Why an event did not reach the vendor, as callbacks are told it. Never raised.

    ``reason`` is a word of the accounting (the same as in ``Stats``). ``sent`` is "no" when no byte of the event's last
    request left this host or the server said that it was refused, and "maybe" when bytes were sent and no answer was
    read. ``status`` is the HTTP status of the last answer, if there was one.
    """

    def __init__(self, reason: str, sent: Sent = "no", status: int | None = None, message: str = "") -> None:
        super().__init__(reason, sent, status, message)
        self.reason = reason
        self.sent: Sent = sent
        self.status = status
        self.message = message

    def __str__(self) -> str:
        status = "" if self.status is None else f", status {self.status}"
        message = f": {self.message}" if self.message else ""
        return f"{self.reason} (sent: {self.sent}{status}){message}"


class SpoolError(SluicewayError):
    """Events could not be put on disk. Raised by ``flush(durable=True)`` only; the events are still in memory."""
