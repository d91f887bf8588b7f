"""The command in this process, and a receiver for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from sluiceway.cli.send import send
from sluiceway.testing import Receiver

from .campaign import KEYS


class Sent:
    """What a run of the command came to."""

    def __init__(self, result: click.testing.Result) -> None:
        self.code = result.exit_code
        self.out = result.stdout
        self.err = result.stderr
        self.error = result.exception

    @property
    def last(self) -> str:
        return self.out.strip().splitlines()[-1]

    @property
    def told(self) -> dict[str, Any]:
        """The last line, where it is JSON."""
        told: dict[str, Any] = json.loads(self.last)
        return told


Send = Callable[..., Sent]


@pytest.fixture
def send_file() -> Send:
    def run(*arguments: object, stdin: bytes | None = None, **env: str) -> Sent:
        runner = click.testing.CliRunner(env={**KEYS, **env})
        result = runner.invoke(send, list(map(str, arguments)), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Sent(result)

    return run


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    with Receiver(vendor=getattr(request, "param", "segment")) as made:
        yield made


def rejects_of(path: Path, vendor: str = "segment") -> list[dict[str, Any]]:
    """What the default rejects file beside a file holds."""
    beside = path.with_name(f"{path.name}.{vendor}.rejects.jsonl")
    return [json.loads(line) for line in beside.read_text().splitlines()] if beside.exists() else []
