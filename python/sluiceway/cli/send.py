"""`sluiceway send`: its options, what it prints and its exit codes. The work is in `sluiceway.importing`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from sluiceway.cli import keys
from sluiceway.importing.accounting import Summary
from sluiceway.importing.clients import Destination
from sluiceway.importing.dry_run import DryRun, dry_run
from sluiceway.importing.faults import Misuse
from sluiceway.importing.files import Files
from sluiceway.importing.mapping import build, load
from sluiceway.importing.progress import Bars, Display, Lines, Silent
from sluiceway.importing.running import Job, default_places, run

_USAGE = 2
_STDIN = "-"

HELP = """Import events from JSONL, CSV or Parquet files.

Each row becomes one event. Its id is made from the row, so that the same file sent twice is counted once. A file may
be compressed (gzip, Zstandard); - is standard input. JSONL that is not mapped must hold events in the vendor's own
words, as `sluiceway dev` exports them.

\b
Examples:
  sluiceway send flights.csv --to segment --event-name "Flight Departed" \\
      --user-id tailnum --timestamp time_hour --null NA --dry-run
  sluiceway send events.jsonl --to posthog --historical
  sluiceway send part-*.parquet --to amplitude --use-batch --map flights.toml
  zstdcat events.jsonl.zst | sluiceway send - --format jsonl --to rudderstack \\
      --host https://example.dataplane.rudderstack.com
  sluiceway send flights.csv … --resume           # behind where it was stopped

The key is read from the environment or from a file, and there is no flag for the key itself: what stands on a command
line is shown to every user of the machine by `ps`, and kept by the shell in its history.
"""

EXITS = """\b
Exit codes:
  0    every row was delivered
  1    done, but some rows were rejected, or refused by the server
  2    the command cannot be carried out as it was given
  3    stopped: the key was refused, or an outage lasted too long; --resume goes on
  130  stopped by Ctrl-C (143: by SIGTERM); the checkpoint is kept, --resume goes on
"""


def _pairs(_context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Read NAME=COLUMN; several may be joined by commas."""
    pairs: dict[str, str] = {}
    for text in given:
        for part in text.split(","):
            name, equals, value = part.partition("=")
            if name == "*" and not equals:
                value = "*"
            if not name or not value:
                raise click.BadParameter(f"{part!r} must be NAME=VALUE", param=parameter)
            pairs[name] = value
    return pairs


def _names(_context: click.Context, _parameter: click.Parameter, given: Sequence[str]) -> list[str]:
    """Read names that may be joined by commas."""
    return [name for text in given for name in text.split(",") if name]


_PAIRS: Any = {"multiple": True, "callback": _pairs, "metavar": "NAME=COLUMN"}
_NAMES: Any = {"multiple": True, "callback": _names}
_VENDORS = click.Choice(keys.VENDORS)


# The order is that of --help: where to, what becomes of a row, how fast, what is kept, what is shown.
@click.command(help=HELP, epilog=EXITS)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--to", "vendor", type=_VENDORS, required=True, help="The vendor.")
@keys.key_options
@click.option("--host", metavar="URL", help="Where to send; the vendor's own address by default.")
@click.option("--region", metavar="REGION", help="us or eu.")
@click.option("--path", metavar="PATH", help="Path on the host, if it is another than the vendor's.")
@click.option("--historical", is_flag=True, help="PostHog: mark the events as an import of the past.")
@click.option("--use-batch", is_flag=True, help="Amplitude: the batch API, which is the one for imports.")
@click.option("--min-id-length", type=click.IntRange(1), metavar="N", help="Amplitude: shortest id. [5]")
@click.option("--gzip/--no-gzip", default=None, help="Compress requests. [the vendor's custom]")
@click.option("--timeout", type=float, metavar="SECONDS", help="Of one request. [the client's]")
@click.option("--proxy", metavar="URL", help="HTTP proxy; one with a password belongs in HTTPS_PROXY, see --trust-env.")
@click.option("--trust-env", is_flag=True, help="Take the proxy from the environment (HTTPS_PROXY and its like).")
@click.option("--ca-certs", metavar="FILE", help="Authorities to trust instead of the system's.")
@click.option("--allow-http", is_flag=True, help="Allow a host without TLS that is not this machine.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "tsv", "parquet"]), help="[by the file's name]")
@click.option("--delimiter", metavar="CHAR", help="Between cells of CSV. [,]")
@click.option("--columns", metavar="A,B,C", help="Names of the columns of a CSV that has no header.", **_NAMES)
@click.option("--map", "map_file", metavar="FILE", help="Mapping in a TOML file; flags win over it.")
@click.option("--event", metavar="COLUMN", help="Column with the event's name.")
@click.option("--event-name", metavar="TEXT", help="Name of every event.")
@click.option("--type", metavar="KIND", help="track, identify, page, screen, group or alias. [track]")
@click.option("--type-column", metavar="COLUMN", help="Column with the kind of event.")
@click.option("--user-id", metavar="COLUMN", help="Column with the user's id (PostHog: distinct_id).")
@click.option("--anonymous-id", metavar="COLUMN", help="Column with the id of an unknown user (Amplitude: device_id).")
@click.option("--timestamp", metavar="COLUMN", help="Column with the moment. [all happened when the import began]")
@click.option("--timestamp-format", metavar="FORM", help="auto, iso, s, ms, us, ns, or like %d/%m/%Y. [auto]")
@click.option("--timezone", metavar="ZONE", help="Zone of times that have none, such as Europe/Berlin. [UTC]")
@click.option("--property", "properties", help="Property NAME from COLUMN; then the others only with *.", **_PAIRS)
@click.option("--drop", metavar="COLUMN,…", help="Columns that are no properties.", **_NAMES)
@click.option("--context", help="Segment, RudderStack: context; dots nest: page.url=url.", **_PAIRS)
@click.option("--user-property", "user_properties", help="What is set on the user.", **_PAIRS)
@click.option("--field", "fields", help="Amplitude: further keys, such as platform=os.", **_PAIRS)
@click.option("--group-id", metavar="COLUMN", help="For --type group.")
@click.option("--group-type", metavar="TEXT", help="PostHog: the type of the groups.")
@click.option("--previous-id", metavar="COLUMN", help="For --type alias.")
@click.option("--category", metavar="COLUMN", help="For --type page and screen.")
@click.option("--null", metavar="TEXT,…", help="Cells that say nothing, beside empty ones: NA.", **_NAMES)
@click.option("--types", help="CSV: COLUMN=auto|text|int|number|bool|json.", **{**_PAIRS, "metavar": "COLUMN=KIND"})
@click.option("--infer/--no-infer", default=None, help="CSV: make numbers and booleans of cells. [infer]")
@click.option("--id-from", metavar="COLUMN,…", help="What ids are made from; also @row, @line. [@row]", **_NAMES)
@click.option("--message-id", metavar="COLUMN", help="Column with ids of the events, instead.")
@click.option("--namespace", metavar="TEXT", help="What keeps ids of other destinations apart. [the key]")
@click.option("--rate", type=click.FloatRange(0.001), metavar="N", help="At most so many events a second.")
@click.option("--senders", type=click.IntRange(1, 16), default=1, metavar="N", help="Requests at a time. [1]")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after so many rows.")
@click.option("--max-outage", type=float, default=3600.0, metavar="SECONDS", help="Wait so long for a server. [3600]")
@click.option("--max-rejects", type=click.IntRange(0), metavar="N", help="Stop when there are more.")
@click.option("--checkpoint", metavar="FILE", help="[FILE.VENDOR.checkpoint; none for -]")
@click.option("--resume", is_flag=True, help="Go on where an import of this file was stopped, if it was.")
@click.option("--restart", is_flag=True, help="Begin anew in spite of a checkpoint.")
@click.option("--rejects", metavar="FILE", help="[FILE.VENDOR.rejects.jsonl; none for -]")
@click.option("--dry-run", is_flag=True, help="Show the first request and the first rejects; send nothing.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="The last line as JSON.")
def send(vendor: str, files: tuple[str, ...], quiet: bool, as_json: bool, **given: Any) -> None:
    """Import events (the text of --help is HELP above)."""
    try:
        job = _job(vendor, files, given)
        with closing(job.files):
            if given["dry_run"]:
                sys.exit(_print_dry_run(dry_run(job)))
            display: Display = Silent() if quiet else Bars() if sys.stderr.isatty() else Lines()
            try:
                summary = run(job, display)
            finally:
                display.close()
    except Misuse as error:
        click.echo(f"sluiceway send: {error}", err=True)
        sys.exit(_USAGE)
    _tell(summary, files, vendor)
    click.echo(summary.as_json() if as_json else summary.line())
    sys.exit(summary.exit_code)


def _job(vendor: str, files: tuple[str, ...], given: dict[str, Any]) -> Job:
    """Put together what was given. Raises Misuse."""
    flags = {name: given[name] for name in _MAPPING_FLAGS}
    from_file = {} if given["map_file"] is None else load(given["map_file"])
    mapping = build(from_file, flags, f"--map {given['map_file']}")
    if given["resume"] and given["restart"]:
        raise Misuse("--resume and --restart say the opposite: give one of them")
    options = {
        name: given[name] for name in ("path", "gzip", "timeout", "proxy", "ca_certs") if given[name] is not None
    }
    options |= {name: True for name in ("trust_env", "allow_http") if given[name]}
    for name, owner, option in (
        ("historical", "posthog", "historical_migration"),
        ("use_batch", "amplitude", "use_batch"),
        ("min_id_length", "amplitude", "min_id_length"),
    ):
        if given[name]:
            if vendor != owner:
                raise Misuse(f"--{name.replace('_', '-')} is for {owner}")
            options[option] = given[name]
    key = keys.read(vendor, given["key_env"], given["key_file"])
    checkpoint, rejects = default_places(files, vendor)
    checkpoint = checkpoint if given["checkpoint"] is None else Path(given["checkpoint"])
    rejects = rejects if given["rejects"] is None else Path(given["rejects"])
    places = [path.resolve() for path in (checkpoint, rejects) if path is not None]
    if len(set(places)) < len(places) or {Path(file).resolve() for file in files if file != _STDIN} & set(places):
        raise Misuse("--checkpoint, --rejects and the files must all be different")
    if given["key_file"] == _STDIN and _STDIN in files:
        raise Misuse("standard input cannot be both the key and the events")
    if given["resume"] and checkpoint is None:
        raise Misuse("--resume of standard input needs --checkpoint FILE, in both runs")
    return Job(
        files=Files(
            files,
            mapping,
            vendor=vendor,
            form=given["form"],
            delimiter=given["delimiter"],
            names=given["columns"],
            wants_identity=checkpoint is not None,
        ),
        mapping=mapping,
        to=Destination(vendor=vendor, key=key, host=given["host"], region=given["region"], options=options),
        namespace=given["namespace"],
        senders=given["senders"],
        rate=given["rate"],
        limit=given["limit"],
        checkpoint=checkpoint,
        resume=given["resume"],
        restart=given["restart"],
        rejects=rejects,
        max_outage_seconds=given["max_outage"],
        max_rejects=given["max_rejects"],
    )


_MAPPING_FLAGS = (
    *("type", "type_column", "event", "event_name", "user_id", "anonymous_id", "timestamp", "timestamp_format"),
    *("timezone", "message_id", "id_from", "group_id", "group_type", "previous_id", "category", "properties"),
    *("context", "user_properties", "fields", "drop", "null", "types", "infer"),
)


def _print_dry_run(found: DryRun) -> int:
    """Print what a dry run found; return the exit code."""
    click.echo("\n".join(found.request) if found.request else "no request: none of the rows is an event")
    click.echo()
    for reject in found.rejects:
        where = f"{reject.file} line" if reject.file else "line"
        click.echo(f"rejected: {where} {reject.line:,}: {reject.reason}: {reject.message}")
    _tell_left_out(found.left_out)
    if found.note:
        click.echo(found.note, err=True)
    bad = found.rows - found.sent
    click.echo(f"dry run, nothing was sent: {found.rows:,} rows looked at, {found.sent:,} events, {bad:,} rejected")
    return 1 if bad or found.note else 0


def _tell_left_out(left_out: Any) -> None:
    if left_out:
        names = ", ".join(list(left_out)[:10])
        click.echo(f"keys of the rows that are not sent on: {names}", err=True)


def _tell(summary: Summary, files: tuple[str, ...], vendor: str) -> None:
    """Say on standard error what went wrong and what to do about it."""
    say = Lines(sys.stderr).say
    for note in summary.notes:
        say(note)
    _tell_left_out(summary.left_out)
    if summary.rejected or summary.failed:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.reasons.items())
        where = f" (see {summary.rejects})" if summary.rejects else " (--rejects FILE keeps them)"
        say(f"rejects of this run: {reasons or 'none'}{where}")
    if not summary.is_balanced:
        say("the account does not add up; please report this, with the last line of --json")
    told = {
        "unauthorized": f"the server refuses the key ({summary.detail}): is it of this host and region?",
        "outage": f"the server takes nothing ({summary.detail}); `sluiceway doctor --vendor {vendor}` says more",
        "useless": f"stopped: {summary.detail}; see the rejects, and try the mapping with --dry-run",
        "rejects": f"stopped: {summary.detail}",
        "disk": f"stopped: checkpoint or rejects cannot be written ({summary.detail})",
        "internal": f"stopped: {summary.detail}",
        "signal": "stopped",
        "": "",
    }[summary.stopped]
    if told:
        say(told)
    if summary.checkpoint and (summary.stopped or not summary.is_complete):
        say(f"to go on: the same command with --resume (checkpoint {summary.checkpoint})")
    elif summary.stopped and files[0] == _STDIN:
        say("there is no checkpoint of standard input without --checkpoint FILE")
