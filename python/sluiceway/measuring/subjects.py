"""Who is measured: our client of a vendor, encoders of the same message, the official clients that are installed."""

from __future__ import annotations

from typing import NamedTuple

from sluiceway.client import VERSION
from sluiceway.measuring.adapter import Adapter
from sluiceway.measuring.messages import encoders
from sluiceway.measuring.ours import OURS
from sluiceway.measuring.peers import PEERS

CALLS = {
    "segment": ("sluiceway.Segment", "Segment.track"),
    "rudderstack": ("sluiceway.RudderStack", "RudderStack.track"),
    "posthog": ("sluiceway.PostHog", "PostHog.capture"),
    "amplitude": ("sluiceway.Amplitude", "Amplitude.track"),
}
"""By vendor: our adapter, and the call that it makes."""

OFFICIAL = {
    "segment": "segment-analytics-python",
    "rudderstack": "rudder-sdk-python",
    "posthog": "posthog",
    "amplitude": "amplitude-analytics",
}
"""By vendor: its official Python client, as it is installed."""

CLIENTS: dict[str, type[Adapter]] = {**OURS, **PEERS}


class Subject(NamedTuple):
    """One row of the tables."""

    name: str
    shown: str
    version: str
    kind: str
    """"ours", "encoder" or "official"."""


def subjects(vendor: str, *, every_official: bool) -> tuple[list[Subject], list[str]]:
    """Return who is measured, ours first, and which official clients are not installed. Imports none of them."""
    name, shown = CALLS[vendor]
    found = [Subject(name, f"sluiceway {shown}", VERSION, "ours")]
    found += [Subject(name, name, version, "encoder") for name, (version, _) in encoders().items()]
    absent = []
    for owner, official in OFFICIAL.items():
        if owner != vendor and not every_official:
            continue
        version = PEERS[official].version()
        if version and PEERS[official].importable():
            found.append(Subject(official, official, version, "official"))
        else:
            absent.append(official)
    return found, absent
