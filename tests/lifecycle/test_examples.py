"""Every example runs as it stands, and sends exactly the events it shows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluiceway.testing import Answer, Receiver

EXAMPLES = Path(__file__).parents[2] / "examples"
KEY = "examples-write-key"
MARKETING_KEY = "marketing-write-key"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def environment(receiver: Receiver) -> dict[str, str]:
    """Return what an example finds around it."""
    return os.environ | {
        "SEGMENT_WRITE_KEY": KEY,
        "SEGMENT_MARKETING_WRITE_KEY": MARKETING_KEY,
        "SEGMENT_HOST": receiver.url,
    }


def run(name: str, receiver: Receiver) -> str:
    """Run an example to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=environment(receiver),
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
    assert 1 <= len(rest.pop("messageId")) <= 100
    assert TIME.fullmatch(rest.pop("timestamp"))
    library = rest.pop("context").pop("library")
    assert library["name"]
    assert library["version"]
    return {name: value for name, value in rest.items() if value != {}}


def track(user_id: str, event: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a track call as it arrives."""
    said = {"type": "track", "userId": user_id, "event": event, "properties": properties} | more
    return {name: value for name, value in said.items() if value}


PURCHASE = track("019mr8mf4r", "Item Purchased", {"revenue": 39.95})

SENT = {
    "identify.py": [
        {
            "type": "identify",
            "userId": "019mr8mf4r",
            "traits": {
                "name": "Michael Bolton",
                "email": "mbolton@example.com",
                "plan": "Enterprise",
                "friends": 42,
            },
        },
        {"type": "identify", "anonymousId": "48d213bb-95c3-4f8d-af97-86b2b404dcfe", "traits": {"friends": 42}},
    ],
    "track.py": [track("019mr8mf4r", "Item Purchased", {"revenue": 39.95, "shippingMethod": "2-day"})],
    "page.py": [
        {
            "type": "page",
            "userId": "019mr8mf4r",
            "category": "Docs",
            "name": "Node.js Library",
            "properties": {
                "url": "https://segment.com/docs/connections/sources/catalog/libraries/server/node/",
                "path": "/docs/connections/sources/catalog/libraries/server/node/",
                "title": "Node.js Library - Segment",
                "referrer": "https://github.com/segmentio",
            },
        }
    ],
    "group.py": [
        {
            "type": "group",
            "userId": "019mr8mf4r",
            "groupId": "56",
            "traits": {"name": "Initech", "description": "Accounting Software"},
        }
    ],
    "alias.py": [{"type": "alias", "previousId": "old_id", "userId": "new_id"}],
    "anonymous_to_identified.py": [
        track("anonymous_user", "Anonymous Event"),
        {"type": "alias", "previousId": "anonymous_user", "userId": "identified@example.com"},
        {"type": "identify", "userId": "identified@example.com", "traits": {"plan": "Free"}},
        track("identified@example.com", "Identified Action"),
    ],
    "options.py": [PURCHASE],
    "error_handler.py": [PURCHASE],
    "development.py": [
        track("019mr8mf4r", "Button Clicked", {"button": "buy"}),
        track("019mr8mf4r", "Button Clicked", {"button": "pay"}),
    ],
    "integrations.py": [
        track(
            "97234974",
            "Upgraded Membership",
            integrations={"All": False, "Vero": True, "Google Analytics": False},
        )
    ],
    "historical_import.py": [
        PURCHASE,
        track("56mk24fd0q", "Item Purchased", {"revenue": 17.5}),
    ],
    "callback.py": [track("019mr8mf4r", "Ultimate Event")],
    "flush.py": [
        {"type": "identify", "userId": "019mr8mf4r", "traits": {"plan": "Enterprise"}},
        PURCHASE,
        track("019mr8mf4r", "Item Returned", {"revenue": -39.95}),
    ],
    "short_lived.py": [
        {"type": "identify", "userId": "019mr8mf4r", "traits": {"plan": "Enterprise"}},
        track("019mr8mf4r", "Report Generated", {"pages": 12}),
    ],
}

PRINTED = {
    "track.py": "accepted\n",
    "callback.py": "delivered after 1 attempt with status 200\n",
    "flush.py": "all delivered\n" * 2,
    "short_lived.py": "accepted 2, delivered 2\n",
}


@pytest.mark.parametrize("name", sorted(SENT))
def test_an_example_sends_exactly_what_it_shows(name: str) -> None:
    with Receiver() as receiver:
        assert run(name, receiver) == PRINTED.get(name, "")
        assert list(map(told, receiver.events)) == SENT[name]
        assert receiver.violations == []
        assert {kept.path for kept in receiver.requests} == {"/v1/batch"}
        assert {kept.document["writeKey"] for kept in receiver.requests} == {KEY}


def test_a_historical_import_keeps_times_and_ids() -> None:
    with Receiver() as receiver:
        run("historical_import.py", receiver)
        assert [event["timestamp"] for event in receiver.events] == [
            "2013-01-01T10:15:00.000Z",
            "2013-01-01T10:15:30.250Z",
        ]
        assert [event["messageId"] for event in receiver.events] == [
            "purchase-019mr8mf4r-20130101",
            "purchase-56mk24fd0q-20130101",
        ]


def test_an_error_handler_is_told_what_failed() -> None:
    with Receiver(default=Answer(400, body=b'{"success":false}')) as receiver:
        assert run("error_handler.py", receiver) == "1 event failed: rejected, status 400, sent: no\n"
        assert receiver.events == []


def test_a_failed_event_is_told_to_its_callback() -> None:
    with Receiver(default=Answer(400, body=b'{"success":false}')) as receiver:
        assert run("callback.py", receiver) == "failed: rejected\n"


def test_a_disabled_client_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS", "off")
    with Receiver() as receiver:
        assert run("options.py", receiver) == ""
        assert receiver.requests == []


def test_several_clients_keep_their_events_apart() -> None:
    with Receiver() as receiver:
        assert run("several_clients.py", receiver) == ""
        by_key = {kept.document["writeKey"]: list(map(told, kept.batch)) for kept in receiver.requests}
        assert by_key == {
            KEY: [track("019mr8mf4r", "Report Generated", {"pages": 12})],
            MARKETING_KEY: [track("019mr8mf4r", "Campaign Opened", {"campaign": "spring"})],
        }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_long_running_process_ends_on_a_signal_without_loss(number: signal.Signals) -> None:
    with Receiver() as receiver:
        command = [sys.executable, str(EXAMPLES / "long_running.py")]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=environment(receiver), stdout=pipe, stderr=pipe) as process:
            try:
                assert receiver.wait_for(events=1, timeout=20)
                # The first event is sent at once; those after it wait for company: there is something left to lose.
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.2)
                process.send_signal(number)
                assert process.communicate(timeout=20) == (b"", b"")
            finally:
                process.kill()
        assert process.returncode == 0
        numbers = [event["properties"]["number"] for event in receiver.events]
        assert len(numbers) > 1
        assert numbers == list(range(len(numbers)))


def test_every_example_is_listed_and_tested() -> None:
    files = {path.name for path in EXAMPLES.glob("*.py")}
    assert files == set(SENT) | {"several_clients.py", "long_running.py", "demo_flights.py"}
    listed = re.findall(r"^\| \[(\w+\.py)\]\((\w+\.py)\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert {name for pair in listed for name in pair} == files
    for path in EXAMPLES.glob("*.py"):
        assert re.match(r'"""[A-Z][^"\n]+[.:]', path.read_text()), f"{path.name} opens with a sentence"
