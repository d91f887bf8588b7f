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
        Pointer("segment", "sluiceway", f'Segment("WRITE_KEY", host="{url}/segment")'),
        Pointer("segment", "Python", f'analytics.host = "{url}/segment"'),
        Pointer("segment", "Node", f'new Analytics({{ writeKey: "WRITE_KEY", host: "{url}/segment" }})'),
        Pointer("rudderstack", "sluiceway", f'RudderStack("WRITE_KEY", data_plane_url="{url}/rudderstack")'),
        Pointer("rudderstack", "Python", f'rudder_analytics.dataPlaneUrl = "{url}/rudderstack"'),
        Pointer("rudderstack", "Node", f'new RudderAnalytics("WRITE_KEY", {{ dataPlaneUrl: "{url}/rudderstack" }})'),
        Pointer("posthog", "sluiceway", f'PostHog("PROJECT_KEY", host="{url}/posthog")'),
        Pointer("posthog", "Python", f'Posthog("PROJECT_KEY", host="{url}/posthog")'),
        Pointer("posthog", "Node", f'new PostHog("PROJECT_KEY", {{ host: "{url}/posthog" }})'),
        Pointer("amplitude", "sluiceway", f'Amplitude("API_KEY", server_url="{url}/amplitude/2/httpapi")'),
        Pointer("amplitude", "Python", f'client.configuration.server_url = "{url}/amplitude/2/httpapi"'),
        Pointer("amplitude", "Node", f'init("API_KEY", {{ serverUrl: "{url}/amplitude/2/httpapi" }})'),
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
