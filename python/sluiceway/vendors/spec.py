"""The calls that Segment named in its Spec and RudderStack took over: what their pages have in common.

Source: Segment's Spec (segment.com/docs, connections/spec). ``alias`` is not here: RudderStack's takes more.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from sluiceway.vendors.base import LIBRARY_NAME, Call, Field

IDENTIFY, TRACK, PAGE, SCREEN, GROUP, ALIAS = range(6)

USER_ID = Field(argument="user_id", key="userId", kind="id")
ANONYMOUS_ID = Field(argument="anonymous_id", key="anonymousId", kind="id")
PREVIOUS_ID = Field(argument="previous_id", key="previousId", kind="id", required=True)
TRAITS = Field(argument="traits", key="traits", kind="map", default=b"{}")
EITHER_ID = ("user_id", "anonymous_id")

# An alias says what two ids are to each other: it never takes one from a scope.
_IDS = (
    msgspec.structs.replace(USER_ID, scope="user"),
    msgspec.structs.replace(ANONYMOUS_ID, scope="anonymous"),
)
_EVENT = Field(argument="event", key="event", kind="name", required=True)
_GROUP_ID = Field(argument="group_id", key="groupId", kind="id", required=True)
_PROPERTIES = Field(argument="properties", key="properties", kind="map", default=b"{}")
_NAME = Field(argument="name", key="name", kind="label")
_CATEGORY = Field(argument="category", key="category", kind="label")


def five_calls(
    context: Field, integrations: Field, *, identify_traits: Field = TRAITS, constants: Mapping[str, Any] | None = None
) -> tuple[Call, ...]:
    """Return identify, track, page, screen and group, with a vendor's own context and integrations.

    Neither server asks for a page's or a screen's name, though RudderStack's documents do.
    """
    fields = {
        "identify": (identify_traits,),
        "track": (_EVENT, _PROPERTIES),
        "page": (_CATEGORY, _NAME, _PROPERTIES),
        "screen": (_CATEGORY, _NAME, _PROPERTIES),
        "group": (_GROUP_ID, TRAITS),
    }
    return tuple(
        Call(
            name=name,
            constants={"type": name, **(constants or {})},
            fields=(*_IDS, *own, _inheriting(context, name), integrations),
            one_of=EITHER_ID,
        )
        for name, own in fields.items()
    )


def _inheriting(context: Field, call: str) -> Field:
    """The context of a call. Its ``groupId`` is for "non-group calls" (connections/spec/common, "Context fields")."""
    return msgspec.structs.replace(context, scope="context" if call == "group" else "grouped")


def basic_headers(write_key: str, version: str) -> dict[str, str]:
    """Basic authentication with the key as user name and no password, and who we are."""
    credential = binascii.b2a_base64(f"{write_key}:".encode(), newline=False).decode("ascii")
    return {
        "Authorization": f"Basic {credential}",
        "Content-Type": "application/json",
        "User-Agent": f"{LIBRARY_NAME}/{version}",
    }
