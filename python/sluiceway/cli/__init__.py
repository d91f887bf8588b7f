"""The commands: `sluiceway dev`, `send`, `doctor`, `bench`. This is the door; each command has a room of its own.

Exit codes that all commands share: 0 done, 1 something failed, 2 the command line is wrong or a part is missing, 130
after Ctrl-C, 141 when whoever read the output has gone. No way out of here is a traceback, but for a mistake of ours.
"""

from __future__ import annotations

import io
import os
import sys

WRONG_USAGE = 2
INTERRUPTED = 130
"""128 and the number of SIGINT, as a shell reports it."""
PIPE_CLOSED = 141
"""128 and the number of SIGPIPE."""

# What may be missing, by the name that is imported, and the extra that brings it.
_EXTRAS = {
    "click": "dev",
    "rich": "dev",
    "starlette": "dev",
    "uvicorn": "dev",
    "sse_starlette": "dev",
    "anyio": "dev",
    "pyarrow": "parquet",
    "zstandard": "zstd",
}


def main() -> int:
    """Run the command line; returns the exit code. What the commands stand on comes with an extra."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that has no arrow gets a question mark, and no traceback.
            stream.reconfigure(errors="replace")
    try:
        return _run()
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _tell(f"sluiceway: this command needs {error.name}: pip install 'sluiceway[{extra}]'")
        return WRONG_USAGE
    except (KeyboardInterrupt, EOFError):
        _tell("")
        return INTERRUPTED
    except BrokenPipeError:
        _let_go_of_output()
        return PIPE_CLOSED


def _run() -> int:
    import click

    from sluiceway.cli.commands import sluiceway

    try:
        # Not in click's standalone mode, whose codes for Ctrl-C and a closed pipe are those of any failure.
        code = sluiceway.main(prog_name="sluiceway", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except SystemExit:
        # What click does of a closed pipe: it ends in 1, behind a wrapper (of a name that changed) that hides the next.
        if not type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):
            raise
        raise BrokenPipeError from None
    except click.exceptions.Abort:
        # Ctrl-C, or the end of the input at a question.
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return code if isinstance(code, int) else 0


def _tell(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _let_go_of_output()


def _let_go_of_output() -> None:
    """Send what is left to nowhere, so that the interpreter does not meet the closed pipe again at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
