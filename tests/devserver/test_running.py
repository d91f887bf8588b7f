"""The command as a user starts it: what it prints, when it does not start, and that it ends at once."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sluiceway.devserver import DevServer
from sluiceway.devserver.marker import production_marker
from sluiceway.devserver.pointing import front_text, pointers
from sluiceway.devserver.recording import Taken
from sluiceway.devserver.screen import LINES_PER_SECOND, Screen
from sluiceway.devserver.timing import Clock
from sluiceway.devserver.verdicts import Verdicts
from sluiceway.testing.strict.reading import Reading

from .asking import PATIENCE_SECONDS, Api, wait_for
from .made import PATHS, envelope, event

COMMAND = [sys.executable, "-m", "sluiceway", "dev"]
MARKERS = ("ENV", "APP_ENV", "KUBERNETES_SERVICE_HOST", "AWS_LAMBDA_FUNCTION_NAME", "SLUICEWAY_DEV_TOKEN")


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in MARKERS} | more


@contextmanager
def started(*options: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """The command with `--json`, and what it said; killed if it is still there."""
    server = subprocess.Popen(
        [*COMMAND, "--port", "0", "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
    )
    try:
        assert server.stdout is not None
        yield server, json.loads(server.stdout.readline())
    finally:
        server.kill()
        server.communicate()


def run(*options: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=50, check=False, env=environment(**more)
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_while_a_page_streams(number: signal.Signals) -> None:
    with started() as (server, told):
        api = Api(told["port"], told["token"])
        assert told["page"] == f"{told['url']}/debug/{told['token']}/"
        stream = http.client.HTTPConnection("127.0.0.1", told["port"], timeout=PATIENCE_SECONDS)
        stream.request("GET", f"/debug/{told['token']}/api/stream")
        answer = stream.getresponse()
        assert b"hello" in answer.readline()
        api.fault("black_hole", delay_seconds=600)
        with socket.create_connection(("127.0.0.1", told["port"]), timeout=10) as half:
            half.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf")
            server.send_signal(number)
            out, err = server.communicate(timeout=20)
        assert (server.returncode, out) == (0, "")
        assert "Traceback" not in err
        stream.close()


def test_the_log_is_a_line_for_each_request_and_quiet_is_none() -> None:
    for options, lines in (((), 2), (("--quiet",), 0)):
        with started(*options) as (server, told):
            api = Api(told["port"], told["token"])
            for _ in range(2):
                api.post(PATHS["segment"], envelope("segment", event("segment")))
            server.send_signal(signal.SIGTERM)
            _, err = server.communicate(timeout=20)
            assert err.count("segment") == err.count("\n") == lines


def test_a_port_that_is_taken_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert done.returncode == 2
    assert f"port {port} is taken" in done.stderr
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENV", "production"),
        ("APP_ENV", "Prod"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
    ],
)
def test_it_does_not_start_where_the_environment_says_production(name: str, value: str) -> None:
    done = run("--port", "0", "--json", **{name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert name in done.stderr
    assert "--even-in-production" in done.stderr
    with started("--even-in-production", **{name: value}) as (_, told):
        assert told["port"]


def test_the_markers_of_production() -> None:
    assert production_marker({}) is None
    assert production_marker({"ENV": "development", "APP_ENV": "", "DYNO": ""}) is None
    assert production_marker({"NODE_ENV": " PRODUCTION "}) is not None
    assert production_marker({"DYNO": "web.1"}) == "DYNO"


def test_a_token_from_the_environment_stays_the_same() -> None:
    token = "a-token-of-my-own_0123456789"
    with started(SLUICEWAY_DEV_TOKEN=token) as (_, told):
        assert told["token"] == token
        assert Api(told["port"], token).ask("state")["url"] == told["url"]
    done = run("--port", "0", SLUICEWAY_DEV_TOKEN="guess")
    assert done.returncode == 2
    assert "guess" not in done.stderr


def test_a_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    done = run("--port", "0", "--db", str(tmp_path / "nowhere" / "events.db"))
    assert done.returncode == 2
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_events_of_a_file_are_there_after_a_kill(tmp_path: Path) -> None:
    db = str(tmp_path / "events.db")
    with started("--db", db) as (server, told):
        api = Api(told["port"], told["token"])
        api.post(PATHS["segment"], envelope("segment", event("segment", event="Survivor")))
        api.rows()
        server.kill()
        server.wait(20)
    with started("--db", db) as (_, told):
        assert [row["event"] for row in Api(told["port"], told["token"]).rows()] == ["Survivor"]


def test_help_has_examples() -> None:
    done = run("--help")
    assert done.returncode == 0
    for word in ("Examples:", "--port 0 --json", "--db", "--max-events", "--vendor", "--no-redact", "--quiet"):
        assert word in done.stdout


def test_the_start_screen_says_how_to_point_every_client_here() -> None:
    server = subprocess.Popen(
        [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert server.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = server.stdout.readline()
            assert line, "it ended"
            said += line
        assert "/debug/" in said
        for vendor in ("segment", "rudderstack", "posthog", "amplitude"):
            assert said.count(vendor) >= 3
        assert len([line for line in said.splitlines() if "http://127.0.0.1:" in line]) >= 13
    finally:
        server.terminate()
        _, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")


def test_a_terminal_gets_the_same_with_colours() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plain, coloured = io.StringIO(), Terminal()
    for out in (plain, coloured):
        Screen(quiet=False, as_json=False, out=out).start("http://127.0.0.1:8765", "http://127.0.0.1:8765/debug/t/")
    assert "http://127.0.0.1:8765/debug/t/" in coloured.getvalue()
    assert all(one.line.split('"')[0] in coloured.getvalue() for one in pointers("http://127.0.0.1:8765"))


def test_the_front_names_no_token() -> None:
    assert "token" not in front_text("http://127.0.0.1:1").lower()


def taken(nevents: int) -> Taken:
    return Taken(
        number=1,
        vendor="segment",
        method="POST",
        path="/v1/batch",
        headers={},
        arrived=0.0,
        clock=Clock(0.0),
        sent_nbytes=10,
        body=b"",
        reading=Reading(),
        outlines=[],
        keys=[],
        verdicts=Verdicts(nevents, "delivered"),
        status=200,
        answer=b"",
        fault="",
        attempt=1,
        connection="",
        duration_ms=0.0,
    )


def test_a_busy_log_is_cut_and_says_by_how_much() -> None:
    out = io.StringIO()
    now = [100.0]
    screen = Screen(quiet=False, as_json=False, out=out, clock=lambda: now[0])
    for _ in range(500):
        screen.request(taken(3))
    assert out.getvalue().count("\n") == LINES_PER_SECOND
    now[0] = 101.0
    screen.request(taken(3))
    assert f"{500 - LINES_PER_SECOND:,} requests, {3 * (500 - LINES_PER_SECOND):,} events" in out.getvalue()


def test_a_log_that_nobody_reads_ends_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    screen = Screen(quiet=False, as_json=False, out=Gone())
    screen.request(taken(1))
    screen.request(taken(1))


def test_importing_the_package_imports_none_of_it() -> None:
    parts = ("click", "rich", "starlette", "uvicorn", "sse_starlette", "sqlite3")
    source = f"import sys, sluiceway; print([part for part in {parts!r} if part in sys.modules])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["httptools", "uvloop"])
def test_the_fast_parts_are_optional(missing: str) -> None:
    source = f"""
import sys
sys.modules[{missing!r}] = None
from sluiceway import Segment
from sluiceway.devserver import DevServer
with DevServer(0) as server:
    client = Segment("key-of-a-test", host=server.url)
    client.track("user-1", "Event")
    print(client.flush(10).delivered)
    client.close()
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout.strip(), done.stderr) == ("1", "")


def test_an_answer_does_not_wait_for_an_acknowledgement(server: DevServer, api: Api) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10):
        wait_for(lambda: len(server.connections) == 1)
        [transport] = server.connections.all()
        assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_many_threads_may_close_it() -> None:
    server = DevServer(0)
    threads = [threading.Thread(target=server.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)
