# ruff: noqa: E501  a table reads best a line each
"""A key is nowhere to be found: not in the store's file, in no answer of the API, not on the terminal."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluiceway.devserver import DevServer
from sluiceway.devserver.masking import Masker
from sluiceway.devserver.redaction import HIDDEN, is_sensitive, redact
from sluiceway.devserver.screen import Screen

from .asking import Api
from .made import PATHS, event, headers

CANARY = "canary/K3Y+8f2b71c9"


def test_a_canary_is_found_nowhere(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    said = io.StringIO()
    screen = Screen(quiet=False, as_json=False, out=said)
    with DevServer(0, db=str(db), told=screen.request) as server:
        api = Api(server.port, server.token)
        basic = {"Authorization": "Basic " + base64.b64encode(f"{CANARY}:".encode()).decode()}
        batch = [event("segment", properties={"key": CANARY, "text": f"in {CANARY} a text", CANARY: 1}, userId=CANARY)]
        sent = [
            (PATHS["segment"], {"writeKey": CANARY, "batch": batch}, basic),
            ("/v1/track", {"writeKey": CANARY, "event": CANARY, "userId": "u"}, {}),
            (PATHS["rudderstack"], {"batch": [event("rudderstack", context={"k": CANARY})]}, basic),
            (PATHS["posthog"], {"api_key": CANARY, "batch": [event("posthog", properties={"token": CANARY})]}, {}),
            ("/capture/", {**event("posthog"), "token": CANARY, "api_key": CANARY}, {}),
            ("/e/", [event("posthog", properties={"token": CANARY, "again": CANARY})], {}),
            (PATHS["capture"], {"created_at": "x", "batch": [event("capture")]}, {**headers("capture"), "Authorization": f"Bearer {CANARY}"}),
            (PATHS["capture"], {"created_at": event("capture")["timestamp"], "batch": [event("capture", distinct_id=CANARY)]}, {**headers("capture"), "Authorization": f"Bearer {CANARY}"}),
            (PATHS["segment"], {"writeKey": CANARY, "batch": [event("segment", userId="u" * 190 + CANARY, event="e" * 185 + CANARY)]}, {"User-Agent": "a" * 190 + CANARY}),
            (PATHS["amplitude"], {"api_key": CANARY, "events": [event("amplitude", user_id=CANARY)]}, {"X-Api-Key": CANARY, "Cookie": f"k={CANARY}"}),
            ("/beacon/v1/batch?writeKey=canary%2FK3Y%2B8f2b71c9", {"batch": [event("rudderstack")]}, {}),
            ("/segment/v1/batch", b'{"writeKey": "' + CANARY.encode() + b'", "batch": [{"type": "track", "userId": "u", "event": "\\ud83d", "properties": {"k": "' + CANARY.encode() + b'"}}]}', {}),
            ("/segment/v1/batch", b'{"writeKey": "' + CANARY.encode() + b'", broken', {}),
            ("/v1/track", b'{"writeKey": "' + CANARY.encode() + b'", "userId": "u", "event": "' + CANARY.replace("/", "\\/").encode() + b'"}', {}),
        ]  # fmt: skip
        for path, body, more in sent:
            api.post(path, body, more)
        rows = api.rows(of=12)
        answers = [json.dumps(rows)]
        for row in rows:
            answers.append(json.dumps(api.ask(f"events/{row['seq']}?reveal=1")))
        for number in range(1, len(sent) + 1):
            answers.append(json.dumps(api.try_to(f"requests/{number}")))
        answers.append(json.dumps(api.ask("state")))
        answers.append(api.send("GET", f"/debug/{api.token}/api/export.jsonl?reveal=1")[2].decode())
        answers.append(said.getvalue())
        assert said.getvalue().count("\n") == len(sent)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"rudderstack" in kept  # it is the file that was written
    forms = [CANARY, CANARY.replace("/", "\\/"), "canary%2FK3Y%2B8f2b71c9"]
    forms += [CANARY[:10]]  # of a key that was cut
    forms += [base64.b64encode(f"{CANARY}:".encode()).decode()[:20]]
    for form in forms:
        assert form.encode() not in kept, form
        assert all(form not in answer for answer in answers), form


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    with DevServer(0, db=str(db)):
        assert db.stat().st_mode & 0o777 == 0o600


def test_a_short_key_is_masked_as_a_value_and_not_within_words() -> None:
    masker = Masker(["test"])
    assert masker.text('{"writeKey":"test","title":"latest tests"}') == '{"writeKey":"***","title":"latest tests"}'


@pytest.mark.parametrize(
    "key", ['","userId":"', 'user-1","event":"Bought', "<script>alert(1)</script>", '":', "\\\\\\\\\\"]
)
def test_a_key_that_is_a_piece_of_json_breaks_nothing(api: Api, key: str) -> None:
    body = {"writeKey": key, "batch": [event("segment", properties={"email": "a@b.example", key: key})]}
    assert api.post(PATHS["segment"], json.dumps(body, separators=(",", ":")).encode())[0] == 200
    [row] = api.rows()
    detail = api.ask(f"events/{row['seq']}")
    json.loads(detail["json"])
    assert "a@b.example" not in detail["json"]
    json.loads(api.ask(f"events/{row['seq']}?reveal=1")["json"])


PERSONAL = {
    "email": "a@b.example",
    "customerEmail": "a@b.example",
    "billing_address": {"street": "1 Main St"},
    "ip": "10.1.2.3",
    "phoneNumber": 4_915_112_345,
    "creditCard": "4111",
    "private_key": "k",
    "firstName": "Ann",
    "user_password": "p",
    "$ip": "10.1.2.3",
    "accessToken": "t",
}
PLAIN = {
    "plan": "pro",
    "shipping": "express",
    "description": "d",
    "tokenize": True,
    "zipped": 1,
    "session_id": 5,
    "cardinal": 3,
    "empty_email": None,
}


def test_values_of_people_are_hidden_until_asked_for(api: Api) -> None:
    api.post(
        PATHS["segment"], {"writeKey": "another-key", "batch": [event("segment", properties={**PERSONAL, **PLAIN})]}
    )
    [row] = api.rows()
    detail = api.ask(f"events/{row['seq']}")
    shown: dict[str, Any] = json.loads(detail["json"])["properties"]
    assert detail["redacted"]
    assert shown == dict.fromkeys(PERSONAL, HIDDEN) | PLAIN
    assert "a@b.example" not in detail["pytest"]
    assert HIDDEN not in detail["pytest"]
    revealed = api.ask(f"events/{row['seq']}?reveal=1")
    assert not revealed["redacted"]
    assert json.loads(revealed["json"])["properties"] == PERSONAL | PLAIN
    export = f"/debug/{api.token}/api/export.jsonl"
    assert b"a@b.example" not in api.send("GET", export)[2]
    assert b"a@b.example" in api.send("GET", export + "?reveal=1")[2]


def test_no_redact_shows_all() -> None:
    with DevServer(0, redacts=False) as server:
        api = Api(server.port, server.token)
        api.post(PATHS["segment"], {"writeKey": "k", "batch": [event("segment", properties=PERSONAL)]})
        [row] = api.rows()
        assert "a@b.example" in api.ask(f"events/{row['seq']}")["json"]
        assert api.ask("state")["redacts"] is False


@pytest.mark.parametrize("name", PERSONAL)
def test_a_name_is_sensitive(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize("name", PLAIN.keys() - {"empty_email"})
def test_a_name_is_plain(name: str) -> None:
    assert not is_sensitive(name)


def test_what_is_not_hidden_stays_as_it_came() -> None:
    text = '{ "plan" : "pro",  "n": 1.0 }'
    assert redact(text) == (text, False)


def test_the_log_has_numbers_only(api: Api, server: DevServer, client: Callable[..., Any]) -> None:
    lines = io.StringIO()
    screen = Screen(quiet=False, as_json=False, out=lines)
    with DevServer(0, told=screen.request) as other:
        Api(other.port, other.token).post(
            PATHS["segment"], {"writeKey": "canary-key-1234", "batch": [event("segment", event="canary-name")]}
        )
    assert "1 delivered" in lines.getvalue()
    assert "canary" not in lines.getvalue()
