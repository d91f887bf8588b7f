"""How to point each vendor's clients, and ours, at this server: one line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Pointer(NamedTuple):
    """One client, and the line that points it here."""

    vendor: str
    client: str
    line: str


def pointers(url: str) -> Sequence[Pointer]:
    """Return the lines for all vendors, ours first."""
    return [
        Pointer("segment", "sluiceway", f'Segment("any-key", host="{url}/segment")'),
        Pointer("segment", "Python", f'analytics.host = "{url}/segment"'),
        # It cuts a path off its host.
        Pointer(
            "segment", "Node", f'new Analytics({{ writeKey: "any-key", host: "{url}", path: "/segment/v1/batch" }})'
        ),
        Pointer("rudderstack", "sluiceway", f'RudderStack("any-key", "{url}/rudderstack")'),
        Pointer("rudderstack", "Python", f'rudder_analytics.dataPlaneUrl = "{url}/rudderstack"'),
        Pointer("rudderstack", "Node", f'new RudderAnalytics("any-key", {{ dataPlaneUrl: "{url}/rudderstack" }})'),
        Pointer("posthog", "sluiceway", f'PostHog("any-key", host="{url}/posthog")'),
        Pointer("posthog", "Python", f'Posthog("any-key", host="{url}/posthog")'),
        Pointer("posthog", "Node", f'new PostHog("any-key", {{ host: "{url}/posthog" }})'),
        # Theirs take the whole address, path included.
        Pointer("amplitude", "sluiceway", f'Amplitude("any-key", server_url="{url}/amplitude/2/httpapi")'),
        Pointer("amplitude", "Python", f'Amplitude("any-key", Config(server_url="{url}/amplitude/2/httpapi"))'),
        Pointer("amplitude", "Node", f'init("any-key", {{ serverUrl: "{url}/amplitude/2/httpapi" }})'),
    ]


def front_text(url: str) -> str:
    """Return what `GET /` says; never the token."""
    lines = [f"  {one.vendor:<12}{one.client:<11}{one.line}" for one in pointers(url)]
    return "\n".join(
        [
            "sluiceway dev: takes events as Segment, RudderStack, PostHog and Amplitude do, and shows them on a page.",
            "The page's address was printed where the server was started.",
            "",
            "Point a client here (any write key will do):",
            *lines,
            "",
        ]
    )
