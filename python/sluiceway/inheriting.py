"""What an event inherits from the scope it is made in: values checked and copied once, then merged and given out.

A scope's values lie in one tuple, the `Parts`, in an order that the engine knows as well (``native/src/scope.rs``):
a plain event takes what it needs natively, every other one here. Both ways come to the same event. Pure: which scope is
open is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

from sluiceway.errors import InvalidEvent
from sluiceway.events import check_id
from sluiceway.values import Plain, TooLarge, Unserializable, key_text
from sluiceway.vendors.base import Call

Given: TypeAlias = tuple["str | None", "str | None", "dict[str, Any] | None", "dict[str, str] | None"]
"""What one scope was told: user id, anonymous id, context, groups; None where nothing."""

Parts: TypeAlias = tuple[Any, ...]
"""What a scope says, outer scopes included: an item for each of the constants below, None where nothing."""

USER, ANONYMOUS, WHO, CONTEXT, GROUPED, GROUPS, GIVEN = range(7)

# Which item a field takes, by the word on the vendor's page (`Field.scope`).
_ITEMS = {
    "user": USER,
    "anonymous": ANONYMOUS,
    "who": WHO,
    "context": CONTEXT,
    "grouped": GROUPED,
    "groups": GROUPS,
}
_IDS = ("user", "anonymous", "who")

# Segment's key for "which account", for events that are not about groups.
_GROUP_KEY = "groupId"

MAX_BYTES = 1_000_000
"""The most that a scope's context can have, as the least JSON that it can become."""

# Values of these types are the same for ever, and plain.
_SIMPLE = frozenset({int, float, bool, type(None)})
# Below so many bits an integer is printed as it is, whatever Python was told.
_SMALL_BITS = 2_120
# Deeper ones are copied the way of an event's values.
_DEPTH = 4


def freeze(user_id: object, anonymous_id: object, context: object, groups: object) -> Given:
    """Check what a scope is told, and copy it. None means absent. Raises InvalidEvent, naming the argument."""
    return (
        None if user_id is None else check_id("user_id", user_id),
        None if anonymous_id is None else check_id("anonymous_id", anonymous_id),
        None if context is None else _context(context),
        None if groups is None else _groups(groups),
    )


def _context(value: object) -> dict[str, Any] | None:
    copy = _copy(value, _DEPTH)[0] if type(value) is dict else None
    if copy is None:
        if not isinstance(value, Mapping):
            raise InvalidEvent("context", f"must be a mapping, not {type(value).__name__}")
        copy = _read("context", Plain(MAX_BYTES), value)
    return copy or None


def _copy(value: dict[Any, Any], depth: int) -> tuple[dict[str, Any] | None, int]:
    """Copy a dict that is plain already, as most are, and count its characters. None where that is not so sure."""
    copy, size = value.copy(), 0
    for key, item in copy.items():
        kind = type(item)
        if type(key) is not str:
            return None, 0
        if kind is str:
            size += len(item)
        elif kind is dict and depth:
            # Under a key that is there: that does not disturb the iteration.
            copy[key], within = _copy(item, depth - 1)
            if copy[key] is None:
                return None, 0
            size += within
        elif kind not in _SIMPLE or (kind is int and item.bit_length() > _SMALL_BITS):
            return None, 0
        size += len(key)
    return (copy, size) if size < MAX_BYTES else (None, 0)


def _groups(value: object) -> dict[str, str] | None:
    if not isinstance(value, Mapping):
        raise InvalidEvent("groups", f"must be a mapping, not {type(value).__name__}")
    copy: dict[Any, Any] = _read("groups", dict, value)
    if not all(isinstance(kind, str) and kind for kind in copy):
        raise InvalidEvent("groups", "must have non-empty texts as keys, the types of the groups")
    return {str.__str__(kind): check_id("groups", one) for kind, one in copy.items() if one is not None} or None


def _read(argument: str, read: Callable[[Any], Any], value: object) -> Any:
    """Copy a mapping; what the caller's own code raises meanwhile is said of it by its type only."""
    try:
        return read(value)
    except (Unserializable, TooLarge) as error:
        what = str(error) if isinstance(error, Unserializable) else f"takes more than {MAX_BYTES:,} bytes"
        raise InvalidEvent(argument, what) from None
    except Exception as error:
        raise InvalidEvent(argument, f"raised {type(error).__name__} while it was read") from None


def add(given: Given, more: Given) -> Given:
    """What a scope was told, and then told more.

    Ids replace, maps are merged key by key. Another user does not come with the anonymous id of the one before: the
    vendors take two ids of one event for the same person, for ever.
    """
    user, anonymous, context, groups = given
    new_user, new_anonymous, new_context, new_groups = more
    if new_anonymous is not None:
        anonymous = new_anonymous
    elif new_user is not None and user is not None and new_user != user:
        anonymous = None
    return (
        user if new_user is None else new_user,
        anonymous,
        _joined(context, new_context),
        _joined(groups, new_groups),
    )


def _joined(outer: dict[str, Any] | None, inner: dict[str, Any] | None) -> dict[str, Any] | None:
    if outer is None or inner is None:
        return outer if inner is None else inner
    return {**outer, **inner}


def parts(outer: Parts | None, given: Given) -> Parts:
    """What a scope says that was told ``given``, inside one that says ``outer``."""
    user, anonymous, context, groups = (
        given if outer is None else add((outer[USER], outer[ANONYMOUS], outer[CONTEXT], outer[GROUPS]), given)
    )
    grouped = context
    if groups is not None and (context is None or _GROUP_KEY not in context):
        grouped = {**(context or {}), _GROUP_KEY: next(iter(groups.values()))}
    return (user, anonymous, anonymous if user is None else user, context, grouped, groups, given)


def fill(call: Call, values: Sequence[Any], said: Parts) -> tuple[Any, ...]:
    """Return a value for each field of the call: the caller's own, completed by what the scope says.

    What is no mapping where one belongs stays as it is, for the checks behind this to tell. Raises InvalidEvent when a
    mapping of the caller's own class raises.
    """
    arguments: dict[str, Any] = {field.argument: None for field in call.fields}
    arguments.update({field.argument: value for field, value in zip(call.fields, values, strict=False)})
    takes: Collection[str] | None = None if call.inherits is None else call.inherits(arguments)
    names_somebody = any(arguments[field.argument] is not None for field in call.fields if field.scope in _IDS)
    placed = {field.key: field.argument for field in call.fields if field.scope == "entry"}
    for field in call.fields:
        if field.scope not in _ITEMS or (takes is not None and field.scope not in takes):
            continue
        value = said[_ITEMS[field.scope]]
        if value is None:
            continue
        own = arguments[field.argument]
        if field.scope in _IDS:
            if not names_somebody:
                arguments[field.argument] = value
            continue
        if placed and field.scope == "context":
            for key in placed.keys() & value.keys():
                if arguments[placed[key]] is None:
                    arguments[placed[key]] = value[key]
            value = {key: item for key, item in value.items() if key not in placed}
        if own is None and field.inside:
            # PostHog's groups may stand among the properties as well, and are the caller's own there, too.
            around = next(arguments[owner.argument] for owner in call.fields if owner.key == field.inside)
            own = _entry(field.inside, around, field.key)
        arguments[field.argument] = _completed(field.argument, own, value)
    return tuple(arguments[field.argument] for field in call.fields)


def _entry(argument: str, around: Any, key: str) -> Any:
    return _read(argument, lambda mapping: mapping.get(key), around) if isinstance(around, Mapping) else None


def _completed(argument: str, own: Any, inherited: dict[str, Any]) -> Any:
    """The caller's own map and behind it what it has not. None is an empty one."""
    if own is None:
        return inherited or None
    if not isinstance(own, Mapping):
        return own
    mine: dict[Any, Any] = _read(argument, dict, own)
    taken: Collection[Any] = mine
    if not all(type(key) is str for key in mine):
        # Keys that are no text become one, and may then be ours.
        taken = _read(argument, lambda keys: {key_text(key) for key in keys}, mine)
    return {**mine, **{key: value for key, value in inherited.items() if key not in taken}}
