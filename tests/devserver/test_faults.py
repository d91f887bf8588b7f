"""Each fault as a real client meets it, and survives it: every event ends once, and the page shows what happened."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sluiceway import Amplitude, PostHog
from sluiceway.devserver import DevServer
from sluiceway.devserver.faults import KINDS, Fault, Faults
from sluiceway.retry import RetryPolicy

from .asking import Api, wait_for
from .made import PATHS, envelope, event, headers

QUICK = RetryPolicy(base_seconds=0.01, cap_seconds=0.05)


def accounted(client: Any, events: int) -> Any:
    """Flush; every event has ended, and the client's own accounting says as what."""
    client.flush(20)
    stats = client.stats()
    assert stats.accepted == events
    assert stats.balanced
    assert (stats.delivered + stats.failed + stats.dropped, stats.pending) == (events, 0)
    return stats


# The fault, how the first attempt is shown, what the status was, and how the event ends for Segment's client.
SEGMENT: list[tuple[str, dict[str, Any], str, int | None, str]] = [
    ("status_429", {"retry_after": 1}, "retry", 429, "delivered"),
    ("status_500", {}, "retry", 500, "delivered"),
    ("status_503", {"retry_after": 1}, "retry", 503, "delivered"),
    ("status_413", {}, "refused", 413, "failed"),
    ("status_400", {}, "refused", 400, "failed"),
    ("status_401", {}, "refused", 401, "failed"),
    ("delay", {"delay_seconds": 0.1}, "delivered", 200, "delivered"),
    ("reset", {}, "retry", None, "delivered"),
    ("reset_half", {}, "delivered", None, "delivered"),
    ("black_hole", {"delay_seconds": 0.2}, "retry", None, "delivered"),
    ("bad_body", {}, "delivered", 200, "delivered"),
]


@pytest.mark.parametrize(("kind", "more", "verdict", "status", "end"), SEGMENT)
def test_segments_client_survives(
    api: Api, client: Callable[..., Any], kind: str, more: dict[str, Any], verdict: str, status: int | None, end: str
) -> None:
    fault = api.fault(kind, **more)
    assert fault["id"] >= 1
    one = client("segment", "/segment", retry=QUICK)
    one.track("user-1", "Through It All")
    stats = accounted(one, 1)
    assert (stats.delivered == 1) == (end == "delivered")
    again = kind in ("status_429", "status_500", "status_503", "reset", "reset_half", "black_hole")
    rows = api.rows(of=2 if again else 1)
    assert len(rows) == (2 if again else 1)
    assert rows[0]["verdict"] == verdict
    request = api.ask(f"requests/{rows[0]['request']}")["request"]
    assert (request["status"], request["fault"]) == (status, kind)
    if again:
        assert rows[1]["verdict"] == ("duplicate" if kind == "reset_half" else "delivered")
        assert rows[1]["attempt"] == 2
        assert "retried" in rows[1]["marks"]
        attempts = api.ask(f"events/{rows[1]['seq']}")["attempts"]
        assert [attempt["attempt"] for attempt in attempts] == [1, 2]
        assert attempts[0]["delay_seconds"] is None
        assert attempts[1]["delay_seconds"] > 0
        if more.get("retry_after"):
            assert attempts[1]["delay_seconds"] >= 0.95  # the client waited as it was asked to
    assert api.ask("state")["faults"] == []


def test_amplitudes_client_resends_what_an_index_list_does_not_name(api: Api, client: Callable[..., Any]) -> None:
    one = client("amplitude", "/amplitude", flush_interval=0.3)
    assert isinstance(one, Amplitude)
    api.fault("amplitude_indexes", indexes=[1, 3])
    for number in range(5):
        one.track(f"Event {number}", user_id="user-1")
    stats = accounted(one, 5)
    assert (stats.delivered, stats.failed) == (3, 2)
    verdicts = Counter(row["verdict"] for row in api.rows(of=8))
    assert verdicts == {"refused": 2, "retry": 3, "delivered": 3}


def test_amplitudes_client_parks_a_throttled_user_and_sends_the_others(api: Api, client: Callable[..., Any]) -> None:
    one = client("amplitude", "/amplitude", flush_interval=0.3)
    api.fault("amplitude_throttle", indexes=[0])
    for number in range(4):
        one.track("Event", user_id=f"user-{number % 2}")
    wait_for(lambda: one.stats().delivered == 2)  # user-0 waits for half a minute
    assert one.stats().pending == 2
    rows = api.rows(of=6)
    assert [row["verdict"] for row in rows] == ["retry"] * 4 + ["delivered"] * 2
    assert {row["user"] for row in rows[4:]} == {"user-1"}
    throttled = json.loads(api.ask(f"requests/{rows[0]['request']}")["request"]["answer"])
    assert throttled["throttled_users"] == {"user-0": 31}
    assert throttled["throttled_events"] == [0, 2]
    one.purge()


def test_captures_client_resends_what_is_wanted_again(api: Api, client: Callable[..., Any]) -> None:
    one = client("capture", "/posthog", flush_first=False, flush_interval=0.3, gzip=False)
    assert isinstance(one, PostHog)
    api.fault("posthog_results", indexes=[0, 2])
    for number in range(4):
        one.capture(f"Event {number}", distinct_id="user-1")
    stats = accounted(one, 4)
    assert (stats.delivered, stats.failed) == (3, 1)
    rows = api.rows(of=5)
    assert [row["verdict"] for row in rows] == ["refused", "delivered", "retry", "delivered", "delivered"]
    assert rows[4]["event"] == "Event 2"


@pytest.mark.parametrize("vendor", ["rudderstack", "posthog", "capture", "amplitude"])
@pytest.mark.parametrize("kind", ["status_500", "reset", "status_429"])
def test_every_vendors_client_survives(
    api: Api, client: Callable[..., Any], tell: Callable[..., bool], vendor: str, kind: str
) -> None:
    api.fault(kind, times=2)
    options = {} if vendor == "amplitude" else {"retry": QUICK}
    one = client(vendor, f"/{'posthog' if vendor == 'capture' else vendor}", **options)
    tell(one)
    assert accounted(one, 1).delivered == 1
    assert [row["attempt"] for row in api.rows(of=3)] == [1, 2, 3]


def test_percent_hits_its_share_and_all_is_delivered(api: Api, client: Callable[..., Any]) -> None:
    api.ask("faults", "POST", {"kind": "status_503", "percent": 50, "times": None, "vendor": "segment"})
    one = client("segment", "/segment", retry=QUICK, flush_at=1)
    for number in range(40):
        one.track("user-1", "Event", {"number": number})
        one.flush(20)
    assert accounted(one, 40).delivered == 40
    [fault] = api.ask("state")["faults"]
    assert fault["hits"] >= 5  # of 80 or so: less would be a wonder
    counters = api.counters()["by_vendor"]["segment"]
    assert counters["delivered"] == 40
    assert counters["retry"] == fault["hits"]


def test_a_fault_keeps_to_its_vendor_and_path(api: Api) -> None:
    api.fault("status_500", vendor="posthog")
    api.fault("status_503", path="/v1/batch", vendor="rudderstack")
    assert api.post(PATHS["segment"], envelope("segment", event("segment")))[0] == 200
    assert api.post(PATHS["capture"], envelope("capture", event("capture")), headers("capture"))[0] == 500
    assert api.post("/rudderstack/v1/track", event("rudderstack"), headers("rudderstack"))[0] == 200
    assert (
        api.post(PATHS["rudderstack"], envelope("rudderstack", event("rudderstack")), headers("rudderstack"))[0] == 503
    )


def test_faults_are_taken_back(api: Api) -> None:
    first, second = api.fault("reset", times=None), api.fault("delay", times=5)
    assert [fault["id"] for fault in api.ask("state")["faults"]] == [first["id"], second["id"]]
    api.ask(f"faults/{first['id']}", "DELETE")
    assert api.try_to(f"faults/{first['id']}", "DELETE")[0] == 404
    api.ask("faults", "DELETE")
    assert api.ask("state")["faults"] == []
    assert api.post(PATHS["segment"], envelope("segment", event("segment")))[0] == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "nonsense"},
        {"kind": "delay", "times": 0},
        {"kind": "delay", "percent": 101},
        {"kind": "delay", "percent": 0},
        {"kind": "delay", "vendor": "nobody"},
        {"kind": "delay", "delay_seconds": -1},
        {"kind": "delay", "delay_seconds": 1e9},
        {"kind": "status_429", "retry_after": -1},
        {"kind": "status_429", "retry_after": 1.5},
        {"kind": "amplitude_indexes", "vendor": "segment"},
        {"kind": "amplitude_indexes", "indexes": [-1]},
        {"kind": "reset", "path": "v1"},
        {},
        [],
        "text",
    ],
)
def test_a_wrong_fault_is_told_what_is_wrong(api: Api, wrong: Any) -> None:
    status, said = api.try_to("faults", "POST", wrong)
    assert status == 400
    assert said["error"]
    assert api.ask("state")["faults"] == []


def test_fifty_faults_are_enough(api: Api) -> None:
    for _ in range(50):
        api.fault("delay")
    status, said = api.try_to("faults", "POST", {"kind": "delay"})
    assert (status, "50" in said["error"]) == (409, True)


def test_a_reset_is_a_reset_and_half_an_answer_half_of_one(api: Api, server: DevServer) -> None:
    def attempt() -> bytes:
        body = json.dumps(envelope("segment", event("segment"))).encode()
        head = f"POST /segment/v1/batch HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\nContent-Length: {len(body)}\r\n\r\n"
        got = b""
        with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
            sock.sendall(head.encode() + body)
            try:
                while more := sock.recv(100):
                    got += more
            except ConnectionResetError:
                return got + b"RST"
        return got + b"FIN"

    api.fault("reset")
    assert attempt() == b"RST"
    api.fault("reset_half")
    half = attempt()
    assert half.startswith(b"HTTP/1.1 200 OK\r\n")
    assert half.endswith(b"RST")
    assert b'"success":true' not in half
    api.fault("black_hole", delay_seconds=0.1)
    assert attempt() == b"RST"
    wait_for(lambda: not server.state()["counters"]["connections"] > 1)


def test_a_black_hole_does_not_keep_the_server_from_ending() -> None:
    with DevServer(0) as server:
        api = Api(server.port, server.token)
        api.fault("black_hole", delay_seconds=600)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        body = json.dumps(envelope("segment", event("segment")))
        connection.request("POST", PATHS["segment"], body, {"Content-Type": "application/json"})
        assert api.rows()[0]["verdict"] == "retry"  # told before the silence is over
        started = time.monotonic()
    assert time.monotonic() - started < 15
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection.getresponse()
    connection.close()


def test_the_kinds_are_told(api: Api) -> None:
    assert api.ask("state")["fault_kinds"] == list(KINDS)
    for kind in KINDS:
        assert Fault(kind=kind).complaint() == ""


def test_the_first_fault_that_fits_hits_and_percent_is_a_chance() -> None:
    changes: list[None] = []
    chances = iter([0.499, 0.5])
    faults = Faults(lambda: changes.append(None), lambda: next(chances))
    faults.add(Fault(kind="status_500", percent=50))
    faults.add(Fault(kind="reset", times=2))
    hits = [faults.hit("segment", "/v1/batch"), faults.hit("segment", "/v1/batch")]
    assert [fault.kind for fault in hits if fault] == ["status_500", "reset"]
    assert [(fault.kind, fault.times, fault.hits) for fault in faults.all()] == [
        ("status_500", None, 1),
        ("reset", 1, 1),
    ]
    assert len(changes) == 4
