"""Which column becomes what: from flags, from a TOML file, or from both, where a flag wins."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from sluiceway.importing.cells import checked_kinds
from sluiceway.importing.faults import Misuse
from sluiceway.importing.identifiers import LINE, ROW

EventKind: TypeAlias = Literal["track", "identify", "page", "screen", "group", "alias"]

KINDS_OF: AnyMapping[str, tuple[str, ...]] = {
    "segment": ("track", "identify", "page", "screen", "group", "alias"),
    "rudderstack": ("track", "identify", "page", "screen", "group", "alias"),
    "posthog": ("track", "identify", "page", "screen", "group", "alias"),
    "amplitude": ("track", "identify"),
}
"""The kinds of events that each vendor's clients can be told."""

THE_REST = "*"
"""Among the properties: all columns that nobody named."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Names of columns, unless said otherwise. Empty is absent."""

    type: str = ""
    """The kind of every event; not a column."""
    type_column: str = ""
    event: str = ""
    event_name: str = ""
    """The name of every event; not a column."""
    user_id: str = ""
    anonymous_id: str = ""
    timestamp: str = ""
    timestamp_format: str = "auto"
    timezone: str = "UTC"
    message_id: str = ""
    """A column that holds ids which are unique already."""
    id_from: tuple[str, ...] = (ROW,)
    group_id: str = ""
    group_type: str = ""
    """PostHog's type of every group; not a column."""
    previous_id: str = ""
    category: str = ""
    properties: dict[str, str] = {}
    """From the property's name to its column. Without any, all columns that nobody named are properties."""
    context: dict[str, str] = {}
    """The same for Segment's and RudderStack's context; a dot in a name goes one map deeper."""
    user_properties: dict[str, str] = {}
    """What is told of the user beside the event: `context.traits`, PostHog's `$set`, Amplitude's user properties."""
    fields: dict[str, str] = {}
    """Further keys of Amplitude's events, such as platform or session_id."""
    drop: list[str] = []
    null: tuple[str, ...] = ()
    """Cells that say nothing, beside empty ones."""
    types: dict[str, str] = {}
    infer: bool = True

    @property
    def is_wire(self) -> bool:
        """Whether rows are events already, in the vendor's own words."""
        return not (self.event or self.event_name or self.type or self.type_column)

    @property
    def texts(self) -> frozenset[str]:
        """Columns whose values are texts whatever they look like: ids and names. "007" is not 7."""
        return frozenset(self._named("event", "type_column", "user_id", "anonymous_id", "message_id", "group_id")) | {
            *self._named("previous_id", "category")
        }

    @property
    def taken(self) -> frozenset[str]:
        """Columns that have a place of their own in the event, and so are no properties by themselves."""
        named = {*self.context.values(), *self.user_properties.values(), *self.fields.values()}
        return self.texts | {*self._named("timestamp"), *named}

    def columns(self) -> set[str]:
        """Return every column that is spoken of."""
        ids = {part for part in self.id_from if part not in (ROW, LINE)}
        named = {column for name, column in self.properties.items() if name != THE_REST}
        return {*self.taken, *named, *ids, *self.drop, *self.types}

    def digest(self) -> str:
        """Return what changes whenever any of it does, but for what has no effect on what is sent."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:32]

    def _named(self, *fields: str) -> list[str]:
        return [column for name in fields if (column := getattr(self, name))]


# Of events that are wire already, only ids are made, where they have none.
_NOT_OF_WIRE = tuple(name for name in Mapping.__struct_fields__ if name not in ("id_from", "null", "types", "infer"))


def load(path: str) -> dict[str, Any]:
    """Read a TOML file. Raises Misuse, saying where it is wrong."""
    decode: Any = None
    for module in ("tomllib", "tomli"):
        try:
            parser = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        decode, fault = parser.loads, parser.TOMLDecodeError
        break
    if decode is None:
        raise Misuse("--map needs Python 3.11, or on Python 3.10: pip install tomli")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"--map {path}: cannot be read ({type(error).__name__})") from None
    try:
        return dict(decode(text))
    except fault as error:
        raise Misuse(f"--map {path}: {error}") from None


def build(from_file: AnyMapping[str, Any], from_flags: AnyMapping[str, Any], where: str) -> Mapping:
    """Put both together. Raises Misuse for a key that nobody knows or a value of the wrong kind."""
    merged = dict(from_file)
    for key, value in from_flags.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = {**merged[key], **value}
        else:
            merged[key] = value
    # A name and a column for it are two ways to say the same: a flag for the one takes the other out of the file.
    for one, other in (("event", "event_name"), ("type", "type_column")):
        if from_flags.get(one):
            if from_flags.get(other):
                raise Misuse(f"{_flag(one)} and {_flag(other)} say the same: give one of them")
            merged.pop(other, None)
        elif from_flags.get(other):
            merged.pop(one, None)
    try:
        return msgspec.convert(merged, Mapping)
    except msgspec.ValidationError as error:
        raise Misuse(f"{where}: {error}") from None


def check(mapping: Mapping, vendor: str, form: str) -> None:
    """Refuse what cannot mean anything. Raises Misuse, naming the flag and what to do."""
    checked_kinds(mapping.types)
    if mapping.is_wire:
        if form != "jsonl":
            raise Misuse(
                "which events are these? Say --event COLUMN, or --event-name TEXT if all have the same name "
                "(or --type identify)"
            )
        plain = Mapping()
        said = [name for name in _NOT_OF_WIRE if getattr(mapping, name) != getattr(plain, name)]
        if said:
            raise Misuse(f"{_flag(said[0])} needs --event COLUMN or --event-name TEXT beside it")
        return
    kind = mapping.type or ("" if mapping.type_column else "track")
    if kind and kind not in KINDS_OF[vendor]:
        raise Misuse(f"--type {kind}: {vendor} has {', '.join(KINDS_OF[vendor])}")
    if kind == "track" and not (mapping.event or mapping.event_name):
        raise Misuse("what are the events called? Say --event COLUMN or --event-name TEXT")
    if mapping.event and mapping.event_name:
        raise Misuse("--event and --event-name say the same: give one of them")
    if mapping.context and vendor in ("posthog", "amplitude"):
        raise Misuse(f"--context: {vendor} has none; --property and --user-property are the ones")
    if mapping.fields and vendor != "amplitude":
        raise Misuse("--field is for Amplitude; --property and --context are the ones here")
    if kind == "group" and vendor == "posthog" and not mapping.group_type:
        raise Misuse("--type group wants --group-type TEXT for PostHog, such as company")
    if mapping.message_id and mapping.id_from != (ROW,):
        raise Misuse("--message-id and --id-from say the same: give one of them")
    if not mapping.id_from:
        raise Misuse("--id-from must name columns, @row or @line")


def check_columns(mapping: Mapping, columns: Sequence[str], path: str) -> None:
    """Refuse a column that the file has not. Raises Misuse, naming those that it has."""
    missing = sorted(mapping.columns() - set(columns))
    if missing:
        raise Misuse(f"{path} has no column {missing[0]!r}; it has {', '.join(columns)}")


def _flag(name: str) -> str:
    return {"properties": "--property"}.get(name, "--" + name.replace("_", "-"))
