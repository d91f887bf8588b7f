"""Through which proxy requests go, if through any: read from an option, or from the environment when that is trusted.

https goes through a tunnel that the proxy is asked for (CONNECT), so that it sees names and sizes and nothing else;
http, where it is allowed at all, is handed to the proxy as it is. Credentials in the address are taken out of it at
once, and are never shown.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from sluiceway import endpoint as endpoints
from sluiceway.endpoint import Endpoint
from sluiceway.errors import ConfigError
from sluiceway.secret import Secret


class Proxy(msgspec.Struct, frozen=True):
    """One HTTP proxy. `authorization` is what its `Proxy-Authorization` header says."""

    host: str
    port: int
    authorization: Secret | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers for the proxy and nobody else."""
        return {} if self.authorization is None else {"Proxy-Authorization": self.authorization.reveal()}


def parse(text: object, field: str = "proxy") -> Proxy:
    """Read a proxy's address, such as ``http://user:password@proxy.example.com:3128``.

    A missing scheme means http, a missing port 80. Raises ConfigError, which never repeats the text.
    """
    if not isinstance(text, str):
        raise ConfigError(field, f"must be a str such as 'http://proxy.example.com:3128', not {type(text).__name__}")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    if scheme.lower() != "http":
        raise ConfigError(field, "must start with http://: a proxy that is spoken to in TLS or SOCKS is not supported")
    user, at, address = rest.rpartition("@")
    if address.rstrip("/").count("/"):
        raise ConfigError(field, "must be a host and a port, without a path")
    place = endpoints.parse(f"http://{address}", api_path="", allow_http=True, field=field)
    return Proxy(place.host, place.port, _authorization(user, field) if at else None)


def from_environment(endpoint: Endpoint, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the environment names for this endpoint, or None.

    That is HTTPS_PROXY or HTTP_PROXY by the endpoint's scheme, else ALL_PROXY, unless NO_PROXY has the host; in lower
    case first. Raises ConfigError for an address that is none.
    """
    if _excepts(_variable(environ, "no_proxy")[1], endpoint):
        return None
    for name in (f"{endpoint.scheme}_proxy", "all_proxy"):
        found, value = _variable(environ, name)
        if value:
            return parse(value, found)
    return None


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    if name in environ:
        return name, environ[name].strip()
    # In a CGI program HTTP_PROXY is what a visitor sent as a header "Proxy" (https://httpoxy.org).
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return name, ""
    return name.upper(), environ.get(name.upper(), "").strip()


def _excepts(listed: str, endpoint: Endpoint) -> bool:
    """Whether NO_PROXY has this endpoint: as a name or its subdomain, by address or network, with a port or without."""
    for entry in listed.lower().replace(",", " ").split():
        if entry == "*" or _is_network_of(entry, endpoint.host):
            return True
        name, colon, port = entry.partition(":")
        if entry.startswith("["):
            name, _, port = entry[1:].partition("]")
            colon, port = port[:1], port[1:]
        if colon and port.isdigit() and int(port) != endpoint.port:
            continue
        name = name.lstrip("*").lstrip(".")
        if name and (endpoint.host == name or endpoint.host.endswith("." + name)):
            return True
    return False


def _is_network_of(entry: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _authorization(user: str, field: str) -> Secret:
    name, _, password = user.partition(":")
    plain = f"{unquote(name)}:{unquote(password)}"
    if not name or not plain.isprintable():
        raise ConfigError(field, "must have a user name before its password, both printable")
    return Secret("Basic " + b64encode(plain.encode()).decode(), shows_tail=False)
