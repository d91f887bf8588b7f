"""The receiver in a process of its own: counts over its control path, and a life no longer than its parent's."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from sluiceway.testing import ReceiverProcess

from . import arrivals

SENT_AT = "2013-01-01T10:15:00.000Z"


def event() -> dict[str, Any]:
    """Return one event as it stands in a batch."""
    message_id = str(uuid.uuid4())
    return {"type": "track", "messageId": message_id, "timestamp": SENT_AT, "userId": "u", "event": "E"}


def body(event: dict[str, Any], **envelope: Any) -> bytes:
    """Return a request body around an event."""
    return json.dumps({"batch": [event], "writeKey": "k", "sentAt": SENT_AT} | envelope).encode()


def post(url: str, data: bytes, attempt: int = 0, path: str = "/v1/batch") -> int:
    """Send one request on a connection of its own and return the status."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    headers = {"Content-Type": "application/json", "X-Retry-Count": str(attempt)}
    connection.request("POST", path, data, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_another_process_counts_and_tells(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def answers(seed):\n    return [seed]\n")
    with ReceiverProcess(script=f"{script}:answers", seed=503) as receiver:
        first = event()
        assert post(receiver.url, body(first)) == 503
        assert post(receiver.url, body(first, sentAt=None), attempt=1) == 200
        stats = receiver.stats()
        assert (stats.requests, stats.ids, stats.repeats, stats.retries) == (2, 1, 1, 1)
        assert stats.cpu_seconds > 0
        assert stats.statuses == {"200": 1, "503": 1}
        assert receiver.violations() == ["request 1: envelope: sentAt is not a time"]
        assert receiver.acknowledged_ids() == uuid.UUID(first["messageId"]).bytes
        receiver.close()
        with pytest.raises(OSError):
            receiver.stats()


def test_another_process_is_any_of_the_vendors_and_keeps_a_log(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from sluiceway.testing import answers\n"
        "def answers_for(seed):\n    return [answers.amplitude_invalid({'time': [seed]})]\n"
    )
    first, second = arrivals.event("amplitude"), arrivals.event("amplitude")
    with ReceiverProcess(vendor="amplitude", keep="log", script=f"{script}:answers_for", seed=1) as receiver:
        assert post(receiver.url, arrivals.body("amplitude", first, second), path="/2/httpapi") == 400
        assert post(receiver.url, arrivals.body("amplitude", first), path="/2/httpapi") == 200
        assert receiver.violations() == []
        assert receiver.refused_ids() == uuid.UUID(second["insert_id"]).bytes
        assert receiver.acknowledged_ids() == uuid.UUID(first["insert_id"]).bytes
        log = receiver.log()
        assert [(one.id, one.fate) for one in log] == [
            (first["insert_id"], "open"),
            (second["insert_id"], "refused"),
            (first["insert_id"], "acknowledged"),
        ]
        assert log[0].user == "user-1"
        assert 0 < log[0].arrived_seconds <= log[0].answered_seconds <= log[2].arrived_seconds
    with ReceiverProcess(vendor="rudderstack") as receiver:
        assert post(receiver.url, arrivals.body("rudderstack", first)) == 401, "it asks for Basic, Segment does not"
    with pytest.raises(ValueError, match="vendor must be"):
        ReceiverProcess(vendor="mixpanel")


def test_a_receiver_that_does_not_start_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        ReceiverProcess(script=f"{tmp_path / 'absent.py'}:answers")
    assert "absent.py" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "sluiceway.testing.receiver"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as run:
        try:
            assert run.stdout is not None
            url = run.stdout.readline().removeprefix("listening on ").strip()
            assert post(url, body(event())) == 200
            run.send_signal(number)
            assert run.communicate(timeout=10) == ("", "")
        finally:
            run.kill()
    assert run.returncode == 0


def test_the_program_prints_its_address_and_ends_with_its_input() -> None:
    command = [sys.executable, "-m", "sluiceway.testing.receiver", "--json", "--until-eof"]
    run = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(run.stdout)["url"].startswith("http://127.0.0.1:")
    assert run.stderr == ""
