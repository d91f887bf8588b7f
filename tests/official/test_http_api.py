"""The vendors' HTTP APIs by hand, as their documents show them: one curl line each, and the event is told as theirs."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from typing import Any

import pytest

from . import needed  # noqa: F401  # leaves these tests out where the others are
from .page import Page

CURL = shutil.which("curl") or ""
pytestmark = pytest.mark.skipif(not CURL, reason="curl is not installed here")

JSON = ("-H", "Content-Type: application/json")
USER = ("-u", "key-of-a-test:")
TRACK = {"userId": "user-1", "event": "Item Purchased", "properties": {"price": 39.95}}
MESSAGE = {"type": "track", **TRACK}
CAPTURE = {"api_key": "phc_test", "event": "bought", "distinct_id": "user-1", "properties": {"price": 39.95}}
INSIDE = {"event": "bought", "properties": {"distinct_id": 7, "token": "phc_test"}}
LOG = {"user_id": "user-1", "event_type": "bought", "event_properties": {"price": 39.95}}
CHANGES = {"user_id": "user-1", "user_properties": {"$set": {"ä": 1}}}
COMPANY = {"group_type": "company", "group_value": "us", "group_properties": {"employees": 7}}


def body(said: object) -> list[str]:
    return ["--data-binary", json.dumps(said, ensure_ascii=False)]


def json_of(said: object) -> list[str]:
    return [*JSON, *body(said)]


def by_key(said: object) -> list[str]:
    """With the key as the user of Basic authentication, as Segment and RudderStack have it."""
    return [*USER, *json_of(said)]


def form(**fields: object) -> list[str]:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in fields.items()}
    return [word for key, text in texts.items() for word in ("--data-urlencode", f"{key}={text}")]


def base64_of(said: object) -> str:
    return base64.b64encode(json.dumps(said).encode()).decode()


def log(**fields: object) -> list[str]:
    return json_of({"api_key": "k", "events": [{**LOG, **fields}]})


# The vendor, the path, what curl is told besides, and the name, or the type, that the event is shown under.
LINES: list[tuple[str, str, list[str], str]] = [
    ("segment", "/v1/track", by_key(TRACK), "Item Purchased"),
    ("segment", "/v1/track", json_of({**TRACK, "writeKey": "key-of-a-test"}), "Item Purchased"),
    ("segment", "/v1/identify", by_key({"userId": "user-1", "traits": {"ä": 1}}), "identify"),
    ("segment", "/v1/page", by_key({"userId": "user-1", "name": "Docs"}), "Docs"),
    ("segment", "/v1/screen", by_key({"anonymousId": "a-1", "name": "Cart"}), "Cart"),
    ("segment", "/v1/group", by_key({"userId": "user-1", "groupId": "g"}), "group"),
    ("segment", "/v1/alias", by_key({"previousId": "before", "userId": "user-1"}), "alias"),
    ("segment", "/v1/t", ["-H", "Content-Type: text/plain", *body({**TRACK, "writeKey": "k"})], "Item Purchased"),
    ("segment", "/v1/batch", by_key({"batch": [MESSAGE]}), "Item Purchased"),
    ("segment", "/v1/import", by_key({"batch": [MESSAGE]}), "Item Purchased"),
    ("segment", "/segment/v1/track", by_key(TRACK), "Item Purchased"),
    ("rudderstack", "/rudderstack/v1/track", by_key(TRACK), "Item Purchased"),
    ("rudderstack", "/rudderstack/v1/identify", by_key({"userId": "user-1"}), "identify"),
    ("rudderstack", "/rudderstack/v1/page", by_key({"userId": "user-1", "name": "Docs"}), "Docs"),
    ("rudderstack", "/rudderstack/v1/batch", by_key({"batch": [MESSAGE]}), "Item Purchased"),
    ("rudderstack", "/rudderstack/v1/batch", [*USER, *body({"batch": [MESSAGE]})], "Item Purchased"),
    ("rudderstack", "/v1/track", by_key({**TRACK, "channel": "server"}), "Item Purchased"),
    ("posthog", "/capture/", json_of(CAPTURE), "bought"),
    ("posthog", "/i/v0/e/", json_of(CAPTURE), "bought"),
    ("posthog", "/i/v0/e/", body(CAPTURE), "bought"),
    ("posthog", "/e/", json_of([INSIDE]), "bought"),
    ("posthog", "/e/?compression=base64", form(data=base64_of(CAPTURE)), "bought"),
    ("posthog", "/capture/", json_of({**CAPTURE, "event": "$identify", "$set": {"a": 1}}), "$identify"),
    (
        "posthog",
        "/batch/",
        json_of({"api_key": "phc_test", "batch": [{"event": "bought", "distinct_id": "u"}]}),
        "bought",
    ),
    ("posthog", "/batch/", json_of({"api_key": "phc_test", "batch": [INSIDE]}), "bought"),
    ("posthog", "/posthog/capture", json_of(CAPTURE), "bought"),
    ("amplitude", "/2/httpapi", log(), "bought"),
    ("amplitude", "/2/httpapi", log(device_id="device-1", time=int(time.time() * 1000)), "bought"),
    ("amplitude", "/batch", log(), "bought"),
    ("amplitude", "/amplitude/batch", log(), "bought"),
    ("amplitude", "/identify", form(api_key="k", identification=[CHANGES]), "$identify"),
    ("amplitude", "/identify", form(api_key="k", identification=CHANGES), "$identify"),
    ("amplitude", "/groupidentify", form(api_key="k", identification=COMPANY), "$groupidentify"),
    ("amplitude", "/httpapi", form(api_key="k", event=LOG), "bought"),
]


def curl(page: Page, path: str, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [
            CURL,
            "--silent",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
            page.url + path,
            *options,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    said, _, status = done.stdout.rpartition("\n")
    return int(status), said


@pytest.mark.parametrize(("vendor", "path", "options", "name"), LINES)
def test_one_line_is_one_event(page: Page, vendor: str, path: str, options: list[str], name: str) -> None:
    status, said = curl(page, path, *options)
    assert status == 200, said
    [row] = page.rows()
    assert (row["vendor"], row["verdict"]) == (vendor, "delivered"), row["reason"]
    assert name in (row["event"], row["type"])
    assert row["user"] or row["anonymous"] or name == "$groupidentify"


def test_gzip_and_a_beacon_as_posthogs_page_script_sends_them(page: Page) -> None:
    import gzip

    packed = gzip.compress(json.dumps([CAPTURE | {"properties": {"token": "phc_test"}}]).encode())
    for path, status in (("/e/?compression=gzip-js&ver=1.2.3&_=1700000000000", 200), ("/i/v0/e/?beacon=1", 204)):
        done = subprocess.run(
            [CURL, "--silent", "--noproxy", "*", "--write-out", "%{http_code}", "-H", "Content-Type: text/plain",
             "--data-binary", "@-", "--output", "/dev/null", page.url + path],
            input=packed,
            capture_output=True,
            check=True,
        )  # fmt: skip
        assert int(done.stdout) == status
    assert [row["verdict"] for row in page.rows()] == ["delivered", "delivered"]


SIDE_REQUESTS: list[tuple[str, list[str], Any]] = [
    ("/posthog/flags/?v=2", [*JSON, *body({"token": "k", "distinct_id": "u"})], "flags"),
    ("/flags/?v=4", [*JSON, *body({"api_key": "k", "distinct_id": "u"})], "flags"),
    ("/flags/definitions?token=k&send_cohorts", [], "flags"),
    ("/decide/?v=3", [*JSON, *body({"token": "k", "distinct_id": "u"})], "featureFlags"),
    ("/array/phc_test/config", [], None),
    ("/v1/projects/key/settings", [], "integrations"),
    ("/segment/v1/projects/key/settings", [], "integrations"),
    ("/v1/m", [*body({"series": []})], None),
    ("/sourceConfig?p=cdn&v=3&writeKey=k", [], "source"),
    ("/rudderstack/sourceConfig/?p=cdn&v=3&writeKey=k", [], "source"),
]


@pytest.mark.parametrize(("path", "options", "key"), SIDE_REQUESTS)
def test_what_clients_ask_besides_has_a_harmless_answer(page: Page, path: str, options: list[str], key: Any) -> None:
    status, said = curl(page, path, *options)
    assert status == 200
    if key:
        assert key in json.loads(said)
    assert page.rows() == []
