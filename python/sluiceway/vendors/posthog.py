"""The PostHog client: its methods and its own options."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import msgspec

from sluiceway.client import Client
from sluiceway.delivery import Callback
from sluiceway.errors import ConfigError
from sluiceway.events import Id, Timestamp
from sluiceway.options import GivenOptions
from sluiceway.reading import Reader, as_secret, shown
from sluiceway.secret import Secret
from sluiceway.vendors.base import Vendor
from sluiceway.vendors.posthog_calls import (
    ALIAS,
    CAPTURE,
    GROUP_IDENTIFY,
    IDENTIFY,
    PAGE_VIEW,
    PROPERTIES,
    SET,
    SET_ONCE,
    Mode,
)
from sluiceway.vendors.posthog_page import (
    MOST_BATCH_BYTES,
    MOST_BATCH_EVENTS,
    POSTHOG,
    ingestion_host,
    page,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("sluiceway")

CAPTURE_MODE_VARIABLE = "POSTHOG_CAPTURE_MODE"
# The second spellings are those of PostHog's own clients.
_CAPTURE_MODES: Mapping[str, Mode] = {"v0": "v0", "legacy": "v0", "v1": "v1", "analytics_v1": "v1"}

# rust/capture/src/token.rs: a longer key, or a personal one, is refused.
_MAX_KEY_CHARS = 64
_PERSONAL_KEY = "phx_"

# The engine lays out 64 fields for a call, of which the calls have up to ten of their own.
_MAX_SUPER_PROPERTIES = 50

_FLAGS_ARE_NOT_OURS = "is for feature flags, which this client does not evaluate"
_REFUSED_OPTIONS = {
    "personal_api_key": _FLAGS_ARE_NOT_OURS,
    "secret_key": _FLAGS_ARE_NOT_OURS,
    "feature_flags_polling_interval": _FLAGS_ARE_NOT_OURS,
    "poll_interval": _FLAGS_ARE_NOT_OURS,
}


class PostHogOptions(GivenOptions, total=False):
    """What `PostHog` takes beside the key: the options of every client and these."""

    capture_mode: str | None
    historical_migration: bool | None
    disable_geoip: bool | None
    super_properties: Mapping[str, Any] | None


class PostHog(Client):
    """A PostHog project. ``PostHog("PROJECT_API_KEY")``, or with ``region="eu"`` for a project in the EU.

    Every call answers True when the event was accepted and False when it was refused, which ``stats()`` counts by
    reason. No call does I/O, waits or raises, unless asked to (``on_full``, ``strict``, ``sync``). None means absent.

    Ids may be str, int or UUID and are sent as text. ``timestamp`` is when it happened, if not now: a datetime (a naive
    one is read as UTC), ISO 8601 text, or a Unix time in seconds or milliseconds. ``uuid`` is what PostHog folds
    duplicates by, a fresh one by default; what is no UUID is replaced by a fresh one and counted, because PostHog would
    refuse the whole batch for it. ``disable_geoip`` says whether PostHog leaves the event's place alone, which is that
    of this server: True unless the client was told otherwise. ``callback(error, batch)`` is told once what became of
    the event, on a thread of its own; error is None when it was delivered.

    Options of its own:

    - ``capture_mode``: ``"v0"`` (the batch endpoint, the default) or ``"v1"`` (capture V1, which answers for each event
      by itself); if not given, the environment variable POSTHOG_CAPTURE_MODE. With ``"v1"``, events named ``$ai_…``
      take the same way, as they do from ``capture`` of the official Python client.
    - ``historical_migration``: the events are an import of the past.
    - ``disable_geoip``: the default of the calls.
    - ``super_properties``: become part of the properties of every event, unless the call's own say otherwise.

    ``$lib`` and ``$lib_version`` always name sluiceway. There are three retries by default, as PostHog documents;
    ``retry_count=0`` is none, ``retry=RetryPolicy()`` retries an outage for twelve hours.
    """

    __slots__ = ()
    vendor = POSTHOG

    def __init__(self, project_api_key: str, **options: Unpack[PostHogOptions]) -> None:
        # From here on no local variable, and so no traceback that prints them, holds the bare key.
        project_api_key = as_secret(project_api_key, "project_api_key")  # type: ignore[assignment]
        _check_key(cast("Secret", project_api_key))
        variant, general = _read(options)
        self._begin(variant, project_api_key, general)

    def capture(
        self,
        event: str,
        *,
        distinct_id: Id | None = None,
        properties: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        groups: Mapping[str, Any] | None = None,
        disable_geoip: bool | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Record what somebody did.

        ``properties`` may set properties of the person (``$set``, ``$set_once``). ``groups`` says on behalf of which
        groups it was done: ``{"company": "id:5"}``. Without ``distinct_id`` it is an event of nobody: it gets an id of
        its own and makes no person.
        """
        return self._send(CAPTURE, callback, uuid, timestamp, (event, distinct_id, disable_geoip, properties, groups))

    def identify(
        self,
        distinct_id: Id,
        properties: Mapping[str, Any] | None = None,
        *,
        set_once: Mapping[str, Any] | None = None,
        anon_distinct_id: Id | None = None,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        disable_geoip: bool | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Say who somebody is. ``properties`` are set on the person, ``set_once`` only where the person has none yet.

        ``properties`` may be written as the Node client takes them, too: ``{"$set": …, "$set_once": …}``. With
        ``anon_distinct_id``, the person of that id is merged into the person of ``distinct_id``; ids that PostHog never
        merges ("anonymous", "null", …) are refused then.
        """
        values = (distinct_id, disable_geoip, properties, set_once, anon_distinct_id)
        return self._send(IDENTIFY, callback, uuid, timestamp, values)

    def alias(
        self,
        *,
        distinct_id: Id,
        alias: Id,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        disable_geoip: bool | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Merge the person of ``alias`` into the person of ``distinct_id``: the id that stays, and the one from before.

        ``distinct_id`` is the current id of the user, as in PostHog's Node client and documents. The official Python
        client's ``alias(previous_id, distinct_id)`` sends the reverse: its ``previous_id`` is ``distinct_id`` here. So
        both are given by name. The server merges no person that is identified already, and no id that looks like a
        mistake ("anonymous", "null", …); such ids and two equal ones are refused at the call.
        """
        return self._send(ALIAS, callback, uuid, timestamp, (distinct_id, disable_geoip, None, alias))

    def group_identify(
        self,
        group_type: str,
        group_key: Id,
        properties: Mapping[str, Any] | None = None,
        *,
        distinct_id: Id | None = None,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        disable_geoip: bool | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Set properties of a group, such as a company. ``distinct_id`` is who did it: ``$<type>_<key>`` by default."""
        values = (distinct_id, disable_geoip, group_type, group_key, properties)
        return self._send(GROUP_IDENTIFY, callback, uuid, timestamp, values)

    def set(
        self,
        distinct_id: Id,
        properties: Mapping[str, Any],
        *,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        disable_geoip: bool | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Set properties of a person."""
        return self._send(SET, callback, uuid, timestamp, (distinct_id, properties, disable_geoip))

    def set_once(
        self,
        distinct_id: Id,
        properties: Mapping[str, Any],
        *,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        disable_geoip: bool | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Set those of the properties that the person does not have yet."""
        return self._send(SET_ONCE, callback, uuid, timestamp, (distinct_id, properties, disable_geoip))

    def page_view(
        self,
        url: str,
        *,
        distinct_id: Id | None = None,
        properties: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        groups: Mapping[str, Any] | None = None,
        disable_geoip: bool | None = None,
        callback: Callback | None = None,
    ) -> bool:
        """Record that somebody saw a page: the event ``$pageview`` with ``url`` as its ``$current_url``.

        Without ``distinct_id`` it is a view of nobody, as in `capture`.
        """
        values = (distinct_id, disable_geoip, url, properties, groups)
        return self._send(PAGE_VIEW, callback, uuid, timestamp, values)


def _check_key(key: Secret) -> None:
    if key.reveal().startswith(_PERSONAL_KEY):
        raise ConfigError("project_api_key", "must be the key of a project; this is a personal one, which is secret")
    if len(key.reveal()) > _MAX_KEY_CHARS:
        raise ConfigError("project_api_key", f"must have at most {_MAX_KEY_CHARS} characters")


def _read(options: Mapping[str, Any]) -> tuple[Vendor, dict[str, Any]]:
    """Read the options that only PostHog has; return the page they make, and the options of every client."""
    for name, reason in _REFUSED_OPTIONS.items():
        if options.get(name) is not None:
            raise ConfigError(name, reason)
    read = Reader(options)
    own = set(PostHogOptions.__annotations__) - set(GivenOptions.__annotations__)
    general = {name: value for name, value in options.items() if name not in own | _REFUSED_OPTIONS.keys()}
    mode = _capture_mode(options.get("capture_mode"))
    read.count("max_batch_bytes", 512, 512, MOST_BATCH_BYTES[mode])
    read.count("max_batch_events", 1, 1, MOST_BATCH_EVENTS[mode])
    if general.get("host") is not None:
        general["host"] = ingestion_host(general["host"])
    variant = page(
        mode,
        disable_geoip=read.flag("disable_geoip", True),
        historical_migration=read.flag("historical_migration", False),
        super_properties=_super_properties(options.get("super_properties")),
    )
    return variant, general


def _capture_mode(given: Any) -> Mode:
    """The option, else the environment variable; a mistyped one must not change the protocol, so it is v0."""
    if given is not None:
        mode = _CAPTURE_MODES.get(given.strip().lower()) if isinstance(given, str) else None
        if mode is None:
            raise ConfigError("capture_mode", f"must be 'v0' or 'v1', not {shown(given)}")
        return mode
    told = os.environ.get(CAPTURE_MODE_VARIABLE, "").strip().lower()
    if told and told not in _CAPTURE_MODES:
        log.warning("%s is neither 'v0' nor 'v1': taken as 'v0'", CAPTURE_MODE_VARIABLE)
    return _CAPTURE_MODES.get(told, "v0")


def _super_properties(given: Any) -> dict[str, Any]:
    """Return a plain copy. The properties that a call writes itself cannot be shared by all events."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ConfigError("super_properties", f"must be a mapping with texts as keys, not {shown(given)}")
    if len(given) > _MAX_SUPER_PROPERTIES:
        raise ConfigError("super_properties", f"must be at most {_MAX_SUPER_PROPERTIES}, not {len(given)}")
    calls_own = {field.key for call in POSTHOG.calls for field in call.fields if field.inside == PROPERTIES}
    if taken := sorted((calls_own | {"$lib", "$lib_version", "$set", "$set_once"}) & set(given)):
        raise ConfigError("super_properties", f"must not hold {taken[0]!r}, which calls write themselves")
    try:
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(given)))
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise ConfigError("super_properties", f"must be what JSON can hold ({type(error).__name__})") from None
    return plain
