"""What can be wrong: with how the command was called, with a file, or with one row of it."""

from __future__ import annotations


class Misuse(Exception):
    """The command cannot be carried out as it was given. The text says what to do instead; exit code 2."""


class Unreadable(Exception):
    """A file cannot be read any further. What was read before it stays valid."""


class Unfit(Exception):
    """One row is no event. ``reason`` is a word that scripts can count, ``message`` says it to a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


class Interrupted(BaseException):
    """Reading is to stop at once, raised by a signal's handler in the middle of it. No error of anybody's."""
