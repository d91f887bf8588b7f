"""Amplitude's `Identify`: operations on the properties of a user or of a group, put together one by one.

The rules are those of Amplitude's Node and Python clients: of several operations on one property the first one counts;
`clear_all` takes back what came before and lets nothing come after. An operation that breaks a rule is ignored, never
raised: it is kept in `ignored`, and the client that sends the `Identify` counts and tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from sluiceway.reading import is_number

if TYPE_CHECKING:
    from typing_extensions import Self

# What stands for a value where an operation has none.
UNSET = "-"
# Of one object as a value, its own objects included (Amplitude-Node, packages/utils/src/validateProperties.ts).
MAX_PROPERTY_KEYS = 1_000
# Deeper than the vendor takes (40) is found out later, at the call; here it must only not run out of stack.
_MAX_DEPTH = 64

_CLEAR_ALL = "$clearAll"
# In the order in which an event lists them.
_USER_OPERATIONS = (
    "$set",
    "$setOnce",
    "$add",
    "$append",
    "$prepend",
    "$remove",
    "$preInsert",
    "$postInsert",
    "$unset",
    _CLEAR_ALL,
)
_GROUP_OPERATIONS = ("$set", "$setOnce", "$add", "$append", "$prepend", "$unset")


class Ignored(msgspec.Struct, frozen=True):
    """One operation that is not sent, and why not."""

    operation: str
    why: str


class Identify:
    """Collects operations; every method returns the `Identify` itself, so that they can be chained.

        Identify().set("plan", "pro").add("logins", 1).unset("trial_ends")

    Values are kept as given until the `Identify` is sent. For one thread at a time.
    """

    __slots__ = ("_groups", "_ignored", "_operations", "_properties")

    def __init__(self) -> None:
        self._operations: dict[str, dict[str, Any]] = {}
        self._properties: set[str] = set()
        self._groups: dict[str, Any] = {}
        self._ignored: list[Ignored] = []

    # -- the ten operations

    def set(self, key: str, value: Any) -> Self:
        """Set a property."""
        self._keep("$set", key, value)
        return self

    def set_once(self, key: str, value: Any) -> Self:
        """Set a property unless it has a value already."""
        self._keep("$setOnce", key, value)
        return self

    def add(self, key: str, value: float) -> Self:
        """Add a number, which may be negative, to a property."""
        self._keep("$add", key, value)
        return self

    def append(self, key: str, value: Any) -> Self:
        """Put a value, or each of a list, at the end of a list property."""
        self._keep("$append", key, value)
        return self

    def prepend(self, key: str, value: Any) -> Self:
        """Put a value, or each of a list, at the beginning of a list property."""
        self._keep("$prepend", key, value)
        return self

    def pre_insert(self, key: str, value: Any) -> Self:
        """Put a value at the beginning of a list property unless it is in there."""
        self._keep("$preInsert", key, value)
        return self

    def post_insert(self, key: str, value: Any) -> Self:
        """Put a value at the end of a list property unless it is in there."""
        self._keep("$postInsert", key, value)
        return self

    def remove(self, key: str, value: Any) -> Self:
        """Take every occurrence of a value out of a list property."""
        self._keep("$remove", key, value)
        return self

    def unset(self, key: str) -> Self:
        """Remove a property."""
        self._keep("$unset", key, UNSET)
        return self

    def clear_all(self) -> Self:
        """Remove all properties. Takes back every operation so far and lets none come after."""
        self._operations = {_CLEAR_ALL: {}}
        self._groups = {}
        return self

    def set_group(self, group_type: str, group_name: str | list[str]) -> Self:
        """Put the user into a group, or several of one type: sets the property, and the event's ``groups``."""
        if self._keep("$set", group_type, group_name):
            self._groups[group_type] = group_name
        return self

    # -- what is read off it

    @property
    def ignored(self) -> tuple[Ignored, ...]:
        """The operations that broke a rule, in order."""
        return tuple(self._ignored)

    @property
    def groups(self) -> dict[str, Any]:
        """The groups that were set, by type; a copy."""
        return dict(self._groups)

    @property
    def user_properties(self) -> dict[str, Any]:
        """The operations as an event for a user has them; a copy, its values are the caller's own."""
        return self._listed(_USER_OPERATIONS)

    @property
    def group_properties(self) -> dict[str, Any]:
        """The operations that Amplitude has for groups, too, as an event for a group has them; a copy."""
        return self._listed(_GROUP_OPERATIONS)

    @property
    def not_for_groups(self) -> tuple[str, ...]:
        """The operations in here that an event for a group leaves out."""
        return tuple(name for name in self._operations if name not in _GROUP_OPERATIONS)

    def identify_user(self, user_id: str | None = None, device_id: str | None = None) -> dict[str, Any]:
        """Return the event for a user, to be changed and given to ``log_event``."""
        ids = {"user_id": user_id, "device_id": device_id}
        event: dict[str, Any] = {"event_type": "$identify"} | {key: value for key, value in ids.items() if value}
        if self._groups:
            event["groups"] = self.groups
        return event | {"user_properties": self.user_properties}

    def identify_group(self, group_type: str, group_name: str | list[str]) -> dict[str, Any]:
        """Return the event for a group, to be changed and given to ``log_event``. Its device id is made up."""
        return {
            "event_type": "$groupidentify",
            "device_id": uuid4().hex,
            "groups": {group_type: group_name},
            "group_properties": self.group_properties,
        }

    def __repr__(self) -> str:
        """Tell the operations and how many properties they are about, never a property."""
        inside = ", ".join(f"{name}: {len(values)}" for name, values in self._operations.items())
        return f"<Identify {inside or 'nothing'}>"

    def _listed(self, operations: tuple[str, ...]) -> dict[str, Any]:
        if _CLEAR_ALL in self._operations:
            return {_CLEAR_ALL: UNSET} if _CLEAR_ALL in operations else {}
        return {name: dict(self._operations[name]) for name in operations if name in self._operations}

    def _keep(self, operation: str, key: str, value: Any) -> bool:
        why = self._fault(operation, key, value)
        if why:
            self._ignored.append(Ignored(operation, why))
            return False
        self._operations.setdefault(operation, {})[key] = value
        self._properties.add(key)
        return True

    def _fault(self, operation: str, key: object, value: object) -> str:
        """What breaks a rule, in words that repeat neither key nor value; empty when nothing does."""
        if not isinstance(key, str):
            return f"the name of a property must be a str, not {type(key).__name__}"
        if _CLEAR_ALL in self._operations:
            return "comes after clear_all"
        if key in self._properties:
            return "is about a property that has an operation already"
        try:
            if operation == "$add":
                return "" if is_number(value) else f"takes a finite number, not {type(value).__name__}"
            return "takes a value, not None" if value is None else _value_fault(value)
        except Exception as error:
            return f"raised {type(error).__name__} while its value was read"


def _value_fault(value: object, depth: int = 0) -> str:
    if depth > _MAX_DEPTH:
        return f"has a value nested deeper than {_MAX_DEPTH} levels"
    if callable(value):
        return f"takes text, numbers, bools, lists and mappings, not {type(value).__name__}"
    if isinstance(value, Mapping):
        return _mapping_fault(value, depth)
    if isinstance(value, (list, tuple)):
        for entry in value:
            if isinstance(entry, (list, tuple)):
                return "has a list inside a list"
            why = _value_fault(entry, depth + 1)
            if why:
                return why
    return ""


def _mapping_fault(value: Mapping[Any, Any], depth: int) -> str:
    if len(value) > MAX_PROPERTY_KEYS:
        return f"has a value with more than {MAX_PROPERTY_KEYS:,} keys"
    for key, entry in value.items():
        if not isinstance(key, str):
            return f"has a key that is no str, but {type(key).__name__}"
        why = _value_fault(entry, depth + 1)
        if why:
            return why
    return ""
