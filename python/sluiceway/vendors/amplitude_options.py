"""Amplitude's own options, by the names and in the units of its documents, read into a variant of the page.

What remains are general options under our names, for ``options.resolve``. Two names for one thing are taken, but not
together: which one was meant would be a guess.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from sluiceway import endpoint as endpoints
from sluiceway.errors import ConfigError
from sluiceway.middleware import Middleware
from sluiceway.options import MAX_FLUSH_INTERVAL_SECONDS, MAX_QUEUE_EVENTS, GivenOptions
from sluiceway.reading import Reader, is_number, shown
from sluiceway.retry import RetryPolicy
from sluiceway.transport import Response, Transport
from sluiceway.vendors.amplitude_middleware import PayloadMiddleware
from sluiceway.vendors.amplitude_page import (
    AMPLITUDE,
    BATCH_LIMITS,
    BATCH_PATH,
    ID_ARGUMENTS,
    MAX_CACHED_EVENTS,
    MAX_ID_CHARS,
    PATH,
    complete,
    envelope,
    owner,
)
from sluiceway.vendors.amplitude_values import IngestionMetadata, Plan
from sluiceway.vendors.base import Field, Lanes, Vendor

if TYPE_CHECKING:
    from sluiceway.handover import Retry

LogLevel = Literal["none", "error", "warn", "verbose"]

OnRetry = Callable[[Response, int, bool], Any]
"""Told of a retry: the response, its place in ``retry_timeouts`` from 0, and whether it was the last. What it returns
does not matter."""

_HOUR_MILLIS = 3_600_000.0
_MAX_RETRY_TIMEOUTS = 1_000

# Below which level a client's log lines are silent.
LOG_LEVELS = {"none": logging.CRITICAL + 1, "error": logging.ERROR, "warn": logging.WARNING, "verbose": 0}


class AmplitudeOptions(GivenOptions, total=False):
    """What the constructor takes beside the key: Amplitude's own options, and the general ones."""

    middleware: Sequence[Middleware | PayloadMiddleware] | None  # type: ignore[misc]
    server_url: str | None
    use_batch: bool | None
    server_zone: Literal["US", "EU"] | None
    min_id_length: int | None
    plan: Plan | Mapping[str, Any] | None
    ingestion_metadata: IngestionMetadata | Mapping[str, Any] | None
    debug: bool | None
    log_level: LogLevel | None
    request_timeout: float | None
    request_timeout_millis: float | None
    upload_interval_in_sec: float | None
    max_cached_events: int | None
    retry_timeouts: Sequence[float] | None
    on_retry: OnRetry | None
    retry_class: Retry | None
    transport_class: Transport | None
    flush_queue_size: int | None
    flush_interval_millis: float | None
    flush_max_retries: int | None


OWN_OPTIONS = frozenset(AmplitudeOptions.__annotations__) - frozenset(GivenOptions.__annotations__)

# Options that say the same: our name, then Amplitude's. Of each row one may be given.
_SYNONYMS = (
    ("region", "server_zone"),
    ("timeout", "request_timeout", "request_timeout_millis"),
    ("flush_interval", "upload_interval_in_sec", "flush_interval_millis"),
    ("flush_at", "flush_queue_size"),
    ("retry", "retry_timeouts"),
    ("retry_count", "flush_max_retries", "retry_timeouts"),
    ("transport", "transport_class"),
)
# What says where requests go, and what goes by itself.
_EXCLUDED_BY = {
    "server_url": ("host", "path", "region", "server_zone"),
    "host": ("server_zone",),
    "retry_class": (
        "retry",
        "retry_count",
        "retry_timeouts",
        "flush_max_retries",
        "on_retry",
        "transport",
        "transport_class",
    ),
}
_WHY = {
    "server_url": "which says where requests go",
    "host": "which says where requests go",
    "retry_class": "which sends and retries by itself",
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Amplitude's own options as they are in force, under their documented names."""

    use_batch: bool
    min_id_length: int | None
    plan: Mapping[str, Any] | None
    ingestion_metadata: Mapping[str, Any] | None
    debug: bool
    log_level: LogLevel
    max_cached_events: int
    retry_timeouts: tuple[float, ...] | None
    on_retry: OnRetry | None
    retry_class: Retry | None


def read(given: Mapping[str, Any]) -> tuple[Settings, Vendor, dict[str, Any]]:
    """Read the options: what they say, the page that follows from them, and the general options that remain.

    None means the default. Raises ConfigError, naming the option and what is allowed, never a text that was given.
    """
    own = {name: value for name, value in given.items() if name in OWN_OPTIONS and value is not None}
    general = {name: value for name, value in given.items() if name not in OWN_OPTIONS and value is not None}
    _refuse_contradictions(own.keys() | general.keys())
    reader = Reader(own)
    path, use_batch = _where(own, general)
    debug = reader.flag("debug", False)
    retry_timeouts = _retry_timeouts(own.get("retry_timeouts"))
    settings = Settings(
        use_batch=use_batch,
        min_id_length=None if "min_id_length" not in own else reader.count("min_id_length", 0, 1, MAX_ID_CHARS),
        plan=_entries("plan", own.get("plan"), Plan, ("branch", "source", "version", "versionId")),
        ingestion_metadata=_entries(
            "ingestion_metadata",
            own.get("ingestion_metadata"),
            IngestionMetadata,
            ("source_name", "source_version"),
        ),
        debug=debug,
        log_level=reader.choice("log_level", "warn" if debug else "none", tuple(LOG_LEVELS)),
        max_cached_events=reader.count("max_cached_events", MAX_CACHED_EVENTS, 1, MAX_QUEUE_EVENTS),
        retry_timeouts=retry_timeouts,
        on_retry=reader.function("on_retry"),
        retry_class=_with_methods("retry_class", own.get("retry_class"), "send_events_with_retry"),
    )
    _under_our_names(own, reader, general)
    if retry_timeouts is not None:
        general["retry"] = RetryPolicy(delays=tuple(wait / 1000.0 for wait in retry_timeouts))
    general["log_level"] = LOG_LEVELS[settings.log_level]
    return settings, _page(settings, path), general


def _refuse_contradictions(names: set[str]) -> None:
    for row in _SYNONYMS:
        both = [name for name in row if name in names]
        if len(both) > 1:
            raise ConfigError(both[1], f"must not be given together with {both[0]}: they say the same")
    for name, excluded in _EXCLUDED_BY.items():
        for other in excluded:
            if name in names and other in names:
                raise ConfigError(other, f"must not be given together with {name}, {_WHY[name]}")


def _under_our_names(own: Mapping[str, Any], reader: Reader, general: dict[str, Any]) -> None:
    """Turn what is only named otherwise, or counted in milliseconds, into general options."""
    if "server_zone" in own:
        general["region"] = reader.choice("server_zone", "US", ("US", "EU")).lower()
    if "request_timeout" in own:
        general["timeout"] = _seconds(own, "request_timeout", 0.001)
    if "request_timeout_millis" in own:
        general["timeout"] = _millis(own, "request_timeout_millis", 1.0) / 1000.0
    if "upload_interval_in_sec" in own:
        general["flush_interval"] = _seconds(own, "upload_interval_in_sec", 0.0)
    if "flush_interval_millis" in own:
        general["flush_interval"] = _millis(own, "flush_interval_millis", 0.0) / 1000.0
    if "flush_queue_size" in own:
        general["flush_at"] = reader.count("flush_queue_size", 1, 1, MAX_QUEUE_EVENTS)
    if "flush_max_retries" in own:
        general["retry_count"] = reader.count("flush_max_retries", 0, 0, 1_000_000)
    if "transport_class" in own:
        general["transport"] = _with_methods("transport_class", own["transport_class"], "send", "close")


def _where(own: Mapping[str, Any], general: dict[str, Any]) -> tuple[str, bool]:
    """The path, and whether it is the batch API's. Whole addresses are taken apart into host and path."""
    reader = Reader(own)
    wants_batch = reader.flag("use_batch", False)
    name, url = ("server_url", own.get("server_url")) if "server_url" in own else ("host", general.get("host"))
    if name == "host" and not (isinstance(url, str) and url.rstrip("/").endswith(BATCH_PATH)):
        # A host is completed with the path; only the batch API's whole address has to be known for what it is.
        path = general.get("path")
        is_batch = wants_batch or (isinstance(path, str) and path.rstrip("/").endswith(BATCH_PATH))
        return BATCH_PATH if wants_batch else PATH, is_batch
    allow_http = Reader(general).flag("allow_http", False)
    endpoint = endpoints.parse(url, api_path="", allow_http=allow_http, field=name)
    path = endpoint.path if endpoint.path != "/" else BATCH_PATH if wants_batch else PATH
    is_batch = path.endswith(BATCH_PATH)
    if "use_batch" in own and is_batch != wants_batch and (is_batch or path.endswith(PATH)):
        raise ConfigError("use_batch", f"must not be {wants_batch} where {name} is the address of the other API")
    general["host"] = f"{endpoint.scheme}://{endpoint.authority_host}:{endpoint.port}"
    return path, is_batch or wants_batch


def _page(settings: Settings, path: str) -> Vendor:
    [track] = AMPLITUDE.calls
    prepare = partial(complete, plan=settings.plan, ingestion_metadata=settings.ingestion_metadata)
    fields = tuple(_field(field, settings) for field in track.fields)
    limits = BATCH_LIMITS if settings.use_batch else AMPLITUDE.limits
    return msgspec.structs.replace(
        AMPLITUDE,
        calls=(msgspec.structs.replace(track, fields=fields, prepare=prepare),),
        path=path,
        limits=limits,
        envelope=partial(envelope, min_id_length=settings.min_id_length),
        # What fills a request has nothing to wait for.
        flush_at=min(settings.max_cached_events, limits.max_batch_events),
        lanes=Lanes(owner=owner, max_events=settings.max_cached_events),
        on_retry=settings.on_retry,
        retry_handler=settings.retry_class,
    )


def _field(field: Field, settings: Settings) -> Field:
    """The field as this client has it."""
    if field.argument in ID_ARGUMENTS and settings.min_id_length is not None:
        return msgspec.structs.replace(field, min_chars=settings.min_id_length)
    told = {"plan": settings.plan, "ingestion_metadata": settings.ingestion_metadata}.get(field.argument)
    if told:
        # An event's own entries are merged with these on the long way; an event without any has these as they are.
        return msgspec.structs.replace(field, guarded=True, default=msgspec.json.encode(told))
    return field


def _entries(
    name: str, value: Any, kind: type[Plan | IngestionMetadata], keys: Sequence[str]
) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, kind):
        value = value.entries()
    if not isinstance(value, Mapping):
        raise ConfigError(name, f"must be {kind.__name__} or a mapping, not {type(value).__name__}")
    entries = dict(value)
    if not set(entries) <= set(keys) or not all(isinstance(text, str) for text in entries.values()):
        raise ConfigError(name, f"must have no other entries than {', '.join(keys)}, and only texts")
    return entries


def _retry_timeouts(value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or len(value) > _MAX_RETRY_TIMEOUTS:
        what = f"{len(value):,} of them" if isinstance(value, (list, tuple)) else type(value).__name__
        raise ConfigError("retry_timeouts", f"must be a list of at most {_MAX_RETRY_TIMEOUTS:,} numbers, not {what}")
    for wait in value:
        if not is_number(wait) or not 0 <= wait <= _HOUR_MILLIS:
            raise ConfigError(
                "retry_timeouts", f"must hold milliseconds from 0 to {_HOUR_MILLIS:,.0f}, not {shown(wait)}"
            )
    return tuple(value)


def _seconds(own: Mapping[str, Any], name: str, least: float) -> float:
    value = own[name]
    if is_number(value) and value > MAX_FLUSH_INTERVAL_SECONDS:
        most = f"{MAX_FLUSH_INTERVAL_SECONDS:,g}"
        raise ConfigError(name, f"is seconds, from {least:g} to {most}; were milliseconds meant by {shown(value)}?")
    return float(Reader(own).seconds(name, 0.0, least, MAX_FLUSH_INTERVAL_SECONDS))


def _millis(own: Mapping[str, Any], name: str, least: float) -> float:
    value = own[name]
    if not is_number(value) or not least <= value <= _HOUR_MILLIS:
        raise ConfigError(name, f"must be milliseconds from {least:g} to {_HOUR_MILLIS:,.0f}, not {shown(value)}")
    return float(value)


def _with_methods(name: str, value: Any, *methods: str) -> Any:
    if value is None:
        return None
    if isinstance(value, type):
        raise ConfigError(name, f"must be an object, not a class: call {value.__name__} first")
    if not all(callable(getattr(value, method, None)) for method in methods):
        raise ConfigError(name, f"must have {' and '.join(methods)}, which {type(value).__name__} has not")
    return value
