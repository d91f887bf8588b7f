"""`sluiceway doctor`: what is between this machine and the vendor, checked, shown, and what to do about it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.text import Text

import sluiceway
from sluiceway.checking.examination import Examination, Key
from sluiceway.checking.finding import Finding, worst
from sluiceway.checking.probes import Probe
from sluiceway.checking.target import Target, target
from sluiceway.cli import keys
from sluiceway.errors import ConfigError

FAILED = 1
_INDENT = 23
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}
# By option of a client: how it is written here.
_FLAGS = {"ca_certs": "--ca-certs", "data_plane_url": "--data-plane-url", "server_zone": "--server-zone"}

EXAMPLES = """\b
Examples:
  sluiceway doctor --vendor segment                       # key in SEGMENT_WRITE_KEY; sends no event and no key
  sluiceway doctor --vendor posthog --region eu --probe   # asks the vendor whether it knows the key
  sluiceway doctor --vendor rudderstack --data-plane-url https://hosted.example.com
  sluiceway doctor --vendor amplitude --server-zone EU --key-file amplitude.key
  HTTPS_PROXY=http://proxy.example.com:3128 sluiceway doctor --vendor segment --trust-env
  sluiceway doctor --vendor segment --json | jq '.checks[] | select(.level == "fail")'

Exit code: 0 when nothing fails, 1 when something does, 2 for a wrong command line.
"""


@click.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--vendor", type=click.Choice(keys.VENDORS), help="Whose way to check.  [default: whose key is in the environment]"
)
@keys.key_options
@click.option("--region", metavar="us|eu", help="Region of the workspace or project.")
@click.option("--server-zone", metavar="US|EU", help="The same in Amplitude's words.")
@click.option("--data-plane-url", metavar="URL", help="RudderStack's address, as the dashboard shows it.")
@click.option("--host", metavar="URL", help="Another host: a proxy of your own, or `sluiceway dev`.")
@click.option("--allow-http", is_flag=True, help="Take a host in clear that is not this machine.")
@click.option("--proxy", metavar="URL", help="HTTP proxy; one with a password belongs in HTTPS_PROXY, see --trust-env.")
@click.option("--trust-env", is_flag=True, help="Use HTTPS_PROXY and its like, as a client with trust_env=True does.")
@click.option("--ca-certs", metavar="PATH", help="PEM file or directory of the only authorities to trust.")
@click.option("--spool-dir", metavar="PATH", help="Directory that a spool is to use: can it?")
@click.option("--probe", is_flag=True, help="Send one harmless request with the key, shown beforehand.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 600), default=30.0, show_default=True, help="Seconds for all checks."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def doctor(
    vendor: str | None,
    key_env: str | None,
    key_file: str | None,
    probe: bool,
    timeout: float,
    as_json: bool,
    spool_dir: str | None,
    **options: Any,
) -> int:
    """Check the way from this machine to the vendor: key, network, TLS, proxy, clock; and say what to do.

    Without --probe no event is sent, and the key leaves this machine in no request. With it, the most harmless
    request that each vendor has is shown and then sent.
    """
    vendor = vendor or _vendor_of_environment(key_env, key_file)
    key = _key(vendor, key_env, key_file)
    whom = _target(vendor, options)
    page: _Page = _Document(whom, key) if as_json else _Lines(whom)
    examination = Examination(whom, key, probe=probe, spool_dir=spool_dir, seconds=timeout, announce=page.announce)
    findings = []
    for finding in examination.findings():
        findings.append(finding)
        page.show(finding)
    result = worst(findings)
    page.end(findings, examination.deadline.seconds)
    return FAILED if result == "fail" else 0


def _vendor_of_environment(key_env: str | None, key_file: str | None) -> str:
    """Guess whom it is about; a key of a name or a file of one's own says nothing of its vendor."""
    present = [vendor for vendor, name in keys.VARIABLES.items() if name in os.environ]
    if key_env is None and key_file is None and len(present) == 1:
        return present[0]
    raise click.UsageError(f"Say whose way to check: --vendor {'|'.join(keys.VENDORS)}.")


def _key(vendor: str, key_env: str | None, key_file: str | None) -> Key:
    try:
        found = keys.find(vendor, key_env, key_file)
    except keys.NoKey as error:
        return Key(None, problem=error.message)
    return Key(found.key, found.source, found.readable_by_others)


def _target(vendor: str, options: dict[str, Any]) -> Target:
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    if "@" in (given.get("proxy") or ""):
        # The shell's history and everybody's process list would have it.
        raise click.UsageError("--proxy takes no password: set HTTPS_PROXY, and give --trust-env.")
    if vendor != "amplitude" and "server_zone" in given:
        raise click.UsageError("--server-zone is Amplitude's; the other vendors have --region.")
    if vendor == "rudderstack" and "host" in given:
        given.setdefault("data_plane_url", given.pop("host"))
    try:
        return target(vendor, given)
    except ConfigError as error:
        flag = _FLAGS.get(error.field, f"--{error.field.replace('_', '-')}")
        raise click.UsageError(f"{flag} {error.message}.") from None


class _Page:
    """Where findings are shown."""

    def announce(self, probes: Sequence[Probe]) -> None:
        """Say what is about to be sent."""

    def show(self, finding: Finding) -> None:
        """Show one finding."""

    def end(self, findings: Sequence[Finding], seconds: float) -> None:
        """Show what follows from all of them."""


class _Lines(_Page):
    """Lines for people, as they come."""

    def __init__(self, whom: Target) -> None:
        self._console = Console(highlight=False, soft_wrap=False)
        self._check = ""
        self._console.print(Text(f"{whom.page.name}: {whom.options.endpoint.url}\n", style="bold"))

    def announce(self, probes: Sequence[Probe]) -> None:
        for probe in probes:
            lines = Text(f"{probe.method} {probe.url}\n")
            lines.append("".join(f"{name}: {value}\n" for name, value in probe.shown_headers.items()))
            lines.append(probe.shown_body)
            self._row("SENDS", "cyan", probe.name, Text(f"{probe.does}:\n", style="cyan").append(lines))

    def show(self, finding: Finding) -> None:
        text = Text(finding.seen)
        if finding.todo:
            text.append(f"\n→ {finding.todo}", style="bold" if finding.level == "fail" else "")
        name = "" if finding.check == self._check else finding.check
        self._check = finding.check
        self._row(finding.level.upper(), _STYLES[finding.level], name, text)

    def end(self, findings: Sequence[Finding], seconds: float) -> None:
        counts = {level: sum(finding.level == level for finding in findings) for level in _STYLES}
        words = {"ok": "ok", "warn": "to know of", "fail": "failed", "skipped": "skipped"}
        said = ", ".join(f"{counts[level]} {word}" for level, word in words.items())
        self._console.print(Text(f"\n{said}, in {seconds:.1f} s", style="bold"))

    def _row(self, level: str, style: str, name: str, text: Text) -> None:
        first = Text().append(f"{level:<8} ", style=style)
        first.append(f"{name:<13} ", style="bold")
        for line in text.wrap(self._console, max(20, self._console.width - _INDENT)):
            line.rstrip()
            self._console.print(first.append_text(line), soft_wrap=True)
            first = Text(" " * _INDENT)


class _Document(_Page):
    """One JSON document at the end; what is sent is told on stderr before that."""

    def __init__(self, whom: Target, key: Key) -> None:
        self._whom = whom
        self._key = key
        self._probes: list[dict[str, Any]] = []

    def announce(self, probes: Sequence[Probe]) -> None:
        self._probes = [probe.described() for probe in probes]
        for probe in probes:
            print(f"sends {probe.method} {probe.url}: {probe.does}", file=sys.stderr)

    def end(self, findings: Sequence[Finding], seconds: float) -> None:
        result = worst(findings)
        document = {
            "sluiceway": sluiceway.__version__,
            "vendor": self._whom.page.name,
            "endpoint": self._whom.options.endpoint.url,
            "key": None if self._key.value is None else {"masked": repr(self._key.value), "source": self._key.source},
            "result": result,
            "exit_code": FAILED if result == "fail" else 0,
            "seconds": round(seconds, 3),
            "sent": self._probes,
            "checks": [msgspec.to_builtins(finding) for finding in findings],
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))
