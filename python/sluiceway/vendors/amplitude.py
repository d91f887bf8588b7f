"""Amplitude: the client. Its wire facts are on the page beside it (``amplitude_page.py``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sluiceway.assembly import CLOCK
from sluiceway.client import Client
from sluiceway.delivery import Callback
from sluiceway.errors import ConfigError, InvalidEvent
from sluiceway.events import Id, Timestamp
from sluiceway.notices import Notice, Voice
from sluiceway.options import check_middleware
from sluiceway.reading import as_secret
from sluiceway.vendors.amplitude_event import EventKeys, EventOptions, Given, Groups, from_arguments, from_mapping
from sluiceway.vendors.amplitude_identify import Identify
from sluiceway.vendors.amplitude_middleware import PayloadMiddleware, Step
from sluiceway.vendors.amplitude_options import LOG_LEVELS, AmplitudeOptions, Settings, read
from sluiceway.vendors.amplitude_page import AMPLITUDE, GROUP_IDENTIFY_EVENT, IDENTIFY_EVENT, REVENUE_EVENT, TRACK
from sluiceway.vendors.amplitude_values import IngestionMetadata, Plan, Revenue

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from sluiceway.middleware import Middleware

# The clients that `init` made, by name; "" is the default one.
_instances: dict[str, Any] = {}


class Amplitude(Client):
    """An Amplitude project. ``Amplitude("API_KEY")``, or with ``server_zone="EU"`` for a project in the EU.

    Every call answers True when the event was accepted and False when it was refused, which ``stats()`` counts by
    reason. No call does I/O, waits or raises, unless asked to (``on_full``, ``strict``, ``sync``). Arguments are named
    after the keys of Amplitude's HTTP API, and None means absent. Texts are cut at 1,024 characters, and counted.

    Each event needs a ``user_id`` or a ``device_id``: str, int or UUID, sent as text of at least five characters
    (``min_id_length``). ``time`` is when it happened, if not now: a datetime (a naive one is read as UTC), ISO 8601
    text, or a Unix time in seconds or milliseconds. ``insert_id`` is what Amplitude folds duplicates by; by default a
    fresh UUID. ``extra`` is for middleware and never sent. ``callback(error, batch)`` is told once what became of the
    event, on a thread of its own; error is None when it was delivered.

    Options of its own, in the units of their names:

    - ``server_url``: a whole address, such as that of a proxy or of the batch API; else ``server_zone`` ("US", "EU")
      and ``use_batch``. The batch API takes requests of up to 2,000 events and 5 MiB, HTTP V2 of less than 1 MB.
    - ``upload_interval_in_sec``: how long events wait for others; 0, the default, is not at all. ``max_cached_events``
      (16,000) go without waiting, as does what fills a request; it also bounds the events of throttled users.
    - ``request_timeout_millis`` (10,000), or ``request_timeout`` in seconds.
    - ``retry_timeouts``: the milliseconds before each retry, exactly; [] is no retry. By default an outage is retried
      for as long as there is room. ``on_retry(response, attempt, is_last)`` is told of each.
    - ``retry_class``, ``transport_class``: objects that retry, or send, in our place.
    - ``min_id_length``; ``plan`` and ``ingestion_metadata``, which every event has; ``opt_out``.
    - ``log_level``: "none", the default, "error", "warn" or "verbose"; ``debug=True`` is "warn". At "none" failures are
      told to ``on_error`` and counted in ``stats()``.
    """

    __slots__ = ("_ignored", "_settings")

    vendor = AMPLITUDE

    _settings: Settings

    def __init__(self, api_key: str, **options: Unpack[AmplitudeOptions]) -> None:
        # From here on no local variable, and so no traceback that prints them, holds the bare key.
        api_key = as_secret(api_key, "api_key")  # type: ignore[assignment]
        self._settings, page, general = read(options)
        if isinstance(general.get("middleware"), (list, tuple)):
            general["middleware"] = [Step(check_middleware(step)) for step in general["middleware"]]
        voice = Voice(LOG_LEVELS[self._settings.log_level])
        self._ignored = Notice(CLOCK, logging.WARNING, "an Identify's %s is ignored: it %s; %d operations", voice)
        self._begin(page, api_key, general)

    @classmethod
    def init(cls, api_key: str, *, instance_name: str | None = None, **options: Unpack[AmplitudeOptions]) -> Self:
        """Make a client and keep it as the default instance of this process, or under a name.

        One that was kept there before goes on for those who hold it. Raises ConfigError.
        """
        name = _checked_name(instance_name)
        client = cls(api_key, **options)
        _instances[name] = client
        return client

    @classmethod
    def instance(cls, name: str | None = None) -> Amplitude:
        """Return the default instance, or the one of that name. Raises ConfigError when ``init`` has made none."""
        client: Amplitude | None = _instances.get(_checked_name(name))
        if client is None:
            raise ConfigError("instance_name", "names no instance: call Amplitude.init(api_key) first")
        return client

    def track(
        self,
        event_type: str,
        *,
        user_id: Id | None = None,
        device_id: Id | None = None,
        event_properties: Mapping[str, Any] | None = None,
        user_properties: Mapping[str, Any] | None = None,
        groups: Groups | None = None,
        library: str | None = None,
        ip: str | None = None,
        session_id: int | None = None,
        app_version: str | None = None,
        platform: str | None = None,
        os_name: str | None = None,
        os_version: str | None = None,
        device_brand: str | None = None,
        device_manufacturer: str | None = None,
        device_model: str | None = None,
        carrier: str | None = None,
        country: str | None = None,
        region: str | None = None,
        city: str | None = None,
        dma: str | None = None,
        language: str | None = None,
        price: float | None = None,
        quantity: int | None = None,
        revenue: float | None = None,
        product_id: str | None = None,
        revenue_type: str | None = None,
        currency: str | None = None,
        location_lat: float | None = None,
        location_lng: float | None = None,
        event_id: int | None = None,
        plan: Plan | Mapping[str, Any] | None = None,
        ingestion_metadata: IngestionMetadata | Mapping[str, Any] | None = None,
        group_properties: Mapping[str, Any] | None = None,
        skip_user_properties_sync: bool | None = None,
        idfa: str | None = None,
        idfv: str | None = None,
        adid: str | None = None,
        android_id: str | None = None,
        android_app_set_id: str | None = None,
        version_name: str | None = None,
        user_agent: str | None = None,
        partner_id: str | None = None,
        uuid: str | None = None,
        time: Timestamp | None = None,
        insert_id: str | UUID | None = None,
        extra: Any = None,
        callback: Callback | None = None,
    ) -> bool:
        """Record what a user did. Needs ``event_type``, and ``user_id`` or ``device_id``.

        ``ip="$remote"`` stands for the address that the request comes from. Of platform, OS, device and carrier, and of
        country, region, city and DMA, give all or none: Amplitude empties the ones that are left out.
        """
        values = (
            event_type,
            user_id,
            device_id,
            event_properties,
            user_properties,
            groups,
            library,
            ip,
            session_id,
            app_version,
            platform,
            os_name,
            os_version,
            device_brand,
            device_manufacturer,
            device_model,
            carrier,
            country,
            region,
            city,
            dma,
            language,
            price,
            quantity,
            revenue,
            product_id,
            revenue_type,
            currency,
            location_lat,
            location_lng,
            event_id,
            plan,
            ingestion_metadata,
            group_properties,
            skip_user_properties_sync,
            idfa,
            idfv,
            adid,
            android_id,
            android_app_set_id,
            version_name,
            user_agent,
            partner_id,
            uuid,
        )
        return self._send(TRACK, callback, insert_id, time, values, extra)

    def log_event(self, event: Mapping[str, Any], extra: Any = None, callback: Callback | None = None) -> bool:
        """Record what a user did, the whole event being one mapping by the keys of the HTTP API.

        The mapping is not changed. Keys that the documents do not have are sent as they are.
        """
        return self._take(from_mapping(event), extra, callback)

    def identify(
        self,
        user_id: Id | None = None,
        device_id: Id | None = None,
        identify: Identify | None = None,
        **options: Unpack[EventKeys],
    ) -> bool:
        """Change a user's properties. Needs an `Identify` with an operation, and ``user_id`` or ``device_id``."""
        properties: Any = _operations(identify, "user_properties")
        given = {"user_id": user_id, "device_id": device_id, "user_properties": properties}
        if isinstance(identify, Identify) and identify.groups:
            further = options.pop("groups", None) or {}
            given["groups"] = {**further, **identify.groups} if isinstance(further, Mapping) else further
        self._tell_ignored(identify)
        return self._take_arguments("identify", IDENTIFY_EVENT, given, options)

    def group_identify(
        self,
        group_type: str,
        group_name: str | list[str],
        identify: Identify | None = None,
        **options: Unpack[EventOptions],
    ) -> bool:
        """Change a group's properties. Needs an `Identify` with an operation that Amplitude has for groups.

        Operations that it has for users only are left out. Without a ``user_id`` and a ``device_id`` the event has a
        device id that is made up.
        """
        properties: Any = _operations(identify, "group_properties")
        given = {"groups": _group(group_type, group_name), "group_properties": properties}
        self._tell_ignored(identify)
        for operation in identify.not_for_groups if isinstance(identify, Identify) else ():
            self._ignored.give(operation, "is not for groups")
        return self._take_arguments("group_identify", GROUP_IDENTIFY_EVENT, given, options)

    def set_group(self, group_type: str, group_name: str | list[str], **options: Unpack[EventOptions]) -> bool:
        """Put a user into a group, or several of one type. Needs ``user_id`` or ``device_id``."""
        groups = _group(group_type, group_name)
        properties = {"$set": groups} if isinstance(groups, dict) else None
        return self._take_arguments(
            "set_group", IDENTIFY_EVENT, {"groups": groups, "user_properties": properties}, options
        )

    def revenue(self, revenue: Revenue, **options: Unpack[EventOptions]) -> bool:
        """Record a purchase. Needs a `Revenue`, and ``user_id`` or ``device_id``.

        ``event_properties`` are sent beside those of the `Revenue`, which win.
        """
        properties: Any
        if not isinstance(revenue, Revenue):
            properties = InvalidEvent("revenue", f"must be a Revenue, not {type(revenue).__name__}")
        else:
            try:
                properties = revenue.event_properties()
            except InvalidEvent as error:
                properties = error
        further = options.pop("event_properties", None)
        if isinstance(properties, dict) and further is not None:
            properties = {**further, **properties} if isinstance(further, Mapping) else further
        return self._take_arguments("revenue", REVENUE_EVENT, {"event_properties": properties}, options)

    def add_event_middleware(self, middleware: PayloadMiddleware | Middleware) -> Self:
        """Have a function see each event from now on, behind those that are there. Returns the client.

        ``f(payload, next)`` or ``f(event) -> event | None`` (README, "Middleware"). Raises ConfigError for all else.
        """
        self._add_middleware(Step(check_middleware(middleware)))
        return self

    def get_options(self) -> dict[str, Any]:
        """Return Amplitude's own options as they are in force, under their documented names; never the key."""
        options = self._options
        settings = self._settings
        return {name: getattr(settings, name) for name in settings.__struct_fields__} | {
            "server_url": options.endpoint.url,
            "opt_out": options.opt_out,
            "upload_interval_in_sec": options.flush_interval,
            "request_timeout_millis": options.timeout * 1000.0,
            "transport_class": options.transport,
        }

    def _take(self, given: Given, extra: Any, callback: Callback | None) -> bool:
        return self._send(TRACK, callback, given.insert_id, given.time, given.values, extra, given.further)

    def _take_arguments(
        self, method: str, event_type: str, given: Mapping[str, Any], options: Mapping[str, Any]
    ) -> bool:
        """Send an event of a type of its own; what the method says is not to be said again by an option."""
        arguments: dict[str, Any] = dict(options)
        extra, callback = arguments.pop("extra", None), arguments.pop("callback", None)
        said = {**given, "event_type": event_type}
        for name in said.keys() & arguments.keys():
            raise TypeError(f"{method}() has its own {name!r}")
        event = from_arguments(method, arguments | said)
        return self._take(event, extra, callback)

    def _tell_ignored(self, identify: object) -> None:
        if isinstance(identify, Identify):
            for ignored in identify.ignored:
                self._ignored.give(ignored.operation, ignored.why)


def _operations(identify: object, of_whom: str) -> dict[str, Any] | InvalidEvent:
    """The operations of an `Identify`, or the mistake that is told instead."""
    if not isinstance(identify, Identify):
        return InvalidEvent("identify", f"must be an Identify, not {type(identify).__name__}")
    operations: dict[str, Any] = getattr(identify, of_whom)
    return operations or InvalidEvent("identify", f"holds no operation on {of_whom.replace('_', ' ')}")


def _group(group_type: object, group_name: object) -> dict[str, Any] | InvalidEvent:
    if not isinstance(group_type, str) or not group_type:
        return InvalidEvent("group_type", f"must be a non-empty str, not {type(group_type).__name__}")
    names = group_name if isinstance(group_name, (list, tuple)) else [group_name]
    if not names or not all(isinstance(name, str) and name for name in names):
        return InvalidEvent("group_name", f"must be a non-empty str or a list of them, not {type(group_name).__name__}")
    return {group_type: group_name}


def _checked_name(name: object) -> str:
    if name is None:
        return ""
    if not isinstance(name, str) or not name:
        raise ConfigError("instance_name", f"must be a non-empty str, not {type(name).__name__}")
    return name
