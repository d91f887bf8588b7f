"""Amplitude: its page of wire facts.

Sources: the HTTP V2 API reference and the Batch Event Upload API reference of Amplitude's developer centre
(docs/analytics/apis, 2024-03), the Node SDK's page and its source (amplitude/Amplitude-Node 1.10), and the newest
Python and TypeScript clients (amplitude/Amplitude-Python 1.2, amplitude/Amplitude-TypeScript).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec

from sluiceway.doubt import doubt_count
from sluiceway.errors import InvalidEvent
from sluiceway.retry import RetryPolicy
from sluiceway.vendors.amplitude_judge import judge
from sluiceway.vendors.amplitude_middleware import run
from sluiceway.vendors.amplitude_values import IngestionMetadata, Plan
from sluiceway.vendors.base import (
    LIBRARY_NAME,
    Call,
    Envelope,
    Field,
    Kind,
    Lanes,
    Limits,
    Owner,
    Sending,
    Takes,
    Vendor,
)

TRACK = 0

HOSTS = {"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"}
PATH = "/2/httpapi"
BATCH_PATH = "/batch"

# http-v2-api, "Upload limit": "under 1 MB with fewer than 2000 events"; "String character limit": 1,024; event and user
# properties: "Object depth may not exceed 40 layers". No limit is stated for one event; what is kept free here is for
# the envelope. An insert_id is a string value like any other, but cutting it would make two ids one.
LIMITS = Limits(
    max_event_bytes=990_000,
    max_batch_bytes=999_999,
    max_batch_events=1_999,
    max_id_chars=1_024,
    max_text_chars=1_024,
    max_depth=40,
)

# batch-event-upload-api: 20 MB and 2,000 events. Built to a quarter of it: larger bodies save nothing and time out.
BATCH_LIMITS = msgspec.structs.replace(
    LIMITS, max_event_bytes=5_000_000, max_batch_bytes=5 * 1024 * 1024, max_batch_events=2_000
)

# http-v2-api, "Device IDs and User IDs minimum length": a shorter id is removed from the event, unless the request says
# otherwise in its options.
MIN_ID_CHARS = 5
MAX_ID_CHARS = 1_024

# http-v2-api, "Invalid IDs": a 400 for the event.
INVALID_IDS = (
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "00000000-0000-0000-0000-000000000000",
    "{}",
    "lmy47d",
    "0",
    "-1",
)

IDENTIFY_EVENT = "$identify"
GROUP_IDENTIFY_EVENT = "$groupidentify"
REVENUE_EVENT = "revenue_amount"

MAX_CACHED_EVENTS = 16_000


def _id(key: str, scope: Takes) -> Field:
    return Field(
        argument=key,
        key=key,
        kind="id",
        min_chars=MIN_ID_CHARS,
        max_chars=MAX_ID_CHARS,
        refused=INVALID_IDS,
        scope=scope,
    )


def _library(version: str) -> bytes:
    return msgspec.json.encode(f"{LIBRARY_NAME}/{version}")


def _fields(kind: Kind, *keys: str, scope: Takes = "") -> list[Field]:
    return [Field(argument=key, key=key, kind=kind, scope=scope) for key in keys]


# "Keys for the event argument", the common ones first, then those that the clients send besides.
FIELDS = (
    Field(argument="event_type", key="event_type", kind="name", required=True, scope="kind"),
    _id("user_id", "user"),
    _id("device_id", "anonymous"),
    *_fields("map", "event_properties", scope="context"),
    *_fields("map", "user_properties"),
    *_fields("map", "groups", scope="groups"),
    # The client says who sent the event; a caller's own word wins.
    Field(argument="library", key="library", kind="label", default=_library),
    # Where, on what and in which session: what a scope's context may say for many events.
    *_fields("label", "ip", scope="entry"),
    *_fields("int", "session_id", scope="entry"),
    *_fields("label", "app_version", "platform", "os_name", "os_version", scope="entry"),
    *_fields("label", "device_brand", "device_manufacturer", "device_model", "carrier", scope="entry"),
    *_fields("label", "country", "region", "city", "dma", "language", scope="entry"),
    *_fields("number", "price"),
    *_fields("int", "quantity"),
    *_fields("number", "revenue"),
    Field(argument="product_id", key="productId", kind="label"),
    Field(argument="revenue_type", key="revenueType", kind="label"),
    *_fields("label", "currency"),
    *_fields("number", "location_lat", "location_lng", scope="entry"),
    *_fields("int", "event_id"),
    *_fields("map", "plan", "ingestion_metadata", "group_properties"),
    # A bool: the long way looks at it.
    Field(argument="skip_user_properties_sync", key="$skip_user_properties_sync", kind="any", guarded=True),
    *_fields("label", "idfa", "idfv", "adid", "android_id", "android_app_set_id"),
    *_fields("label", "version_name", "user_agent", scope="entry"),
    *_fields("label", "partner_id", "uuid"),
)

ID_ARGUMENTS = ("user_id", "device_id")


def complete(
    arguments: dict[str, Any],
    *,
    plan: Mapping[str, Any] | None = None,
    ingestion_metadata: Mapping[str, Any] | None = None,
) -> None:
    """Complete the arguments of one event with what the client was told. An event's own entries win.

    A method that found a mistake hands it on in the place of a value: here it is raised, where mistakes are counted.
    """
    for value in arguments.values():
        if isinstance(value, InvalidEvent):
            raise value
    arguments["plan"] = _merged("plan", Plan, plan, arguments["plan"])
    arguments["ingestion_metadata"] = _merged(
        "ingestion_metadata", IngestionMetadata, ingestion_metadata, arguments["ingestion_metadata"]
    )
    if not isinstance(arguments["skip_user_properties_sync"], bool | None):
        kind = type(arguments["skip_user_properties_sync"]).__name__
        raise InvalidEvent("skip_user_properties_sync", f"must be a bool, not {kind}")
    if arguments["event_type"] == GROUP_IDENTIFY_EVENT and all(arguments[name] is None for name in ID_ARGUMENTS):
        # An event needs an id, and a group has no user: the Node client, too, makes one up.
        arguments["device_id"] = uuid4().hex


def inherits(arguments: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What an event takes of a scope. Groups of an Identify would put the user into them, and a group has no user."""
    event_type = arguments["event_type"]
    name = str.__str__(event_type) if isinstance(event_type, str) else ""
    return {IDENTIFY_EVENT: ("user", "anonymous"), GROUP_IDENTIFY_EVENT: ()}.get(name)


def _merged(argument: str, kind: type[Plan | IngestionMetadata], ours: Mapping[str, Any] | None, given: Any) -> Any:
    if isinstance(given, kind):
        given = given.entries()
    if not ours or (given is not None and not isinstance(given, Mapping)):
        return given
    try:
        return {**ours, **(given or {})}
    except Exception as error:
        raise InvalidEvent(argument, f"raised {type(error).__name__} while it was read") from None


def envelope(api_key: str, _sending: Sending, *, min_id_length: int | None = None) -> Envelope:
    """The body around the events. ``options`` only where there is one, as the Node client has it."""
    tail = b"]}" if min_id_length is None else b'],"options":{"min_id_length":%d}}' % min_id_length
    return Envelope(b'{"api_key":%b,"events":[' % msgspec.json.encode(api_key), tail)


def headers(_api_key: str, version: str) -> dict[str, str]:
    """What the documents' samples send, and who we are. The key stands in the body only."""
    return {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": f"{LIBRARY_NAME}/{version}"}


def no_headers(_sending: Sending) -> dict[str, str]:
    """Amplitude counts no attempts."""
    return {}


class _Ids(msgspec.Struct):
    user_id: str = ""
    device_id: str = ""


_ids = msgspec.json.Decoder(_Ids)


def owner(event: bytes) -> Owner:
    """Whose an event is, without reading the rest of it."""
    try:
        ids = _ids.decode(event)
    except (msgspec.MsgspecError, ValueError):
        return Owner()
    return Owner(ids.user_id, ids.device_id)


AMPLITUDE = Vendor(
    name="amplitude",
    calls=(Call(name="track", fields=FIELDS, one_of=ID_ARGUMENTS, prepare=complete, inherits=inherits),),
    hosts=HOSTS,
    path=PATH,
    limits=LIMITS,
    envelope=envelope,
    headers=headers,
    attempt_headers=no_headers,
    judge=judge,
    doubter=doubt_count,
    ids_known_seconds=7 * 86_400.0,
    # As many retries as the documents' schedule has, about as close together; what is the endpoint's fault goes on
    # until the elapsed time ends it. A `retry_timeouts` of the user's replaces all of this.
    retry=RetryPolicy(max_retries=12, base_seconds=0.1, cap_seconds=30.0),
    # The documents are silent, and of the clients only the browser's compresses: off unless asked for.
    gzip=False,
    # The documented defaults: whatever was logged is sent at the next opportunity. Held back by a longer interval, it
    # goes when a request is full, which is before the documented 16,000 are there.
    flush_first=False,
    flush_at=LIMITS.max_batch_events,
    flush_interval=0.0,
    timeout=10.0,
    lanes=Lanes(owner=owner, max_events=MAX_CACHED_EVENTS),
    run_middleware=run,
    mapping_calls={"log_event": "track"},
    id_argument="insert_id",
    id_key="insert_id",
    time_argument="time",
    time_key="time",
    time_format="epoch_ms",
    key_name="api_key",
)
