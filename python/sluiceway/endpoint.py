"""Where requests go: every form of a host that the vendors' documents print, turned into one endpoint or a ConfigError.

The documents write ``api.segment.io/v1``, ``events.eu1.segmentapis.com/v1/``, ``https://api.segment.io`` and whole
batch addresses. All of them mean one place, so all of them are taken. What could send events in clear, to another host
than the one that was read, or a credential into a log is refused.
"""

from __future__ import annotations

import msgspec

from sluiceway.errors import ConfigError

_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
_PATH_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@%/")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_MAX_PORT = 65_535
_MAX_HOST_CHARACTERS = 253


class Endpoint(msgspec.Struct, frozen=True):
    """One place that takes POST requests. ``host`` is bare (no brackets around IPv6), ``path`` starts with a slash."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The whole address, as logs and ``repr`` show it; an endpoint never holds a credential."""
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.authority_host}{port}{self.path}"

    @property
    def authority_host(self) -> str:
        """The host as an URL or a Host header writes it: IPv6 in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def is_loopback(self) -> bool:
        """Whether requests stay on this machine."""
        return _is_loopback(self.host)


def parse(text: object, *, api_path: str, allow_http: bool = False, field: str = "host") -> Endpoint:
    """Read a host as a document prints it and complete it with the vendor's ``api_path``.

    A missing scheme means https. Of ``api_path``, what the text already ends with is not added twice. Raises
    ConfigError, which never repeats the text: a mistyped one may hold a password.
    """
    if not isinstance(text, str):
        raise ConfigError(field, f"must be a str such as 'https://api.example.com', not {type(text).__name__}")
    if not text:
        raise ConfigError(field, "must not be empty")
    if any(character <= " " or character in "\x7f\\" for character in text):
        raise ConfigError(field, "must not hold spaces, control characters or backslashes")
    if not text.isascii():
        raise ConfigError(field, "must be ASCII; write an international name in its xn-- form")
    if "?" in text or "#" in text:
        raise ConfigError(field, "must not hold a query or a fragment")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise ConfigError(field, "must start with https://, or with http:// where that is allowed")
    authority, _, path = rest.partition("/")
    host, port = _host_and_port(authority, scheme, field)
    if scheme == "http" and not allow_http and not _is_loopback(host):
        raise ConfigError(field, "must be https: http is for this machine only, or with allow_http=True")
    return Endpoint(scheme, host, port, complete_path(path, api_path, field))


def complete_path(given: str, api_path: str, field: str = "path") -> str:
    """Join the path that a host came with and the vendor's, without repeating what both hold (as in ``/v1``).

    A slash at the end of ``api_path`` is kept: PostHog's clients all post to ``/batch/``.
    """
    if not (_PATH_CHARACTERS.issuperset(given) and _PATH_CHARACTERS.issuperset(api_path)):
        raise ConfigError(field, "must be a plain path such as '/v1/batch'")
    have = [segment for segment in given.split("/") if segment]
    want = [segment for segment in api_path.split("/") if segment]
    if ".." in have or ".." in want:
        raise ConfigError(field, "must not hold '..'")
    for overlap in range(min(len(have), len(want)), -1, -1):
        if have[len(have) - overlap :] == want[:overlap]:
            break
    joined = "/" + "/".join(have + want[overlap:])
    return joined + "/" if want and api_path.endswith("/") else joined


def _host_and_port(authority: str, scheme: str, field: str) -> tuple[str, int]:
    if "@" in authority:
        raise ConfigError(field, "must not hold a user name or a password")
    if authority.startswith("["):
        host, bracket, tail = authority[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ConfigError(field, "holds an IPv6 address without its closing bracket")
        if not _is_ipv6(host):
            raise ConfigError(field, "holds something else than an IPv6 address in brackets")
        return host.lower(), _port(tail[1:], bool(tail), scheme, field)
    host, colon, port = authority.partition(":")
    if ":" in port:
        raise ConfigError(field, "must write an IPv6 address in brackets, as in https://[::1]:8080")
    host = host.lower().rstrip(".")
    labels = host.split(".")
    if not host or len(host) > _MAX_HOST_CHARACTERS or not all(labels) or not _HOST_CHARACTERS.issuperset(host):
        raise ConfigError(field, "must name a host, as in https://api.example.com")
    return host, _port(port, bool(colon), scheme, field)


def _port(text: str, given: bool, scheme: str, field: str) -> int:
    if not given:
        return _DEFAULT_PORTS[scheme]
    if not text.isdigit() or len(text) > 5 or not 1 <= int(text) <= _MAX_PORT:
        raise ConfigError(field, f"must have a port from 1 to {_MAX_PORT:_}")
    return int(text)


def _is_ipv6(host: str) -> bool:
    import socket  # cold and rare: most hosts are names

    try:
        socket.inet_pton(socket.AF_INET6, host)
    except (OSError, ValueError):
        return False
    return True


def _is_loopback(host: str) -> bool:
    if host in ("localhost", "::1") or host.endswith(".localhost"):
        return True
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts)
