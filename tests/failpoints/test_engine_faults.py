"""Row 66: an error of the engine's own, at each of its entries, is a refusal or a wait, and never an exception.

A test build of the engine panics where it is told to (`make test-failpoints`); in any other these tests are skipped.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sluiceway import DeliveryError, Segment, _native
from sluiceway.client import _at_fault as at_fault
from sluiceway.testing import MemoryTransport, Receiver

CANARY = "canary-of-the-payload"
KEY = "canary-of-the-write-key"
ROOT = Path(__file__).parents[2]
FOR_EVER = 10**9

fail_at: Callable[[str, int, int], int] = getattr(_native, "fail_at", lambda *_: 0)
pytestmark = pytest.mark.skipif(
    not hasattr(_native, "fail_at"), reason="this build of the engine cannot be told to fail: make test-failpoints"
)

POINTS = {
    "native::hot": "the short cut in front of a method",
    "native::take": "a push, an admission",
    "native::walk": "in the middle of an event",
    "native::new": "the making of a queue",
    "native::queue": "any method of a queue",
    "native::batch": "any method of a batch",
    "native::return": "a batch on its way to Python",
    "core::push": "behind the walk",
    "core::encode": "the writing of one event",
}
IN_A_CALL = ["native::take", "native::walk", "core::push"]


@pytest.fixture(autouse=True)
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing of an error of ours is printed, and nothing stays armed."""
    yield
    fail_at("nothing", 0, 0)
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def reached() -> int:
    """Disarm; how often it panicked."""
    return fail_at("nothing", 0, 0)


def test_every_point_in_the_source_is_known_here() -> None:
    sources = [path.read_text() for path in (ROOT / "rust").rglob("*.rs")]
    assert {name for text in sources for name in re.findall(r'failpoint!\("([^"]+)"\)', text)} == set(POINTS)


# -- calls


def plain(client: Segment) -> bool:
    return client.track("user", CANARY, {"a": CANARY})


def the_long_way(client: Segment) -> bool:
    return client.track("user", CANARY, {"a": {CANARY}})


@pytest.mark.parametrize("point", IN_A_CALL)
@pytest.mark.parametrize("call", [plain, the_long_way])
@pytest.mark.parametrize("options", [{}, {"middleware": [lambda event: event]}, {"sync": True}], ids=repr)
def test_row_66_a_panic_in_a_call_is_a_counted_refusal_told_once(
    point: str, call: Callable[[Segment], bool], options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    transport = MemoryTransport()
    client = Segment(KEY, transport=transport, **options)
    assert call(client) is True
    before = client.stats()
    fail_at(point, 0, FOR_EVER)
    with caplog.at_level(logging.DEBUG):
        assert [call(client) for _ in range(20)] == [False] * 20
    assert reached() >= 20
    stats = client.stats()
    assert stats.refused == {"internal": 20}
    assert stats.balanced
    assert (stats.pending, stats.reserved_events, stats.reserved_bytes) == (0, 0, 0)
    assert stats.faults >= before.faults + 20
    [line] = [record.getMessage() for record in caplog.records if record.name == "sluiceway"]
    assert "internal" in line
    assert CANARY not in caplog.text
    assert call(client) is True
    assert len(transport.events) == 2
    place = _native.faults()[1]
    assert re.fullmatch(r"[a-z_]+/[a-z_]+\.rs:\d+", place), place


@pytest.mark.parametrize("point", IN_A_CALL)
def test_row_66_the_callback_of_a_call_that_panicked_is_told_once(point: str) -> None:
    told: list[DeliveryError | None] = []
    client = Segment(KEY, transport=MemoryTransport())
    fail_at(point, 0, FOR_EVER)
    assert client.track("user", CANARY, {}, callback=lambda error, batch: told.append(error)) is False
    reached()
    [error] = told
    assert error is not None
    assert (error.reason, error.sent) == ("internal", "no")
    assert CANARY not in str(error)


@pytest.mark.parametrize("point", ["native::hot", *IN_A_CALL])
def test_row_66_a_panic_of_the_short_cut_leaves_the_call_to_python(point: str) -> None:
    # Once only: the method behind the short cut finds the engine well.
    with Receiver() as receiver:
        client = Segment(KEY, host=receiver.url, allow_http=True)
        plain(client)
        client.flush()
        fail_at(point, 0, 1)
        assert plain(client) is True
        assert reached() == 1
        assert client.close()
        assert client.stats().delivered == 2
        assert receiver.stats().ids == 2


def test_row_66_other_threads_go_on_while_calls_panic() -> None:
    with Receiver() as receiver:
        client = Segment(KEY, host=receiver.url, allow_http=True, flush_at=50, flush_interval=0.05)
        answers: list[bool] = []

        def produce() -> None:
            answers.extend([plain(client) for _ in range(500)])

        fail_at("native::walk", 100, 700)
        threads = [threading.Thread(target=produce) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        panicked = reached()
        assert plain(client) is True
        assert client.close(20)
        stats = client.stats()
        assert panicked == 700
        assert len(answers) == 2_000
        # A call panics once in the short cut and, if it is not lucky, once more behind it.
        assert 300 <= stats.refused["internal"] <= 400
        assert answers.count(False) == stats.refused["internal"]
        assert stats.accepted == stats.delivered == receiver.stats().ids == answers.count(True) + 1
        assert stats.balanced


# -- the worker's side


@pytest.mark.parametrize("place", [0, 1, 7, 19])
def test_row_66_an_event_that_cannot_be_written_goes_alone(place: int) -> None:
    told: dict[str, str] = {}
    errors: list[Any] = []
    with Receiver() as receiver:
        client = Segment(
            KEY,
            host=receiver.url,
            allow_http=True,
            flush_at=20,
            flush_first=False,
            on_error=lambda *e: errors.append(e),
        )
        fail_at("core::encode", place, 1)
        for n in range(20):
            client.track(
                "user",
                f"E{n}",
                message_id=f"id-{n}",
                callback=lambda error, batch, n=n: told.update({f"id-{n}": error.reason if error else ""}),
            )
        assert not client.flush(20).failed  # it was never part of a batch
        assert reached() == 1
        client.close(20)
        stats = client.stats()
        assert (stats.delivered, stats.failed_by_reason) == (19, {"internal": 1})
        assert (stats.pending, stats.reserved_events, stats.reserved_bytes) == (0, 0, 0)
        assert stats.balanced
        arrived = [event["messageId"] for event in receiver.events]
        assert arrived == [f"id-{n}" for n in range(20) if n != place]
        assert told == {f"id-{n}": "internal" if n == place else "" for n in range(20)}


def test_row_66_a_batch_that_python_could_not_be_given_is_given_again() -> None:
    with Receiver() as receiver:
        client = Segment(KEY, host=receiver.url, allow_http=True, flush_at=10, flush_first=False)
        fail_at("native::return", 0, 3)
        for n in range(10):
            client.track("user", f"E{n}")
        until = time.monotonic() + 20
        while receiver.stats().ids < 10 and time.monotonic() < until:
            time.sleep(0.01)
        assert reached() == 3
        assert client.close(20)
        assert [event["event"] for event in receiver.events] == [f"E{n}" for n in range(10)]
        assert client.stats().balanced


# How often each point is reached at least in the test below.
STEPS = {
    "native::queue": range(0, 22, 2),
    "native::batch": range(9),
    "native::return": range(3),
    "core::encode": range(12),
}


@pytest.mark.parametrize("panics", [1, 2, 5])
@pytest.mark.parametrize(("point", "passes"), [(point, passes) for point, steps in STEPS.items() for passes in steps])
def test_row_66_the_worker_survives_a_panic_at_any_step(
    point: str, panics: int, passes: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver, caplog.at_level(logging.DEBUG):
        client = Segment(KEY, host=receiver.url, allow_http=True, flush_at=3, flush_interval=0.01)
        fail_at(point, passes, panics)
        accepted = 0
        for n in range(12):
            accepted += client.track("user", f"E{n}", {"a": CANARY})
            if n % 4 == 3:
                client.flush(5)
                client.stats()
        panicked = reached()
        assert panicked >= 1
        accepted += client.track("user", "the last one")
        assert client.close(20).pending == 0
        stats = client.stats()
        # What broke in the writing goes; whatever else broke is done again.
        lost = panicked if point == "core::encode" else 0
        assert stats.accepted == accepted
        assert (stats.delivered, stats.failed) == (accepted - lost, lost)
        assert {event["event"] for event in receiver.events} >= {"the last one"}
        assert receiver.stats().ids == accepted - lost
        assert stats.pending == 0
        assert stats.balanced
        assert CANARY not in caplog.text


@pytest.mark.parametrize("deed", ["flush", "close", "stats", "purge", "repr"])
def test_row_66_no_public_call_raises_while_the_engine_is_broken(deed: str, caplog: pytest.LogCaptureFixture) -> None:
    client = Segment(KEY, transport=MemoryTransport())
    plain(client)
    at_fault._next_at = None  # the one of all clients, which was perhaps given a moment ago
    call: Callable[[], Any] = {"repr": lambda: repr(client)}.get(deed) or getattr(client, deed)
    fail_at("native::queue", 0, FOR_EVER)
    answer = call()
    panicked = reached()
    if deed != "repr":
        assert panicked >= 2
        assert "the engine met an error of its own" in caplog.text
    if deed in ("flush", "close"):
        assert not answer, "what is not known to be well is not said to be"
    if deed == "stats":
        assert answer.faults
    assert client.close()
    assert client.stats().balanced


# -- the entries, one by one


def engine() -> Any:
    import importlib.util

    spec = importlib.util.spec_from_file_location("engine_of_tests", ROOT / "tests" / "native" / "engine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("__")} | ({"__len__", "__repr__"} & set(vars(kind)))


ON_A_QUEUE: dict[str, tuple[Any, ...] | None] = {
    "push": None,  # functions, with tests of their own above
    "admit": None,
    "offer": None,
    "mark_sending": None,  # a word of the thread's own
    "closed": None,  # two words in memory
    "stale": None,
    "refused_bytes": None,
    "refuse": ("invalid",),
    "count_replaced": ("id",),
    "next_batch": (0.0,),
    "pause": (0.0,),
    "wait_for_space": (0.0,),
    "interrupt": (),
    "flush_mark": (),
    "count_before": (0,),
    "has_passed": (0,),
    "attend": (True,),
    "close": (),
    "purge": (),
    "take_overflow": (),
    "settle": ("batch", "delivered"),
    "release": ("batch",),
    "adopt": (1,),
    "settle_spooled": (1, "delivered"),
    "restore": ("events", "layout", [], 1),
    "shelve": ("batch",),
    "counters": (),
}
ON_A_BATCH: dict[str, tuple[Any, ...] | str] = {
    "ids": "a property",
    "tokens": "a property",
    "nbytes": "a property",
    "block_bytes": "a property",
    "end_position": "a property",
    "layout": "a property",
    "count_before": (0,),
    "body": (b"[", b"]"),
    "event": (0,),
    "join": (["batch"],),
    "split_at": (1,),
    "slice": (0, 1),
    "without": ([],),
    "__len__": (),
    "__repr__": (),
}


def test_row_66_every_entry_of_a_queue_raises_a_fault_and_works_again() -> None:
    module = engine()
    one = module.one("map")
    assert one.push({"a": 1}) is True
    batch = one.batch()
    named = {"batch": batch, "events": batch.body(b"", b""), "layout": batch.layout}
    assert entries(_native.Queue) == set(ON_A_QUEUE), "an entry that is not tried here"
    for name, arguments in ON_A_QUEUE.items():
        if arguments is None:
            continue
        given = [named.get(argument, argument) if isinstance(argument, str) else argument for argument in arguments]
        fail_at("native::queue", 0, 1)
        with pytest.raises(_native.Fault) as caught:
            getattr(one.queue, name)(*given)
        assert reached() == 1, name
        assert str(caught.value) == "the engine met an error of its own"
        getattr(one.queue, name)(*given)


def test_row_66_every_entry_of_a_batch_raises_a_fault_and_works_again() -> None:
    module = engine()
    one = module.one("map")
    assert [one.push({"a": n}) for n in range(2)] == [True, True]
    batch = one.batch()
    assert entries(_native.Batch) == set(ON_A_BATCH), "an entry that is not tried here"
    for name, arguments in ON_A_BATCH.items():

        def enter(name: str = name, arguments: Any = arguments) -> Any:
            if isinstance(arguments, str):
                return getattr(batch, name)
            return getattr(batch, name)(*[[batch] if argument == ["batch"] else argument for argument in arguments])

        fail_at("native::batch", 0, 1)
        with pytest.raises(_native.Fault):
            enter()
        assert reached() == 1, name
        if name != "join":
            enter()


def test_row_66_a_queue_that_cannot_be_made_is_an_error_of_the_constructor() -> None:
    fail_at("native::new", 0, 1)
    with pytest.raises(RuntimeError, match="the engine met an error of its own"):
        Segment(KEY, transport=MemoryTransport())
    assert reached() == 1
