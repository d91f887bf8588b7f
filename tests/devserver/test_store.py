"""What is kept is bounded, in number and in bytes; what is counted is exact, whatever is kept."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluiceway.devserver import DevServer, StoreError
from sluiceway.devserver.duplicates import Seen, Unsettled
from sluiceway.devserver.sampling import Sampler, spread
from sluiceway.devserver.shapes import Event, Reason, Request, Row
from sluiceway.devserver.store import Store
from sluiceway.devserver.tables import Filter

from .asking import Api, wait_for
from .made import PATHS, envelope, event

ALL = {"before": 2**62, "after": 0, "limit": 100_000}


def made(seq: int, text: str = "{}", **fields: Any) -> Event:
    row = Row(seq, 1.0, "segment", "track", "E", "u", "", f"id-{seq}", "delivered", "", [], 1, seq, len(text), "l 1")
    for name, value in fields.items():
        setattr(row, name, value)
    return Event(row, text, [Reason("note", "k", "t")])


def request(number: int) -> Request:
    return Request(number, 1.0, "segment", "POST", "/", 200, "", "", {"a": "b"}, 1, 1, 1, 1, "c", "127.0.0.1:1", 0.5)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store(None, 100, lambda _events: None, max_bytes=10_000)
    yield store
    store.close()


def seqs(store: Store, wanted: Filter | None = None) -> list[int]:
    rows, _ = store.rows(wanted or Filter(), **ALL).result(10)
    return [row.seq for row in rows]


def test_the_oldest_go_first(store: Store) -> None:
    for seq in range(1, 251):
        assert store.keep(request(seq), [made(seq)])
    assert seqs(store) == list(range(250, 150, -1))
    assert store.count == 100
    assert store.request(1).result(10) is None
    assert store.request(250).result(10) is not None


def test_bytes_are_bounded_too(store: Store) -> None:
    for seq in range(1, 51):
        store.keep(None, [made(seq, json.dumps("x" * 998))])
    kept = seqs(store)
    assert kept[0] == 50
    assert len(kept) <= 10
    store.keep(None, [made(51, json.dumps("x" * 50_000))])
    assert seqs(store) == [51]  # one event is kept, however large


def test_what_was_kept_comes_back_as_it_was(store: Store) -> None:
    one = made(7, '{"a": 1}', marks=["skew", "late"], verdict="lost")
    store.keep(request(7), [one])
    found = store.event(7).result(10)
    assert found is not None
    assert found[0] == one
    assert found[1] == request(7)
    assert [(attempt.seq, attempt.delay_seconds) for attempt in found[2]] == [(7, None)]
    assert store.event(8).result(10) is None


def test_a_filter_asks_the_same_of_the_store_and_of_an_arrival(store: Store) -> None:
    events = [
        made(1, '{"x": "Needle"}', event="Alpha"),
        made(2, "{}", user="", anonymous="Ann", verdict="lost"),
        made(3, "{}", vendor="posthog", marks=["late", "future"], type="capture"),
    ]
    store.keep(None, events)
    for wanted in (
        Filter(),
        Filter(vendor="posthog"),
        Filter(type="track"),
        Filter(event="ALPHA"),
        Filter(user="ann"),
        Filter(text="needle"),
        Filter(verdict="lost"),
        Filter(mark="future"),
        Filter(mark="late", vendor="segment"),
        Filter(text="%"),
    ):
        assert seqs(store, wanted) == [one.row.seq for one in reversed(events) if wanted.fits(one)], wanted


def test_a_value_that_cannot_be_written_costs_its_events_and_no_more(store: Store) -> None:
    store.keep(None, [made(1)])
    assert seqs(store) == [1]
    store.keep(None, [made(2, attempt=2**70)])
    assert seqs(store) == [1]
    assert (store.failed, store.count) == (1, 1)
    assert "could not be written" in store.trouble
    store.keep(None, [made(3)])
    assert seqs(store) == [3, 1]
    assert store.trouble == ""


def test_a_search_knows_more_letters_than_ascii(store: Store) -> None:
    one = made(1, '{"city": "MÜNCHEN"}', event="ÄPFEL")
    store.keep(None, [one])
    for wanted in (Filter(text="münchen"), Filter(event="äpfel")):
        assert seqs(store, wanted) == [1]
        assert wanted.fits(one)


def test_a_store_that_is_behind_takes_no_more(store: Store) -> None:
    hold, held = threading.Event(), threading.Event()

    def wait(_connection: sqlite3.Connection) -> None:
        held.set()
        hold.wait(20)

    waiting = store.ask(wait)
    held.wait(20)
    taken = [store.keep(None, [made(at * 1_000 + each) for each in range(1_000)]) for at in range(12)]
    hold.set()
    waiting.result(20)
    assert taken == [True] * 10 + [False] * 2


def test_a_restart_keeps_the_events_of_a_file(tmp_path: Path) -> None:
    db = str(tmp_path / "events.db")
    with DevServer(0, db=db) as server:
        api = Api(server.port, server.token)
        api.post(PATHS["segment"], envelope("segment", event("segment", event="Before")))
    with DevServer(0, db=db) as server:
        api = Api(server.port, server.token)
        assert api.ask("state")["db"] == db
        assert [row["event"] for row in api.rows()] == ["Before"]
        api.post(PATHS["segment"], envelope("segment", event("segment", event="After")))
        before, after = api.rows(of=2)
        assert (before["seq"], after["seq"]) == (1, 2)
        assert (before["request"], after["request"]) == (1, 2)
        assert api.ask("requests/1")["request"]["status"] == 200
    with DevServer(0, db=db, max_events=1) as server:
        assert [row["event"] for row in Api(server.port, server.token).rows()] == ["After"]


def test_clear_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    with DevServer(0, db=str(db)) as server:
        api = Api(server.port, server.token)
        api.post(PATHS["segment"], envelope("segment", event("segment", event="canary-name")))
        api.rows()
        assert b"canary-name" in db.read_bytes()
        api.ask("clear", "POST")
    assert b"canary-name" not in db.read_bytes()


def test_a_file_that_cannot_be_used_is_told_what_to_do(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE precious (x)")
    connection.close()
    text = tmp_path / "text.db"
    text.write_text("no database at all\n" * 100)
    for db in (other, text, tmp_path / "nowhere" / "events.db", tmp_path):
        with pytest.raises(StoreError, match=r"file|directory") as told:
            DevServer(0, db=str(db))
        assert str(db) in str(told.value)
    assert text.read_text().startswith("no database")
    busy = str(tmp_path / "busy.db")
    with DevServer(0, db=busy), pytest.raises(StoreError, match="in use"):
        DevServer(0, db=busy)


def test_beyond_5000_a_second_a_sample_is_kept_and_the_count_is_exact(api: Api) -> None:
    body = json.dumps(envelope("segment", *(event("segment", context=None) for _ in range(2_500)))).encode()
    wrong = json.dumps(envelope("segment", *(event("segment", userId=None) for _ in range(5)))).encode()
    sent = 0
    while not api.counters()["sampling"]:
        api.post(PATHS["segment"], body)
        sent += 2_500
        assert sent < 250_000, "this machine is too slow to send 5,000 events a second"
    api.post(PATHS["segment"], wrong)
    counters = api.counters()
    assert counters["events"] == sent + 5
    assert counters["not_stored"] > 0
    wait_for(lambda: api.counters()["stored"] == counters["events"] - counters["not_stored"])
    assert counters["marks"]["sampled"] > 0
    by_vendor = counters["by_vendor"]["segment"]
    assert by_vendor["delivered"] + by_vendor["duplicate"] + by_vendor["lost"] == sent + 5
    assert api.ask("events?mark=sampled")["events"]


def test_the_sampler_fills_with_its_rate() -> None:
    sampler = Sampler(100)
    assert sampler.take(60, 10.0) == 60
    assert sampler.take(60, 10.0) == 40
    assert sampler.is_sampling(10.0)
    assert sampler.take(60, 10.25) == 25
    assert sampler.take(500, 99.0) == 100  # what was not used is kept for a second at most
    assert not sampler.is_sampling(102.0)


def test_a_sample_has_what_differs_and_is_spread_evenly() -> None:
    assert spread(3, 5, []) == [0, 1, 2]
    assert spread(100, 4, []) == [0, 25, 50, 75]
    assert spread(100, 2, [70, 80, 90]) == [70, 80]
    assert spread(100, 3, [99]) == [0, 50, 99]
    assert spread(10, 0, [1]) == []


def test_ids_are_remembered_for_two_generations() -> None:
    seen = Seen(generation_ids=10)
    assert seen.note(list(range(10))) == []
    assert seen.note([5, 50, 50]) == [0, 2]
    assert seen.note(list(range(100, 107))) == []
    assert seen.note([9]) == [0]
    assert seen.note(list(range(200, 210))) == []
    assert seen.note([0]) == []  # gone with its generation
    seen.clear()
    assert seen.note([200]) == []


def test_attempts_are_counted_per_id() -> None:
    waiting = Unsettled(generation_ids=10)
    assert waiting.attempts([1, 2]) == {}
    waiting.note([1, 2], {})
    assert waiting.attempts([2, 3]) == {0: 1}
    waiting.note([2], {0: 1})
    assert waiting.attempts([1, 2]) == {0: 1, 1: 2}


def test_memory_of_ids_is_bounded() -> None:
    seen, waiting = Seen(1_000), Unsettled(1_000)
    for start in range(0, 100_000, 500):
        seen.note(range(start, start + 500))
        waiting.note(range(start, start + 500), {})
    assert len(seen) <= 2_500
    assert len(waiting) <= 2_500
