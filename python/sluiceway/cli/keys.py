"""Where a command takes its key from: the environment or a file, never the command line, which every user can read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import click

from sluiceway.errors import ConfigError
from sluiceway.reading import as_secret
from sluiceway.secret import Secret

VENDORS = ("segment", "rudderstack", "posthog", "amplitude")

VARIABLES = {
    "segment": "SEGMENT_WRITE_KEY",
    "rudderstack": "RUDDERSTACK_WRITE_KEY",
    "posthog": "POSTHOG_API_KEY",
    "amplitude": "AMPLITUDE_API_KEY",
}
"""The environment variable that is looked at unless another is named, by vendor."""

KEY_NAMES = {
    "segment": "write key",
    "rudderstack": "write key",
    "posthog": "project API key",
    "amplitude": "API key",
}
"""What each vendor calls its key."""

# The longest key of the four has 64 characters: a larger file is something else.
_MAX_FILE_BYTES = 4_096

Command = TypeVar("Command", bound=Callable[..., Any])


class Found(NamedTuple):
    """A key as it was found, blanks and quotes included, and where. Every way of printing it is masked."""

    key: Secret
    source: str
    """ "environment variable SEGMENT_WRITE_KEY" or "file key.txt"."""
    readable_by_others: bool = False
    """Whether it is a file that other users of the machine may read."""


class NoKey(click.UsageError):
    """There is no key where one was looked for. Says where to put it."""


def key_options(command: Command) -> Command:
    """Add `--key-env NAME` and `--key-file FILE` to a command."""
    environment = click.option(
        "--key-env",
        metavar="NAME",
        help="Environment variable that holds the key.  [default: by vendor, such as SEGMENT_WRITE_KEY]",
    )
    file = click.option(
        "--key-file", metavar="FILE", help="File that holds the key and nothing else; - is standard input."
    )
    decorated: Command = environment(file(command))
    return decorated


def find(vendor: str, key_env: str | None = None, key_file: str | None = None) -> Found:
    """Return the key of a vendor as it stands in the environment or in a file. Blocks for one small read.

    A line break at the end of a file is no part of the key. Raises `NoKey` when there is none, and `click.UsageError`
    for options that contradict each other; neither repeats what may be a key.
    """
    if key_env is not None and key_file is not None:
        raise click.UsageError("Give --key-env or --key-file, not both.")
    if key_file is not None:
        return _from_file(key_file)
    name = VARIABLES[vendor] if key_env is None else key_env
    if not name.isidentifier():
        # Whoever writes the key itself here is not to find it in a log of the terminal.
        raise click.UsageError("--key-env takes the name of an environment variable, not the key itself.")
    value = os.environ.get(name)
    if value is None:
        # A key may look like a name, too: what is no variable is printed only if it is written as they are.
        shown = f"the environment variable {name}" if name.upper() == name else "the one that --key-env names"
        raise NoKey(
            f"No {KEY_NAMES[vendor]}: {shown} is not set. "
            "Set it, name another with --key-env NAME, or give a file with --key-file FILE."
        )
    return Found(Secret(value), f"environment variable {name}")


def read(vendor: str, key_env: str | None = None, key_file: str | None = None) -> Secret:
    """Return a key that a client takes. Raises as `find` does, and `click.UsageError` for one that no client takes."""
    found = find(vendor, key_env, key_file)
    if not found.key.reveal():
        raise NoKey(f"No {KEY_NAMES[vendor]}: the {found.source} is empty.")
    try:
        return as_secret(found.key.reveal(), KEY_NAMES[vendor])
    except ConfigError as error:
        raise click.UsageError(
            f"The {KEY_NAMES[vendor]} in the {found.source} {error.message}; `sluiceway doctor` says more."
        ) from None


def _from_file(path: str) -> Found:
    source = "standard input" if path == "-" else f"file {path}"
    others = False
    try:
        if path == "-":
            data = sys.stdin.buffer.read(_MAX_FILE_BYTES + 1)
        else:
            with open(path, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                others = stat.S_ISREG(mode) and bool(mode & 0o044) and os.name == "posix"
                data = file.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise NoKey(f"No key: --key-file cannot be read: {reason}.") from None
    if len(data) > _MAX_FILE_BYTES:
        raise NoKey(f"No key: the {source} has more than {_MAX_FILE_BYTES:,} bytes, and a key has a few dozen.")
    # What is no UTF-8 is no key either: shown as such by whoever checks its form.
    text = data.decode("utf-8", "replace")
    return Found(Secret(text.removesuffix("\n").removesuffix("\r")), source, others)
