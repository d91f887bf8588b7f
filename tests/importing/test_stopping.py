"""What stops an import, what it says then, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluiceway.testing import Answer, Arriving, Receiver, answers

from .campaign import KEYS
from .conftest import Send, rejects_of

MAPPED = ("--event", "what", "--user-id", "who")


def made(place: Path, rows: int = 20_000) -> Path:
    path = place / "rows.jsonl"
    path.write_text("".join(json.dumps({"what": "Bought", "who": f"user-{n}", "n": n}) + "\n" for n in range(rows)))
    return path


@pytest.mark.parametrize(
    ("vendor", "refusal"),
    [
        ("segment", answers.plain(401, "Unauthorized")),
        ("rudderstack", answers.plain(401, "Failed to read writeKey from header")),
        ("posthog", answers.plain(401, "API key is not valid: invalid_api_key")),
        ("amplitude", answers.amplitude_bad_key()),
    ],
)
def test_a_key_that_is_refused_stops_it_early_and_goes_on_with_the_right_one(
    send_file: Send, tmp_path: Path, vendor: str, refusal: Answer
) -> None:
    path = made(tmp_path)
    with Receiver(vendor=vendor, default=refusal, keep="ids") as receiver:
        run = send_file(path, "--to", vendor, "--host", receiver.url, *MAPPED, "--rate", 20_000)
        assert run.code == 3
        assert "the server refuses the key" in run.err
        assert "to go on: the same command with --resume" in run.err
        # A wrong key is not asked about with every batch.
        assert receiver.stats().requests < 5
        assert rejects_of(path, vendor) == []
        assert "0 delivered + 0 failed" in run.last
        port = receiver.port
    with Receiver(vendor=vendor, keep="ids", port=port) as receiver:
        run = send_file(path, "--to", vendor, "--host", receiver.url, *MAPPED, "--resume")
        assert (run.code, receiver.ids) == (0, 20_000), run.err


def test_an_outage_pauses_it_and_it_goes_on(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path)
    # The first pause is long enough to be seen; of a short one the next line may come too late to tell.
    script = [Answer(200), Answer(503, {"Retry-After": "2"}), Answer(reset="after"), Answer(429, {"Retry-After": "1"})]
    with Receiver(script, vendor="segment", keep="ids") as receiver:
        run = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED)
        assert (run.code, receiver.ids, receiver.stats().violations) == (0, 20_000, 0), run.err
    assert "paused: status 503" in run.err
    assert rejects_of(path) == []


def test_an_outage_that_lasts_stops_it_and_it_goes_on_later(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path)
    with Receiver([Answer(200)] * 3, default=503, vendor="segment", keep="ids") as receiver:
        run = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED, "--max-outage", "1", "--json")
        told = run.told
        assert (run.code, told["stopped"], told["is_balanced"]) == (3, "outage", True)
        assert told["sent"] == told["delivered"] + told["left"]
        assert told["left"] > 0
        assert rejects_of(path) == []
        assert "the server takes nothing (status 503)" in run.err
        receiver.answer(*[200] * 1_000)
        run = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED, "--resume", "--json")
        assert (run.code, receiver.ids) == (0, 20_000)
        assert (run.told["rows"], run.told["delivered"], run.told["is_balanced"]) == (20_000, 20_000, True)


def test_nobody_there_is_an_outage(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path, 10)
    run = send_file(path, "--to", "segment", "--host", "http://127.0.0.1:9", *MAPPED, "--max-outage", "0.5")
    assert run.code == 3
    assert run.last == "10 rows = 10 sent + 0 rejected; 10 sent = 0 delivered + 0 failed + 10 left"


def test_events_that_the_server_refuses_are_rejects_with_line_and_row(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path, 3_000)

    def answer(arriving: Arriving) -> Answer:
        bad = [at for at, event in enumerate(arriving.batch) if event["event_properties"]["n"] % 1_000 == 5]
        return answers.amplitude_invalid({"event_properties": bad}) if bad else Answer(200)  # type: ignore[return-value]

    with Receiver(answer, vendor="amplitude", keep="ids") as receiver:
        run = send_file(path, "--to", "amplitude", "--host", receiver.url, *MAPPED)
        assert (run.code, receiver.ids) == (1, 2_997)
    assert run.last == "3,000 rows = 3,000 sent + 0 rejected; 3,000 sent = 2,997 delivered + 3 failed + 0 left"
    assert [(reject["line"], reject["reason"], reject["row"]["n"]) for reject in rejects_of(path, "amplitude")] == [
        (6, "rejected", 5), (1_006, "rejected", 1_005), (2_006, "rejected", 2_005)
    ]  # fmt: skip
    assert "3 rejected" in run.err


def test_a_server_that_takes_nothing_is_not_asked_for_the_rest(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path, 60_000)
    with Receiver(default=400, vendor="segment", keep="ids") as receiver:
        run = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED, "--json", "--rate", 50_000)
    assert (run.code, run.told["stopped"]) == (1, "useless")
    assert run.told["rows"] < 60_000
    assert "the server refused each of the first" in run.err


def test_rows_of_which_none_is_an_event_are_not_read_to_the_end(send_file: Send, tmp_path: Path) -> None:
    path = made(tmp_path, 100_000)
    options = ("--to", "segment", "--host", "http://127.0.0.1:9", "--event", "what", "--user-id", "nobody")
    run = send_file(path, *options, "--json", "--rate", 100_000)
    assert (run.code, run.told["stopped"]) == (1, "useless")
    assert run.told["rows"] < 100_000


def test_more_rejects_than_allowed_stop_it(send_file: Send, tmp_path: Path, receiver: Receiver) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"what":"E","who":"user-1"}\n{"what":"E"}\n' * 20_000)
    options = ("--to", "segment", "--host", receiver.url, *MAPPED)
    run = send_file(path, *options, "--max-rejects", 10, "--rate", 20_000, "--json")
    assert (run.code, run.told["stopped"]) == (1, "rejects")
    assert run.told["rows"] < 40_000


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it_with_the_checkpoint_at_what_was_read(
    send_file: Send, tmp_path: Path, receiver: Receiver, number: signal.Signals, code: int
) -> None:
    path = made(tmp_path)
    run = start(path, receiver.url, "--rate", "4000")
    assert receiver.wait_for(events=2_000, timeout=30)
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert run.returncode == code, err
    assert "stopping: what was read is sent" in err
    assert "with --resume" in err
    told = json.loads(out)
    assert told["rows"] == told["delivered"] == receiver.ids < 20_000
    again = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED, "--resume")
    # Nothing was sent twice: the checkpoint stood behind the last event.
    assert (again.code, receiver.ids, receiver.stats().events) == (0, 20_000, 20_000)


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    path = made(tmp_path)
    with Receiver(default=Answer(delay=30.0), vendor="segment") as receiver:
        run = start(path, receiver.url)
        assert receiver.wait_for(requests=1, timeout=30)
        run.send_signal(signal.SIGINT)
        assert run.stderr is not None
        while "stopping" not in (line := run.stderr.readline()):
            assert line
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=30)
        assert run.returncode == 130
        # The first alone waits ten seconds for the answer.
        assert time.monotonic() - began < 8


def test_a_signal_stops_it_while_a_pipe_gives_nothing(tmp_path: Path, receiver: Receiver) -> None:
    kept = ("--format", "jsonl", "--checkpoint", str(tmp_path / "c"), "--rejects", str(tmp_path / "r"))
    run = start(Path("-"), receiver.url, *kept, stdin=subprocess.PIPE)
    assert run.stdin is not None
    # More than what is looked at of the beginning, and then silence.
    run.stdin.write("".join(json.dumps({"what": "E", "who": f"user-{n}"}) + "\n" for n in range(4_096)))
    run.stdin.flush()
    assert receiver.wait_for(events=1_000, timeout=30)
    run.send_signal(signal.SIGTERM)
    assert run.wait(30) == 143
    out, err = run.communicate()
    told = json.loads(out)
    assert told["delivered"] == receiver.ids >= 1_000, err
    assert told["is_balanced"]


def start(path: Path, url: str, *more: str, stdin: int | None = None) -> subprocess.Popen[str]:
    options = ("--to", "segment", "--host", url, *MAPPED, "--json", *more)
    return subprocess.Popen(
        [sys.executable, "-m", "sluiceway", "send", str(path), *options],
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **KEYS},
    )  # fmt: skip


def test_the_rate_is_kept(send_file: Send, tmp_path: Path, receiver: Receiver) -> None:
    path = made(tmp_path, 400)
    run = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED, "--rate", 200, "--json")
    assert run.code == 0
    # 390 of them have to wait for those before.
    assert run.told["seconds"] > 1.9


@pytest.mark.parametrize("senders", [1, 4])
def test_events_of_one_user_keep_their_order_whatever_the_number_of_senders(
    send_file: Send, tmp_path: Path, senders: int
) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"what": "E", "who": f"user-{n % 37}", "n": n} for n in range(12_000)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Receiver(vendor="segment") as receiver:
        run = send_file(path, "--to", "segment", "--host", receiver.url, *MAPPED, "--senders", senders)
        assert (run.code, receiver.ids) == (0, 12_000)
        seen: dict[str, list[int]] = {}
        for event in receiver.events:
            seen.setdefault(event["userId"], []).append(event["properties"]["n"])
        assert all(numbers == sorted(numbers) for numbers in seen.values())
        assert receiver.stats().connections == senders
