"""The table of commands: each is loaded when it is called, so that none waits for what another needs."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

import sluiceway as package

# In the order of `--help`: name, where it is, and the line that says what it does.
_COMMANDS = {
    "dev": ("sluiceway.cli.dev:dev", "Serve the vendors' ingestion APIs on 127.0.0.1, with a page that is live."),
    "send": ("sluiceway.cli.send:send", "Import events from JSONL, CSV or Parquet files."),
    "doctor": ("sluiceway.cli.doctor:doctor", "Check key, network, TLS, proxy and clock, and say what to do."),
    "bench": ("sluiceway.cli.bench:bench", "Measure the client on this machine, with your own event."),
}

EXAMPLES = """\b
Examples:
  sluiceway dev                                  # then point any client at http://127.0.0.1:8765
  sluiceway send events.jsonl --to segment --dry-run
  sluiceway doctor --vendor posthog --region eu
  sluiceway bench --event event.json
"""


class Commands(click.Group):
    """A group that knows its commands by name and loads one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they are of use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command; None for a name that nobody knows."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names. Raises UsageError, with the nearest name if one is near."""
        word = args[0]
        if word not in _COMMANDS and not word.startswith("-"):
            near = get_close_matches(word.lower(), _COMMANDS, n=1)
            further = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(_COMMANDS)}."
            raise click.UsageError(f"No such command {word!r}. {further}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.command(cls=Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package.__version__, "-V", "--version", prog_name="sluiceway")
def sluiceway() -> None:
    """Analytics events: see them locally, import them, check the way to the vendor, measure the client."""
