"""Rows 59 to 61, bad input: refused or replaced as documented, counted once, told without a value, early, cheaply."""

from __future__ import annotations

import gc
import inspect
import logging
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest

from sluiceway import InvalidEvent

from .clients import KEY, Kept, strict

CANARY = "canary-of-the-payload"
LIMIT = 32_768


class Unspeakable:
    """An object that cannot be turned into a text, and says why."""

    def __str__(self) -> str:
        raise ValueError(CANARY)

    __repr__ = __str__


class Endless:
    """Values that hold themselves, by each kind of container."""

    @staticmethod
    def list() -> Any:
        value: list[Any] = [CANARY]
        value.append(value)
        return value

    @staticmethod
    def dict() -> Any:
        value: dict[str, Any] = {"canary": CANARY}
        value["self"] = value
        return value

    @staticmethod
    def tuple() -> Any:
        value: list[Any] = [CANARY]
        value.append((value,))
        return (value,)

    @staticmethod
    def wide() -> Any:
        """Each level holds itself twice: without a limit, the work would double with each."""
        value: list[Any] = []
        value += [value, value]
        return value


def nested(levels: int, kind: str = "list") -> Any:
    """So many containers inside each other."""
    value: Any = {} if kind == "dict" else () if kind == "tuple" else []
    for _ in range(levels - 1):
        value = {"a": value} if kind == "dict" else (value,) if kind == "tuple" else [value]
    return value


def check_refused(
    caplog: pytest.LogCaptureFixture, reason: str, field: str, call: Callable[[Kept], Any], **options: Any
) -> None:
    """Refused, counted, told once without a value; and raised with strict=True, naming the field."""
    with caplog.at_level(logging.DEBUG):
        client = Kept(**options)
        caplog.clear()
        assert call(client) is False
        stats = client.stats()
        assert stats.refused == {reason: 1}
        assert (stats.offered, stats.accepted, stats.reserved_events, stats.reserved_bytes) == (1, 0, 0, 0)
        assert stats.balanced
        assert not client.memory.requests
        [record] = [each for each in caplog.records if each.name == "sluiceway"]
        assert field in record.getMessage()
        assert reason in record.getMessage()
        with pytest.raises(InvalidEvent) as caught:
            call(Kept(strict=True, **options))
    assert caught.value.field == field
    for text in (
        caplog.text,
        repr(client),
        repr(stats),
        str(caught.value),
        repr(caught.value),
        repr(caught.value.args),
    ):
        assert CANARY not in text
        assert KEY not in text
    error: BaseException | None = caught.value
    while error is not None:  # what a handler that prints the chain would show
        assert CANARY not in repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def kind_of(value: Any) -> str:
    """For the names of the tests."""
    return type(value).__name__


WRONG_IDS = [True, False, 1.5, b"canary-of-the-payload", [CANARY], {CANARY: 1}, Decimal(7), object(), Unspeakable(), ""]
REQUIRED = {
    "identify": (("user_id or anonymous_id", {}),),
    "track": (("user_id or anonymous_id", {"event": CANARY}), ("event", {"user_id": CANARY})),
    "page": (("user_id or anonymous_id", {"name": CANARY}),),
    "screen": (("user_id or anonymous_id", {"name": CANARY}),),
    "group": (("user_id or anonymous_id", {"group_id": CANARY}), ("group_id", {"user_id": CANARY})),
    "alias": (("previous_id", {"user_id": CANARY}), ("user_id", {"previous_id": CANARY})),
}
COMPLETE: dict[str, dict[str, Any]] = {
    "identify": {"user_id": CANARY},
    "track": {"user_id": CANARY, "event": CANARY},
    "page": {"user_id": CANARY},
    "screen": {"user_id": CANARY},
    "group": {"user_id": CANARY, "group_id": CANARY},
    "alias": {"user_id": CANARY, "previous_id": CANARY},
}
IDS = {
    "identify": ("user_id", "anonymous_id"),
    "track": ("user_id", "anonymous_id"),
    "page": ("user_id", "anonymous_id"),
    "screen": ("user_id", "anonymous_id"),
    "group": ("user_id", "anonymous_id", "group_id"),
    "alias": ("user_id", "previous_id"),
}
MAPS = {"identify": "traits", "track": "properties", "page": "properties", "screen": "properties", "group": "traits"}


@pytest.mark.parametrize(
    ("name", "field", "given"), [(name, *each) for name, cases in REQUIRED.items() for each in cases]
)
def test_what_is_required_and_missing_is_named(
    name: str, field: str, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    check_refused(caplog, "invalid", field, lambda client: getattr(client, name)(**given))


@pytest.mark.parametrize("wrong", WRONG_IDS, ids=kind_of)
@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in IDS.items() for field in fields])
def test_an_id_is_a_text_an_int_or_a_uuid_and_not_empty(
    name: str, field: str, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    given = {**COMPLETE[name], field: wrong}
    check_refused(caplog, "invalid", field, lambda client: getattr(client, name)(**given))


@pytest.mark.parametrize("wrong", ["", 7, True, b"x", [CANARY], UUID(int=1), Unspeakable()])
def test_the_name_of_an_event_is_a_text_and_not_empty(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    check_refused(caplog, "invalid", "event", lambda client: client.track(CANARY, wrong))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (7, "7"),
        (0, "0"),
        (-1, "-1"),
        (2**200, str(2**200)),
        (UUID(int=7), str(UUID(int=7))),
        ("x" * 1_000, "x" * 1_000),
        ("\0x", "\0x"),
        (" x ", " x "),
        ("李", "李"),
    ],
)
def test_ids_of_each_kind_become_texts(given: Any, sent: str) -> None:
    client = Kept()
    assert client.alias(given, given) is True
    assert client.group(given, given, anonymous_id=given) is True
    [alias, group] = client.memory.events
    assert (alias["previousId"], alias["userId"]) == (sent, sent)
    assert (group["groupId"], group["userId"], group["anonymousId"]) == (sent, sent, sent)


@pytest.mark.parametrize("blank", ["\0", " ", "\t\n", "\u200b", "\ufeff\xa0"])
def test_an_id_that_shows_nothing_is_refused(blank: str, caplog: pytest.LogCaptureFixture) -> None:
    check_refused(caplog, "invalid", "user_id", lambda client: client.track(blank, CANARY))


def test_an_id_of_a_million_digits_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    check_refused(caplog, "invalid", "user_id", lambda client: client.track(1 << 3_400_000, CANARY))


@pytest.mark.parametrize(
    "wrong", [CANARY, 7, 1.5, True, [CANARY], (CANARY,), {CANARY}, object(), iter(()), Unspeakable()], ids=kind_of
)
@pytest.mark.parametrize("field", ["own", "context", "integrations"])
@pytest.mark.parametrize("name", MAPS)
def test_what_must_be_a_mapping_is_one(name: str, field: str, wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    field = MAPS[name] if field == "own" else field
    check_refused(caplog, "invalid", field, lambda client: getattr(client, name)(**COMPLETE[name], **{field: wrong}))


@pytest.mark.parametrize("wrong", [7, True, b"x", [CANARY], Unspeakable()], ids=kind_of)
@pytest.mark.parametrize("field", ["category", "name"])
def test_a_label_is_a_text(field: str, wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    check_refused(caplog, "invalid", field, lambda client: client.page(CANARY, **{field: wrong}))


@pytest.mark.parametrize("wrong", ["", "x" * 101, 7, True, b"x", [CANARY], Unspeakable()], ids=kind_of)
def test_the_id_of_a_message_has_1_to_100_characters(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    check_refused(caplog, "invalid", "message_id", lambda client: client.track("u", CANARY, message_id=wrong))
    client = Kept()
    for right in ("x", "\u20ac" * 100, UUID(int=1)):
        assert client.track("u", "E", message_id=right) is True
    assert [event["messageId"] for event in client.memory.events] == ["x", "\u20ac" * 100, str(UUID(int=1))]


@pytest.mark.parametrize(
    "wrong",
    [
        CANARY,
        "",
        "2013-13-01",
        True,
        [CANARY],
        date(2013, 1, 1),
        float("nan"),
        float("inf"),
        1e300,
        -1e300,
        10**400,
        datetime.min,
        datetime.max,
        datetime.max.replace(tzinfo=timezone.utc),
        datetime(1676, 12, 31),
        datetime(2263, 1, 1),
        Unspeakable(),
    ],
    ids=kind_of,
)
def test_a_time_names_a_moment(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    check_refused(caplog, "invalid", "timestamp", lambda client: client.track("u", CANARY, timestamp=wrong))


@pytest.mark.parametrize("wrong", [CANARY, 7, [CANARY]], ids=kind_of)
def test_a_callback_can_be_called(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    check_refused(caplog, "invalid", "callback", lambda client: client.track("u", CANARY, callback=wrong))


# -- values


@pytest.mark.parametrize("kind", ["list", "tuple", "dict"])
@pytest.mark.parametrize("levels", [62, 63, 64, 65, 66, 1_000])
@pytest.mark.parametrize("odd", [False, True], ids=["native", "long way"])
def test_sixty_four_containers_are_the_most(
    levels: int, kind: str, odd: bool, caplog: pytest.LogCaptureFixture
) -> None:
    # The properties themselves are the first.
    value = {"a": nested(levels - 1, kind), "odd": Fraction(1, 3) if odd else None}
    if levels > 64:
        check_refused(caplog, "unserializable", "properties", lambda client: client.track("u", CANARY, value))
    else:
        client = Kept()
        assert client.track("u", "E", value) is True
        arrived = strict(client.memory.requests[0].body)["batch"][0]["properties"]
        assert arrived["a"] == nested(levels - 1, "dict" if kind == "dict" else "list")


@pytest.fixture(scope="module")
def heaps() -> Iterator[dict[str, Any]]:
    """Values that are huge, made once; taken apart by hand, for that takes time of its own."""
    made = {
        "depth of 10,000": nested(10_000),
        "depth of 10,000 dicts": nested(10_000, "dict"),
        "depth of a million": nested(10**6),
        "a million nulls": [None] * 10**6,
        "a million empty texts": [""] * 10**6,
        "a million entries": dict.fromkeys(map(str, range(10**6))),
        "a million in a set": set(range(10**6)),
        "a million in a tuple": (0,) * 10**6,
        "text of 64 MiB": CANARY * 3_200_000,
        "wide text of 64 MiB": "\u20ac" * (32 << 20),
        "text of 64 MiB that escapes": "\x01" * (64 << 20),
        "bytes of 64 MiB": bytes(64 << 20),
        "key of 16 MiB": {"\u00e9" * (16 << 20): 1},
        "subclass of 16 MiB": type("Text", (str,), {})("x" * (16 << 20)),
        "a lot, one level down": {"a": {"b": [[0] * 1_000] * 1_000}},
    }
    yield made
    made.clear()


TOO_LARGE = [
    "a million nulls",
    "a million empty texts",
    "a million entries",
    "a million in a set",
    "a million in a tuple",
    "text of 64 MiB",
    "wide text of 64 MiB",
    "text of 64 MiB that escapes",
    "bytes of 64 MiB",
    "key of 16 MiB",
    "subclass of 16 MiB",
    "a lot, one level down",
]
TOO_DEEP = ["depth of 10,000", "depth of 10,000 dicts", "depth of a million"]


@pytest.mark.parametrize("odd", [False, True], ids=["native", "long way"])
@pytest.mark.parametrize("name", [*TOO_LARGE, *TOO_DEEP])
def test_what_cannot_fit_is_refused_early_and_cheaply(
    heaps: dict[str, Any], name: str, odd: bool, caplog: pytest.LogCaptureFixture
) -> None:
    value = {"odd": Fraction(1, 3) if odd else None, "a": heaps[name]}
    reason, field = ("unserializable", "properties") if name in TOO_DEEP else ("event_too_large", "track")
    client = Kept()
    client.track("u", "E", {"odd": Fraction(1, 3)})  # what is imported at first use is no part of the price
    gc.collect()
    tracemalloc.start()
    started = time.perf_counter()
    taken = client.track("u", CANARY, value)
    seconds = time.perf_counter() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken is False
    assert client.stats().refused == {reason: 1}
    assert peak < 10 * LIMIT, f"{peak:,} bytes for an event of {LIMIT:,} at most"
    assert seconds < 1.0
    caplog.clear()
    check_refused(caplog, reason, field, lambda client: client.track("u", CANARY, value))


@pytest.mark.parametrize("kind", ["list", "dict", "tuple", "wide"])
@pytest.mark.parametrize("odd", [False, True], ids=["native", "long way"])
def test_what_holds_itself_is_refused(kind: str, odd: bool, caplog: pytest.LogCaptureFixture) -> None:
    value = {"odd": Fraction(1, 3) if odd else None, "a": getattr(Endless, kind)()}
    check_refused(caplog, "unserializable", "properties", lambda client: client.track("u", CANARY, value))


def test_a_default_without_an_end_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    check_refused(
        caplog,
        "unserializable",
        "properties",
        lambda client: client.track("u", CANARY, {"a": object()}),
        default=lambda value: [object()],
    )


@pytest.mark.parametrize("where", ["value", "key", "in a list", "in a set", "deep"])
def test_what_cannot_be_read_is_refused_without_its_words(where: str, caplog: pytest.LogCaptureFixture) -> None:
    odd = Unspeakable()
    value = {
        "value": {"a": odd},
        "key": {"a": {odd: 1}},
        "in a list": {"a": [1, odd]},
        "in a set": {"a": {odd}},
        "deep": {"a": [{"b": (odd,)}]},
    }[where]
    check_refused(caplog, "unserializable", "properties", lambda client: client.track("u", CANARY, value))


@pytest.mark.parametrize("field", ["traits", "context", "integrations"])
def test_the_field_that_is_wrong_is_the_one_that_is_named(field: str, caplog: pytest.LogCaptureFixture) -> None:
    check_refused(
        caplog, "unserializable", field, lambda client: client.identify(CANARY, **{field: {"a": Unspeakable()}})
    )


REPLACED = {
    "nan": (float("nan"), None, {"nonfinite": 1}),
    "infinity": (float("-inf"), None, {"nonfinite": 1}),
    "nan of decimal": (Decimal("nan"), None, {"nonfinite": 1}),
    "signalling nan of decimal": (Decimal("snan"), None, {"nonfinite": 1}),
    "infinity of decimal": (Decimal("-inf"), None, {"nonfinite": 1}),
    "nan inside a set inside a tuple": (({float("nan")},), [[None]], {"nonfinite": 1}),
    "lone surrogate": ("a\ud800b", "a\ufffdb", {"surrogate": 1}),
    "surrogates in a key": ({"\udc00\ud800": 1}, {"\ufffd\ufffd": 1}, {"surrogate": 2}),
    "309 digits": (10**308, "1" + "0" * 308, {"integer": 1}),
    "308 digits": (10**308 - 1, 10**308 - 1, {}),
    "a million digits": (1 << 3_400_000, "<int>", {"integer": 1}),
    "minus a million digits": (-1 << 3_400_000, "<int>", {"integer": 1}),
    "a huge decimal": (Decimal("1e999999999"), "1E+999999999", {}),
    "a tiny decimal": (Decimal("1e-999999999"), "1E-999999999", {}),
    "a precise decimal": (Decimal("0.1000000000000000000000000001"), "0.1000000000000000000000000001", {}),
    "minus zero": (-0.0, -0.0, {}),
    "subnormal": (5e-324, 5e-324, {}),
    "bytes that are no text": (b"\xff\xfe", "//4=", {}),
    "an object of a stranger": (Fraction(1, 3), "1/3", {}),
}


@pytest.mark.parametrize(("value", "arrives", "counted"), REPLACED.values(), ids=REPLACED)
def test_what_json_cannot_say_is_replaced_and_counted(
    value: Any, arrives: Any, counted: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    client = Kept(strict=True)
    started = time.perf_counter()
    assert client.track("u", "E", {"a": value}) is True
    assert time.perf_counter() - started < 1.0
    [event] = strict(client.memory.requests[0].body)["batch"]
    assert event["properties"] == {"a": arrives}
    assert repr(event["properties"]["a"]) == repr(arrives)
    assert client.stats().replaced == counted
    assert not caplog.records


def test_a_key_of_a_million_digits_is_replaced() -> None:
    client = Kept()
    assert client.track("u", "E", {"a": {1 << 3_400_000: 1}}) is True
    assert client.memory.events[0]["properties"] == {"a": {"<int>": 1}}


def test_a_small_stack_is_refused_and_counted() -> None:
    # Near the recursion limit the walk through Python meets it, and must neither raise nor lose count. Only where not
    # even the call itself has a frame left is the error the program's own.
    client = Kept()

    def dive(levels: int) -> bool:
        if levels:
            return dive(levels - 1)
        return client.track("u", "E", {"odd": Fraction(1, 3), "a": nested(60)})

    used = len(inspect.stack(0))
    answers: list[bool | None] = []
    for room in range(3, 400, 7):
        try:
            answers.append(dive(sys.getrecursionlimit() - used - room))
        except RecursionError:
            answers.append(None)
    stats = client.stats()
    assert answers.count(True) == stats.accepted > 10
    assert answers.count(False) == sum(stats.refused.values()) > 3
    assert set(stats.refused) <= {"unserializable", "internal"}
    assert answers.count(None) <= 3
    assert stats.pending == 0


def test_refusals_of_a_flood_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    client = Kept()
    for _ in range(1_000):
        client.track("u", "E", {"a": Unspeakable()})
        client.track("u", "", {"a": CANARY})
    assert client.stats().refused == {"unserializable": 1_000, "invalid": 1_000}
    assert len(caplog.records) == 2
    assert CANARY not in caplog.text


def test_nothing_shows_a_key_or_a_payload_when_everything_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = Kept(strict=True, on_error=lambda error, batch: told.append(repr(error) + repr(batch)))
        told: list[str] = []
        shown: list[str] = []
        for value in (Unspeakable(), Endless.list(), CANARY * 10_000, {CANARY: {CANARY * 5_000}}):
            with pytest.raises(InvalidEvent) as caught:
                client.track(CANARY, CANARY, {"a": value}, callback=lambda error, batch: told.append(repr(error)))
            shown += [str(caught.value), repr(caught.value), *map(str, caught.value.args)]
        shown += [*told, caplog.text, repr(client), str(client), repr(client.stats()), repr(client._options)]
    assert len(told) == 4
    for text in shown:
        assert CANARY not in text
        assert KEY not in text
