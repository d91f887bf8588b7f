"""Bugs that fork-unsafe clients have had, planted into this one: the laws have to catch each."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from typing import Any

from forking.load import Load
from sluiceway import Segment


def stop_before_the_fork(load: Load) -> None:
    """The parent's sending stops at each fork, as with hooks that shut a runtime down and never start it again."""
    os.register_at_fork(before=lambda: load.client.close(1.0))


def wait_in_the_child(load: Load) -> None:
    """A hook in the child waits for a thread that exists in the parent only."""
    os.register_at_fork(after_in_child=load.client._assembly.worker.desk.ended.wait)


def keep_the_queue(load: Load) -> None:
    """The child delivers what it inherited: events of the parent's."""
    parent = os.getpid()
    inherited = {"message_id": str(uuid.UUID(int=0xC0DEFFFF_0000_8000_8000_EEEE00000000))}
    load.client.track("parent", "Counted", **inherited)
    track = load.client.track

    def tell_again(*args: Any, **more: Any) -> Any:
        if os.getpid() != parent:
            track("parent", "Counted", **inherited)
        return track(*args, **more)

    _replace(load.client, tell_again)


def keep_the_randomness(load: Load) -> None:
    """Siblings draw their ids from one inherited stream of numbers."""
    chance, track = random.Random(1), load.client.track

    def with_inherited_ids(user: str, event: str, *args: Any, message_id: str | None = None) -> Any:
        return track(
            user, event, *args, message_id=message_id or str(uuid.UUID(int=chance.getrandbits(128), version=4))
        )

    _replace(load.client, with_inherited_ids)


def keep_the_counts(load: Load) -> None:
    """The child goes on counting where the parent was."""
    stats, parent, inherited = load.client.stats, os.getpid(), []
    os.register_at_fork(before=lambda: inherited.append(stats().offered))

    def counted_on() -> Any:
        mine = stats()
        if os.getpid() == parent:
            return mine
        import msgspec

        return msgspec.structs.replace(mine, offered=mine.offered + inherited[-1])

    load.client = _Patched(load.client, stats=counted_on)  # type: ignore[assignment]


def say_nothing(load: Load) -> None:
    """Not a bug of the client but of the test: no traffic runs in it."""
    load._resting = True


def _replace(client: Segment, track: Callable[..., Any]) -> None:
    type(client).track = lambda self, *args, **more: track(*args, **more)  # type: ignore[method-assign,assignment]


class _Patched:
    """A client with other methods in front of its own."""

    def __init__(self, client: Segment, **methods: Any) -> None:
        self._client = client
        vars(self).update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


PLANTS: dict[str, Callable[[Load], None]] = {
    plant.__name__: plant
    for plant in (
        stop_before_the_fork,
        wait_in_the_child,
        keep_the_queue,
        keep_the_randomness,
        keep_the_counts,
        say_nothing,
    )
}
