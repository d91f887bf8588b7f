"""Where a call's arguments go when it takes the native short cut: from a method's parameters to the engine's places.

A short cut stands in front of a method. What is plain and accepted never enters Python; everything else calls the
method itself, so what a call means, its errors included, is written there alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from types import FunctionType
from typing import Any

import msgspec

from sluiceway.vendors.base import Call, Vendor

# The engine's names for the slots of an event's own id and moment; the fields have theirs from 0.
MESSAGE_ID = -1
TIMESTAMP = -2


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one short cut is made of. ``slots`` say where the value of each name goes."""

    method: Any
    """A FunctionType; by that name, type checkers would take it for a method of this class."""
    number: int
    """Which call of the page it stands for."""
    names: list[str]
    slots: list[int]
    positional: int
    """How many of the names may be given by position."""
    mapping: bool = False
    """Whether the one argument is a mapping of the names."""

    @property
    def fields(self) -> int:
        """How many of the call's fields the method can fill."""
        return 1 + max(self.slots, default=-1)


def plans(cls: type, vendor: Vendor) -> Mapping[str, Plan]:
    """Return the plans of a vendor's class, by the names of its methods."""
    numbers = {call.name: number for number, call in enumerate(vendor.calls)}
    made = {}
    for call in vendor.calls:
        if call.public:
            made[call.name] = _of_parameters(_method(cls, call.name), numbers[call.name], call, vendor)
    for name, call_name in vendor.mapping_calls.items():
        number = numbers[call_name]
        made[name] = _of_mapping(_method(cls, name), number, vendor.calls[number], vendor)
    return made


def _method(cls: type, name: str) -> FunctionType:
    """The method itself, also where a class above has a short cut of its own in front of it."""
    found: Any = getattr(cls, name)
    method: FunctionType = getattr(found, "__wrapped__", found)
    return method


def _of_parameters(method: FunctionType, number: int, call: Call, vendor: Vendor) -> Plan:
    code = method.__code__
    parameters = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    slots = {field.argument: index for index, field in enumerate(call.fields)}
    slots |= {vendor.id_argument: MESSAGE_ID, vendor.time_argument: TIMESTAMP}
    known = [name for name in parameters if name in slots]
    # By position only up to the first parameter that the short cut does not know.
    positional = len(list(takewhile(slots.__contains__, parameters[: code.co_argcount - 1])))
    return Plan(method=method, number=number, names=known, slots=[slots[name] for name in known], positional=positional)


def _of_mapping(method: FunctionType, number: int, call: Call, vendor: Vendor) -> Plan:
    slots = {field.key: index for index, field in enumerate(call.fields) if not field.inside}
    slots |= {vendor.id_key: MESSAGE_ID, vendor.time_key: TIMESTAMP}
    return Plan(method=method, number=number, names=list(slots), slots=list(slots.values()), positional=1, mapping=True)
