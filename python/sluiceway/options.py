"""Every option of a client, checked once, in the constructor, so that nothing after it can be about configuration.

`resolve` fills in the vendor's defaults and answers one frozen `Options`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

import msgspec

from sluiceway import endpoint as endpoints
from sluiceway.endpoint import Endpoint
from sluiceway.errors import ConfigError
from sluiceway.middleware import Middleware
from sluiceway.reading import Reader, as_secret, is_number, shown
from sluiceway.retry import RetryPolicy
from sluiceway.secret import Secret
from sluiceway.vendors.base import Vendor

if TYPE_CHECKING:
    import ssl

    from sluiceway.spool.settings import SpoolSettings

OnFull = Literal["drop_new", "drop_oldest", "block", "raise"]
SpoolMode = Literal["on_failure", "always"]
Fsync = Literal["batch", "interval", "off"]

# The engine reserves slots and bytes in one atomic word: 24 bits of events, and bytes with room for padding.
MAX_QUEUE_EVENTS = 2**24 - 1
MAX_QUEUE_BYTES = 2**36
# Offsets inside a batch are 32-bit.
MAX_BATCH_BYTES = 2**31 - 1
# More than one would give up the order of events; the worker does not do that yet.
MAX_SENDERS = 1
SPOOL_MAX_BYTES = 2**30
MIN_SPOOL_BYTES = 2**20
MAX_SPOOL_BYTES = 2**50
A_YEAR_SECONDS = 31_536_000.0
MAX_FLUSH_INTERVAL_SECONDS = 3_600.0
EXIT_TIMEOUT_VARIABLE = "SLUICEWAY_EXIT_TIMEOUT"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a client was told, complete and checked. Sizes are bytes or events, times are seconds."""

    write_key: Secret
    endpoint: Endpoint
    flush_at: int
    flush_interval: float
    flush_first: bool
    max_event_bytes: int
    max_batch_bytes: int
    max_batch_events: int
    max_queue_events: int
    max_queue_bytes: int
    on_full: OnFull
    block_timeout: float | None
    retry: RetryPolicy
    timeout: float
    connect_timeout: float
    senders: int
    gzip: bool
    exit_timeout: float
    install_sigterm: bool
    transport: Any
    enable: bool
    opt_out: bool
    sync: bool
    strict: bool
    default: Callable[[Any], Any] | None
    middleware: tuple[Middleware, ...]
    on_delivery: Callable[..., Any] | None
    on_error: Callable[..., Any] | None
    allow_http: bool
    ssl_context: Any
    spool: Any
    proxy: Any
    """A `proxy.Proxy`, or None."""
    strict_ack: bool
    log_level: int
    """The least level, of the `logging` module, at which this client writes a line."""


class GivenOptions(TypedDict, total=False):
    """What a constructor takes beside the key. Each is described in the README's table of options."""

    host: str | None
    path: str | None
    region: str | None
    flush_at: int | None
    flush_interval: float | None
    flush_first: bool | None
    max_event_bytes: int | None
    max_batch_bytes: int | None
    max_batch_events: int | None
    max_queue_events: int | None
    max_queue_bytes: int | None
    on_full: OnFull | None
    block_timeout: float | None
    retry: RetryPolicy | None
    retry_count: int | None
    timeout: float | None
    connect_timeout: float | None
    senders: int | None
    gzip: bool | None
    exit_timeout: float | None
    install_sigterm: bool | None
    transport: Any
    enable: bool | None
    opt_out: bool | None
    sync: bool | None
    strict: bool | None
    default: Callable[[Any], Any] | None
    middleware: Sequence[Middleware] | None
    on_delivery: Callable[..., Any] | None
    on_error: Callable[..., Any] | None
    allow_http: bool | None
    ca_certs: str | os.PathLike[str] | None
    ssl_context: ssl.SSLContext | None
    spool: SpoolMode | None
    spool_dir: str | os.PathLike[str] | None
    spool_max_bytes: int | None
    fsync: Fsync | None
    proxy: str | None
    trust_env: bool | None
    strict_ack: bool | None


def resolve(vendor: Vendor, write_key: object, given: Mapping[str, Any]) -> Options:
    """Check what the constructor was given and complete it with the vendor's defaults. None means the default.

    Raises ConfigError. Looks at the environment for SLUICEWAY_EXIT_TIMEOUT, and for proxies with trust_env; at the file
    system for ca_certs.
    """
    # The level is not for users: a class whose vendor's documents have words for it sets it.
    unknown = sorted(set(given) - {*GivenOptions.__annotations__, "log_level"})
    if unknown:
        raise ConfigError(unknown[0], "is not an option")
    read = Reader(given)
    limits = vendor.limits
    allow_http = read.flag("allow_http", False)
    endpoint = _endpoint(vendor, given, allow_http)
    options = Options(
        write_key=as_secret(write_key, vendor.key_name),
        endpoint=endpoint,
        # The documents write 0 where they mean "at once": every event is a batch.
        flush_at=max(1, read.count("flush_at", vendor.flush_at, 0, MAX_QUEUE_EVENTS)),
        flush_interval=_flush_interval(vendor, given),
        flush_first=read.flag("flush_first", vendor.flush_first),
        max_event_bytes=read.count("max_event_bytes", limits.max_event_bytes, 256, MAX_BATCH_BYTES),
        max_batch_bytes=read.count("max_batch_bytes", limits.max_batch_bytes, 512, MAX_BATCH_BYTES),
        max_batch_events=read.count("max_batch_events", limits.max_batch_events, 1, MAX_QUEUE_EVENTS),
        max_queue_events=read.count("max_queue_events", 100_000, 1, MAX_QUEUE_EVENTS),
        max_queue_bytes=read.count("max_queue_bytes", 64 * 1024 * 1024, 256, MAX_QUEUE_BYTES),
        on_full=read.choice("on_full", "drop_new", ("drop_new", "drop_oldest", "block", "raise")),
        block_timeout=read.seconds("block_timeout", None, 0.0, A_YEAR_SECONDS),
        retry=_retry(vendor, given),
        timeout=read.seconds("timeout", vendor.timeout, 0.001, 3_600.0),
        connect_timeout=read.seconds("connect_timeout", 5.0, 0.001, 3_600.0),
        senders=read.count("senders", 1, 1, MAX_SENDERS),
        gzip=read.flag("gzip", vendor.gzip),
        exit_timeout=_exit_timeout(given),
        install_sigterm=read.flag("install_sigterm", False),
        transport=_transport(given.get("transport")),
        enable=read.flag("enable", True),
        opt_out=read.flag("opt_out", False),
        sync=read.flag("sync", False),
        strict=read.flag("strict", False),
        default=read.function("default"),
        middleware=_middleware(given.get("middleware")),
        on_delivery=read.function("on_delivery"),
        on_error=read.function("on_error"),
        allow_http=allow_http,
        ssl_context=_ssl_context(given.get("ssl_context"), given.get("ca_certs")),
        spool=_spool(read, given),
        proxy=_proxy(given, endpoint),
        strict_ack=read.flag("strict_ack", False),
        log_level=read.count("log_level", logging.NOTSET, logging.NOTSET, 100),
    )
    _check_sizes(options, vendor)
    return options


def _endpoint(vendor: Vendor, given: Mapping[str, Any], allow_http: bool) -> Endpoint:
    host, path, region = given.get("host"), given.get("path"), given.get("region")
    if path is not None and not isinstance(path, str):
        raise ConfigError("path", f"must be a str such as {vendor.path!r}, not {type(path).__name__}")
    if region is not None:
        if region not in vendor.hosts:
            raise ConfigError("region", f"must be one of {', '.join(map(repr, vendor.hosts))}, not {shown(region)}")
        if host is not None:
            raise ConfigError("region", "must not be given together with host: a host says where it is")
    if host is None and not vendor.hosts:
        raise ConfigError("host", f"is required: {vendor.name} has no address that is everybody's")
    if host is None:
        host = vendor.hosts[region] if region is not None else next(iter(vendor.hosts.values()))
    if path is not None:
        path = path.rstrip("/")
        endpoints.complete_path("", path)
    return endpoints.parse(host, api_path=vendor.path if path is None else path, allow_http=allow_http)


def _flush_interval(vendor: Vendor, given: Mapping[str, Any]) -> float:
    value = given.get("flush_interval")
    if value is not None and is_number(value) and value > MAX_FLUSH_INTERVAL_SECONDS:
        raise ConfigError(
            "flush_interval",
            f"is seconds, from 0 to {MAX_FLUSH_INTERVAL_SECONDS:,g}; were milliseconds meant by {shown(value)}?",
        )
    return float(Reader(given).seconds("flush_interval", vendor.flush_interval, 0.0, MAX_FLUSH_INTERVAL_SECONDS))


def _exit_timeout(given: Mapping[str, Any]) -> float:
    """The option, else the environment variable, else two seconds."""
    text = os.environ.get(EXIT_TIMEOUT_VARIABLE)
    if given.get("exit_timeout") is not None or not text:
        return float(Reader(given).seconds("exit_timeout", 2.0, 0.0, MAX_FLUSH_INTERVAL_SECONDS))
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(EXIT_TIMEOUT_VARIABLE, "must be a number of seconds, such as 2.0") from None
    return float(Reader({EXIT_TIMEOUT_VARIABLE: value}).seconds(EXIT_TIMEOUT_VARIABLE, 2.0, 0.0, 3_600.0))


def _retry(vendor: Vendor, given: Mapping[str, Any]) -> RetryPolicy:
    policy = given.get("retry")
    if policy is None:
        policy = vendor.retry
    elif not isinstance(policy, RetryPolicy):
        raise ConfigError("retry", f"must be a RetryPolicy, not {type(policy).__name__}")
    count = given.get("retry_count")
    if count is None:
        return policy
    return msgspec.structs.replace(policy, retry_count=Reader(given).count("retry_count", 0, 0, 1_000_000))


def _proxy(given: Mapping[str, Any], endpoint: Endpoint) -> Any:
    """The option, else what the environment says if it is trusted."""
    trusts = Reader(given).flag("trust_env", False)
    if given.get("proxy") is None and not trusts:
        return None
    from sluiceway import proxy  # most clients need none

    return proxy.from_environment(endpoint, os.environ) if given.get("proxy") is None else proxy.parse(given["proxy"])


def _transport(value: Any) -> Any:
    if value is not None and not (callable(getattr(value, "send", None)) and callable(getattr(value, "close", None))):
        raise ConfigError("transport", f"must have send(request) and close(), which {type(value).__name__} has not")
    return value


def _middleware(value: Any) -> tuple[Middleware, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise ConfigError("middleware", f"must be a list of functions, not {type(value).__name__}")
    return tuple(map(check_middleware, value))


def check_middleware(step: Any) -> Middleware:
    """Return a function that may be middleware. Raises ConfigError for what cannot run inside a call."""
    if not callable(step):
        raise ConfigError("middleware", f"must hold functions only, not {type(step).__name__}")
    if _is_async(step):
        raise ConfigError("middleware", "must hold plain functions: an async one cannot run inside a call")
    return cast("Middleware", step)


def _is_async(step: Any) -> bool:
    from inspect import iscoroutinefunction  # slow to import, and few clients have middleware

    return iscoroutinefunction(step) or iscoroutinefunction(getattr(step, "__call__", None))  # noqa: B004


def _spool(read: Reader, given: Mapping[str, Any]) -> SpoolSettings | None:
    """Return what was said about the spool, its directory made and looked at; None without one."""
    mode = None if given.get("spool") is None else read.choice("spool", "", ("on_failure", "always"))
    max_bytes = read.count("spool_max_bytes", SPOOL_MAX_BYTES, MIN_SPOOL_BYTES, MAX_SPOOL_BYTES)
    fsync = read.choice("fsync", "batch", ("batch", "interval", "off"))
    directory = given.get("spool_dir")
    if mode is None:
        for name in ("spool_dir", "spool_max_bytes", "fsync"):
            if given.get(name) is not None:
                raise ConfigError(name, 'needs spool="on_failure" or spool="always"')
        return None
    if directory is None:
        raise ConfigError("spool_dir", "is required with a spool: a directory of this user's that outlives the process")
    # Here, so that a client without a spool does not load what one takes.
    from sluiceway.spool.settings import SpoolSettings, checked_directory

    return SpoolSettings(mode=mode, directory=checked_directory(directory), max_bytes=max_bytes, fsync=fsync)


def _ssl_context(context: Any, ca_certs: Any) -> Any:
    """The user's own context, or one that trusts ``ca_certs`` only, or None for the system's authorities."""
    if context is not None and not callable(getattr(context, "wrap_socket", None)):
        raise ConfigError("ssl_context", f"must be an ssl.SSLContext, not {type(context).__name__}")
    if ca_certs is None:
        return context
    if context is not None:
        raise ConfigError("ca_certs", "must not be given together with ssl_context, which has its own")
    if not isinstance(ca_certs, (str, os.PathLike)):
        raise ConfigError("ca_certs", f"must be the path of a PEM file or a directory, not {type(ca_certs).__name__}")
    import ssl  # slow to import, and most clients need no authorities of their own

    try:
        if os.path.isdir(ca_certs):
            return ssl.create_default_context(capath=ca_certs)
        return ssl.create_default_context(cafile=ca_certs)
    except (OSError, ValueError) as error:
        message = f"must be the path of a PEM file or a directory that can be read ({type(error).__name__})"
        raise ConfigError("ca_certs", message) from None


def _check_sizes(options: Options, vendor: Vendor) -> None:
    """Refuse limits that no event could meet: the engine relies on an accepted event fitting an empty batch."""
    envelope = vendor.envelope_bytes(options.write_key.reveal())
    if options.max_event_bytes + envelope > options.max_batch_bytes:
        raise ConfigError(
            "max_event_bytes",
            f"plus the {envelope} bytes around a batch must be within max_batch_bytes ({options.max_batch_bytes:,}), "
            f"not {options.max_event_bytes:,}",
        )
    if options.max_event_bytes > options.max_queue_bytes:
        raise ConfigError(
            "max_queue_bytes", f"must hold one event ({options.max_event_bytes:,}), not {options.max_queue_bytes:,}"
        )
