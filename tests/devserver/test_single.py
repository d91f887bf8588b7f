# ruff: noqa: E501  a table reads best a line each
"""Requests that are no batch are read as the batch that they stand for: by the local server, and by the receiver."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from sluiceway.testing import Receiver
from sluiceway.testing.packing import unpack_lz64
from sluiceway.testing.wire import Malformed

from .asking import Api

TRACK = {"userId": "user-1", "event": "Bought", "messageId": "m-1", "timestamp": "2026-01-01T00:00:00Z"}
CAPTURE = {"api_key": "phc_test", "event": "Bought", "distinct_id": "user-1"}
BASIC = {"Authorization": "Basic " + base64.b64encode(b"key:").decode()}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


# The vendor that it is told as, the path at the root, the body, headers, and the type and name that are shown.
REQUESTS: list[tuple[str, str, bytes, dict[str, str], str, str]] = [
    ("segment", "/v1/track", text({**TRACK, "writeKey": "k"}), {}, "track", "Bought"),
    ("segment", "/v1/t", text({**TRACK, "writeKey": "k"}), {"Content-Type": "text/plain"}, "track", "Bought"),
    ("segment", "/v1/identify", text({"userId": "user-1"}), BASIC, "identify", ""),
    ("segment", "/v1/p", text({"anonymousId": "a-1", "name": "Docs"}), BASIC, "page", "Docs"),
    ("segment", "/v1/screen", text({"userId": "user-1", "name": "Cart"}), BASIC, "screen", "Cart"),
    ("segment", "/v1/group", text({"userId": "user-1", "groupId": "team-1"}), BASIC, "group", "team-1"),
    ("segment", "/v1/alias", text({"userId": "user-1", "previousId": "before"}), BASIC, "alias", "before"),
    ("segment", "/v1/import", text({"batch": [{**TRACK, "type": "track"}]}), BASIC, "track", "Bought"),
    ("rudderstack", "/rudderstack/v1/track", text(TRACK), BASIC, "track", "Bought"),
    ("rudderstack", "/v1/track", text({**TRACK, "channel": "server"}), BASIC, "track", "Bought"),
    ("rudderstack", "/rudderstack/v1/merge", text({"userId": "user-1"}), BASIC, "merge", ""),
    ("rudderstack", "/beacon/v1/batch?writeKey=k", text({"batch": [{**TRACK, "type": "track"}]}), {}, "track", "Bought"),
    ("posthog", "/capture/", text(CAPTURE), {}, "capture", "Bought"),
    ("posthog", "/e/?ip=1", text([CAPTURE]), {}, "capture", "Bought"),
    ("posthog", "/track", text(CAPTURE), {}, "capture", "Bought"),
    ("posthog", "/i/v0/e/", text({**CAPTURE, "event": "$pageview"}), {}, "page", "$pageview"),
    ("posthog", "/i/v0/e/", gzip.compress(text(CAPTURE)), {"Content-Type": "text/plain"}, "capture", "Bought"),
    ("posthog", "/batch/?compression=gzip", gzip.compress(text({"api_key": "k", "batch": [CAPTURE]})), {}, "capture", "Bought"),
    ("posthog", "/e/", b"data=" + quote(base64.b64encode(text(CAPTURE))).encode(), FORM, "capture", "Bought"),
    ("posthog", "/e/", b"data=" + quote(text(CAPTURE)).encode(), FORM, "capture", "Bought"),
    ("amplitude", "/identify", b"api_key=k&identification=" + quote('{"user_id":"user-1"}').encode(), FORM, "identify", "$identify"),
    ("amplitude", "/groupidentify", b"api_key=k&identification=" + quote('[{"group_type":"org","group_value":"us"}]').encode(), FORM, "group", "$groupidentify"),
    ("amplitude", "/httpapi", b"api_key=k&event=" + quote('[{"user_id":"user-1","event_type":"Bought"}]').encode(), FORM, "track", "Bought"),
]  # fmt: skip


@pytest.mark.parametrize(("vendor", "path", "said", "headers", "kind", "name"), REQUESTS)
def test_the_local_server(
    api: Api, vendor: str, path: str, said: bytes, headers: dict[str, str], kind: str, name: str
) -> None:
    assert api.post(path, said, headers)[0] == 200
    [row] = api.rows()
    assert (row["vendor"], row["type"], row["event"], row["verdict"]) == (vendor, kind, name, "delivered")


@pytest.mark.parametrize(("vendor", "path", "said", "headers", "kind", "name"), REQUESTS)
def test_the_receiver(vendor: str, path: str, said: bytes, headers: dict[str, str], kind: str, name: str) -> None:
    path = path.removeprefix("/rudderstack")
    with Receiver(vendor=vendor) as receiver:
        assert Api(receiver.port, "").post(path, said, headers)[0] == 200
        assert receiver.stats().events == 1


def test_a_beacon_is_answered_without_a_body(api: Api) -> None:
    assert api.post("/e/?beacon=1", text(CAPTURE)) == (204, b"")


@pytest.mark.parametrize(
    ("path", "said"),
    [("/v1/track", b"nothing"), ("/v1/track", b"[]"), ("/capture/", b"!"), ("/e/", b"data=!"), ("/identify", b"")],
)
def test_what_cannot_be_read_is_refused(api: Api, path: str, said: bytes) -> None:
    assert api.post(path, said, FORM)[0] == 400


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        ("Q===", b""),
        ("BYUwNmD2Q===", b"hello"),  # what lz-string 1.5 makes of it
        ("CIQxA===", None),
        ("!!!", None),
        ("", None),
    ],
)
def test_lz_strings_are_read(packed: str, said: bytes | None) -> None:
    if said is None:
        with pytest.raises(Malformed):
            unpack_lz64(packed)
    else:
        assert unpack_lz64(packed) == said


def test_what_clients_ask_besides_is_answered(api: Api) -> None:
    for method, path, key in (
        ("POST", "/flags/?v=2", "flags"),
        ("POST", "/posthog/decide/?v=3", "featureFlags"),
        ("GET", "/array/phc_key/config", "supportedCompression"),
        ("GET", "/api/feature_flag/local_evaluation?token=k", "flags"),
        ("GET", "/v1/projects/key/settings", "integrations"),
        ("GET", "/rudderstack/sourceConfig?p=npm", "source"),
        ("GET", "/rudderstack/health", "server"),
    ):
        status, headers, body = api.send(method, path)
        assert (status, headers["content-type"]) == (200, "application/json"), path
        assert key in json.loads(body)
    assert api.send("GET", "/array/phc_key/config.js")[0] == 200
    assert api.counters()["requests"] == 0
    assert api.send("POST", "/nowhere", b"{}")[0] == 404
    assert api.send("GET", "/segment/v1/batch")[0] == 405
    status, _, front = api.send("GET", "/")
    assert status == 200
    assert b"/posthog" in front
    assert api.token.encode() not in front
