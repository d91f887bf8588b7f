"""PostHog's calls: the fields of each kind of event, in batch v0 and in capture V1, and what completes an event.

Both versions have the same calls with the same arguments in the same order, so that one short cut serves both. What V1
wants elsewhere (``$process_person_profile`` in ``options``, ``$session_id`` beside the properties) is moved there by
``prepare``; the others follow PostHog's Node client of 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid4

import msgspec

from sluiceway.errors import InvalidEvent
from sluiceway.vendors.base import LIBRARY_NAME, Call, Field, Prepare, Takes

Mode: TypeAlias = Literal["v0", "v1"]

CAPTURE, IDENTIFY, ALIAS, GROUP_IDENTIFY, SET, SET_ONCE, PAGE_VIEW = range(7)

# What a merge of persons refuses, silently and on the server, because it stems from a mistake (PostHog/posthog,
# nodejs/src/ingestion/common/persons/person-merge-service.ts); V1 compares without regard to case, and so do we.
_MISTAKEN_IDS = (
    *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined"),
    *("true", "false", "[object object]", "nan", "none", "null", "0"),
)
ILLEGAL_IDS = tuple(f"{quote}{text}{quote}" for quote in ("", "'", '"') for text in _MISTAKEN_IDS)

# rust/capture/src/v1/analytics/constants.rs. Of a longer distinct_id v0 keeps the first 200 characters.
_V1_MAX_BYTES = 200

# Events that are not what somebody did. PostHog's clients have calls for them, but capture takes them as well.
_ABOUT_IDS = ("$identify", "$create_alias", "$merge_dangerously", "$groupidentify", "$set", "$set_once", "$unset")

PROPERTIES = "properties"
_PERSONLESS = "$process_person_profile"


def calls(
    mode: Mode, *, disable_geoip: bool = True, super_properties: Mapping[str, Any] | None = None
) -> tuple[Call, ...]:
    """Return the calls in the order of their numbers.

    ``super_properties``, plain JSON, become part of every event where it does not say otherwise itself.
    """
    shared = dict(super_properties or {})
    promotion = _Promotion(shared) if mode == "v1" else None
    max_bytes = _V1_MAX_BYTES if promotion else 0
    # A field each, with a default: so what the call says under the same key takes its place.
    behind = tuple(_inside(f"super_properties.{key}", key, "any", default=_json(shared[key])) for key in shared)

    def call(name: str, event: str, *fields: Field, steps: tuple[Prepare, ...] = (), inherits: Any = None) -> Call:
        [owner] = [field.argument for field in fields if field.key == PROPERTIES]
        fields = (*fields, *behind)
        if promotion is not None:
            fields, steps = (*fields, *promotion.fields), (*steps, promotion.of(owner))
        constants = {"event": event} if event else {}
        return Call(name=name, constants=constants, fields=fields, prepare=_chain(*steps), inherits=inherits)

    def properties(argument: str) -> Field:
        watched, ours = (_PROMOTED, None) if promotion else ((), _library)
        # As in PostHog's Python client, whose contexts are part of what is captured and of no other call.
        scope: Takes = "context" if argument == PROPERTIES else ""
        return Field(argument=argument, key=PROPERTIES, kind="map", ours=ours, watched=watched, scope=scope)

    distinct_id = Field(argument="distinct_id", key="distinct_id", kind="id", required=True, max_bytes=max_bytes)
    merging_id = msgspec.structs.replace(distinct_id, refused=ILLEGAL_IDS)
    # Not where the id is what the call is about: whose properties are set, who is merged into whom.
    acting_id = msgspec.structs.replace(distinct_id, scope="who")
    # Always there, so that a map without entries of ours can begin with it.
    geoip = _inside("disable_geoip", "$geoip_disable", "any", default=b"true" if disable_geoip else b"false")
    groups = _inside("groups", "$groups", "map", scope="groups")
    own = properties("event_properties")
    person = {
        key: _inside("properties", key, "map", required=True)
        if promotion
        else Field(argument="properties", key=key, kind="map", required=True)
        for key in ("$set", "$set_once")
    }
    return (
        call(
            "capture",
            "",
            Field(argument="event", key="event", kind="name", required=True, max_bytes=max_bytes, scope="kind"),
            acting_id,
            geoip,
            properties("properties"),
            groups,
            steps=(_without_person,),
            inherits=_inherits,
        ),
        call(
            "identify",
            "$identify",
            distinct_id,
            geoip,
            _inside("properties", "$set", "map", default=b"{}", watched=("$set", "$set_once", "$anon_distinct_id")),
            _inside("set_once", "$set_once", "map"),
            _inside("anon_distinct_id", "$anon_distinct_id", "id", guarded=True, refused=ILLEGAL_IDS),
            own,
            steps=(_identified,),
        ),
        call(
            "alias",
            "$create_alias",
            merging_id,
            geoip,
            _inside("merging_id", "distinct_id", "id"),
            _inside("alias", "alias", "id", required=True, guarded=True, refused=ILLEGAL_IDS),
            own,
            steps=(_aliased,),
        ),
        call(
            "group_identify",
            "$groupidentify",
            acting_id,
            geoip,
            _inside("group_type", "$group_type", "name", required=True),
            _inside("group_key", "$group_key", "id", required=True),
            _inside("properties", "$group_set", "map", default=b"{}"),
            own,
            steps=(_of_a_group,),
        ),
        call("set", "$set", distinct_id, person["$set"], geoip, own),
        call("set_once", "$set_once", distinct_id, person["$set_once"], geoip, own),
        call(
            "page_view",
            "$pageview",
            acting_id,
            geoip,
            _inside("url", "$current_url", "name", required=True),
            properties("properties"),
            groups,
            steps=(_without_person,),
        ),
    )


def _library(version: str) -> dict[str, Any]:
    return {"$lib": LIBRARY_NAME, "$lib_version": version}


def _inside(argument: str, key: str, kind: Any, **more: Any) -> Field:
    return Field(argument=argument, key=key, kind=kind, inside=PROPERTIES, **more)


def _chain(*steps: Prepare) -> Prepare | None:
    if len(steps) < 2:
        return steps[0] if steps else None

    def prepare(arguments: dict[str, Any]) -> None:
        for step in steps:
            step(arguments)

    return prepare


# -- what completes an event


def _inherits(arguments: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Nothing for an event that changes persons or groups: it is about the ids that it names."""
    return () if _text(arguments["event"]) in _ABOUT_IDS else None


def _without_person(arguments: dict[str, Any]) -> None:
    """Give an event of nobody an id of its own, and say that it makes no person."""
    if arguments["distinct_id"] is None:
        arguments["distinct_id"] = str(uuid4())
        arguments["properties"] = {_PERSONLESS: False, **_copy("properties", arguments["properties"])}


def _identified(arguments: dict[str, Any]) -> None:
    """Take apart what the Node client takes in one map: ``{"$set": …, "$set_once": …}`` beside plain entries."""
    given = arguments["properties"]
    if _has_any(given, ("$set", "$set_once", "$anon_distinct_id")):
        rest = _copy("properties", given)
        once, anonymous = rest.pop("$set_once", None), rest.pop("$anon_distinct_id", None)
        said = rest.pop("$set", None)
        arguments["properties"] = {**rest, **_copy("$set", said)}
        if once is not None:
            arguments["set_once"] = {**_copy("$set_once", once), **_copy("set_once", arguments["set_once"])}
        if arguments["anon_distinct_id"] is None:
            arguments["anon_distinct_id"] = anonymous
    merged = _said(arguments, "anon_distinct_id", "$anon_distinct_id") is not None
    text = _text(arguments["distinct_id"])
    if merged and text is not None and text.lower() in ILLEGAL_IDS:
        raise InvalidEvent(
            "distinct_id", "is a text that PostHog takes for a mistake, as 'null' would be: nobody is merged"
        )


def _aliased(arguments: dict[str, Any]) -> None:
    """Refuse an id as its own alias, and repeat the id among the properties, as all clients do."""
    target, other = arguments["distinct_id"], _said(arguments, "alias", "alias")
    if target is not None and _text(target) == _text(other):
        raise InvalidEvent("alias", "must be another id than distinct_id")
    arguments["merging_id"] = target


def _of_a_group(arguments: dict[str, Any]) -> None:
    """Name somebody as the one who did it: PostHog's clients make up an id out of the group's."""
    if arguments["distinct_id"] is not None:
        return
    for argument in ("group_type", "group_key"):
        if not _text(arguments[argument]):
            raise InvalidEvent(argument, "is required, as a text that is not empty")
    arguments["distinct_id"] = f"${_text(arguments['group_type'])}_{_text(arguments['group_key'])}"


def _said(arguments: Mapping[str, Any], argument: str, key: str) -> Any:
    """An argument that middleware may have put among the event's properties."""
    value, own = arguments[argument], arguments["event_properties"]
    return own.get(key) if value is None and isinstance(own, Mapping) else value


def _text(value: Any) -> str | None:
    """An id as it will be sent; None for what is none, which the checks behind this tell better."""
    if isinstance(value, str):
        return str.__str__(value)
    return str(value) if isinstance(value, (int, UUID)) and not isinstance(value, bool) else None


def _has_any(given: Any, keys: tuple[str, ...]) -> bool:
    return isinstance(given, Mapping) and any(key in given for key in keys)


def _copy(argument: str, given: Any) -> dict[str, Any]:
    """Copy a mapping of the caller's; None is an empty one. Raises InvalidEvent."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidEvent(argument, f"must be a mapping, not {type(given).__name__}")
    try:
        return dict(given)
    except Exception as error:
        raise InvalidEvent(argument, f"raised {type(error).__name__} while it was read") from None


# -- capture V1: what moves out of the properties


def _as_bool(value: Any) -> bool | None:
    """Read a flag as the server does; None leaves it out, because another type would have the batch refused."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value != 0
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    return None


_OPTIONS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "$cookieless_mode": ("cookieless_mode", _as_bool),
    "$ignore_sent_at": ("disable_skew_correction", _as_bool),
    _PERSONLESS: ("process_person_profile", _as_bool),
    "$product_tour_id": ("product_tour_id", _text),
}
_BESIDE = {"$session_id": "session_id", "$window_id": "window_id"}
# The server takes the library from a header; in the properties it would count as the caller's.
_LEFT_OUT = ("$lib", "$lib_version")
_PROMOTED = (*_OPTIONS, *_BESIDE, *_LEFT_OUT)


class _Promotion:
    """Moves the marks that V1 has a place for, of each event and of the properties that all events share."""

    def __init__(self, shared: dict[str, Any]) -> None:
        """Take the marks out of ``shared``: they are the defaults."""
        self._options, beside = _promote(shared)
        session, window = (
            Field(argument=name, key=name, kind="name", default=_json(beside[name]) if name in beside else b"")
            for name in _BESIDE.values()
        )
        options = Field(argument="options", key="options", kind="map", default=_json(self._options))
        self.fields = (options, session, window)

    def of(self, owner: str) -> Prepare:
        """Return what moves the marks out of the map that the argument ``owner`` brings."""

        def prepare(arguments: dict[str, Any]) -> None:
            if not _has_any(arguments[owner], _PROMOTED):
                return
            rest = _copy(owner, arguments[owner])
            options, beside = _promote(rest)
            arguments[owner] = rest
            if options:
                arguments["options"] = {**self._options, **_copy("options", arguments["options"]), **options}
            arguments.update(beside)

        return prepare


def _promote(entries: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Take the marks out of ``entries``; return the options and what stands beside the properties."""
    options, beside = {}, {}
    for key, (name, read) in _OPTIONS.items():
        if (value := read(entries.pop(key, None))) is not None:
            options[name] = value
    for key, name in _BESIDE.items():
        if text := _text(entries.pop(key, None)):
            beside[name] = text
    for key in _LEFT_OUT:
        entries.pop(key, None)
    return options, beside


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
