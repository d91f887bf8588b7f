"""What is wrong with the disk now: counted, told in one rate-limited line of numbers, and remembered for a while."""

from __future__ import annotations

import errno
import logging

from sluiceway.engine import Clock
from sluiceway.notices import LOUD, Notice, Voice

RETRY_SECONDS = 5.0
"""How long the disk is left alone after a batch could not be written."""

# Errors that say nothing of the file: later it may be read.
_BUSY = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})


class Trouble:
    """The troubles of one spool."""

    __slots__ = (
        "_bad",
        "_cannot_remove",
        "_cannot_write",
        "_clock",
        "_retry_at",
        "_stuck",
        "_unwritten",
        "unlink_errors",
        "write_errors",
    )

    def __init__(self, clock: Clock, voice: Voice = LOUD) -> None:
        self._clock = clock
        self._retry_at = 0.0
        self._cannot_write = ""
        self._cannot_remove = ""
        self._unwritten = Notice(
            clock, logging.WARNING, "the disk spool takes no batches (%s): they stay in memory, %d events so far", voice
        )
        self._bad = Notice(
            clock, logging.ERROR, "a batch in the disk spool cannot be read (%s) and is set aside, %d events", voice
        )
        self._stuck = Notice(
            clock,
            logging.WARNING,
            "a batch cannot be removed from the disk spool (%s): a later process may send it again, %d events",
            voice,
        )
        self.write_errors = 0
        self.unlink_errors = 0

    @property
    def degraded(self) -> str:
        """What is wrong, in a word, or nothing."""
        return self._cannot_write or self._cannot_remove

    @property
    def may_write(self) -> bool:
        """Whether a batch may be tried: the disk is well, or has been left alone for long enough."""
        return not self._cannot_write or self._clock.monotonic() >= self._retry_at

    def wrote(self) -> None:
        """A batch was written: all is well again."""
        self._cannot_write = ""

    def met(self, error: OSError) -> None:
        """Something failed that may still be made up for."""
        self.write_errors += 1

    def cannot_write(self, error: OSError, events: int = 0) -> None:
        """A batch of so many events could not be written, or something else that writing needs failed."""
        self._cannot_write = word(error)
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS
        self._unwritten.give(self._cannot_write, events=events)

    def cannot_remove(self, error: OSError, events: int) -> None:
        """A file that is done with stays where it is."""
        self.unlink_errors += 1
        self._cannot_remove = word(error)
        self._stuck.give(self._cannot_remove, events=events)

    def nothing_is_stuck(self) -> None:
        """Every file that is done with is gone."""
        self._cannot_remove = ""

    def is_bad(self, why: str, events: int) -> None:
        """A batch cannot be read."""
        self._bad.give(why, events=events)


def is_passing(error: OSError) -> bool:
    """Whether an error says nothing of the file: it may be read later."""
    return error.errno in _BUSY


def word(error: OSError) -> str:
    """Return the system's word for an error, never its text, which may hold a path."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
