"""Every RudderStack example runs as it stands, and sends exactly the events it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluiceway.testing import Answer, Receiver

EXAMPLES = Path(__file__).parents[2] / "examples" / "rudderstack"
KEY = "examples-write-key"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ALL = {"All": True}


def run(name: str, receiver: Receiver, ending: str = "") -> str:
    """Run an example to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=os.environ
        | {
            "RUDDERSTACK_WRITE_KEY": KEY,
            "RUDDERSTACK_DATA_PLANE_URL": receiver.url + ending,
            "PYTHONWARNINGS": "error",
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def told(event: dict[str, Any]) -> dict[str, Any]:
    """Return what the caller said in an event, after checking what the client added."""
    rest = dict(event)
    assert rest.pop("channel") == "server"
    assert rest.pop("messageId")
    assert TIME.fullmatch(rest.pop("originalTimestamp"))
    assert TIME.fullmatch(rest.pop("sentAt"))
    context = rest.pop("context")
    assert context.pop("library")["name"]
    integrations = rest.pop("integrations")
    said = {"context": context, "integrations": {} if integrations == ALL else integrations, **rest}
    return {name: value for name, value in said.items() if value != {}}


VIEWED = {"type": "track", "userId": "1hKOmRA4GRlm", "event": "Item Viewed", "properties": {"revenue": 19.95}}

SENT = {
    "identify.py": [
        {
            "type": "identify",
            "userId": "1hKOmRA4GRlm",
            "context": {
                "traits": {"name": "Alex Keener", "email": "alex@example.com", "plan": "Free", "friends": 21},
            },
        }
    ],
    "track.py": [VIEWED | {"properties": {"revenue": 19.95, "shippingMethod": "Premium"}}],
    "page.py": [
        {
            "type": "page",
            "userId": "1hKOmRA4GRlm",
            "category": "Food",
            "name": "Pizza",
            "properties": {"url": "https://example.com", "title": "Pizza", "referrer": "https://google.com"},
        }
    ],
    "screen.py": [
        {
            "type": "screen",
            "userId": "12345",
            "category": "Food",
            "name": "Pizza",
            "properties": {"screenSize": 10, "title": "Pizza", "referrer": "https://google.com"},
        }
    ],
    "group.py": [
        {
            "type": "group",
            "userId": "12345",
            "groupId": "1",
            "traits": {"name": "Company", "description": "Google"},
        }
    ],
    "alias.py": [
        {"type": "alias", "previousId": "old_id", "userId": "new_id"},
        {
            "type": "alias",
            "previousId": "old_id",
            "anonymousId": "48d213bb-95c3-4f8d-af97-86b2b404dcfe",
            "traits": {"plan": "Free"},
        },
    ],
    "integrations.py": [
        {
            "type": "track",
            "userId": "1hKOmRA4GRlm",
            "event": "Item Viewed",
            "integrations": {"All": False, "Amplitude": True, "Google Analytics": False},
        }
    ],
    "historical_import.py": [VIEWED | {"timestamp": "2013-01-01T10:15:00.000Z"}],
    "flush.py": [
        {"type": "identify", "userId": "1hKOmRA4GRlm", "context": {"traits": {"plan": "Free"}}},
        VIEWED,
    ],
    "options.py": [VIEWED],
    "short_lived.py": [VIEWED | {"event": "Report Generated", "properties": {"pages": 12}}],
}

PRINTED = {"track.py": "accepted\n", "flush.py": "Flushing done\n", "short_lived.py": "delivered\n"}


@pytest.mark.parametrize("ending", ["", "/v1/batch"])
@pytest.mark.parametrize("name", sorted(SENT))
def test_an_example_sends_exactly_what_it_shows(name: str, ending: str) -> None:
    with Receiver(vendor="rudderstack") as receiver:
        assert run(name, receiver, ending) == PRINTED.get(name, "")
        assert list(map(told, receiver.events)) == SENT[name]
        assert receiver.violations == []
        assert {kept.path for kept in receiver.requests} == {"/v1/batch"}


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("flush.py", "failed: rejected\n"),
        ("options.py", "1 event failed: rejected, status 400, sent: no\n"),
        ("short_lived.py", "not delivered\n"),
    ],
)
def test_an_example_says_what_failed(name: str, printed: str) -> None:
    with Receiver(vendor="rudderstack", default=Answer(400, body=b"invalid json\n")) as receiver:
        assert run(name, receiver) == printed
        assert receiver.events == []


def test_every_example_is_listed_and_tested() -> None:
    files = {path.name for path in EXAMPLES.glob("*.py")}
    assert files == set(SENT)
    listed = re.findall(r"^\| \[(\w+\.py)\]\((\w+\.py)\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert {name for pair in listed for name in pair} == files
    for path in EXAMPLES.glob("*.py"):
        assert re.match(r'"""[A-Z][^"\n]+[.:]', path.read_text()), f"{path.name} opens with a sentence"
