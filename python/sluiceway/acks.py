"""What is done about a 2xx that does not read like the vendor's: it is counted and told once, and believed or not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from sluiceway.notices import Voice
from sluiceway.standing import Attempt, Progress
from sluiceway.verdict import Delivered, Mixed, Retry

if TYPE_CHECKING:
    from sluiceway.doubt import Doubter
    from sluiceway.transport import Response

_SUSPECT = (
    "a 2xx does not read like the vendor's answer (status %d, %d bytes): it counts as delivered, because the status "
    "decides; strict_ack=True sends again. Further ones are counted in stats().ack_suspect"
)
_MISMATCH = (
    "the vendor took a batch of %d events and counts another number of them; further cases are counted in "
    "stats().ack_mismatch"
)


class Acks:
    """Weighs the 2xx of one client. For the sending thread."""

    def __init__(self, doubter: Doubter, *, is_strict: bool, progress: Progress, voice: Voice) -> None:
        """`is_strict`: a suspect 2xx is no verdict, and the events are sent again."""
        self._doubter = doubter
        self._is_strict = is_strict
        self._progress = progress
        self._voice = voice

    def weigh(self, attempt: Attempt, response: Response, events: int) -> Attempt:
        """Return the attempt as it is, or as a failure of the endpoint."""
        if not isinstance(attempt.verdict, (Delivered, Mixed)) or not 200 <= response.status <= 299:
            return attempt
        doubt = self._doubter(response.status, response.headers, response.body, events)
        if doubt == "mismatch":
            self._progress.ack_mismatch += 1
            if self._progress.ack_mismatch == 1:
                self._voice.log(logging.WARNING, _MISMATCH, events)
        elif doubt == "suspect":
            self._progress.ack_suspect += 1
            if self._is_strict:
                message = f"status {response.status} with something else than the vendor's answer"
                return msgspec.structs.replace(attempt, verdict=Retry(endpoint=True), sent="maybe", message=message)
            if self._progress.ack_suspect == 1:
                self._voice.log(logging.WARNING, _SUSPECT, response.status, len(response.body))
        return attempt
