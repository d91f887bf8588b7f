"""An Amplitude event before the engine sees it: from arguments by name, or from one mapping, to the page's fields.

What is wrong with it is not raised here: a mistake stands in the place of a value, and the page's ``complete`` raises
it where mistakes are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

from sluiceway.delivery import Callback
from sluiceway.errors import InvalidEvent
from sluiceway.events import Id, Timestamp
from sluiceway.vendors.amplitude_page import AMPLITUDE, FIELDS
from sluiceway.vendors.amplitude_values import IngestionMetadata, Plan

Groups = Mapping[str, Any]
"""Groups of an event, by type: one name, or a list of them. Amplitude takes 5 types and 10 groups."""


class EventKeys(TypedDict, total=False):
    """What any event may have beside its type and its owner: the documented keys, and what concerns this one call."""

    time: Timestamp | None
    insert_id: str | UUID | None
    event_properties: Mapping[str, Any] | None
    user_properties: Mapping[str, Any] | None
    groups: Groups | None
    group_properties: Mapping[str, Any] | None
    skip_user_properties_sync: bool | None
    library: str | None
    ip: str | None
    session_id: int | None
    event_id: int | None
    app_version: str | None
    version_name: str | None
    platform: str | None
    os_name: str | None
    os_version: str | None
    device_brand: str | None
    device_manufacturer: str | None
    device_model: str | None
    carrier: str | None
    country: str | None
    region: str | None
    city: str | None
    dma: str | None
    language: str | None
    price: float | None
    quantity: int | None
    product_id: str | None
    revenue_type: str | None
    currency: str | None
    location_lat: float | None
    location_lng: float | None
    plan: Plan | Mapping[str, Any] | None
    ingestion_metadata: IngestionMetadata | Mapping[str, Any] | None
    idfa: str | None
    idfv: str | None
    adid: str | None
    android_id: str | None
    android_app_set_id: str | None
    user_agent: str | None
    partner_id: str | None
    uuid: str | None
    extra: Any
    callback: Callback | None


class EventOptions(EventKeys, total=False):
    """The same, with its owner."""

    user_id: Id | None
    device_id: Id | None


class Given(NamedTuple):
    """An event as the engine is given it. ``further`` are keys that the page does not know."""

    insert_id: Any
    time: Any
    values: tuple[Any, ...]
    further: dict[Any, Any] | None = None


_PLACES = {field.argument: place for place, field in enumerate(FIELDS)}
_KEYS = {field.key: field.argument for field in FIELDS}
_NOTHING = (None,) * len(FIELDS)


def from_arguments(method: str, arguments: Mapping[str, Any]) -> Given:
    """Put an event together from arguments by their names. Raises TypeError for one that no event has."""
    values = list(_NOTHING)
    for name, value in arguments.items():
        if name in _PLACES:
            values[_PLACES[name]] = value
        elif name not in ("insert_id", "time"):
            raise TypeError(f"{method}() got an unexpected keyword argument {name!r}")
    return Given(arguments.get("insert_id"), arguments.get("time"), tuple(values))


def from_mapping(event: object) -> Given:
    """Take an event apart by its keys on the wire; those of Python's spelling (``product_id``) will do as well."""
    if not isinstance(event, Mapping):
        return mistaken("event", f"must be a mapping, not {type(event).__name__}")
    try:
        rest = dict(event)
    except Exception as error:
        return mistaken("event", f"raised {type(error).__name__} while it was read")
    insert_id, time = rest.pop(AMPLITUDE.id_key, None), rest.pop(AMPLITUDE.time_key, None)
    values = []
    for key, argument in _KEYS.items():
        value = rest.pop(key, None)
        if value is None and argument != key:
            value = rest.pop(argument, None)
        values.append(value)
    further = {key: value for key, value in rest.items() if value is not None}
    return Given(insert_id, time, tuple(values), further or None)


def mistaken(field: str, message: str) -> Given:
    """What stands for an event that could not be put together."""
    return Given(None, None, (InvalidEvent(field, message),))
