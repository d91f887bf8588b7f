"""A dry run shows the first request and sends nothing; and the key is nowhere that anybody looks."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from sluiceway.cli.send import HELP, send
from sluiceway.testing import Answer, Receiver

from .campaign import KEY
from .conftest import Send

MAPPED = ("--event", "what", "--user-id", "who", "--timestamp", "when")


def made(place: Path) -> Path:
    path = place / "rows.csv"
    path.write_text(
        "what,who,when,price\nBought,user-1,2024-03-01,9.5\nBought,,2024-03-01,1\nSold,user-2,soon,1\n"
        + "Sold,user-3,2024-03-02,2\n" * 5
    )
    return path


@pytest.mark.parametrize(
    ("vendor", "line", "holder"),
    [
        ("segment", "POST https://api.segment.io/v1/batch", "batch"),
        ("rudderstack", "POST https://data.example.com/v1/batch", "batch"),
        ("posthog", "POST https://us.i.posthog.com/batch/", "batch"),
        ("amplitude", "POST https://api2.amplitude.com/2/httpapi", "events"),
    ],
)
def test_the_first_request_is_shown_as_it_would_go(
    send_file: Send, tmp_path: Path, vendor: str, line: str, holder: str
) -> None:
    path = made(tmp_path)
    host = ("--host", "https://data.example.com") if vendor == "rudderstack" else ()
    run = send_file(path, "--to", vendor, *host, *MAPPED, "--dry-run")
    assert run.code == 1
    first, _, rest = run.out.partition("\n")
    assert first == line
    headers, _, rest = rest.partition("\n\n")
    assert "Content-Type: application/json" in headers
    body, _, _ = rest.partition("\n\n")
    document = json.loads(body)
    assert len(document[holder]) == 4
    assert document[holder][-1] == "… and 3 more"
    assert "rejected: line 3: " in run.out
    assert "rejected: line 4: bad_timestamp" in run.out
    assert run.last == "dry run, nothing was sent: 8 rows looked at, 6 events, 2 rejected"
    assert KEY not in run.out + run.err
    assert "***" in run.out
    assert [file.name for file in tmp_path.iterdir()] == ["rows.csv"]


def test_options_of_the_vendor_are_in_the_request(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path)
    run = send_file(path, "--to", "posthog", *MAPPED, "--historical", "--region", "eu", "--dry-run", "--limit", 1)
    assert run.code == 0
    assert "https://eu.i.posthog.com/batch/" in run.out
    assert '"historical_migration": true' in run.out
    run = send_file(path, "--to", "amplitude", *MAPPED, "--use-batch", "--dry-run", "--limit", 1)
    assert "https://api2.amplitude.com/batch" in run.out


def test_a_short_key_is_masked_where_it_stands_and_not_in_every_word(send_file: Send, tmp_path: Path) -> None:
    run = send_file(made(tmp_path), "--to", "segment", *MAPPED, "--dry-run", "--limit", 1, SEGMENT_WRITE_KEY="k")
    assert '"type": "track"' in run.out
    assert '"writeKey": "***"' in run.out


def test_a_dry_run_of_nothing_says_so(send_file: Send, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("nothing\n")
    run = send_file(path, "--to", "segment", "--dry-run")
    assert run.code == 1
    assert run.out.startswith("no request: none of the rows is an event")


@pytest.mark.parametrize("vendor", ["segment", "rudderstack", "posthog", "amplitude"])
@pytest.mark.parametrize("status", [200, 400, 401])
def test_the_key_is_nowhere(send_file: Send, tmp_path: Path, vendor: str, status: int) -> None:
    path = made(tmp_path)
    with Receiver(vendor=vendor, default=Answer(status, body=f'{{"error": "no {KEY}"}}'.encode())) as receiver:
        for more in ((), ("--dry-run",), ("--json", "--restart"), ("--resume", "--namespace", "other")):
            run = send_file(path, "--to", vendor, "--host", receiver.url, *MAPPED, *more)
            assert KEY not in run.out + run.err + repr(run.error)
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes(), file.name


def test_there_is_no_flag_for_the_key_itself(send_file: Send, tmp_path: Path) -> None:
    flags = {flag for parameter in send.params for flag in parameter.opts if "key" in flag}
    assert flags == {"--key-env", "--key-file"}
    path = made(tmp_path)
    run = send_file(path, "--to", "segment", *MAPPED, "--dry-run", SEGMENT_WRITE_KEY="")
    assert run.code == 2
    (tmp_path / "key").write_text("file-key-canary\n")
    for given in (("--key-file", tmp_path / "key"), ("--key-env", "OTHER_KEY")):
        run = send_file(path, "--to", "segment", *MAPPED, "--dry-run", *given, OTHER_KEY="env-key-canary")
        assert run.code == 1
        assert '"writeKey": "***nary"' in run.out


def test_help_has_examples_exit_codes_and_the_reason_for_no_key_flag(send_file: Send) -> None:
    run = send_file("--help")
    assert run.code == 0
    for words in ("Examples:", "Exit codes:", "130", "`ps`", "--dry-run"):
        assert words in run.out


def test_every_command_in_the_documents_is_one() -> None:
    text = (Path(__file__).parents[2] / "docs" / "send.md").read_text() + HELP.replace("\\b", "")
    commands = [
        line.partition("sluiceway send ")[2].partition(" | ")[0]
        for line in text.replace("\\\n", " ").splitlines()
        if line.lstrip("$ ").startswith(("sluiceway send ", "aws ", "zstdcat ", "# flights.toml: ", "until "))
    ]
    assert len(commands) > 10
    for command in commands:
        words = [word for word in shlex.split(command.partition(";")[0], comments=True) if "…" not in word]
        if "--to" not in words:
            words += ["--to", "segment"]
        # Raises UsageError for a flag that is none; runs nothing.
        assert send.make_context("send", words).params["files"]


def test_the_package_is_imported_without_the_parts_of_the_command() -> None:
    import subprocess

    code = "import sluiceway, sys; sluiceway.Segment('k').close(); print([n for n in sys.modules if 'import' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "sluiceway.importing" not in done.stdout
