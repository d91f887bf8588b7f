"""PostHog's page: batch v0 and capture V1, their envelopes, headers and limits.

Sources: PostHog/posthog (rust/capture, v0_endpoint.rs, v1/), PostHog/posthog-js (packages/node) and
PostHog/posthog-python, read in 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sluiceway.retry import RetryPolicy
from sluiceway.vendors.base import LIBRARY_NAME, Envelope, Limits, Sending, Vendor, iso_milliseconds
from sluiceway.vendors.posthog_calls import Mode, calls
from sluiceway.vendors.posthog_judge import judge_v0, judge_v1

# The documents give https://us.i.posthog.com, or https://eu.i.posthog.com for a project in the EU.
HOSTS = {"us": "https://us.i.posthog.com", "eu": "https://eu.i.posthog.com"}

# The addresses of the web interface, which older documents give: as posthog-python, request.py.
_OLDER_HOSTS = {
    "app.posthog.com": "us.i.posthog.com",
    "us.posthog.com": "us.i.posthog.com",
    "eu.posthog.com": "eu.i.posthog.com",
}

PATH_V0 = "/batch/"
PATH_V1 = "/i/v1/analytics/events"

# An event over Kafka's 1,000,000 bytes is refused after the ones before it were taken; the Python client stops at
# 900 KiB and closes a batch at 5 MiB. The server sets no number of events, but it refuses a whole batch for one bad
# event and does not say which: to find that one among 2,500 takes two dozen requests, and a search ends after 64.
LIMITS_V0 = Limits(
    max_event_bytes=900 * 1024,
    max_batch_bytes=5 * 1024 * 1024,
    max_batch_events=2_500,
    max_id_chars=36,
)

# The answer has up to 131 bytes for each event, and of an answer 64 KiB are read: what is said of an event behind that
# would be lost.
LIMITS_V1 = msgspec.structs.replace(LIMITS_V0, max_batch_events=500)

# How far the limits may be raised: "body < 20 MB" in the documents of v0; 10 MiB on the wire in V1.
MOST_BATCH_BYTES: Mapping[Mode, int] = {"v0": 20_000_000, "v1": 10 * 1024 * 1024}
MOST_BATCH_EVENTS: Mapping[Mode, int] = {"v0": 2**24 - 1, "v1": LIMITS_V1.max_batch_events}

# Three retries, the documented default, whatever the failure. The Node client waits 3 s before each, the Python client
# doubles up to 30 s; here both, with jitter.
RETRY = RetryPolicy(retry_count=3, base_seconds=3.0, cap_seconds=30.0)


def page(
    mode: Mode,
    *,
    disable_geoip: bool = True,
    historical_migration: bool = False,
    super_properties: Mapping[str, Any] | None = None,
) -> Vendor:
    """Return the page for one wire protocol and what a client's options say of every event."""
    is_v1 = mode == "v1"
    return Vendor(
        name="posthog",
        calls=calls(mode, disable_geoip=disable_geoip, super_properties=super_properties),
        hosts=HOSTS,
        path=PATH_V1 if is_v1 else PATH_V0,
        limits=LIMITS_V1 if is_v1 else LIMITS_V0,
        envelope=_envelope_v1(historical_migration) if is_v1 else _envelope_v0(historical_migration),
        headers=headers_v1 if is_v1 else headers_v0,
        attempt_headers=attempt_headers_v1 if is_v1 else attempt_headers_v0,
        judge=judge_v1 if is_v1 else judge_v0,
        retry=RETRY,
        # The Node client compresses unless told otherwise.
        gzip=True,
        id_key="uuid",
        id_argument="uuid",
        # One id that is no UUID has the whole batch refused.
        id_format="uuid",
        key_name="project_api_key",
    )


def _envelope_v0(historical_migration: bool) -> Callable[[str, Sending], Envelope]:
    end = b',"historical_migration":true}' if historical_migration else b"}"

    def envelope(project_api_key: str, sending: Sending) -> Envelope:
        # The server shifts every event by the distance of sent_at from its own clock, so it is that of this attempt.
        head = b'{"api_key":%b,"batch":[' % msgspec.json.encode(project_api_key)
        return Envelope(head, b'],"sent_at":"%b"%b' % (iso_milliseconds(sending.sent_at).encode(), end))

    return envelope


def _envelope_v1(historical_migration: bool) -> Callable[[str, Sending], Envelope]:
    start = b'"historical_migration":true,"batch":[' if historical_migration else b'"batch":['

    def envelope(_project_api_key: str, sending: Sending) -> Envelope:
        created_at = iso_milliseconds(sending.created_at).encode()
        return Envelope(b'{"created_at":"%b",%b' % (created_at, start), b"]}")

    return envelope


def headers_v0(_project_api_key: str, version: str) -> dict[str, str]:
    """Who we are; the key is in the body."""
    return {"Content-Type": "application/json", "User-Agent": f"{LIBRARY_NAME}/{version}"}


def headers_v1(project_api_key: str, version: str) -> dict[str, str]:
    """The key, and who we are twice: from the last, the server writes ``$lib`` and ``$lib_version`` into the events."""
    return {
        "Authorization": f"Bearer {project_api_key}",
        "Content-Type": "application/json",
        "User-Agent": f"{LIBRARY_NAME}/{version}",
        "PostHog-Sdk-Info": f"{LIBRARY_NAME}/{version}",
    }


def attempt_headers_v0(_sending: Sending) -> dict[str, str]:
    """None: v0 does not want to know."""
    return {}


def attempt_headers_v1(sending: Sending) -> dict[str, str]:
    """Which attempt this is at what, and when it is made: the server corrects the events' times by it."""
    return {
        "PostHog-Attempt": str(sending.attempt),
        "PostHog-Request-Id": sending.request_id,
        "PostHog-Request-Timestamp": iso_milliseconds(sending.sent_at),
    }


def ingestion_host(host: Any) -> Any:
    """Return the host that takes events for one that an older document gives; any other host as it is."""
    if not isinstance(host, str):
        return host
    scheme, separator, rest = host.partition("://")
    if not separator:
        scheme, rest = "https", host
    authority, slash, path = rest.partition("/")
    name, colon, port = authority.partition(":")
    newer = _OLDER_HOSTS.get(name.lower().rstrip("."))
    return host if newer is None else f"{scheme}://{newer}{colon}{port}{slash}{path}"


POSTHOG = page("v0")
POSTHOG_V1 = page("v1")
