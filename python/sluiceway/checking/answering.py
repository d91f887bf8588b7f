"""Whether somebody answers HTTP, and what the time is there: one GET that carries no key and no event.

It goes through the client's own transport, so that proxy, TLS and deadline are those of the client.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from sluiceway.checking.deadlines import Deadline
from sluiceway.checking.finding import Finding, fail, ok, skipped, warn
from sluiceway.checking.target import Target
from sluiceway.client import VERSION
from sluiceway.transport import Request, Response, TransportError, Urllib3Transport
from sluiceway.vendors.base import LIBRARY_NAME

# rudder-server, gateway/handle_lifecycle.go: /health, without a key. The others have no such path that is documented:
# what their ingestion says to a GET is an answer all the same.
_HEALTH = {"rudderstack": "/health"}

# A Date header has whole seconds, and the answer was on its way.
_FINE_SECONDS = 5.0
# By vendor: from how many seconds on events are lost, or their times are wrong for good.
_BAD_SECONDS = {"segment": 86_400.0, "rudderstack": 86_400.0, "posthog": 82_800.0, "amplitude": 300.0}
_CORRECTS = {
    "segment": "Segment corrects the times of events by the moment of sending",
    "rudderstack": "RudderStack corrects the times of events, but for those that the program gives itself",
    "posthog": "PostHog corrects the times of events, and takes those more than 23 hours ahead for now",
    "amplitude": "Amplitude takes the time of an event as it is, so all of them are off by so much",
}


def transport(target: Target) -> Urllib3Transport:
    """Return the transport that a client with these options has. Opens nothing; the caller closes it."""
    options = target.options
    return Urllib3Transport(
        options.endpoint,
        connect_seconds=options.connect_timeout,
        ssl_context=options.ssl_context,
        proxy=options.proxy,
    )


def ask(target: Target, deadline: Deadline) -> tuple[Response | None, Finding]:
    """Make the request. Returns the response, if there is one, and what is to be said. Blocks until the deadline."""
    until = deadline.share()
    path = target.prefix + _HEALTH[target.page.name] if target.page.name in _HEALTH else target.options.endpoint.path
    headers = {"User-Agent": f"{LIBRARY_NAME}/{VERSION}"}
    through = transport(target)
    try:
        response = through.send(
            Request(method="GET", path=path, headers=headers, body=b"", deadline=until, until=until)
        )
    except TransportError as error:
        return None, _unanswered(error)
    finally:
        through.close()
    return response, _answered(response, path)


def _unanswered(error: TransportError) -> Finding:
    return fail(
        "http", f"no answer: {error.kind}{': ' + error.detail if error.detail else ''}", _WHY.get(error.kind, "")
    )


_WHY = {
    "timeout": "The connection stands, and nobody answers: a firewall that drops it, or a server that hangs.",
    "closed": "The other side closes the connection: a firewall, or something that is no HTTP server.",
    "protocol": "What answers there is no HTTP: is it the right port?",
    "proxy_auth": "The proxy wants a user and a password, or others.",
}


def _answered(response: Response, path: str) -> Finding:
    status = response.status
    seen = f"status {status} to a GET of {path} without a key"
    if 300 <= status <= 399:
        where = response.headers.get("location", "").partition("?")[0]
        place = "/".join(where.split("/")[:3]) if "://" in where else "another path"
        shown = "".join(character for character in place if character.isprintable())[:80]
        return warn(
            "http", f"{seen}, a redirect to {shown}", "The client follows no redirect: give it the host it leads to."
        )
    if status >= 500:
        return warn("http", seen, "The vendor, or what stands before it, has trouble now: events wait and are retried.")
    if status == 200 and "html" in response.headers.get("content-type", "").lower():
        return warn(
            "http", f"{seen}, and a web page", "Is this the ingestion host? A captive portal answers so as well."
        )
    return ok("http", f"{seen}: somebody is there")


def clock(target: Target, headers: Mapping[str, str], took: float = 0.0, wall: float | None = None) -> Finding:
    """Hold the server's Date against this machine's clock. `took` is how long the answer was on its way, in seconds."""
    text = headers.get("date")
    if text is None:
        return skipped("clock", "the answer names no date")
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return skipped("clock", "the answer's date cannot be read")
    ahead = (time.time() if wall is None else wall) - took / 2 - moment
    if abs(ahead) <= _FINE_SECONDS + took:
        return ok("clock", f"within {_FINE_SECONDS:.0f} seconds of the server's")
    way = "ahead of" if ahead > 0 else "behind"
    seen = f"this machine's clock is {_span(abs(ahead))} {way} the server's; {_CORRECTS[target.page.name]}"
    todo = "Set the clock: NTP (timedatectl, chronyc tracking); in a container or VM, that of its host."
    return fail("clock", seen, todo) if abs(ahead) > _BAD_SECONDS[target.page.name] else warn("clock", seen, todo)


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
