"""The five methods that Segment and RudderStack share, in the argument order of both vendors' Python clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sluiceway.client import Client
from sluiceway.delivery import Callback
from sluiceway.events import Id, Timestamp
from sluiceway.vendors.spec import GROUP, IDENTIFY, PAGE, SCREEN, TRACK


class SpecClient(Client):
    """What the clients of Segment and RudderStack have in common."""

    __slots__ = ()

    def identify(
        self,
        user_id: Id | None = None,
        traits: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Tell who a user is, by traits. Needs ``user_id`` or ``anonymous_id``."""
        values = (user_id, anonymous_id, traits, context, integrations)
        return self._send(IDENTIFY, callback, message_id, timestamp, values)

    def track(
        self,
        user_id: Id | None = None,
        event: str | None = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Record what a user did. Needs ``event``, and ``user_id`` or ``anonymous_id``."""
        values = (user_id, anonymous_id, event, properties, context, integrations)
        return self._send(TRACK, callback, message_id, timestamp, values)

    def page(
        self,
        user_id: Id | None = None,
        category: str | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Record that a user saw a page of a website. Needs ``user_id`` or ``anonymous_id``."""
        values = (user_id, anonymous_id, category, name, properties, context, integrations)
        return self._send(PAGE, callback, message_id, timestamp, values)

    def screen(
        self,
        user_id: Id | None = None,
        category: str | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Record that a user saw a screen of an app. Needs ``user_id`` or ``anonymous_id``."""
        values = (user_id, anonymous_id, category, name, properties, context, integrations)
        return self._send(SCREEN, callback, message_id, timestamp, values)

    def group(
        self,
        user_id: Id | None = None,
        group_id: Id | None = None,
        traits: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Timestamp | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | UUID | None = None,
        *,
        callback: Callback | None = None,
    ) -> bool:
        """Put a user into a group, with the group's traits. Needs ``group_id``, and ``user_id`` or ``anonymous_id``."""
        values = (user_id, anonymous_id, group_id, traits, context, integrations)
        return self._send(GROUP, callback, message_id, timestamp, values)
