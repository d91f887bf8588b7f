"""Values that are somebody's own are hidden in what the page shows, by the names they stand under, until asked for."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import msgspec

HIDDEN = "•••"

# A name is one of these, or has one as a word: `customerEmail`, `billing_address`, `ip`.
_WORDS = frozenset(
    {
        *("email", "mail", "phone", "mobile", "tel", "telephone", "fax"),
        *("ip", "address", "street", "zip", "postcode", "postal", "zipcode", "latitude", "longitude", "lat", "lng"),
        *("password", "passwd", "pwd", "passphrase", "secret", "token", "apikey", "credential", "credentials", "auth"),
        *("authorization", "cookie", "session", "csrf", "otp", "pin"),
        *("card", "cvv", "cvc", "iban", "bic", "account", "ssn", "passport", "licence", "license"),
        *("firstname", "lastname", "surname", "fullname", "birthday", "birthdate", "dob", "gender"),
    }
)
_PAIRS = frozenset(
    {
        ("first", "name"),
        ("last", "name"),
        ("full", "name"),
        ("middle", "name"),
        ("api", "key"),
        ("write", "key"),
        ("private", "key"),
        ("access", "key"),
        ("birth", "date"),
        ("tax", "id"),
    }
)
# Of the wire itself: when a session began says nothing of anybody.
_PLAIN = frozenset({"session_id", "$session_id", "sessionId"})

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def is_sensitive(name: str) -> bool:
    """Whether the value under a name is hidden."""
    if name in _PLAIN:
        return False
    words = [part.lower() for part in _PARTS.findall(name)]
    if not _WORDS.isdisjoint(words) or "".join(words) in _WORDS:
        return True
    return not _PAIRS.isdisjoint(pairwise(words))


def redact(text: str) -> tuple[str, bool]:
    """Return the JSON of an event with such values hidden, and whether there was one."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return (text, False) if len(text) < 2 else (msgspec.json.encode(HIDDEN).decode(), True)
    found = False

    def walk(one: Any) -> Any:
        nonlocal found
        if isinstance(one, dict):
            walked = {}
            for name, inner in one.items():
                if is_sensitive(name) and inner not in (None, "", {}, []):
                    found = True
                    walked[name] = HIDDEN
                else:
                    walked[name] = walk(inner)
            return walked
        return [walk(inner) for inner in one] if isinstance(one, list) else one

    if isinstance(value, str) and value:
        return msgspec.json.encode(HIDDEN).decode(), True  # of a text nobody knows what names what
    walked = walk(value)
    return (msgspec.json.encode(walked).decode(), True) if found else (text, False)
