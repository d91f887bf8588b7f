"""Whether a value that was sent is the one that a test expects, and where they differ. Pure.

A test may expect a value, an object with an ``__eq__`` of its own (``unittest.mock.ANY``), a type, a compiled regular
expression, or a function that says yes or no. What a client would turn into JSON first is compared as what it becomes:
``UUID``, ``datetime``, ``Decimal``, an ``Enum``, a tuple.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from sluiceway.testing.captured import moment_of
from sluiceway.values import Plain


class _NotThere:
    def __repr__(self) -> str:
        return "<not there>"


NOT_THERE: Any = _NotThere()
"""Stands for what is missing on one of both sides."""

_MOST_BYTES = 2**31
_JSON_KINDS = (str, int, float, bool, type(None), dict, list)


class Difference(msgspec.Struct, frozen=True):
    """One place where an event is not as expected: ``properties['items'][0]``, and both values."""

    path: str
    expected: Any
    sent: Any


def differences(path: str, expected: Any, sent: Any, *, exact: bool = False) -> list[Difference]:
    """Return every place where they differ, in the order of what is expected; empty when it matches.

    An expected mapping names the entries that matter, at any depth; with ``exact`` there may be no others. Lists have
    the same length. ``True`` is not ``1`` here, as it is not in JSON.
    """
    if sent is NOT_THERE:
        return [Difference(path, expected, sent)]
    if isinstance(expected, Mapping):
        if not isinstance(sent, Mapping):
            return [] if _equals(expected, sent) else [Difference(path, expected, sent)]
        return _of_maps(path, expected, sent, exact)
    if isinstance(expected, (list, tuple)) and isinstance(sent, list):
        return _of_lists(path, list(expected), sent, exact)
    return [] if matches(expected, sent) else [Difference(path, expected, sent)]


def matches(expected: Any, sent: Any) -> bool:
    """Return whether one value is as expected; of a matcher that raises, that it is not."""
    if _equals(expected, sent):
        return True
    if isinstance(expected, re.Pattern):
        return isinstance(sent, str) and expected.search(sent) is not None
    if isinstance(expected, type):
        # A bool is an int to Python only.
        return isinstance(sent, expected) and (expected is bool or not isinstance(sent, bool))
    if isinstance(expected, datetime):
        return not isinstance(sent, (int, float)) and moment_of(expected) == moment_of(sent)
    if isinstance(expected, UUID):
        return bool(str(expected) == sent)
    if callable(expected):
        try:
            return bool(expected(sent))
        except Exception:
            return False
    if type(expected) in _JSON_KINDS:
        return False
    try:
        plain = Plain(_MOST_BYTES)(expected)
    except Exception:
        return False
    return _equals(plain, sent)


def same_moment(expected: Any, sent: datetime | None) -> bool:
    """Return whether a timestamp is as expected: a moment in any of its forms, or a matcher."""
    if matches(expected, sent):
        return True
    moment = moment_of(expected)
    # The wire has milliseconds.
    return moment is not None and sent is not None and abs((moment - sent).total_seconds()) < 0.001


def _equals(expected: Any, sent: Any) -> bool:
    if isinstance(expected, bool | int | float) and isinstance(sent, bool | int | float):
        if isinstance(expected, bool) != isinstance(sent, bool):
            return False
        if isinstance(expected, float) and isinstance(sent, float) and math.isnan(expected) and math.isnan(sent):
            return True
    try:
        return bool(expected == sent)
    except Exception:
        return False


def _of_maps(path: str, expected: Mapping[Any, Any], sent: Mapping[str, Any], exact: bool) -> list[Difference]:
    found = []
    named = set()
    for key, value in expected.items():
        text = key if isinstance(key, str) else _key(key)
        named.add(text)
        found += differences(f"{path}[{text!r}]", value, sent.get(text, NOT_THERE), exact=exact)
    if exact:
        found += [Difference(f"{path}[{key!r}]", NOT_THERE, sent[key]) for key in sent if key not in named]
    return found


def _of_lists(path: str, expected: list[Any], sent: list[Any], exact: bool) -> list[Difference]:
    found = []
    for at in range(max(len(expected), len(sent))):
        if at >= len(expected):
            found.append(Difference(f"{path}[{at}]", NOT_THERE, sent[at]))
        else:
            there = sent[at] if at < len(sent) else NOT_THERE
            found += differences(f"{path}[{at}]", expected[at], there, exact=exact)
    return found


def _key(key: Any) -> str:
    """The text that a key of another kind becomes in JSON."""
    [text] = Plain(_MOST_BYTES)({key: None})
    return str(text)
