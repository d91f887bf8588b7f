"""Who stands against whom: for each vendor our client, the vendor's own Python client, and a dict with orjson."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from peers import PEERS
from sluiceway.measuring.ours import OURS

if TYPE_CHECKING:
    from sluiceway.measuring.adapter import Adapter


class Vendor(NamedTuple):
    """One vendor's contest."""

    title: str
    ours: str
    peer: str
    reference: str
    """The encoder that is this vendor's 1.00."""
    second_call: str = ""
    """Another call of our client that says the same; the sender behind it is no other."""


VENDORS = {
    "segment": Vendor("Segment", "sluiceway.Segment", "segment-analytics-python", "dict + orjson, Segment"),
    "rudderstack": Vendor("RudderStack", "sluiceway.RudderStack", "rudder-sdk-python", "dict + orjson, RudderStack"),
    "posthog": Vendor("PostHog", "sluiceway.PostHog", "posthog", "dict + orjson, PostHog"),
    "amplitude": Vendor(
        "Amplitude",
        "sluiceway.Amplitude",
        "amplitude-analytics",
        "dict + orjson, Amplitude",
        "sluiceway.Amplitude.log_event",
    ),
}
BESIDES = ("mixpanel",)
"""Compared only where all vendors are: nobody's peer here."""

CLIENTS: dict[str, type[Adapter]] = OURS | PEERS


def reference(name: str) -> str:
    """Return the encoder that a client is held against: its vendor's, or Segment's for those that are nobody's peer."""
    for vendor in VENDORS.values():
        if name in (vendor.ours, vendor.second_call, vendor.peer):
            return vendor.reference
    return VENDORS["segment"].reference


def callers(chosen: tuple[str, ...]) -> list[str]:
    """Return the clients whose calls are compared, vendor by vendor; a package that is not installed is left out."""
    names = [name for key in chosen for name in (VENDORS[key].ours, VENDORS[key].second_call, VENDORS[key].peer)]
    if chosen == tuple(VENDORS):
        names += BESIDES
    return [name for name in names if name and CLIENTS[name].importable()]


def senders(chosen: tuple[str, ...]) -> list[str]:
    """Return the clients whose senders are compared: the same without second calls."""
    second = {vendor.second_call for vendor in VENDORS.values()}
    return [name for name in callers(chosen) if name not in second]


def threaded(chosen: tuple[str, ...]) -> list[str]:
    """Return the senders that send from a thread of their own."""
    return [name for name in senders(chosen) if CLIENTS[name].threaded]
