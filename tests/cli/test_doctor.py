"""The command as its user runs it: exit codes, what is printed, the JSON document, and the key nowhere in it."""

from __future__ import annotations

import base64
import json
import socket
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

import sluiceway
from sluiceway.checking.finding import CHECKS
from sluiceway.testing import Receiver

from ..faults.acts import says, status
from ..faults.authority import Authority
from ..faults.server import FaultServer
from .running import KEYS, VARIABLES, VENDORS, run


def where(vendor: str, url: str) -> tuple[str, str]:
    return ("--data-plane-url" if vendor == "rudderstack" else "--host", url)


def document(*arguments: str, **options: Any) -> dict[str, Any]:
    done = run("doctor", *arguments, "--json", **options)
    assert "Traceback" not in done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    assert made["exit_code"] == done.returncode
    return made


def test_all_is_well_with_exit_code_0() -> None:
    with FaultServer(then=status(405, {"Date": formatdate(usegmt=True)})) as server:
        done = run("doctor", *where("segment", server.url), environ={"SEGMENT_WRITE_KEY": KEYS["segment"]})
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"segment: {server.url}/v1/batch", "the vendor was told by the one key in the environment"
    assert [line.split()[:2] for line in lines if line.startswith("FAIL")] == []
    assert "***tail, 32 characters" in done.stdout
    assert not any(line.endswith(" ") for line in lines)


def test_what_fails_is_exit_code_1_with_what_to_do() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{one.getsockname()[1]}"
        done = run("doctor", "--vendor", "segment", "--host", url)
    assert (done.returncode, done.stderr) == (1, "")
    words = " ".join(done.stdout.split())
    assert "FAIL key No write key: the environment variable SEGMENT_WRITE_KEY is not set." in words
    assert "FAIL tcp no connection to 127.0.0.1" in words
    assert "→ Nobody listens there" in words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say whose way to check: --vendor segment|rudderstack|posthog|amplitude."),
        (("--vendor", "rudderstack"), "--data-plane-url is required"),
        (("--vendor", "segment", "--region", "mars"), "--region must be one of 'us', 'eu'"),
        (("--vendor", "segment", "--host", "http://example.com"), "--host must be https"),
        (
            ("--vendor", "segment", "--host", "https://user:canary@example.com"),
            "must not hold a user name or a password",
        ),
        (("--vendor", "segment", "--proxy", "http://user:canary@127.0.0.1:1"), "--proxy takes no password"),
        (("--vendor", "segment", "--proxy", "socks5://127.0.0.1:1"), "--proxy must start with http://"),
        (("--vendor", "segment", "--ca-certs", "/nowhere/at/all"), "--ca-certs must be the path of a PEM file"),
        (("--vendor", "segment", "--server-zone", "EU"), "--server-zone is Amplitude's"),
        (("--vendor", "amplitude", "--server-zone", "MARS"), "--server-zone must be one of 'US', 'EU'"),
        (("--vendor", "segment", "--data-plane-url", "https://a.example"), "is RudderStack's"),
        (("--vendor", "segment", "--key-env", "A", "--key-file", "b"), "not both"),
        (("--vendor", "segment", "--timeout", "0"), "--timeout"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_message(arguments: tuple[str, ...], said: str) -> None:
    done = run("doctor", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "canary" not in done.stderr
    assert "Traceback" not in done.stderr


def test_help_has_examples() -> None:
    done = run("doctor", "--help")
    assert done.returncode == 0
    assert "sluiceway doctor --vendor posthog --region eu --probe" in done.stdout
    assert "Exit code: 0" in done.stdout


# -- JSON


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_document_has_one_form(vendor: str) -> None:
    with Receiver(vendor=vendor) as receiver:
        made = document("--probe", *where(vendor, receiver.url), environ={VARIABLES[vendor]: KEYS[vendor]})
    assert list(made) == [
        *("sluiceway", "vendor", "endpoint", "key", "result"),
        *("exit_code", "seconds", "sent", "checks"),
    ]
    assert made["sluiceway"] == sluiceway.__version__
    assert made["vendor"] == vendor
    assert made["endpoint"].startswith(receiver.url)
    assert made["key"] == {
        "masked": f"***{KEYS[vendor][-4:]}",
        "source": f"environment variable {VARIABLES[vendor]}",
    }
    assert made["result"] in ("ok", "warn", "fail")
    assert isinstance(made["seconds"], float)
    for check in made["checks"]:
        assert list(check) == ["check", "level", "seen", "todo"]
        assert check["level"] in ("ok", "warn", "fail", "skipped")
        assert check["seen"]
        assert check["todo"] or check["level"] not in ("fail",)
    assert list(dict.fromkeys(check["check"] for check in made["checks"])) == list(CHECKS)
    assert [list(sent) for sent in made["sent"]] == [["for", "does", "method", "url", "headers", "body"]] * len(
        made["sent"]
    )
    assert made["sent"]


def test_a_document_is_whole_when_nothing_can_be_reached() -> None:
    made = document("--vendor", "segment", "--host", "https://sluiceway.invalid", "--timeout", "5")
    assert (made["result"], made["exit_code"], made["key"], made["sent"]) == ("fail", 1, None, [])
    assert list(dict.fromkeys(check["check"] for check in made["checks"])) == list(CHECKS)


# -- secrets


def pieces(key: str) -> list[str]:
    """What must not be seen: the key but for the tail that is shown, and as a header carries it."""
    return [key[:-4], key[4:16], base64.b64encode(f"{key}:".encode()).decode()[:24]]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("form", "how"), [("text", "taken"), ("text", "echoed"), ("json", "echoed"), ("text", "broken")]
)
def test_the_key_is_printed_nowhere(vendor: str, form: str, how: str, tmp_path: Path) -> None:
    key = KEYS[vendor]
    echo = says(400, {"code": 400, "error": f"Invalid API key: {key}"}, {"Date": key, "Location": key, "Server": key})
    act = {"taken": status(200, body=b'{"status":"Ok"}'), "echoed": echo, "broken": lambda visit: visit.reset()}[how]
    file = tmp_path / "key"
    file.write_text(key + "\n")
    with FaultServer(status(404, {"Location": key, "Date": key}), then=act) as server:
        arguments = ["--vendor", vendor, "--key-file", str(file), "--probe", *where(vendor, server.url)]
        done = run("doctor", *arguments, *(["--json"] if form == "json" else []))
        sent = b"".join(seen.head + seen.body for seen in server.record.requests)
    assert "permission" in done.stdout
    if how != "broken":
        basic = base64.b64encode(f"{key}:".encode())
        assert key.encode() in sent or basic in sent, "the canary is what it should be"
    for piece in pieces(key):
        assert piece not in done.stdout
        assert piece not in done.stderr


@pytest.mark.parametrize(
    "value", [f"'{KEYS['segment']}'", f"{KEYS['segment']}\n", f"Bearer {KEYS['segment']}", f"{KEYS['segment']}ü"]
)
def test_a_key_of_a_wrong_form_is_printed_nowhere_either(value: str) -> None:
    with FaultServer(then=status(405)) as server:
        done = run("doctor", "--probe", *where("segment", server.url), environ={"SEGMENT_WRITE_KEY": value})
        assert len(server.record.requests) == 1, "such a key is sent nowhere"
    assert done.returncode == 1
    for piece in pieces(KEYS["segment"]):
        assert piece not in done.stdout + done.stderr


def test_a_password_of_a_proxy_in_the_environment_is_printed_nowhere(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    from ..faults.forward import ForwardProxy

    with FaultServer(tls=authority.serves()) as server, ForwardProxy(authorization="Basic none") as through:
        address = through.url.replace("http://", "http://canary-user:canary-pass@")
        arguments = ["--vendor", "segment", "--host", server.url, "--ca-certs", str(authority.pem), "--trust-env"]
        done = run("doctor", *arguments, environ={"HTTPS_PROXY": address, "SEGMENT_WRITE_KEY": KEYS["segment"]})
    assert done.returncode == 1
    assert "answers CONNECT with status 407" in " ".join(done.stdout.split())
    assert "canary" not in done.stdout + done.stderr


# -- the environment, the spool


@pytest.mark.parametrize(
    ("environ", "level", "words"),
    [
        ({"SLUICEWAY_DISABLED": "1"}, "fail", "every call is a no-op"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f"}, "warn", "AWS Lambda: the process is frozen"),
        ({"UWSGI_ORIGINAL_PROC_NAME": "uwsgi"}, "warn", "uWSGI"),
        ({"HTTP_PROXY": "http://127.0.0.1:1"}, "warn", "a proxy is named (127.0.0.1:1)"),
        ({"HTTP_PROXY": "socks5://canary@127.0.0.1:1"}, "warn", "HTTP_PROXY must start with http://"),
        ({"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}, "ok", "nothing in it"),
    ],
)
def test_what_the_environment_does_is_told(environ: dict[str, str], level: str, words: str) -> None:
    with FaultServer(then=status(405)) as server:
        made = document("--vendor", "segment", "--host", server.url, environ=environ)
    [found] = [check for check in made["checks"] if check["check"] == "environment"]
    assert (found["level"], words in found["seen"]) == (level, True), found
    assert "canary" not in json.dumps(made)


@pytest.mark.parametrize(
    ("environ", "level", "words"),
    [
        ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, "fail", "SSL_CERT_FILE names a path that is not there"),
        (
            {"REQUESTS_CA_BUNDLE": "/etc/ssl/own.pem"},
            "warn",
            "REQUESTS_CA_BUNDLE is set, which this client does not read",
        ),
    ],
)
def test_authorities_that_the_environment_names_are_looked_at(environ: dict[str, str], level: str, words: str) -> None:
    made = document("--vendor", "segment", "--host", "https://sluiceway.invalid", "--timeout", "5", environ=environ)
    found = [check for check in made["checks"] if check["check"] == "environment"]
    assert [(check["level"], check["seen"]) for check in found] == [(level, words)]


def test_a_spool_s_directory_is_tried_and_none_is_left_behind(tmp_path: Path) -> None:
    new, file, foreign = tmp_path / "new" / "spool", tmp_path / "file", tmp_path / "open"
    file.write_text("")
    foreign.mkdir()
    foreign.chmod(0o777)
    good = tmp_path / "good"
    good.mkdir(mode=0o700)
    for path, level, words in (
        (new, ("ok", "warn"), "is not there yet; a client makes it"),
        (good, ("ok", "warn"), "can be written to and locked"),
        (file, ("fail",), "is not a directory"),
        (foreign, ("fail",), "can be written to by others"),
    ):
        with FaultServer(then=status(405)) as server:
            made = document("--vendor", "segment", "--host", server.url, "--spool-dir", str(path))
        [found] = [check for check in made["checks"] if check["check"] == "spool"]
        assert found["level"] in level, found
        assert words in found["seen"]
    assert not new.exists()
    assert not new.parent.exists()
