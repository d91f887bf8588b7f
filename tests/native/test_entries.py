"""Dicts of every making: the walk finds the entries that Python finds, in their order, and never one that is gone."""

from __future__ import annotations

import gc
import json
import sys
import sysconfig
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway import _native
from sluiceway._native import Field, Shape

from .clients import apart
from .engine import HARD, Engine

ANY = Engine(Shape(b"{", [Field("f", "any")]), max_event_bytes=8_000_000, max_batch_bytes=9_000_000)


def test_entries_are_read_where_they_lie_on_the_versions_it_was_tried_on() -> None:
    """The module compares both ways when it is imported; a wrong idea of a dict would leave it with the slow one."""
    has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
    assert _native.READS_DICTS is ((3, 11) <= sys.version_info < (3, 14) and has_gil)


def check(entries: dict[Any, Any]) -> None:
    """What arrives is what Python's own encoder makes of it."""
    assert ANY.push(entries) is True
    event = ANY.event()["f"]
    assert json.dumps(event) == json.dumps(entries)


@pytest.mark.parametrize(
    "length", [0, 1, 5, 6, 8, 10, 11, 21, 22, 43, 85, 86, 170, 171, 300, 700, 5_000, 45_000, 100_000]
)
def test_dicts_of_every_size(length: int) -> None:
    entries = {f"name {number}": number for number in range(length)}
    check(entries)
    check(dict(entries))
    check(entries.copy())
    check({**entries, "one": "more"})
    for number in range(0, length, 2):
        del entries[f"name {number}"]
    check(entries)
    entries["name 0"] = "again"
    check(entries)
    entries.clear()
    check(entries)


names = st.integers(0, 30).map(lambda number: f"name {number}")
changes = st.lists(
    st.tuples(st.sampled_from(["set", "delete", "pop", "clear", "update", "move", "default", "copy"]), names),
    max_size=60,
)


@settings(max_examples=300)
@given(changes)
def test_any_history_of_a_dict_leaves_what_python_sees(history: list[tuple[str, str]]) -> None:
    entries: dict[str, Any] = {}
    for turn, (change, name) in enumerate(history):
        if change == "set":
            entries[name] = turn
        elif change == "delete":
            entries.pop(name, None)
        elif change == "pop":
            if entries:
                entries.popitem()
        elif change == "clear":
            if turn % 5 == 0:
                entries.clear()
        elif change == "update":
            entries.update({f"{name} {index}": index for index in range(turn % 9)})
        elif change == "move":
            entries[name] = entries.pop(name, None)
        elif change == "default":
            entries.setdefault(name, turn)
        else:
            entries = dict(entries)
        check(entries)


class Plain:
    def __init__(self, **attributes: Any) -> None:
        self.a = 1
        self.b = "two"
        self.__dict__.update(attributes)


def test_the_dicts_of_instances() -> None:
    # Those of one class share their names; some have a table of their own after all.
    instances = [Plain(), Plain(c=3), Plain(**{f"name {number}": number for number in range(50)})]
    for instance in [*instances, SimpleNamespace(a=1, b=[])]:
        for _ in range(2):
            check(vars(instance))
            vars(instance)["late"] = None
            check(vars(instance))
            del vars(instance)["late"], instance.a
            check(vars(instance))
            instance.a = "again"
            check(vars(instance))


def test_the_dicts_of_calls_classes_and_modules() -> None:
    def keywords(**given_: Any) -> dict[str, Any]:
        return given_

    check(keywords())
    check(keywords(a=1, b={"c": keywords(d=2)}))
    check(dict.fromkeys("abcdef", 0))
    check({key: value for key, value in vars(Plain).items() if isinstance(value, str)})
    check(json.loads('{"a": {"b": {"c": [{}, {"d": null}]}}}'))
    check({"a": 1} | {"b": 2})


@pytest.mark.parametrize("key", [7, None, b"x", 1.5, (), "x".encode])
@pytest.mark.parametrize("at", [0, 3, 7])
def test_a_key_that_is_no_name_is_found_wherever_it_stands(key: Any, at: int) -> None:
    before = {f"name {number}": number for number in range(at)}
    entries = {**before, key: 1, **{f"later {number}": number for number in range(7 - at)}}
    assert ANY.push(entries) == HARD
    # A dict that has held such a key keeps its entries in another way ever after.
    del entries[key]
    check(entries)


def test_a_dict_that_changes_between_two_calls_is_read_anew() -> None:
    entries: dict[str, Any] = {}
    for number in range(2_000):
        entries[f"name {number % 400}"] = {"n": number}
        if number % 3 == 0:
            entries.pop(f"name {number * 7 % 400}", None)
        check(entries)


def test_a_uuid_is_read_whatever_became_of_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Python code may run inside a walk: it could change the dict that is being read."""
    value = uuid.UUID("0190163d-8694-739b-aea5-966c26f8ad91")
    entries = {"id": value, "after": 1}

    def run(_: object) -> int:
        entries.clear()
        gc.collect()
        return 7

    monkeypatch.setattr(uuid.UUID, "int", property(run))
    engine = Engine(Shape(b"{", [Field("f", "any"), Field("i", "id")]))
    assert engine.push(entries, value, message_id=value) is True
    monkeypatch.undo()
    batch = engine.batch()
    assert batch.ids == [str(value)]
    assert json.loads(batch.event(0))["f"] == {"id": str(value), "after": 1}
    assert json.loads(batch.event(0))["i"] == str(value)


def test_a_module_imported_after_its_class_was_changed_works() -> None:
    script = """
import uuid
number, own = uuid.UUID(int=7), uuid.UUID.int
uuid.UUID.int = property(lambda self: 1 / 0)
from sluiceway import _native
uuid.UUID.int = own
queue = _native.Queue([_native.Shape(b"{", [_native.Field("f", "any")])], max_queue_events=9, max_queue_bytes=99999,
    max_event_bytes=999, max_batch_bytes=9999, max_batch_events=9, envelope_bytes=0, flush_at=1, flush_interval=1.0,
    flush_first=False, drop_oldest=False)
print("hard" if queue.push(0, None, None, None, {"id": number}) == _native.HARD else "taken")
print("taken" if queue.push(0, None, None, None, {"n": 7}) in (True, _native.UNATTENDED) else "hard")
"""
    assert apart(script).split() == ["hard", "taken"]
