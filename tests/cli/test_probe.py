"""What `--probe` sends, what it is told, and that each vendor's server would find nothing wrong with it."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest

from sluiceway.checking import probes
from sluiceway.checking.probes import Probe
from sluiceway.checking.target import target
from sluiceway.secret import Secret
from sluiceway.testing import Receiver

from ..faults.acts import says, status
from ..faults.server import Act, FaultServer
from .running import KEYS, VENDORS, examine, only, pointed

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
EMPTY = status(400, PLAIN, b"empty batch payload\n")
FLAGS = says(200, {"flags": {}, "errorsWhileComputingFlags": False})
# The check of HTTP comes before the probes.
GET = status(404)


def probed(vendor: str, *acts: Act, key: str | None = None) -> tuple[dict[str, list[Any]], list[Any]]:
    """The findings, and the requests behind the first GET."""
    with FaultServer(GET, *acts, then=status(599)) as server:
        findings = examine(vendor, server.url, probe=True, key=key)
        return findings, server.record.requests[1:]


@pytest.mark.parametrize("vendor", ["segment", "amplitude"])
def test_an_event_is_one_that_a_strict_vendor_takes(vendor: str) -> None:
    with Receiver(vendor=vendor) as receiver:
        findings = examine(vendor, receiver.url, probe=True)
        [event] = receiver.events
        assert receiver.violations == []
    assert event.get("event", event.get("event_type")) == "sluiceway doctor"
    assert only(findings, "permission").level == ("ok" if vendor == "amplitude" else "warn")
    assert only(findings, "gzip").level == "skipped"


def test_rudderstack_is_sent_no_event() -> None:
    with Receiver(vendor="rudderstack") as receiver:
        findings = examine("rudderstack", receiver.url, probe=True)
        assert receiver.stats().events == 0
        assert set(receiver.violations) == {"request 1: batch: empty", "request 2: batch: empty"}
    assert (only(findings, "permission").level, only(findings, "gzip").level) == ("ok", "ok")


def test_posthog_is_sent_no_event() -> None:
    findings, requests = probed("posthog", FLAGS, *[status(400, PLAIN, b"request holds no event")] * 2)
    assert [seen.head.split(b" ")[1] for seen in requests] == [b"/flags/?v=2", b"/batch/", b"/batch/"]
    flags, plain, packed = requests
    assert json.loads(flags.body) == {
        "api_key": KEYS["posthog"],
        "distinct_id": "sluiceway-doctor",
        "disable_flags": True,
    }
    assert json.loads(plain.body)["batch"] == []
    assert b"content-encoding: gzip" in packed.head.lower()
    assert (only(findings, "permission").level, only(findings, "gzip").level) == ("ok", "ok")


def test_capture_v1_is_asked_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTHOG_CAPTURE_MODE", "v1")
    with Receiver() as receiver:
        whom = target("posthog", pointed("posthog", receiver.url))
        planned = probes.plan(
            whom, Secret(KEYS["posthog"]), now=time.time(), uuid="0190163d-8694-739b-aea5-966c26f8ad91"
        )
        assert [probe.url for probe in planned][1:] == [f"{receiver.url}/i/v1/analytics/events"] * 2
        findings = examine("posthog", receiver.url, probe=True)
        assert receiver.stats().events == 0
    assert only(findings, "gzip").level == "ok"


@pytest.mark.parametrize(
    ("vendor", "acts", "level", "words"),
    [
        ("segment", [status(200, body=b'{"success":true}')], "warn", "as it does whatever the key is"),
        ("segment", [status(200, {"Content-Type": "text/html"}, b"<html>")], "warn", "not in the words of Segment"),
        ("segment", [status(401)], "fail", "refuses the key: status 401"),
        ("segment", [status(400, body=b"{}")], "fail", "was refused: status 400"),
        ("segment", [status(503)], "warn", "no time for it now: status 503"),
        ("rudderstack", [EMPTY, EMPTY], "ok", "knows the key"),
        ("rudderstack", [status(401, PLAIN, b"invalid write key\n")] * 2, "fail", "refuses the key: status 401"),
        ("rudderstack", [status(404, PLAIN, b"source is disabled\n")] * 2, "fail", "switched off"),
        ("rudderstack", [status(404, PLAIN, b"404 page not found\n")] * 2, "fail", "status 404"),
        ("rudderstack", [status(429, PLAIN, b"max requests limit reached\n")] * 2, "warn", "no time for it now"),
        (
            "posthog",
            [status(401, body=b'{"type":"authentication_error"}')] * 3,
            "fail",
            "knows no project with this key",
        ),
        ("posthog", [status(404)] * 3, "warn", "no flags service here"),
        ("posthog", [status(503)] * 3, "warn", "no time for it now"),
        ("posthog", [status(200, {"Content-Type": "text/html"}, b"<html>")] * 3, "warn", "no flags service here"),
        ("amplitude", [says(200, {"code": 200, "events_ingested": 1})], "ok", "took the probe"),
        ("amplitude", [says(200, {"code": 200, "events_ingested": 0})], "warn", "not in the words of Amplitude"),
        ("amplitude", [says(400, {"code": 400, "error": "Invalid API key: c0ffee"})], "fail", "knows no project"),
        ("amplitude", [says(429, {"code": 429, "error": "Too many requests"})], "warn", "no time for it now"),
        ("amplitude", [says(400, {"code": 400, "error": "Invalid request path"})], "fail", "was refused: status 400"),
        ("amplitude", [lambda visit: visit.reset()], "fail", "no answer to the probe: closed"),
    ],
)
def test_each_answer_to_a_key_has_its_meaning(vendor: str, acts: list[Act], level: str, words: str) -> None:
    permission = only(probed(vendor, *acts)[0], "permission")
    assert (permission.level, words in permission.seen) == (level, True), permission
    assert bool(permission.todo) == (level != "ok")


@pytest.mark.parametrize(
    ("plain", "packed", "level"),
    [
        (EMPTY, EMPTY, "ok"),
        (EMPTY, status(415), "warn"),
        (EMPTY, status(400, PLAIN, b"invalid json\n"), "fail"),
        (EMPTY, status(500, PLAIN, b"failed to read body from request\n"), "fail"),
        (status(401), status(401), "skipped"),
        (status(503), status(200), "skipped"),
    ],
)
def test_a_compressed_body_is_held_against_the_plain_one(plain: Act, packed: Act, level: str) -> None:
    findings, (first, second) = probed("rudderstack", plain, packed)
    assert only(findings, "gzip").level == level
    assert b"gzip" not in first.head
    assert gzip.decompress(raw_body(second)).startswith(b'{"batch":[]')


def raw_body(seen: Any) -> bytes:
    """The body as it was sent; the server's record may have opened it."""
    return bytes(seen.body) if seen.body[:2] == b"\x1f\x8b" else gzip.compress(seen.body)


def test_what_will_be_sent_is_told_before_anything_is_sent() -> None:
    for vendor in VENDORS:
        told: list[Probe] = []
        with FaultServer(then=status(404)) as server:

            def announce(planned: list[Probe], server: FaultServer = server, told: list[Probe] = told) -> None:
                assert len(server.record.requests) == 1, "the GET, and nothing else so far"
                told.extend(planned)

            examine(vendor, server.url, probe=True, announce=announce)
            sent = server.record.requests[1:]
        assert len(told) == len(sent)
        for probe, seen in zip(told, sent, strict=True):
            described = json.dumps(probe.described()) + repr(probe)
            assert KEYS[vendor] not in described
            assert KEYS[vendor][:12] not in described
            assert seen.head.startswith(f"POST {probe.url.removeprefix(server.url)} HTTP/1.1".encode())
            names = {line.partition(b":")[0].decode().lower() for line in seen.head.split(b"\r\n")[1:] if line}
            assert {name.lower() for name in probe.shown_headers} <= names
            masked = json.loads(probe.shown_body.replace(repr(Secret(KEYS[vendor])), KEYS[vendor]))
            assert masked.keys() == json.loads(seen.body).keys()


@pytest.mark.parametrize(
    "key", ["", "a b", "quoted:", "phx_Canary0fkz9876543210ABC", "WRITE_KEY", '"Canary0fkz987654321"']
)
def test_what_is_no_key_of_the_vendor_is_sent_to_nobody(key: str) -> None:
    findings, requests = probed("segment", key=key)
    assert requests == []
    assert only(findings, "permission").level == "skipped"


def test_a_vendor_may_answer_with_the_key_and_it_is_not_repeated() -> None:
    key = KEYS["amplitude"]
    echo = says(400, {"code": 400, "error": f"Invalid API key: {key}"}, {"X-Key": key})
    with FaultServer(status(404, {"Location": key, "Date": key}), echo) as server:
        findings = examine("amplitude", server.url, probe=True)
    assert key[:-4] not in str(findings)
