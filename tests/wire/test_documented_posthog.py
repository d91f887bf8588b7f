"""What PostHog's documents promise, row by row, in its Python form and against the strict receiver.

The documents are those of the Node library (PostHog/posthog.com, contents/docs/libraries/node and the older
contents/docs/integrate/server/node.mdx) and the tables of the three official clients. Their code samples are the files
of examples/posthog, which run in tests/lifecycle/test_posthog_examples.py; `SAMPLES` says which is which.
"""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from sluiceway import ConfigError, InvalidEvent, PostHog, RetryPolicy, __version__
from sluiceway.testing import Answer, MemoryTransport, Receiver, answers

KEY = "phc_documented-project-key"
WHEN = datetime(2013, 1, 1, 5, tzinfo=timezone.utc)
STAMP = "2013-01-01T05:00:00.000Z"
SOON = RetryPolicy(base_seconds=0.001, cap_seconds=0.001)
MODES = pytest.mark.parametrize("mode", ["v0", "v1"])

# Options that have no Python form here, and the reason. None is ignored when given: the constructor refuses it.
LEFT_OUT_OPTIONS = {
    "personal_api_key": "feature flags, which are out of scope: personalApiKey evaluates them locally",
    "feature_flags_polling_interval": "feature flags: featureFlagsPollingInterval",
    "max_cache_size": "feature flags: maxCacheSize folds $feature_flag_called",
    "evaluation_contexts": "feature flags: evaluationContexts",
    "is_server": "a property of every event: super_properties={'$is_server': True}",
    "wait_until": "of the language: waitUntil keeps an edge runtime awake; flush() at the end",
    "thread": "of the official Python client: one worker keeps the order of events",
    "debug": "a method of the Node client: logging.getLogger('sluiceway') tells, on_error and stats() count",
}
LEFT_OUT = {
    "isFeatureEnabled, getFeatureFlag, getAllFlags, evaluateFlags, reloadFeatureFlags": "feature flags: out of scope",
    "$feature_flag_called, $feature/<key>, $active_feature_flags (4.2)": "feature flags: out of scope",
    "captureAi and /i/v0/ai/batch/ (4.1)": "AI observability: a product of its own, with an endpoint of its own",
    "captureException, error tracking": "a product of its own",
    "withContext, setupExpressRequestContext": "of the language and its frameworks; middleware sees every event",
    "register, unregister": "super_properties= says it once, for the life of the client",
    "type, library, library_version at the top of an event (PN1)": "of v1.x only: the server ignores them",
    "distinct_id: null of $create_alias (PN1)": "of v1.x only: the id stands at the top since",
    "$set at the top of $identify (PN1)": "of v1.x only: among the properties since; the server reads both",
    "identify() of PP": "it has none; here it is the Node client's",
    "callback as the last argument": "kept, by name: of v1.x only there",
    "await, Promise": "of the language; sync=True, flush() and callback= tell",
    "'error' and other events of client.on": "of the language: on_error, on_delivery",
    "app.posthog.com as the default host": "of v1.x only: the address of the web interface, mapped to us.i.posthog.com",
    "fetchRetryDelay 3000": "retry=RetryPolicy(base_seconds=3.0), the default, with jitter",
}
SAMPLES = {
    "new PostHog(key, {host}), shutdown": "options.py",
    "capture": "capture.py",
    "capture: $set, $set_once": "person_properties.py",
    "capture: $process_person_profile": "anonymous.py",
    "identify": "identify.py",
    "alias": "alias.py",
    "sending page views": "page_view.py",
    "group analytics: capture with groups, groupIdentify": "groups.py",
    "super properties": "super_properties.py",
    "GeoIP properties": "geoip.py",
    "serverless environments": "short_lived.py",
    "error handling": "options.py",
}


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTHOG_CAPTURE_MODE", raising=False)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(vendor="posthog") as receiver:
        yield receiver
        assert receiver.violations == []


def at_once(receiver: Receiver, **options: Any) -> PostHog:
    return PostHog(KEY, host=receiver.url, sync=True, **options)


def test_every_sample_of_the_documents_is_an_example() -> None:
    examples = Path(__file__).parents[2] / "examples" / "posthog"
    assert {path.name for path in examples.glob("*.py")} >= set(SAMPLES.values())


# -- protocols.md, section 6


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}])
@MODES
def test_retry_count_0_means_none(mode: str, headers: dict[str, str], count: int) -> None:
    with (
        Receiver(vendor="posthog", default=Answer(503, headers)) as receiver,
        at_once(receiver, retry=SOON, retry_count=count, capture_mode=mode) as client,
    ):
        assert client.capture("E", distinct_id="u") is False
        assert client.stats().failed_by_reason == {"retries_exhausted": 1}
        assert len(receiver.requests) == 1 + count


def test_retry_count_is_3_by_default() -> None:
    assert PostHog(KEY, transport=MemoryTransport())._options.retry.retry_count == 3


def test_flush_at_and_flush_interval_0_on_lambda(receiver: Receiver) -> None:
    with PostHog(KEY, host=receiver.url, flush_at=0, flush_interval=0) as client:
        client.capture("E", distinct_id="u", properties={"n": 0})
        # Neither a second event, nor a timer, nor a flush.
        assert receiver.wait_for(events=1, timeout=5)
        for number in (1, 2):
            client.capture("E", distinct_id="u", properties={"n": number})
        assert client.flush(5).ok
    assert [event["properties"]["n"] for event in receiver.events] == [0, 1, 2]


def test_sync_gives_a_request_for_each_call(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        assert all(client.capture("E", distinct_id="u") for _ in range(3))
    assert [len(request.batch) for request in receiver.requests] == [1, 1, 1]


@MODES
def test_alias_distinct_id_is_the_current_id_and_alias_the_one_before(receiver: Receiver, mode: str) -> None:
    with at_once(receiver, capture_mode=mode) as client:
        assert client.alias(distinct_id="current", alias="before")
        with pytest.raises(TypeError):
            client.alias("before", "current")  # type: ignore[misc]
        assert not client.alias(distinct_id="current", alias="current")
        assert not client.alias(distinct_id="current", alias="null")
        assert client.stats().refused == {"invalid": 2}
    [event] = receiver.events
    assert (event["event"], event["distinct_id"]) == ("$create_alias", "current")
    assert (event["properties"]["distinct_id"], event["properties"]["alias"]) == ("current", "before")


@MODES
def test_identify_properties_become_set(receiver: Receiver, mode: str) -> None:
    with at_once(receiver, capture_mode=mode) as client:
        assert client.identify("u", {"email": "john@doe.com"})
    [event] = receiver.events
    assert (event["event"], event["distinct_id"]) == ("$identify", "u")
    assert event["properties"]["$set"] == {"email": "john@doe.com"}


# -- the calls (protocols.md 4.2): what every event has, then each call


def test_every_event_names_the_library_and_leaves_the_place_of_the_server_alone(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        call_everything(client)
    ours = {"$lib": "sluiceway", "$lib_version": __version__, "$geoip_disable": True}
    assert len(receiver.events) == 7
    for event in receiver.events:
        assert event["properties"].items() >= ours.items()
        assert UUID(event["uuid"])
        assert abs(datetime.now(timezone.utc) - datetime.fromisoformat(event["timestamp"][:-1] + "+00:00")).seconds < 30
    assert len({event["uuid"] for event in receiver.events}) == 7


def test_v1_leaves_the_library_to_a_header(receiver: Receiver) -> None:
    with at_once(receiver, capture_mode="v1") as client:
        call_everything(client)
    assert len(receiver.events) == 7
    for event in receiver.events:
        assert not {"$lib", "$lib_version"} & set(event["properties"])
        assert event["properties"]["$geoip_disable"] is True
        assert event["options"] == {}
    assert {request.headers["posthog-sdk-info"] for request in receiver.requests} == {f"sluiceway/{__version__}"}


def call_everything(client: PostHog) -> None:
    assert client.capture("E", distinct_id="u")
    assert client.identify("u", {"a": 1})
    assert client.alias(distinct_id="u", alias="v")
    assert client.group_identify("company", "id:5", {"a": 1})
    assert client.set("u", {"a": 1})
    assert client.set_once("u", {"a": 1})
    assert client.page_view("https://example.com", distinct_id="u")


def test_the_librarys_own_name_wins_over_the_callers(receiver: Receiver) -> None:
    with at_once(receiver) as client:
        assert client.capture("E", distinct_id="u", properties={"$lib": "mine", "$lib_version": "9"})
    [event] = receiver.events
    assert (event["properties"]["$lib"], event["properties"]["$lib_version"]) == ("sluiceway", __version__)


CAPTURE_ARGUMENTS = {
    "distinct_id": ("u-7", lambda event: event["distinct_id"], "u-7"),
    "distinct_id as a number": (7, lambda event: event["distinct_id"], "7"),
    "properties": ({"a": 1}, lambda event: event["properties"]["a"], 1),
    "timestamp": (WHEN, lambda event: event["timestamp"], STAMP),
    "timestamp as text": ("2013-01-01T05:00:00Z", lambda event: event["timestamp"], STAMP),
    "timestamp in seconds": (1_357_016_400, lambda event: event["timestamp"], STAMP),
    "timestamp in milliseconds": (1_357_016_400_000, lambda event: event["timestamp"], STAMP),
    "timestamp, naive": (WHEN.replace(tzinfo=None), lambda event: event["timestamp"], STAMP),
    "uuid": (str(UUID(int=9)), lambda event: event["uuid"], str(UUID(int=9))),
    "uuid as a UUID": (UUID(int=9), lambda event: event["uuid"], str(UUID(int=9))),
    "groups": ({"company": "id:5"}, lambda event: event["properties"]["$groups"], {"company": "id:5"}),
    "disable_geoip": (False, lambda event: event["properties"]["$geoip_disable"], False),
}


@MODES
@pytest.mark.parametrize("name", CAPTURE_ARGUMENTS)
def test_captuargument_of(receiver: Receiver, name: str, mode: str) -> None:
    given, arrives, expected = CAPTURE_ARGUMENTS[name]
    arguments: dict[str, Any] = {"distinct_id": "u", argument_of(name): given}
    with at_once(receiver, capture_mode=mode) as client:
        assert client.capture("E", **arguments)
    [event] = receiver.events
    assert arrives(event) == expected


def argument_of(name: str) -> str:
    return name.split(maxsplit=1)[0].rstrip(",")


@MODES
@pytest.mark.parametrize("wrong", ["no uuid", "", 7, "0190b3f2-7e1c-7abc-8def-00000000000g", "x" * 36])
def test_an_invalid_uuid_is_replaced_and_counted(receiver: Receiver, wrong: Any, mode: str) -> None:
    with at_once(receiver, capture_mode=mode) as client:
        assert client.capture("E", distinct_id="u", uuid=wrong)
        assert client.stats().replaced == {"id": 1}
    [event] = receiver.events
    assert UUID(event["uuid"])


@MODES
def test_personless(receiver: Receiver, mode: str) -> None:
    with at_once(receiver, capture_mode=mode) as client:
        assert client.capture("E", properties={"a": 1})
        assert client.capture("E")
    first, second = receiver.events
    assert UUID(first["distinct_id"]) != UUID(second["distinct_id"])
    for event in (first, second):
        said = (
            event["options"]["process_person_profile"]
            if mode == "v1"
            else event["properties"]["$process_person_profile"]
        )
        assert said is False


@MODES
def test_page_view(receiver: Receiver, mode: str) -> None:
    with at_once(receiver, capture_mode=mode) as client:
        assert client.page_view("https://example.com", distinct_id="u", properties={"a": 1}, groups={"company": "c"})
        assert not client.page_view("", distinct_id="u")
    [event] = receiver.events
    assert (event["event"], event["distinct_id"]) == ("$pageview", "u")
    said = {"$current_url": "https://example.com", "a": 1, "$groups": {"company": "c"}}
    assert event["properties"].items() >= said.items()


@MODES
def test_identify_with_everything(receiver: Receiver, mode: str) -> None:
    with at_once(receiver, capture_mode=mode) as client:
        assert client.identify("u", {"$set": {"a": 1}, "$set_once": {"b": 2}})
        assert client.identify("u", {"a": 1}, set_once={"b": 2}, anon_distinct_id="session")
    first, second = (event["properties"] for event in receiver.events)
    assert (first["$set"], first["$set_once"]) == ({"a": 1}, {"b": 2})
    assert (second["$set"], second["$set_once"], second["$anon_distinct_id"]) == ({"a": 1}, {"b": 2}, "session")


@MODES
def test_group_identify(receiver: Receiver, mode: str) -> None:
    with at_once(receiver, capture_mode=mode) as client:
        assert client.group_identify("company", "company_id_in_your_db", {"name": "Awesome Inc"})
        assert client.group_identify("company", "id:5", distinct_id="xyz")
        assert not client.group_identify("", "id:5")
        assert not client.group_identify("company", "")
    first, second = receiver.events
    assert first["distinct_id"] == "$company_company_id_in_your_db"
    assert first["event"] == "$groupidentify"
    said = {"$group_type": "company", "$group_key": "company_id_in_your_db", "$group_set": {"name": "Awesome Inc"}}
    assert first["properties"].items() >= said.items()
    assert (second["distinct_id"], second["properties"]["$group_set"]) == ("xyz", {})


@pytest.mark.parametrize("name", ["set", "set_once"])
def test_set_and_set_once(receiver: Receiver, name: str) -> None:
    for mode in ("v0", "v1"):
        with at_once(receiver, capture_mode=mode) as client:
            assert getattr(client, name)("u", {"plan": "pro"})
    v0, v1 = receiver.events
    assert v0["event"] == v1["event"] == f"${name}"
    assert v0[f"${name}"] == v1["properties"][f"${name}"] == {"plan": "pro"}


REFUSED_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "an alias of itself": ("alias", {"distinct_id": "u", "alias": "u"}),
    "an alias that is illegal": ("alias", {"distinct_id": "u", "alias": "'Null'"}),
    "an alias of an illegal id": ("alias", {"distinct_id": "anonymous", "alias": "u"}),
    "a merge into an illegal id": ("identify", {"distinct_id": "Guest", "anon_distinct_id": "x"}),
    "a merge of an illegal id": ("identify", {"distinct_id": "u", "properties": {"$anon_distinct_id": "undefined"}}),
    "no event": ("capture", {"event": "", "distinct_id": "u"}),
}


@MODES
@pytest.mark.parametrize("name", REFUSED_CALLS)
def test_what_the_server_would_refuse_or_ignore_is_refused_at_the_call(
    receiver: Receiver, name: str, mode: str
) -> None:
    method, arguments = REFUSED_CALLS[name]
    with PostHog(KEY, host=receiver.url, capture_mode=mode) as client:
        assert getattr(client, method)(**arguments) is False
        assert client.stats().refused == {"invalid": 1}
    with (
        PostHog(KEY, host=receiver.url, capture_mode=mode, strict=True) as client,
        pytest.raises(InvalidEvent) as caught,
    ):
        getattr(client, method)(**arguments)
    assert caught.value.field in (*arguments, "anon_distinct_id")
    assert receiver.requests == []


# -- 4.3: capture V1

PROMOTED = {
    "$cookieless_mode": ("true", lambda event: event["options"]["cookieless_mode"], True),
    "$ignore_sent_at": (1, lambda event: event["options"]["disable_skew_correction"], True),
    "$process_person_profile": ("0", lambda event: event["options"]["process_person_profile"], False),
    "$product_tour_id": ("tour", lambda event: event["options"]["product_tour_id"], "tour"),
    "$session_id": ("s-1", lambda event: event["session_id"], "s-1"),
    "$window_id": ("w-1", lambda event: event["window_id"], "w-1"),
}


@pytest.mark.parametrize("key", PROMOTED)
def test_v1_promotes(receiver: Receiver, key: str) -> None:
    given, arrives, expected = PROMOTED[key]
    with at_once(receiver, capture_mode="v1") as client:
        assert client.capture("E", distinct_id="u", properties={key: given, "a": 1})
    [event] = receiver.events
    assert arrives(event) == expected
    assert event["properties"] == {"$geoip_disable": True, "a": 1}


@pytest.mark.parametrize("key", ["$cookieless_mode", "$ignore_sent_at", "$process_person_profile", "$product_tour_id"])
def test_v1_leaves_out_an_option_that_has_no_such_type(receiver: Receiver, key: str) -> None:
    with at_once(receiver, capture_mode="v1") as client:
        assert client.capture("E", distinct_id="u", properties={key: ["rubbish"]})
    [event] = receiver.events
    assert (event["options"], event["properties"]) == ({}, {"$geoip_disable": True})


def test_v1_sends_events_of_ai_with_the_others_as_capture_of_the_python_client_does(receiver: Receiver) -> None:
    with at_once(receiver, capture_mode="v1") as client:
        assert client.capture("$ai_generation", distinct_id="u", properties={"$ai_model": "m"})
    [event] = receiver.events
    assert event["event"] == "$ai_generation"


def test_v1_request_id_and_created_at_are_stable_over_retries_and_the_rest_is_renewed() -> None:
    script = [500, Answer(503, {"Retry-After": "0"}), 200]
    with (
        Receiver(script, vendor="posthog") as receiver,
        at_once(receiver, capture_mode="v1", retry=RetryPolicy(base_seconds=0.05)) as client,
    ):
        assert client.capture("E", distinct_id="u")
        requests = receiver.requests
        assert receiver.violations == []
    assert [request.headers["posthog-attempt"] for request in requests] == ["1", "2", "3"]
    assert len({request.headers["posthog-request-id"] for request in requests}) == 1
    assert len({request.document["created_at"] for request in requests}) == 1
    stamps = [request.headers["posthog-request-timestamp"] for request in requests]
    assert stamps == sorted(stamps)
    assert stamps[0] >= requests[0].document["created_at"]
    assert {request.headers["authorization"] for request in requests} == {f"Bearer {KEY}"}
    assert all("x-retry-count" not in request.headers for request in requests)
    assert all(set(request.document) == {"created_at", "batch"} for request in requests)


def capture_batch(receiver: Receiver, count: int, **options: Any) -> tuple[PostHog, dict[int, str | None]]:
    """Capture so many events as one batch; return the client, closed, and what each callback was told."""
    told: dict[int, str | None] = {}
    together: dict[str, Any] = {"flush_first": False, "flush_at": count, "flush_interval": 3_600.0, "retry": SOON}
    with PostHog(KEY, host=receiver.url, **together | options) as client:
        for number in range(count):

            def tell(error: Any, _batch: Any, number: int = number) -> None:
                told[number] = error and error.reason

            assert client.capture("E", distinct_id="u", properties={"n": number}, callback=tell)
        client.flush(30)
    return client, told


def test_v1_every_event_has_its_own_result() -> None:
    first = answers.posthog_results({0: "ok", 1: "warning", 2: "drop", 3: "retry", 4: ("drop", "event_too_big")})
    second = answers.posthog_results({0: "retry"})
    with Receiver([first, second, 200], vendor="posthog") as receiver:
        client, told = capture_batch(receiver, 6, capture_mode="v1")
        sent = [[event["properties"]["n"] for event in request.batch] for request in receiver.requests]
        assert receiver.violations == []
    assert sent == [[0, 1, 2, 3, 4, 5], [3], [3]]
    assert told == {0: None, 1: None, 2: "rejected", 3: None, 4: "rejected", 5: None}
    assert (client.stats().delivered, client.stats().failed_by_reason) == (4, {"rejected": 2})


def test_v1_what_is_wanted_again_and_again_is_given_up_after_retry_count() -> None:
    with Receiver(vendor="posthog", default=answers.posthog_results({0: "retry"})) as receiver:
        client, told = capture_batch(receiver, 2, capture_mode="v1", retry_count=2)
        assert [len(request.batch) for request in receiver.requests] == [2, 1, 1]
    assert told == {0: "retries_exhausted", 1: None}
    assert client.stats().delivered == 1


def test_v1_results_of_unknown_uuids_harm_nobody() -> None:
    strangers = answers.posthog_results({str(uuid4()): "drop", str(uuid4()): "retry"})
    with Receiver([strangers], vendor="posthog") as receiver:
        client, told = capture_batch(receiver, 2, capture_mode="v1")
        assert len(receiver.requests) == 1
    assert told == {0: None, 1: None}
    assert client.stats().delivered == 2


@pytest.mark.parametrize("body", [b"", b"{}", b'{"results":[]}', b'{"results":{"x":7}}', b"<html>", b"\xff"])
def test_v1_a_200_that_says_nothing_of_the_events_is_a_delivery(body: bytes) -> None:
    with Receiver([Answer(200, body=body)], vendor="posthog") as receiver:
        client, told = capture_batch(receiver, 2, capture_mode="v1")
        assert len(receiver.requests) == 1
    assert told == {0: None, 1: None}
    assert client.stats().delivered == 2


def test_v1_an_own_uuid_in_capitals_is_found_in_the_answer() -> None:
    own = "0190B3F2-7E1C-7ABC-8DEF-00000000000A"

    def drop(_arriving: Any) -> Answer:
        return answers.document(200, {"results": {own.lower(): {"result": "drop", "details": "rejected"}}})

    with Receiver([drop], vendor="posthog") as receiver, at_once(receiver, capture_mode="v1") as client:
        assert client.capture("E", distinct_id="u", uuid=own) is False
        assert client.stats().failed_by_reason == {"rejected": 1}


def test_v1_the_same_uuid_twice_costs_neither_event(receiver: Receiver) -> None:
    together: dict[str, Any] = {"flush_first": False, "flush_at": 4, "flush_interval": 3_600.0}
    with PostHog(KEY, host=receiver.url, capture_mode="v1", **together) as client:
        for number, own in enumerate((1, 2, 1, 3)):
            assert client.capture("E", distinct_id="u", uuid=UUID(int=own), properties={"n": number})
        assert client.flush(30).ok
    assert sorted(event["properties"]["n"] for event in receiver.events) == [0, 1, 2, 3]
    assert all("twice" in text for text in receiver.violations)
    receiver._ledger.violations.clear()


@pytest.mark.parametrize(
    ("argument", "value"), [("event", "x" * 201), ("distinct_id", "x" * 201), ("distinct_id", "\u20ac" * 67)]
)
def test_v1_refuses_at_the_call_what_the_server_would_drop(receiver: Receiver, argument: str, value: str) -> None:
    given: dict[str, Any] = {"event": "E", "distinct_id": "u"} | {argument: value}
    with at_once(receiver, capture_mode="v1") as client:
        assert client.capture(**given) is False
        assert client.stats().refused == {"invalid": 1}
    assert receiver.requests == []


def test_posthog_capture_mode_of_the_environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTHOG_CAPTURE_MODE", "v1")
    with at_once(receiver) as client:
        assert client.capture("E", distinct_id="u")
    monkeypatch.delenv("POSTHOG_CAPTURE_MODE")
    with at_once(receiver) as client:
        assert client.capture("E", distinct_id="u")
    assert [request.path for request in receiver.requests] == ["/i/v1/analytics/events", "/batch/"]


# -- 4.4 and 4.5: limits, and one bad event among others


def test_one_bad_event_of_v0_does_not_take_its_neighbours_along() -> None:
    def refuse(arriving: Any) -> Answer | int:
        bad = any(event["properties"]["n"] == 5 for event in arriving.batch)
        return answers.plain(400, "event submitted without a distinct_id") if bad else 200

    with Receiver(refuse, vendor="posthog") as receiver:
        _, told = capture_batch(receiver, 8)
        assert sorted(event["properties"]["n"] for event in receiver.events) == [0, 1, 2, 3, 4, 6, 7]
    assert told == {number: "rejected" if number == 5 else None for number in range(8)}


@MODES
def test_a_request_that_is_too_large_is_halved(mode: str) -> None:
    def refuse(arriving: Any) -> int:
        return 413 if len(arriving.batch) > 2 else 200

    with Receiver(refuse, vendor="posthog") as receiver:
        client, _ = capture_batch(receiver, 8, capture_mode=mode)
        assert [len(request.batch) for request in receiver.requests] == [8, 4, 2, 2, 4, 2, 2]
    assert client.stats().delivered == 8


@MODES
def test_an_event_may_have_900_kib_and_no_more(receiver: Receiver, mode: str) -> None:
    with at_once(receiver, capture_mode=mode) as client:
        assert client.capture("E", distinct_id="u", properties={"text": "x" * 921_000})
        assert client.capture("E", distinct_id="u", properties={"text": "x" * 921_600}) is False
        assert client.stats().refused == {"event_too_large": 1}
        assert client.stats().delivered == 1


@MODES
def test_a_batch_is_built_to_5_mib(receiver: Receiver, mode: str) -> None:
    together: dict[str, Any] = {"flush_first": False, "flush_at": 100, "flush_interval": 3_600.0}
    with PostHog(KEY, host=receiver.url, capture_mode=mode, **together) as client:
        for _ in range(12):
            assert client.capture("E", distinct_id="u", properties={"text": "x" * 900_000})
        assert client.flush(60).ok
    sizes = [len(request.body) for request in receiver.requests]
    assert max(sizes) <= 5 * 1024 * 1024
    assert [len(request.batch) for request in receiver.requests] == [5, 5, 2]


def test_a_batch_of_v1_has_500_events_at_most(receiver: Receiver) -> None:
    together: dict[str, Any] = {"flush_first": False, "flush_at": 1_200, "flush_interval": 3_600.0}
    with PostHog(KEY, host=receiver.url, capture_mode="v1", **together) as client:
        for _ in range(1_200):
            assert client.capture("E", distinct_id="u")
        assert client.flush(60).ok
    assert [len(request.batch) for request in receiver.requests] == [500, 500, 200]


@MODES
def test_a_refused_key_is_loud(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[str] = []
    heard = threading.Event()

    def on_error(error: Any, _batch: Any) -> None:
        errors.append(error.reason)
        heard.set()

    with Receiver(vendor="posthog", default=401) as receiver, caplog.at_level(logging.ERROR, "sluiceway"):
        with PostHog(KEY, host=receiver.url, sync=True, on_error=on_error, capture_mode=mode) as client:
            assert client.capture("E", distinct_id="u") is False
            assert client.stats().failed_by_reason == {"unauthorized": 1}
        assert heard.wait(10)
    assert errors == ["unauthorized"]
    assert any("refused" in record.getMessage() for record in caplog.records)
    assert KEY not in caplog.text


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@MODES
def test_what_is_retried(status: int, mode: str) -> None:
    with (
        Receiver([status, status, 200], vendor="posthog") as receiver,
        at_once(
            receiver, capture_mode=mode, retry=RetryPolicy(base_seconds=0.001, retry_after_cap_seconds=0.01)
        ) as client,
    ):
        assert client.capture("E", distinct_id="u")
        assert len(receiver.requests) == 3
        assert len({event["uuid"] for request in receiver.requests for event in request.batch}) == 1


def test_retry_after_is_a_minimum() -> None:
    with (
        Receiver([Answer(429, {"Retry-After": "1"}), 200], vendor="posthog") as receiver,
        at_once(receiver, retry=SOON) as client,
    ):
        began = time.monotonic()
        assert client.capture("E", distinct_id="u")
        assert time.monotonic() - began >= 1.0
        assert len(receiver.requests) == 2


def test_sent_at_is_renewed_and_the_uuid_is_not() -> None:
    with (
        Receiver([500, 200], vendor="posthog") as receiver,
        at_once(receiver, retry=RetryPolicy(base_seconds=0.2, retry_count=1)) as client,
    ):
        assert client.capture("E", distinct_id="u")
        first, second = receiver.requests
    assert first.batch == second.batch
    assert first.document["sent_at"] <= second.document["sent_at"]


# -- 4.7: the options


def test_option_host_of_the_documents() -> None:
    def url(**options: Any) -> str:
        return PostHog(KEY, transport=MemoryTransport(), **options)._options.endpoint.url

    assert url() == "https://us.i.posthog.com/batch/"
    for form in ("https://us.i.posthog.com/", "https://app.posthog.com/", "https://app.posthog.com", "app.posthog.com"):
        assert url(host=form) == url()
    for options in ({"region": "eu"}, {"host": "https://eu.i.posthog.com"}, {"host": "https://eu.posthog.com/"}):
        assert url(**options) == "https://eu.i.posthog.com/batch/"


def test_option_flush_at(receiver: Receiver) -> None:
    with PostHog(KEY, host=receiver.url, flush_first=False, flush_at=2, flush_interval=3_600.0) as client:
        for _ in range(2):
            client.capture("E", distinct_id="u")
        assert receiver.wait_for(events=2)
    assert [len(request.batch) for request in receiver.requests] == [2]
    assert PostHog(KEY)._options.flush_at == 20


def test_option_flush_interval_is_in_seconds(receiver: Receiver) -> None:
    with PostHog(KEY, host=receiver.url, flush_first=False, flush_at=1_000, flush_interval=0.05) as client:
        client.capture("E", distinct_id="u")
        assert receiver.wait_for(events=1)
    assert PostHog(KEY)._options.flush_interval == 10.0
    with pytest.raises(ConfigError, match="milliseconds"):
        PostHog(KEY, flush_interval=10_000)


def test_the_first_event_goes_at_once(receiver: Receiver) -> None:
    with PostHog(KEY, host=receiver.url, flush_at=1_000, flush_interval=3_600.0) as client:
        client.capture("E", distinct_id="u")
        assert receiver.wait_for(events=1)


def test_option_max_batch_size_is_max_batch_events(receiver: Receiver) -> None:
    options: dict[str, Any] = {"flush_first": False, "flush_at": 1_000, "flush_interval": 3_600.0}
    with PostHog(KEY, host=receiver.url, max_batch_events=2, **options) as client:
        for _ in range(5):
            client.capture("E", distinct_id="u")
        assert client.flush(30).ok
    assert [len(request.batch) for request in receiver.requests] == [2, 2, 1]


def test_option_max_queue_size_is_max_queue_events() -> None:
    options: dict[str, Any] = {"flush_first": False, "flush_at": 1_000, "flush_interval": 3_600.0}
    # Slow, so that a queue that is emptied because it is full stays full.
    with (
        Receiver(vendor="posthog", default=Answer(200, delay=0.5)) as receiver,
        PostHog(KEY, host=receiver.url, max_queue_events=2, **options) as client,
    ):
        accepted = [client.capture("E", distinct_id="u", properties={"n": number}) for number in range(3)]
        assert client.flush(30).ok
        # The new one is dropped, as by the Python client.
        assert accepted == [True, True, False]
        assert client.stats().refused == {"queue_full": 1}
        assert [event["properties"]["n"] for event in receiver.events] == [0, 1]


def test_option_max_queue_size_of_the_node_client_drops_the_oldest() -> None:
    # What is being sent is dropped no more; batches of ten leave the others in the queue.
    options: dict[str, Any] = {"flush_at": 1_000, "flush_interval": 3_600.0, "max_batch_events": 10}
    with (
        Receiver(vendor="posthog", default=Answer(200, delay=30.0)) as receiver,
        PostHog(KEY, host=receiver.url, max_queue_events=100, on_full="drop_oldest", **options) as client,
    ):
        accepted = sum(client.capture("E", distinct_id="u", properties={"n": number}) for number in range(1_000))
        client.close(0.01)
        stats = client.stats()
        assert (stats.accepted, stats.offered) == (accepted, 1_000)
        assert stats.dropped_by_reason == {"overflow": accepted - 100}
        assert accepted > 100


def test_option_request_timeout_is_timeout_in_seconds() -> None:
    with (
        Receiver([Answer(200, delay=5.0)], vendor="posthog") as receiver,
        at_once(receiver, timeout=0.2, retry_count=0) as client,
    ):
        began = time.monotonic()
        assert client.capture("E", distinct_id="u") is False
        assert time.monotonic() - began < 3
    assert PostHog(KEY)._options.timeout == 15.0


def test_option_enable(receiver: Receiver) -> None:
    told: list[Any] = []
    with PostHog(KEY, host=receiver.url, enable=False) as client:
        assert client.capture("E", distinct_id="u", callback=lambda error, _batch: told.append(error))
        assert client.capture("", distinct_id="u") is False
        client.flush(10)
        assert client.stats().dropped_by_reason == {"disabled": 1}
    assert (told, receiver.requests) == ([None], [])


def test_option_opt_out(receiver: Receiver) -> None:
    with PostHog(KEY, host=receiver.url, opt_out=True) as client:
        assert client.capture("E", distinct_id="u") is False
        assert client.stats().refused == {"opted_out": 1}
    assert receiver.requests == []


@pytest.mark.parametrize(("options", "packed"), [({}, True), ({"gzip": False}, False)])
def test_option_disable_compression_is_gzip(options: dict[str, Any], packed: bool) -> None:
    transport = MemoryTransport()
    with PostHog(KEY, transport=transport, **options) as client:
        assert client._options.gzip is packed
    with Receiver(vendor="posthog") as receiver, at_once(receiver, **options) as client:
        assert client.capture("E", distinct_id="u", properties={"text": "x" * 5_000})
        [request] = receiver.requests
        assert ("content-encoding" in request.headers) is packed
        assert (request.sent_bytes < len(request.body)) is packed
        assert request.document["batch"][0]["properties"]["text"] == "x" * 5_000
        assert receiver.violations == []
    assert gzip.compress(b"") != b""


def test_option_before_send_is_middleware(receiver: Receiver) -> None:
    def redact(event: dict[str, Any]) -> dict[str, Any] | None:
        if event["event"] == "secret":
            return None
        event["properties"].pop("password", None)
        event["properties"]["$groups"]["team"] = "red"
        return event

    properties = {"password": "x", "a": 1}
    with at_once(receiver, middleware=[redact]) as client:
        assert client.capture("E", distinct_id="u", properties=properties, groups={"company": "c"})
        assert client.capture("secret", distinct_id="u", groups={}) is False
        assert client.stats().refused == {"middleware": 1}
    [event] = receiver.events
    assert (event["properties"]["a"], "password" in event["properties"]) == (1, False)
    assert event["properties"]["$groups"] == {"company": "c", "team": "red"}
    assert properties == {"password": "x", "a": 1}


def test_callback_of_a_call_and_of_flush(receiver: Receiver) -> None:
    told: list[Any] = []
    with PostHog(KEY, host=receiver.url, flush_first=False, flush_at=100, flush_interval=3_600.0) as client:
        client.capture("E", distinct_id="u", callback=lambda error, batch: told.append((error, len(batch.ids))))
        client.capture("E", distinct_id="u")
        assert client.flush(30, callback=lambda error, batch: told.append((error, batch.status))).ok
    assert told == [(None, 2), (None, 200)]


def test_option_on_error() -> None:
    told: list[Any] = []
    with Receiver(vendor="posthog", default=400) as receiver:
        client = PostHog(KEY, host=receiver.url, on_error=lambda error, batch: told.append((error, batch.events)))
        client.capture("E", distinct_id="u", properties={"a": 1})
        client.close()
    [(error, [event])] = told
    assert (error.reason, error.status, event["properties"]["a"]) == ("rejected", 400, 1)


@MODES
def test_option_historical_migration(receiver: Receiver, mode: str) -> None:
    for historical in (True, False):
        with at_once(receiver, historical_migration=historical, capture_mode=mode) as client:
            assert client.capture("E", distinct_id="u", timestamp=WHEN)
    first, second = receiver.requests
    assert first.document["historical_migration"] is True
    assert "historical_migration" not in second.document


@MODES
def test_option_disable_geoip(receiver: Receiver, mode: str) -> None:
    with at_once(receiver, disable_geoip=False, capture_mode=mode) as client:
        assert client.capture("E", distinct_id="u")
        assert client.capture("E", distinct_id="u", disable_geoip=True)
    assert [event["properties"]["$geoip_disable"] for event in receiver.events] == [False, True]


@MODES
def test_option_super_properties_are_in_every_event_and_an_events_own_take_precedence(
    receiver: Receiver, mode: str
) -> None:
    with at_once(receiver, super_properties={"environment": "production"}, capture_mode=mode) as client:
        call_everything(client)
        assert client.capture("E", distinct_id="u", properties={"environment": "staging"})
    said = [event["properties"]["environment"] for event in receiver.events]
    assert said == ["production"] * 7 + ["staging"]


def test_option_sync_mode_is_sync_and_starts_no_thread(receiver: Receiver) -> None:
    before = threading.active_count()
    with at_once(receiver) as client:
        # The receiver has a thread for the connection.
        assert client.capture("E", distinct_id="u")
        assert threading.active_count() <= before + 1
    assert len(receiver.events) == 1


@pytest.mark.parametrize("name", LEFT_OUT_OPTIONS)
def test_an_option_without_a_python_form_is_refused_and_not_ignored(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        PostHog(KEY, **{name: 1})  # type: ignore[arg-type]


def test_what_is_left_out_has_its_reason() -> None:
    assert all(LEFT_OUT.values())
    assert all(LEFT_OUT_OPTIONS.values())


# -- several clients, and the end


def test_several_clients_with_different_options_in_one_process(receiver: Receiver) -> None:
    with at_once(receiver) as one, at_once(receiver, capture_mode="v1", super_properties={"b": 1}) as other:
        assert one.capture("E", distinct_id="u")
        assert other.capture("E", distinct_id="u")
        assert one.capture("E", distinct_id="u")
    assert [request.path for request in receiver.requests] == ["/batch/", "/i/v1/analytics/events", "/batch/"]
    assert ["b" in event["properties"] for event in receiver.events] == [False, True, False]


def test_shutdown_sends_everything_that_waits(receiver: Receiver) -> None:
    client = PostHog(KEY, host=receiver.url, flush_first=False, flush_at=1_000, flush_interval=3_600.0)
    for _ in range(50):
        client.capture("E", distinct_id="u")
    assert client.shutdown().ok
    assert len(receiver.events) == 50
    assert client.capture("E", distinct_id="u") is False
