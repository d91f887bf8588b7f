"""The plugin of the kit for its own tests, whether or not the package is installed with its entry point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import entry_points
from typing import Any

import pytest

from sluiceway import Amplitude, PostHog, RudderStack, Segment
from sluiceway.testing import Receiver, plugin

KEY = "k" * 20


def is_installed() -> bool:
    return any(entry.name == "sluiceway" for entry in entry_points(group="pytest11"))


def pytest_configure(config: pytest.Config) -> None:
    manager = config.pluginmanager
    if not manager.has_plugin("sluiceway"):
        manager.register(plugin, "sluiceway")


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Closes what a test enters, also when the test fails."""
    with ExitStack() as stack:
        yield stack


class Clients:
    """Makes clients of all vendors that are closed at the end of the test."""

    def __init__(self, closing: ExitStack) -> None:
        self._closing = closing

    def __call__(self, kind: type[Any], *args: Any, **options: Any) -> Any:
        if kind is RudderStack and len(args) < 1:
            args = ("https://rudder.example.com",)
        return self._closing.enter_context(kind(KEY, *args, **options))

    def all(self) -> list[Any]:
        return [self(kind) for kind in (Segment, RudderStack, PostHog, Amplitude)]


@pytest.fixture
def clients(closing: ExitStack) -> Clients:
    return Clients(closing)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running
