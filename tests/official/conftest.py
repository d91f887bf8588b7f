"""What every test of an official client has: one local server, cleared before each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def command() -> Iterator[object]:
    from .page import Page

    with Page() as page:
        yield page


@pytest.fixture
def page(command: object) -> Iterator[object]:
    """The server without events and without faults."""
    from .page import Page

    assert isinstance(command, Page)
    command.tell("DELETE", "faults")
    command.tell("POST", "clear")
    yield command
    command.tell("DELETE", "faults")
