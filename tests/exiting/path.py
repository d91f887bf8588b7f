"""One way in which a program ends: its text, who sends it signals, and what must be true of the end."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

Endpoint: TypeAlias = Literal["answers", "silent", "refuses"]
"""What stands at the other end: a strict vendor; one that reads everything and never answers; nobody."""

STUCK_TIMEOUT = 0.5
"""The `exit_timeout` of programs that have no hope to deliver."""

HOPEFUL_TIMEOUT = 20.0
"""That of programs that deliver: so long that only a hang could use it up, however busy the machine is."""


class Push(msgspec.Struct, frozen=True):
    """A signal that is sent to the program from outside, `after` seconds after it has said `word`."""

    word: str
    number: signal.Signals
    after: float = 0.0


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """One way to end. The program has the prelude's names at hand, above all `client`, `track` and `say`."""

    name: str
    row: int
    """Of the fault matrix."""
    program: str
    expects: Mapping[str, int] = {}
    """Who tracked how many events, all of which must have arrived, once. The program may say so itself."""
    loses: bool = False
    """Whether further events may have arrived or not: the end gave no time for them."""
    endpoint: Endpoint = "answers"
    options: Mapping[str, Any] = {}
    """Of the client."""
    exit_timeout: float | None = None
    within: float | None = None
    """Seconds from the last word to the end, instead of the exit timeout."""
    pushes: Sequence[Push] = ()
    code: int | None = None
    """The exit code; by default that of the same program without a client."""
    lines: int = 0
    """How many lines of ours stand on the standard error, at least; where nothing gets through there may be one."""
    random_seconds: float = 0.0
    """How long, at most, the pushes wait in addition, at random."""
    min_python: tuple[int, int] = (3, 10)

    @property
    def timeout(self) -> float:
        """The client's exit timeout."""
        if self.exit_timeout is not None:
            return self.exit_timeout
        return HOPEFUL_TIMEOUT if self.endpoint == "answers" else STUCK_TIMEOUT

    @property
    def allowed(self) -> float:
        """Seconds that the end may take when the machine has nothing else to do."""
        if self.within is not None:
            return self.within
        # Where an answer comes nothing waits for the timeout: an idle machine needs a tenth of a second.
        return 2.0 if self.endpoint == "answers" else self.timeout
