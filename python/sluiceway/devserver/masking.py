"""Keys never reach the store: they are masked in headers, paths, answers and events before anything is kept."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from sluiceway.secret import Secret

# Headers that are credentials from end to end.
_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-amz-security-token", "x-csrftoken"}
)

# Where the vendors' bodies and queries have their keys.
_KEY_NAMES = ("writeKey", "api_key", "token", "$token", "apiKey", "write_key", "personal_api_key")

SHORTEST_ANYWHERE = 8
"""A key of so many characters is masked wherever it stands; a shorter one might be a word."""


class Masker:
    """Knows the keys of one request, and masks them in texts."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys
        self._pairs: list[tuple[str, str]] = []
        for key in sorted(set(keys), key=len, reverse=True):
            masked = str(Secret(key))
            if len(key) >= SHORTEST_ANYWHERE:
                self._pairs.append((key, masked))
                # As it stands in a query, in JSON, and in the JSON of clients that write slashes escaped.
                for coded in {quote(key, safe=""), _inside_json(key), key.replace("/", "\\/")} - {key}:
                    self._pairs.append((coded, masked))
            elif key:
                self._pairs.append((f'"{key}"', f'"{masked}"'))

    def text(self, text: str) -> str:
        """Return a text without the keys."""
        for key, masked in self._pairs:
            if key in text:
                text = text.replace(key, masked)
        return text


def keys_of(headers: Mapping[str, str], query: str) -> list[str]:
    """Return every key that the head of a request names: its headers, its query."""
    found: list[str] = []
    scheme, space, credentials = headers.get("authorization", "").partition(" ")
    if not space:
        found.append(scheme)
    if scheme.lower() == "basic":
        found.append(credentials)
        try:
            user, _, password = base64.b64decode(credentials).decode().partition(":")
            found += [user, password]
        except (binascii.Error, UnicodeDecodeError, ValueError):
            pass
    elif credentials:
        found.append(credentials.strip())
    found += [value for name, value in headers.items() if name in _SECRET_HEADERS and name != "authorization"]
    found += [value for name, value in parse_qsl(query, max_num_fields=100) if name in _KEY_NAMES]
    return [key for key in found if key]


def keys_in_event(text: str, event: Mapping[str, Any]) -> list[str]:
    """Return the keys that one event brings along, as PostHog's single events may; `text` is its JSON."""
    if not any(part in text for part in ("oken", "api", "rite")):
        return []
    inner = event.get("properties")
    places = [event, inner] if isinstance(inner, dict) else [event]
    return [key for place in places for name in _KEY_NAMES if isinstance(key := place.get(name), str) and key]


def masked_headers(given: Mapping[str, str], masker: Masker) -> dict[str, str]:
    """Return headers as they may be kept."""
    return {
        name: _credential(value) if name in _SECRET_HEADERS else masker.text(value) for name, value in given.items()
    }


def masked_path(given: str, masker: Masker) -> str:
    """Return a path as it may be kept, the keys of its query masked by name."""
    bare, mark, query = given.partition("?")
    if not mark:
        return masker.text(bare)
    pairs = [
        (name, str(Secret(value)) if name in _KEY_NAMES else value)
        for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    ]
    return masker.text(f"{bare}?{urlencode(pairs, safe='*')}")


def _credential(value: str) -> str:
    scheme, space, credentials = value.partition(" ")
    if not space:
        return "***"
    return f"{scheme} ***" if scheme.lower() == "basic" else f"{scheme} {Secret(credentials)}"


def _inside_json(key: str) -> str:
    return msgspec.json.encode(key).decode()[1:-1]
