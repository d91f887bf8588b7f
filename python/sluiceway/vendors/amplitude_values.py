"""What Amplitude's documents give a form of its own: a tracking plan, an ingestion's source, a purchase.

Small frozen values; a plain mapping does as well wherever a `Plan` or an `IngestionMetadata` is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sluiceway.errors import InvalidEvent
from sluiceway.reading import is_number


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The tracking plan that an event belongs to."""

    branch: str | None = None
    source: str | None = None
    version: str | None = None
    version_id: str | None = None

    def entries(self) -> dict[str, Any]:
        """Return it as an event has it; the one key that is not snake case is the vendor's."""
        pairs = {"branch": self.branch, "source": self.source, "version": self.version, "versionId": self.version_id}
        return {key: value for key, value in pairs.items() if value is not None}


class IngestionMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Where an integration took its events from."""

    source_name: str | None = None
    source_version: str | None = None

    def entries(self) -> dict[str, Any]:
        """Return it as an event has it."""
        pairs = {"source_name": self.source_name, "source_version": self.source_version}
        return {key: value for key, value in pairs.items() if value is not None}


class Revenue(msgspec.Struct, frozen=True):
    """A purchase, or with a negative number a refund. ``Amplitude.revenue`` sends it as an event of its own.

    Needs a ``price`` or a ``revenue``; where all are given, Amplitude counts price times quantity. ``properties`` are
    further event properties. Nothing is checked before it is sent: a call refuses a wrong one as it refuses any event.
    """

    price: float | None = None
    quantity: int = 1
    product_id: str | None = None
    revenue_type: str | None = None
    receipt: str | None = None
    receipt_sig: str | None = None
    properties: Mapping[str, Any] | None = None
    revenue: float | None = None
    currency: str | None = None

    def event_properties(self) -> dict[str, Any]:
        """Return the properties of the event. Raises InvalidEvent, naming what is wrong."""
        self._check()
        entries: dict[str, Any] = {
            "$productId": self.product_id,
            "$quantity": self.quantity,
            "$price": self.price,
            "$revenueType": self.revenue_type,
            "$receipt": self.receipt,
            "$receiptSig": self.receipt_sig,
            "$revenue": self.revenue,
            "$currency": self.currency,
        }
        given = {key: value for key, value in entries.items() if value is not None}
        try:
            return {**(self.properties or {}), **given}
        except Exception as error:
            raise InvalidEvent("properties", f"raised {type(error).__name__} while it was read") from None

    def _check(self) -> None:
        if self.price is None and self.revenue is None:
            raise InvalidEvent("price or revenue", "is required")
        for name, number in (("price", self.price), ("revenue", self.revenue)):
            if number is not None and not _is_price(number):
                raise InvalidEvent(name, f"must be a finite number, not {type(number).__name__}")
        if not isinstance(self.quantity, int) or isinstance(self.quantity, bool) or self.quantity <= 0:
            raise InvalidEvent("quantity", f"must be an int from 1 up, not {type(self.quantity).__name__}")
        for name in ("product_id", "revenue_type", "receipt", "receipt_sig", "currency"):
            text = getattr(self, name)
            if text is not None and not isinstance(text, str):
                raise InvalidEvent(name, f"must be a str, not {type(text).__name__}")
        if self.properties is not None and not isinstance(self.properties, Mapping):
            raise InvalidEvent("properties", f"must be a mapping, not {type(self.properties).__name__}")


def _is_price(value: object) -> bool:
    try:
        return is_number(value)
    except OverflowError:  # an int beyond every float
        return False
