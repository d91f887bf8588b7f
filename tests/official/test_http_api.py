"""The vendors' HTTP APIs by hand, as their documents show them: one curl line each, and the event is told as theirs."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from typing import Any
from urllib.parse import quote

import pytest

from . import needed  # noqa: F401  # leaves these tests out where the others are
from .page import Page

CURL = shutil.which("curl") or ""
pytestmark = pytest.mark.skipif(not CURL, reason="curl is not installed here")

JSON = ("-H", "Content-Type: application/json")
FORM = ("-H", "Content-Type: application/x-www-form-urlencoded")
USER = ("-u", "key-of-a-test:")
TRACK = {"userId": "user-1", "event": "Item Purchased", "properties": {"price": 39.95}}
CAPTURE = {"api_key": "phc_test", "event": "bought", "distinct_id": "user-1", "properties": {"price": 39.95}}
LOG = {"user_id": "user-1", "event_type": "bought", "event_properties": {"price": 39.95}}


def body(said: object) -> tuple[str, str]:
    return "--data-binary", json.dumps(said, ensure_ascii=False)


def base64_of(said: object) -> str:
    return base64.b64encode(json.dumps(said).encode()).decode()


# The vendor, the path, what curl is told besides, and the type and name that the event is shown under.
LINES: list[tuple[str, str, list[str], str, str]] = [
    ("segment", "/v1/track", [*USER, *JSON, *body(TRACK)], "track", "Item Purchased"),
    ("segment", "/v1/track", [*JSON, *body({**TRACK, "writeKey": "key-of-a-test"})], "track", "Item Purchased"),
    ("segment", "/v1/identify", [*USER, *JSON, *body({"userId": "user-1", "traits": {"ä": 1}})], "identify", ""),
    ("segment", "/v1/page", [*USER, *JSON, *body({"userId": "user-1", "name": "Docs"})], "page", "Docs"),
    ("segment", "/v1/screen", [*USER, *JSON, *body({"anonymousId": "a-1", "name": "Cart"})], "screen", "Cart"),
    ("segment", "/v1/group", [*USER, *JSON, *body({"userId": "user-1", "groupId": "g"})], "group", ""),
    ("segment", "/v1/alias", [*USER, *JSON, *body({"previousId": "before", "userId": "user-1"})], "alias", ""),
    ("segment", "/v1/t", ["-H", "Content-Type: text/plain", *body({**TRACK, "writeKey": "k"})], "track", "Item Purchased"),
    ("segment", "/segment/v1/track", [*USER, *JSON, *body(TRACK)], "track", "Item Purchased"),
    ("segment", "/v1/batch", [*USER, *JSON, *body({"batch": [{"type": "track", **TRACK}]})], "track", "Item Purchased"),
    ("segment", "/v1/import", [*USER, *JSON, *body({"batch": [{"type": "track", **TRACK}]})], "track", "Item Purchased"),
    ("rudderstack", "/rudderstack/v1/track", [*USER, *JSON, *body(TRACK)], "track", "Item Purchased"),
    ("rudderstack", "/rudderstack/v1/identify", [*USER, *JSON, *body({"userId": "user-1"})], "identify", ""),
    ("rudderstack", "/rudderstack/v1/page", [*USER, *JSON, *body({"userId": "user-1", "name": "Docs"})], "page", "Docs"),
    ("rudderstack", "/v1/track", [*USER, *JSON, *body({**TRACK, "channel": "server"})], "track", "Item Purchased"),
    ("rudderstack", "/rudderstack/v1/batch", [*USER, *JSON, *body({"batch": [{"type": "track", **TRACK}]})], "track", "Item Purchased"),
    ("rudderstack", "/rudderstack/v1/batch", [*USER, *body({"batch": [{"type": "track", **TRACK}]})], "track", "Item Purchased"),
    ("posthog", "/capture/", [*JSON, *body(CAPTURE)], "capture", "bought"),
    ("posthog", "/i/v0/e/", [*JSON, *body(CAPTURE)], "capture", "bought"),
    ("posthog", "/i/v0/e/", [*body(CAPTURE)], "capture", "bought"),
    ("posthog", "/e/", [*JSON, *body([{**CAPTURE, "properties": {"token": "phc_test"}}])], "capture", "bought"),
    ("posthog", "/e/?compression=base64", [*FORM, "--data-raw", "data=" + quote(base64_of(CAPTURE))], "capture", "bought"),
    ("posthog", "/posthog/capture", [*JSON, *body(CAPTURE)], "capture", "bought"),
    ("posthog", "/capture/", [*JSON, *body({**CAPTURE, "event": "$identify", "$set": {"a": 1}})], "identify", "$identify"),
    ("posthog", "/batch/", [*JSON, *body({"api_key": "phc_test", "batch": [{"event": "bought", "distinct_id": "user-1"}]})], "capture", "bought"),
    ("posthog", "/batch/", [*JSON, *body({"api_key": "phc_test", "batch": [{"event": "bought", "properties": {"distinct_id": 7}}]})], "capture", "bought"),
    ("amplitude", "/2/httpapi", [*JSON, *body({"api_key": "k", "events": [LOG]})], "event", "bought"),
    ("amplitude", "/2/httpapi", [*JSON, "-H", "Accept: */*", *body({"api_key": "k", "events": [LOG | {"device_id": "device-1", "time": 1_700_000_000_000}]})], "event", "bought"),
    ("amplitude", "/batch", [*JSON, *body({"api_key": "k", "events": [LOG]})], "event", "bought"),
    ("amplitude", "/amplitude/batch", [*JSON, *body({"api_key": "k", "events": [LOG]})], "event", "bought"),
    ("amplitude", "/identify", ["--data-urlencode", "api_key=k", "--data-urlencode", 'identification=[{"user_id":"user-1","user_properties":{"$set":{"ä":1}}}]'], "identify", "$identify"),
    ("amplitude", "/groupidentify", ["--data-urlencode", "api_key=k", "--data-urlencode", 'identification={"group_type":"org","group_value":"us","group_properties":{"a":1}}'], "groupidentify", "$groupidentify"),
    ("amplitude", "/httpapi", ["--data-urlencode", "api_key=k", "--data-urlencode", "event=" + json.dumps(LOG)], "event", "bought"),
]  # fmt: skip


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


@pytest.mark.parametrize(("vendor", "path", "options", "kind", "name"), LINES)
def test_one_line_is_one_event(page: Page, vendor: str, path: str, options: list[str], kind: str, name: str) -> None:
    status, said = curl(page, path, *options)
    assert status == 200, said
    [row] = page.rows()
    assert (row["vendor"], row["verdict"], row["reason"]) == (vendor, "delivered", "")
    assert row["event"] == name or (not name and row["type"] == kind)
    assert row["user"] in ("user-1", "7", "") or row["anonymous"]


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
