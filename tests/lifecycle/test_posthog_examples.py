"""Every PostHog example runs as it stands, in batch v0 and in capture V1, and sends exactly the events it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sluiceway.testing import Answer, Receiver

EXAMPLES = Path(__file__).parents[2] / "examples" / "posthog"
KEY = "phc_examples-project-key"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PATHS = {"v0": "/batch/", "v1": "/i/v1/analytics/events"}


def run(name: str, receiver: Receiver, mode: str = "v0") -> str:
    """Run an example to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=os.environ
        | {
            "POSTHOG_PROJECT_API_KEY": KEY,
            "POSTHOG_HOST": receiver.url,
            "POSTHOG_CAPTURE_MODE": mode,
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
    """Return what the caller said in an event of v0 or V1, after checking what the client added."""
    rest = dict(event)
    assert UUID(rest.pop("uuid"))
    assert TIME.fullmatch(rest.pop("timestamp"))
    properties = dict(rest.pop("properties"))
    if "options" not in event:
        assert properties.pop("$lib") == "sluiceway"
        assert properties.pop("$lib_version")
    # Where V1 puts them, back among the properties.
    options = rest.pop("options", {})
    if "process_person_profile" in options:
        properties["$process_person_profile"] = options["process_person_profile"]
    for key in ("session_id", "window_id"):
        if key in rest:
            properties[f"${key}"] = rest.pop(key)
    for key in ("$set", "$set_once"):
        if event["event"] == key and key in rest:
            properties[key] = rest.pop(key)
    if properties["$geoip_disable"] is True:
        del properties["$geoip_disable"]
    return rest | ({"properties": properties} if properties else {})


def event(name: str, distinct_id: str = "distinct id", **properties: Any) -> dict[str, Any]:
    """Return an event as it arrives."""
    said = {key.replace("__", "$", 1): value for key, value in properties.items()}
    return {"event": name, "distinct_id": distinct_id} | ({"properties": said} if said else {})


SENT = {
    "capture.py": [event("movie played", movieId="123", category="romcom")],
    "person_properties.py": [
        event("movie played", __set={"userProperty": "value"}),
        event("movie played", __set_once={"userProperty": "value"}),
        event("$set", __set={"name": "Max Hedgehog"}),
        event("$set_once", __set_once={"initial_url": "/blog"}),
    ],
    "identify.py": [
        event("$identify", "user:123", __set={"email": "john@doe.com", "proUser": False}),
        event(
            "$identify",
            "user:123",
            __set={"plan": "pro"},
            __set_once={"first_plan": "free"},
            __anon_distinct_id="session:987",
        ),
    ],
    "alias.py": [
        event("$create_alias", "user:123") | {"properties": {"distinct_id": "user:123", "alias": "user:12345"}}
    ],
    "anonymous.py": [
        event("movie_played", "user:123", __process_person_profile=False),
        event("movie_played", "FRESH", __process_person_profile=False),
    ],
    "page_view.py": [event("$pageview", __current_url="https://example.com")] * 2,
    "groups.py": [
        event("some event", "[distinct id]", __groups={"company": "id:5"}),
        event(
            "$groupidentify",
            "$company_id:5",
            __group_type="company",
            __group_key="id:5",
            __group_set={"company_name": "Awesome Inc", "employees": 11},
        ),
        event(
            "$groupidentify",
            "group_identifier",
            __group_type="company",
            __group_key="id:5",
            __group_set={"employees": 12},
        ),
    ],
    "super_properties.py": [
        event("page_viewed", "distinct_id", app_version="1.2.0", environment="production"),
        event("page_viewed", "distinct_id", app_version="1.2.0", environment="staging"),
    ],
    "geoip.py": [event("your_event", "distinct_id", __geoip_disable=False), event("your_event", "distinct_id")],
    "options.py": [event("movie played")],
    "short_lived.py": [
        event("thing_happened", "distinct_id_of_the_user"),
        event("thing_happened", "distinct_id_of_the_user"),
        event("other_thing_happened", "distinct_id_of_the_user"),
    ],
    "historical_import.py": [event("movie played", "user:123")],
    "capture_v1.py": [event("movie played", "user:123", __session_id="s-1")],
}

PRINTED = {"capture.py": "accepted\n", "short_lived.py": "True True\n", "capture_v1.py": "taken\n"}


@pytest.mark.parametrize("mode", ["v0", "v1"])
@pytest.mark.parametrize("name", sorted(SENT))
def test_an_example_sends_exactly_what_it_shows(name: str, mode: str) -> None:
    with Receiver(vendor="posthog") as receiver:
        assert run(name, receiver, mode) == PRINTED.get(name, "")
        arrived = list(map(told, receiver.events))
        if name == "anonymous.py":
            assert UUID(arrived[1]["distinct_id"])
            arrived[1]["distinct_id"] = "FRESH"
        assert arrived == SENT[name]
        assert receiver.violations == []
        assert {kept.path for kept in receiver.requests} == {PATHS["v1" if name == "capture_v1.py" else mode]}


def test_a_cloud_function_has_a_request_for_itself() -> None:
    with Receiver(vendor="posthog") as receiver:
        run("short_lived.py", receiver)
        assert len(receiver.requests[0].batch) == 1


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_a_historical_import_says_so_and_keeps_time_and_id(mode: str) -> None:
    with Receiver(vendor="posthog") as receiver:
        run("historical_import.py", receiver, mode)
        [kept] = receiver.requests
        assert kept.document["historical_migration"] is True
        [sent] = kept.batch
        assert (sent["timestamp"], sent["uuid"]) == ("2013-01-01T10:15:00.000Z", "0190b3f2-7e1c-7abc-8def-000000000001")


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("options.py", "1 event failed: rejected, status 400, sent: no\n"),
        ("short_lived.py", "False False\n"),
        ("capture_v1.py", "failed: rejected\n"),
    ],
)
def test_an_example_says_what_failed(name: str, printed: str) -> None:
    with Receiver(vendor="posthog", default=Answer(400, body=b"event submitted without a distinct_id")) as receiver:
        assert run(name, receiver) == printed
        assert receiver.events == []


def test_every_example_is_listed_and_tested() -> None:
    files = {path.name for path in EXAMPLES.glob("*.py")}
    assert files == set(SENT)
    listed = re.findall(r"^\| \[(\w+\.py)\]\((\w+\.py)\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert {name for pair in listed for name in pair} == files
    for path in EXAMPLES.glob("*.py"):
        assert re.match(r'"""[A-Z][^"\n]+[.:]', path.read_text()), f"{path.name} opens with a sentence"
