"""Sending and retrying that is somebody else's: the protocol of a retry handler, and how it is asked.

A handler takes the events of one request and answers with one response. What it does in between, how often it tries and
what it keeps for later, is its own affair; nothing here is tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sluiceway.report import decoded
from sluiceway.transport import Response

if TYPE_CHECKING:
    from sluiceway.engine import Batch


@runtime_checkable
class Retry(Protocol):
    """Sends events to their end, in the place of the sender."""

    def send_events_with_retry(self, events: list[dict[str, Any]], /) -> Response:
        """Send the events, again if need be, and return the last response; its status is 0 when there was none.

        The events are within the vendor's limits of one request. They end by the response: as delivered when it is a
        success; as failed otherwise, those that it names as ``rejected`` and the others as ``retries_exhausted``. Those
        others end as handed over instead when the response is a ``KeptResponse``. Called on the worker's thread, for
        one batch at a time; whatever it raises ends the events as failed.
        """
        ...


class NoResponse(TypeError):
    """The handler returned something else than a response."""


def hand_over(handler: Retry, batch: Batch, event_tail: bytes) -> Response:
    """Have a handler send the events of a batch. Raises what it raises, and NoResponse."""
    response: object = handler.send_events_with_retry(decoded(batch, event_tail))
    if not isinstance(response, Response) or type(response.status) is not int:
        raise NoResponse(type(response).__name__)
    return response
