"""Every Amplitude example runs as it stands, and sends exactly the events it shows."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sluiceway.testing import Receiver

EXAMPLES = Path(__file__).parents[2] / "examples" / "amplitude"
KEY = "examples-api-key"
USER = "datamonster@gmail.com"


def run(name: str, receiver: Receiver) -> str:
    """Run an example to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=os.environ | {"AMPLITUDE_API_KEY": KEY, "AMPLITUDE_SERVER_URL": receiver.url, "PYTHONWARNINGS": "error"},
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
    assert UUID(rest.pop("insert_id"))
    assert 1_300_000_000_000 < rest.pop("time") < 4_000_000_000_000
    assert rest.pop("library").startswith("sluiceway/")
    return rest


def identify(operations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"event_type": "$identify", "user_id": "USER_ID", "user_properties": operations, **more}


SENT: dict[str, list[dict[str, Any]]] = {
    "log_event.py": [
        {
            "event_type": "Node.js Event",
            "user_id": USER,
            "location_lat": 37.77,
            "location_lng": -122.39,
            "ip": "127.0.0.1",
            "event_properties": {"keyString": "valueString", "keyInt": 11, "keyBool": True},
        },
        {"event_type": "Python Event", "user_id": USER, "event_properties": {"keyInt": 11}},
    ],
    "instances.py": [
        {"event_type": "Page Viewed", "user_id": USER},
        {"event_type": "App Opened", "user_id": "dm1", "plan": {"source": "mobile"}},
    ],
    "eu.py": [{"event_type": "Signed Up", "user_id": USER}],
    "middleware.py": [{"event_type": "Signed Up", "user_id": USER}],
    "middleware_enrich.py": [
        {
            "event_type": "Message Sent",
            "user_id": "user-17",
            "device_id": "server-17",
            "event_properties": {"text": "mail me at [email]", "words": 4},
            "groups": {"test_group_name": "test_group_value"},
        }
    ],
    "middleware_forward.py": [],
    "middleware_validate.py": [
        {"event_type": "Item Purchased", "user_id": "user-17", "event_properties": {"item": "book", "price": 9.5}}
    ],
    "identify.py": [
        identify(
            {"$set": {"start_date": "March 3rd"}, "$add": {"num_clicks": 4}, "$unset": {"needs_to_activate": "-"}},
            device_id="DEVICE_ID",
        ),
        identify(
            {"$set": {"start_date": "March 3rd"}, "$add": {"num_clicks": 4}, "$unset": {"needs_to_activate": "-"}}
        ),
        identify({"$clearAll": "-"}),
    ],
    "identify_event.py": [
        identify(
            {"$set": {"plan": "pro"}, "$setOnce": {"first_seen": "2026-01-02"}},
            device_id="DEVICE_ID",
            app_version="2.1.3",
        )
    ],
    "group_identify.py": [
        identify({"$set": {"role": "admin", "org": "acme"}}, groups={"org": "acme"}),
        identify({"$set": {"team": ["red", "blue"]}}, groups={"team": ["red", "blue"]}),
        {
            "event_type": "$groupidentify",
            "groups": {"org": "acme"},
            "group_properties": {"$set": {"seats": 12}, "$setOnce": {"since": 2013}},
        },
        {"event_type": "Invoice Paid", "user_id": "USER_ID", "groups": {"org": "acme"}},
    ],
    "revenue.py": [
        {
            "event_type": "revenue_amount",
            "user_id": "USER_ID",
            "event_properties": {
                "$price": 3.99,
                "$quantity": 3,
                "$productId": "com.company.productId",
                "$currency": "EUR",
            },
        },
        {
            "event_type": "revenue_amount",
            "user_id": "USER_ID",
            "event_properties": {"$price": -3.99, "$quantity": 1, "$revenueType": "refund", "reason": "too late"},
        },
        {
            "event_type": "Checkout",
            "user_id": "USER_ID",
            "price": 4.99,
            "quantity": 2,
            "productId": "com.company.productId",
        },
    ],
    "offline_retry.py": [
        {"event_type": "Door Opened", "device_id": "door-17"},
        {"event_type": "Door Closed", "device_id": "door-17"},
    ],
    "own_retry.py": [{"event_type": "Report Generated", "user_id": "user-17"}],
}

PRINTED = {
    "log_event.py": "2\n",
    "middleware.py": (
        "[amplitude] event=Signed Up extra={'request': 17}\n"
        "[amplitude] event=Mouse Moved extra=None\n"
        "filtered: Mouse Moved\n"
    ),
    "middleware_forward.py": "Page Viewed {'page': 3} a-1\nFalse {'middleware': 1}\n",
    "middleware_validate.py": "delivered\nmiddleware\n",
    "identify.py": "(Ignored(operation='$set', why='is about a property that has an operation already'),)\n",
    "offline_retry.py": "kept 0\nkept 0\n",
    "own_retry.py": "200\n",
}


@pytest.mark.parametrize("name", sorted(SENT))
def test_an_example_sends_exactly_what_it_shows(name: str) -> None:
    with Receiver(vendor="amplitude") as receiver:
        assert run(name, receiver) == PRINTED.get(name, "")
        events = [told(event) for event in receiver.events]
        for event in events:
            if event["event_type"] == "$groupidentify":
                assert len(event.pop("device_id")) == 32
        order = [event["event_type"] for event in SENT[name]]
        assert sorted(events, key=lambda event: order.index(event["event_type"])) == SENT[name]
        assert receiver.violations == []
        assert {request.path for request in receiver.requests} <= {"/2/httpapi"}
        assert {request.document["api_key"] for request in receiver.requests} <= {KEY}


def test_instances_have_options_of_their_own() -> None:
    with Receiver(vendor="amplitude") as receiver:
        run("instances.py", receiver)
        options = [request.document.get("options") for request in receiver.requests]
        assert sorted(options, key=str) == [None, {"min_id_length": 3}]


def test_batching_sends_few_requests_to_the_batch_api() -> None:
    with Receiver(vendor="amplitude") as receiver:
        assert run("batching.py", receiver) == ""
        assert [event["event_properties"]["number"] for event in receiver.events] == list(range(5_000))
        assert {request.path for request in receiver.requests} == {"/batch"}
        assert len(receiver.requests) <= 5
        assert receiver.violations == []


def test_the_events_of_the_http_api_arrive_key_by_key() -> None:
    with Receiver(vendor="amplitude") as receiver:
        run("http_api_events.py", receiver)
        one, other = receiver.events
    assert one.pop("library").startswith("sluiceway/")
    [assigned] = [
        node for node in ast.parse((EXAMPLES / "http_api_events.py").read_text()).body if isinstance(node, ast.Assign)
    ]
    assert one == ast.literal_eval(assigned.value)
    assert told(other) == {
        "event_type": "watch_tutorial",
        "user_id": "12345",
        "user_properties": {"Cohort": "Test A"},
        "country": "United States",
        "ip": "$remote",
    }
    assert other["time"] == 1396381378123


def test_an_offline_machine_keeps_its_events() -> None:
    with Receiver([503], vendor="amplitude") as receiver:
        assert run("offline_retry.py", receiver) == "kept 1\nkept 0\n"
        assert [event["event_type"] for event in receiver.events] == ["Door Opened", "Door Closed"]


@pytest.mark.parametrize(("script", "printed"), [([503, 200], "200\n"), ([503, 503], "503\n")])
def test_a_handler_of_your_own_decides(script: list[int], printed: str) -> None:
    with Receiver(script, vendor="amplitude") as receiver:
        assert run("own_retry.py", receiver) == printed
        assert len(receiver.requests) == 2


def test_every_example_is_listed_and_tested() -> None:
    files = {path.name for path in EXAMPLES.glob("*.py")}
    assert files == set(SENT) | {"batching.py", "http_api_events.py"}
    listed = re.findall(r"^\| \[(\w+\.py)\]\((\w+\.py)\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert {name for pair in listed for name in pair} == files
    for path in EXAMPLES.glob("*.py"):
        assert re.match(r'"""[A-Z][^"\n]+[.:]', path.read_text()), f"{path.name} opens with a sentence"
