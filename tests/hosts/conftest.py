"""What every test of a host has: a receiver that keeps all it gets, and a way to start a server against it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sluiceway.testing import Receiver

# Nothing is sent before a flush, a close or an exit: what a graceful end delivers was all still waiting. An exit
# may take ten times its usual budget, since a busy machine may need more than 2 seconds to import the network code.
WAITING: dict[str, Any] = {"flush_first": False, "flush_at": 10_000, "flush_interval": 3_600, "exit_timeout": 20}

# Sent by the worker itself, soon after.
SOON: dict[str, Any] = {"flush_first": False, "flush_interval": 0.5, "exit_timeout": 20}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(vendor="segment") as receiver:
        yield receiver


@pytest.fixture
def start(receiver: Receiver, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`start(command)`: a server, answering. `{port}` in the command is its port; it ends with the test."""
    from .host import Host, free_port

    with contextlib.ExitStack() as started:

        def start(
            command: list[str],
            *,
            client_at: str = "import",
            imported: bool = False,
            options: dict[str, Any] = WAITING,
            environment: dict[str, str] | None = None,
        ) -> Host:
            port = free_port()
            variables = {"RECEIVER": receiver.url, "CLIENT_AT": client_at, "OPTIONS": json.dumps(options)}
            if imported:
                variables["IMPORTED"] = "1"
            host = Host(
                [part.format(port=port) for part in command],
                port,
                tmp_path / f"host-{port}.log",
                {**variables, **(environment or {})},
            )
            return started.enter_context(host).ready()

        yield start
