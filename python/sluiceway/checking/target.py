"""Whom the checks are about: the vendor's page, and the options of a client as that client itself reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sluiceway.client import Client
from sluiceway.errors import ConfigError
from sluiceway.options import Options
from sluiceway.vendors.amplitude import Amplitude
from sluiceway.vendors.base import Vendor
from sluiceway.vendors.posthog import PostHog
from sluiceway.vendors.rudderstack import RudderStack
from sluiceway.vendors.segment import Segment

_CLASSES: Mapping[str, type[Client]] = {
    "segment": Segment,
    "rudderstack": RudderStack,
    "posthog": PostHog,
    "amplitude": Amplitude,
}
# The options are read before the key is looked at: they may be right where it is wrong.
_NO_KEY = "0" * 32


class Target(NamedTuple):
    """A vendor's endpoint, and the way to it. Holds no key."""

    page: Vendor
    options: Options

    @property
    def prefix(self) -> str:
        """What stands before the vendor's own path, where a host has more than the vendor behind it; else ""."""
        return self.options.endpoint.path.removesuffix(self.page.path)

    @property
    def is_public(self) -> bool:
        """Whether the host is one of the vendor's own."""
        return f"https://{self.options.endpoint.host}" in self.page.hosts.values()


def target(vendor: str, given: Mapping[str, Any]) -> Target:
    """Read the options as the vendor's client does; None is the default. Opens nothing.

    Looks at the environment as a client would: proxies with `trust_env`, POSTHOG_CAPTURE_MODE. Raises ConfigError.
    """
    options = {name: value for name, value in given.items() if value is not None}
    if vendor == "rudderstack":
        if "data_plane_url" not in options:
            raise ConfigError("data_plane_url", "is required: it is the address that the dashboard shows")
    elif "data_plane_url" in options:
        raise ConfigError("data_plane_url", "is RudderStack's: the other vendors have host")
    client = _CLASSES[vendor](_NO_KEY, **options)
    client.close(timeout=0.0)
    return Target(client._page, client._options)
