"""The bench: its numbers are there and are of what was asked for; who is absent or broken is said; nothing leaves."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sluiceway
from sluiceway import Segment
from sluiceway.measuring import children, event, messages
from sluiceway.measuring.peers import PEERS
from sluiceway.measuring.running import Run
from sluiceway.measuring.sink import Sink, Undelivered
from sluiceway.measuring.subjects import OFFICIAL, subjects

from ..faults.forward import ForwardProxy
from .running import VENDORS, bare_environment, run

TINY = ("--seconds", "0.2", "--rounds", "1")
INSTALLED = [name for name, adapter in PEERS.items() if adapter.version()]


def measured(*arguments: str, **options: Any) -> dict[str, Any]:
    done = run("bench", *TINY, "--json", *arguments, **options)
    assert "Traceback" not in done.stderr, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made | {"returncode": done.returncode}


def positive(figure: dict[str, Any]) -> bool:
    return figure["best"] > 0 and figure["median"] > 0 and figure["rounds"] == 1


# -- the run


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_numbers_are_there_and_positive(vendor: str) -> None:
    made = measured("--vendor", vendor)
    assert made["returncode"] == 0
    assert (made["sluiceway"], made["vendor"], made["rounds"]) == (sluiceway.__version__, vendor, 1)
    assert not made["interrupted"]
    assert made["machine"]
    rows = {row["kind"]: row for row in made["rows"]}
    ours = made["rows"][0]
    assert (ours["kind"], ours["version"], ours["error"]) == ("ours", sluiceway.__version__, "")
    assert positive(ours["call_us"])
    assert positive(ours["events_per_second"])
    assert positive(ours["cpu_us"])
    assert ours["events_per_request"] >= 1
    names = [row["name"] for row in made["rows"] if row["kind"] == "encoder"]
    assert names[:2] == ["json.dumps", "msgspec.json.encode"]
    for row in made["rows"]:
        if row["kind"] == "encoder":
            assert positive(row["call_us"])
            assert row["call_ratio"] == pytest.approx(row["call_us"]["best"] / ours["call_us"]["best"])
            assert row["events_per_second"] is None
    official = OFFICIAL[vendor]
    assert made["not_installed"] == ([] if official in INSTALLED else [official])
    assert ("official" in rows) == (official in INSTALLED)


def test_without_a_vendor_every_official_client_is_named() -> None:
    made = measured()
    assert made["vendor"] == "segment"
    assert made["event_bytes"] == 694
    named = {row["name"] for row in made["rows"] if row["kind"] == "official"} | set(made["not_installed"])
    assert named == set(OFFICIAL.values())


@pytest.mark.skipif(not INSTALLED, reason="no official client is installed here")
def test_an_official_client_is_measured_like_ours() -> None:
    made = measured()
    for row in made["rows"]:
        if row["kind"] == "official":
            assert row["error"] == ""
            assert positive(row["call_us"])
            assert positive(row["events_per_second"])
            assert positive(row["cpu_us"])


def test_tables_have_units_versions_and_what_is_missing() -> None:
    done = run("bench", *TINY, "--vendor", "segment", environ={"COLUMNS": "100"})
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("us/call", "events/s", "us/event", "sluiceway Segment.track", "json.dumps", "694 bytes", "CPython"):
        assert words in done.stdout, words
    if OFFICIAL["segment"] not in INSTALLED:
        assert "Not installed, so not compared: segment-analytics-python." in done.stdout


def test_the_user_s_own_event_is_what_is_measured(tmp_path: Path) -> None:
    small, large = tmp_path / "small.json", tmp_path / "large.json"
    small.write_text(json.dumps({"event": "E", "properties": {"a": 1}}))
    large.write_text(json.dumps({"event": "E", "properties": {f"key_{n}": "x" * 60 for n in range(100)}}))
    one, other = measured("--event", str(small)), measured("--event", str(large))
    assert one["event_bytes"] < 300
    assert other["event_bytes"] > 6_000
    assert one["events"] == other["events"] == 1
    # Twenty times the bytes: no machine is so noisy that they would cost less.
    assert one["rows"][1]["call_us"]["best"] < other["rows"][1]["call_us"]["best"]


def test_an_event_that_our_client_refuses_has_no_figure_but_an_error(tmp_path: Path) -> None:
    file = tmp_path / "huge.json"
    file.write_text(json.dumps({"event": "E", "properties": {"text": "x" * 40_000}}))
    made = measured("--event", str(file), "--vendor", "segment")
    assert made["returncode"] == 1
    assert made["rows"][0]["call_us"] is None
    assert "0 events were queued by" in made["rows"][0]["error"]
    assert positive(made["rows"][1]["call_us"]), "the others go on"


def beside(folder: Path, program: str) -> dict[str, Any]:
    """Install a client of this name, measure, and return its row."""
    (folder / "posthog.py").write_text(program)
    described = folder / "posthog-99.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: posthog\nVersion: 99.0\n")
    made = measured("--vendor", "posthog", environ={"PYTHONPATH": str(folder)})
    assert made["returncode"] == 0
    assert positive(made["rows"][0]["call_us"])
    assert positive(made["rows"][0]["events_per_second"])
    [row] = [row for row in made["rows"] if row["kind"] == "official"]
    found: dict[str, Any] = row
    return found


# Quick, because it sends less than it was given: the events, and none of their properties.
CHEAT = """
import http.client, json, queue

class Posthog:
    def __init__(self, key, host, **options):
        self.host, self.queue = host.partition("//")[2], queue.Queue()

    def capture(self, event, **words):
        self.queue.put(event)

    def flush(self, **options):
        held = self.queue.qsize()
        self.queue.queue.clear()
        connection = http.client.HTTPConnection(self.host)
        connection.request("POST", "/batch/", json.dumps({"batch": [{"event": "E"}] * held}))
        connection.getresponse().read()
        connection.close()

    shutdown = flush
"""


def test_a_client_that_leaves_out_properties_has_no_figure_of_delivery(tmp_path: Path) -> None:
    row = beside(tmp_path, CHEAT)
    assert "it leaves out properties" in row["error"]
    assert row["events_per_second"] is None


def test_an_official_client_that_is_broken_is_told_and_left_out(tmp_path: Path) -> None:
    row = beside(tmp_path, "def Posthog(*args, **options):\n    raise TypeError('not this time')\n")
    assert (row["name"], row["version"], row["error"]) == ("posthog", "99.0", "TypeError: not this time")
    assert (row["call_us"], row["events_per_second"]) == (None, None)


def test_what_was_measured_before_ctrl_c_is_kept() -> None:
    measured, absent = subjects("segment", every_official=False)
    run = Run("segment", event.default(), measured[:2], absent, seconds=1.0, rounds=50)
    heard = []

    def told(name: str) -> None:
        heard.append(name)
        # Two subjects' calls and one's burst make a round.
        if len(heard) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.take(told)
    results = run.results("0")
    assert (results.rounds, results.interrupted) == (2, True)
    ours, encoder = results.rows
    assert ours.call_us is not None
    assert ours.events_per_second is not None
    assert encoder.call_us is not None
    assert (ours.call_us.rounds, encoder.call_us.rounds, ours.events_per_second.rounds) == (3, 2, 2)


def has_children(pid: int) -> bool:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                return True
        except OSError:
            pass
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_ctrl_c_ends_in_130() -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sluiceway",
            "bench",
            "--vendor",
            "segment",
            "--rounds",
            "1000",
            "--seconds",
            "30",
            "--json",
        ],
        env=bare_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 40
        while not has_children(child.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # As a terminal does it: to every process of the group.
        os.killpg(child.pid, signal.SIGINT)
        stdout, stderr = child.communicate(timeout=40)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 130
    assert "Traceback" not in stderr
    made = json.loads(stdout)
    assert made["interrupted"]
    assert made["rounds"] < 1_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "--event is empty"),
        ("{", "--event is neither JSON nor JSONL (line 1)"),
        ("[1]", "--event holds list where an event is a JSON object"),
        ('{"properties": {}}', "--event holds an object without an event name"),
        ('{"event": "E", "properties": [1]}', "--event holds properties that are no object"),
        ('{"event": "E"}\n{"event": 5}', "without an event name in line 2"),
    ],
)
def test_a_file_without_an_event_is_wrong_usage(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "event"
    file.write_text(text)
    done = run("bench", "--event", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    done = run("bench", "--event", str(tmp_path / "none"))
    assert done.returncode == 2
    assert "--event cannot be read: No such file or directory." in " ".join(done.stderr.split())


def test_help_has_examples() -> None:
    done = run("bench", "--help")
    assert done.returncode == 0
    assert "sluiceway bench --event event.json" in done.stdout


# -- nothing leaves this machine


def test_children_are_told_of_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy", "SLUICEWAY_DISABLED"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    kept = children.environment()
    assert {name.lower() for name in kept} & {"http_proxy", "https_proxy", "all_proxy", "sluiceway_disabled"} == set()
    assert kept["no_proxy"] == kept["NO_PROXY"] == "*"


def test_a_proxy_of_the_environment_sees_nothing() -> None:
    with ForwardProxy() as through:
        environ = {"HTTP_PROXY": through.url, "http_proxy": through.url, "ALL_PROXY": through.url}
        assert measured(environ=environ)["returncode"] == 0
        assert through.arrivals == []


# -- the parts


@pytest.mark.parametrize(
    ("document", "call"),
    [
        ({"type": "track", "userId": "u-1", "event": "E", "properties": {"a": 1}}, ("u-1", "E", {"a": 1})),
        ({"type": "track", "anonymousId": "a-1", "userId": None, "event": "E"}, ("a-1", "E", {})),
        ({"event": "E", "distinct_id": 7, "properties": {"$set": {}}}, ("7", "E", {"$set": {}})),
        ({"event_type": "E", "device_id": "d-1", "event_properties": {"a": 1}}, ("d-1", "E", {"a": 1})),
        ({"event": "E", "properties": {}}, ("user-000694", "E", {})),
    ],
)
def test_every_vendor_s_wire_event_is_read(document: Any, call: Any, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(document))
    assert event.load(str(file)) == [call]


def test_several_events_are_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps({"event": f"E{n}"}) + "\n\n" for n in range(100)))
    calls = event.load(str(file))
    assert [call.event for call in calls] == [f"E{n}" for n in range(100)]
    assert [call.event for call in event.workload(calls)] == [call.event for call in calls]


def test_calls_share_no_dict_and_no_text_but_names() -> None:
    original = event.Call("user", "Event", {"name": "a text", "map": {"in": ["a", 1, None]}})
    first, second, *_ = event.workload([original])
    assert first == second == original
    assert first.properties is not second.properties
    assert first.properties["map"]["in"] is not second.properties["map"]["in"]
    assert first.properties["name"] is not second.properties["name"]
    assert next(iter(first.properties)) is next(iter(second.properties))


def test_the_default_event_has_694_bytes_as_a_segment_message() -> None:
    assert {messages.message_bytes("segment", [call]) for call in event.default()} == {694}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_message_that_encoders_write_is_the_one_that_ours_sends(vendor: str) -> None:
    """But for what is stamped at the call: the same keys, and the caller's words in the same places."""
    from sluiceway import Amplitude, PostHog, RudderStack
    from sluiceway.testing import MemoryTransport

    call = event.default()[0]
    made: list[dict[str, Any]] = []
    messages.LOOPS[vendor](made.append, [call])
    transport = MemoryTransport()
    if vendor == "segment":
        Segment("k", transport=transport).track(*call)
    elif vendor == "rudderstack":
        RudderStack("k", "https://a.example", transport=transport).track(*call)
    elif vendor == "posthog":
        PostHog("k", transport=transport).capture(call.event, distinct_id=call.user, properties=call.properties)
    else:
        Amplitude("k" * 32, transport=transport).track(call.event, user_id=call.user, event_properties=call.properties)
    [sent] = transport.events
    assert set(sent) == set(made[0])
    stamped = {"messageId", "timestamp", "originalTimestamp", "sentAt", "uuid", "insert_id", "time"}
    for key in set(sent) - stamped:
        assert sent[key] == made[0][key], key


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def test_the_sink_counts_what_arrives_whatever_its_form(sink: Sink) -> None:
    port = int(sink.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    bodies = [
        ("/v1/batch", b'{"batch":[{"a":1},{"b":[1,2]}],"sentAt":"x"}', {}),
        ("/2/httpapi", b'{"api_key":"k","events":[{"event_type":"batch"}]}', {}),
        ("/batch/", gzip.compress(b'{"batch":[{},{},{}]}'), {"Content-Encoding": "gzip"}),
        ("/v1/batch", b"no JSON", {}),
    ]
    for path, body, headers in bodies:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        said = json.loads(response.read())
        assert response.status == 200
        assert said.get("code", 200) == 200
    connection.close()
    arrived = sink.expect(6)
    assert (arrived.requests, arrived.events) == (4, 6)
    assert arrived.nbytes == sum(len(body) for _, body, _ in bodies)
    assert 0 < arrived.last_answer_ns <= time.monotonic_ns()
    with pytest.raises(Undelivered, match="6 events arrived where 5 were sent"):
        sink.expect(5)
    with pytest.raises(Undelivered, match="6 of 7 events arrived"):
        sink.expect(7, within_seconds=0.05)
    sink.clear()
    assert sink.arrived().events == 0


def test_the_sink_takes_what_our_client_sends(sink: Sink) -> None:
    with Segment("k", host=sink.url) as client:
        for _ in range(1_000):
            client.track("u", "E", {"a": "x" * 100})
        assert client.flush(20).delivered == 1_000
    assert sink.expect(1_000).requests >= 1


def test_a_lane_that_dies_says_its_last_words() -> None:
    lane = children.Lane("sluiceway.measuring.nothing", "nobody", {})
    try:
        with pytest.raises(children.Failed, match="No module named"):
            lane.ready(20)
    finally:
        lane.close()
