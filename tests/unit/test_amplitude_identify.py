"""What is put together before it is sent: `Identify` with its ten operations and their rules, `Revenue`, and plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import pytest

from sluiceway.errors import InvalidEvent
from sluiceway.vendors.amplitude_identify import MAX_PROPERTY_KEYS, Identify
from sluiceway.vendors.amplitude_values import IngestionMetadata, Plan, Revenue

TEN: dict[str, tuple[Callable[[Identify], Identify], dict[str, Any]]] = {
    "set": (lambda one: one.set("k", "v"), {"$set": {"k": "v"}}),
    "set_once": (lambda one: one.set_once("k", "v"), {"$setOnce": {"k": "v"}}),
    "add": (lambda one: one.add("k", 1.5), {"$add": {"k": 1.5}}),
    "append": (lambda one: one.append("k", ["v"]), {"$append": {"k": ["v"]}}),
    "prepend": (lambda one: one.prepend("k", "v"), {"$prepend": {"k": "v"}}),
    "pre_insert": (lambda one: one.pre_insert("k", "v"), {"$preInsert": {"k": "v"}}),
    "post_insert": (lambda one: one.post_insert("k", "v"), {"$postInsert": {"k": "v"}}),
    "remove": (lambda one: one.remove("k", "v"), {"$remove": {"k": "v"}}),
    "unset": (lambda one: one.unset("k"), {"$unset": {"k": "-"}}),
    "clear_all": (lambda one: one.clear_all(), {"$clearAll": "-"}),
}
FOR_GROUPS = {"set", "set_once", "add", "append", "prepend", "unset"}


class Raising(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("a secret")

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("name", TEN)
def test_each_operation_has_its_word_on_the_wire(name: str) -> None:
    apply, wire = TEN[name]
    identify = Identify()
    assert apply(identify) is identify
    assert identify.user_properties == wire
    assert identify.ignored == ()


@pytest.mark.parametrize("name", TEN)
def test_groups_take_six_of_the_ten(name: str) -> None:
    apply, wire = TEN[name]
    identify = apply(Identify())
    assert identify.group_properties == (wire if name in FOR_GROUPS else {})
    assert identify.not_for_groups == (() if name in FOR_GROUPS else tuple(wire))


def test_operations_on_different_properties_stand_side_by_side() -> None:
    identify = Identify().set("a", 1).add("b", 2).set("c", [1, "x", True]).unset("d")
    assert identify.user_properties == {"$set": {"a": 1, "c": [1, "x", True]}, "$add": {"b": 2}, "$unset": {"d": "-"}}


@pytest.mark.parametrize("second", sorted(TEN.keys() - {"clear_all"}))
def test_of_two_operations_on_one_property_the_first_counts(second: str) -> None:
    identify = TEN[second][0](Identify().set("k", "first"))
    assert identify.user_properties == {"$set": {"k": "first"}}
    [ignored] = identify.ignored
    assert (ignored.operation, ignored.why) == (
        next(iter(TEN[second][1])),
        "is about a property that has an operation already",
    )


@pytest.mark.parametrize("after", sorted(TEN.keys() - {"clear_all"}))
def test_clear_all_takes_back_what_came_before_and_lets_nothing_come_after(after: str) -> None:
    identify = TEN[after][0](Identify().set("a", 1).set_group("org", "acme").clear_all())
    assert identify.user_properties == {"$clearAll": "-"}
    assert identify.groups == {}
    assert [ignored.why for ignored in identify.ignored] == ["comes after clear_all"]


@pytest.mark.parametrize("value", ["1", None, True, [1], {"a": 1}, float("nan"), float("inf"), 10**400, 1j])
def test_add_takes_a_number(value: Any) -> None:
    identify = Identify().add("k", value)
    assert identify.user_properties == {}
    assert [ignored.operation for ignored in identify.ignored] == ["$add"]


@pytest.mark.parametrize("value", [0, -3, 2.5, 2**70])
def test_add_takes_every_number(value: float) -> None:
    assert Identify().add("k", value).user_properties == {"$add": {"k": value}}


@pytest.mark.parametrize("key", [1, None, b"k", ("k",)])
@pytest.mark.parametrize("name", sorted(TEN.keys() - {"clear_all", "unset"}))
def test_the_name_of_a_property_is_a_text(name: str, key: Any) -> None:
    identify: Identify = getattr(Identify(), name)(key, 1)
    assert identify.user_properties == {}
    assert identify.ignored[0].why == f"the name of a property must be a str, not {type(key).__name__}"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "takes a value, not None"),
        (print, "takes text, numbers, bools, lists and mappings, not builtin_function_or_method"),
        ([1, [2]], "has a list inside a list"),
        ([1, (2,)], "has a list inside a list"),
        ({"a": [1, [2]]}, "has a list inside a list"),
        ([{"a": print}], "takes text, numbers, bools, lists and mappings, not builtin_function_or_method"),
        ({1: "a"}, "has a key that is no str, but int"),
        ({"a": {"b": {2: "c"}}}, "has a key that is no str, but int"),
        (dict.fromkeys(map(str, range(MAX_PROPERTY_KEYS + 1)), 1), "has a value with more than 1,000 keys"),
        ({"a": dict.fromkeys(map(str, range(MAX_PROPERTY_KEYS + 1)), 1)}, "has a value with more than 1,000 keys"),
        (Raising(), "raised RuntimeError while its value was read"),
    ],
)
@pytest.mark.parametrize("name", ["set", "set_once", "append", "prepend", "pre_insert", "post_insert", "remove"])
def test_a_value_that_amplitude_does_not_take_is_ignored(name: str, value: Any, why: str) -> None:
    identify: Identify = getattr(Identify().set("before", 1), name)("k", value)
    assert identify.user_properties == {"$set": {"before": 1}}
    assert [ignored.why for ignored in identify.ignored] == [why]


def test_a_value_that_holds_itself_is_ignored() -> None:
    value: dict[str, Any] = {}
    value["a"] = {"b": value}
    assert Identify().set("k", value).ignored[0].why == "has a value nested deeper than 64 levels"


@pytest.mark.parametrize(
    "value",
    [
        "",
        False,
        [],
        [{"a": 1}, "b"],
        {"a": None, "b": {"c": [1]}},
        dict.fromkeys(map(str, range(MAX_PROPERTY_KEYS)), 1),
        datetime(2026, 1, 1, tzinfo=timezone.utc),
    ],
)
def test_other_values_are_kept_as_they_are(value: Any) -> None:
    assert Identify().set("k", value).user_properties == {"$set": {"k": value}}


def test_an_ignored_operation_leaves_its_property_free() -> None:
    identify = Identify().add("k", "no number")  # type: ignore[arg-type]
    assert identify.add("k", 1).user_properties == {"$add": {"k": 1}}


def test_set_group_sets_the_property_and_the_group() -> None:
    identify = Identify().set_group("org", "acme").set_group("team", ["a", "b"]).set_group("org", "other")
    assert identify.user_properties == {"$set": {"org": "acme", "team": ["a", "b"]}}
    assert identify.groups == {"org": "acme", "team": ["a", "b"]}
    assert len(identify.ignored) == 1


def test_what_is_read_off_is_a_copy() -> None:
    identify = Identify().set("a", 1).set_group("org", "acme")
    identify.user_properties["$set"]["a"] = 2
    identify.groups["org"] = "other"
    identify.group_properties["$set"].clear()
    assert identify.user_properties == {"$set": {"a": 1, "org": "acme"}}
    assert identify.groups == {"org": "acme"}


def test_identify_user_is_the_event() -> None:
    identify = Identify().set("a", 1)
    assert identify.identify_user("USER_ID", "DEVICE_ID") == {
        "event_type": "$identify",
        "user_id": "USER_ID",
        "device_id": "DEVICE_ID",
        "user_properties": {"$set": {"a": 1}},
    }
    assert identify.identify_user(None, "DEVICE_ID").keys() == {"event_type", "device_id", "user_properties"}
    assert identify.set_group("org", "acme").identify_user("USER_ID")["groups"] == {"org": "acme"}


def test_identify_group_is_the_event_of_a_device_that_nobody_has() -> None:
    identify = Identify().set("a", 1).remove("b", 2)
    one, other = identify.identify_group("org", "acme"), identify.identify_group("org", "acme")
    assert one.pop("device_id") != other.pop("device_id")
    assert one == {
        "event_type": "$groupidentify",
        "groups": {"org": "acme"},
        "group_properties": {"$set": {"a": 1}},
    }


def test_its_repr_tells_no_property() -> None:
    assert repr(Identify().set("email", "a@b.c").set("x", 1).unset("y")) == "<Identify $set: 2, $unset: 1>"
    assert repr(Identify()) == "<Identify nothing>"


# -- Revenue


def test_a_revenue_has_its_words_on_the_wire() -> None:
    revenue = Revenue(3.99, 3, "sku", "refund", "receipt", "signature", {"color": "red"}, 12.0, "EUR")
    assert revenue.event_properties() == {
        "color": "red",
        "$productId": "sku",
        "$quantity": 3,
        "$price": 3.99,
        "$revenueType": "refund",
        "$receipt": "receipt",
        "$receiptSig": "signature",
        "$revenue": 12.0,
        "$currency": "EUR",
    }


@pytest.mark.parametrize(
    ("revenue", "properties"),
    [
        (Revenue(3.99), {"$quantity": 1, "$price": 3.99}),
        (Revenue(price=-3), {"$quantity": 1, "$price": -3}),
        (Revenue(revenue=10), {"$quantity": 1, "$revenue": 10}),
        (Revenue(1, properties={"$price": "theirs", "a": 1}), {"$quantity": 1, "$price": 1, "a": 1}),
    ],
)
def test_a_revenue_sends_what_it_was_given(revenue: Revenue, properties: dict[str, Any]) -> None:
    assert revenue.event_properties() == properties


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "price or revenue"),
        ({"price": "3.99"}, "price"),
        ({"price": True}, "price"),
        ({"price": float("nan")}, "price"),
        ({"price": 10**400}, "price"),
        ({"revenue": float("inf")}, "revenue"),
        ({"price": 1.0, "quantity": 0}, "quantity"),
        ({"price": 1.0, "quantity": -1}, "quantity"),
        ({"price": 1.0, "quantity": 1.0}, "quantity"),
        ({"price": 1.0, "quantity": True}, "quantity"),
        ({"price": 1.0, "quantity": None}, "quantity"),
        ({"price": 1.0, "product_id": 5}, "product_id"),
        ({"price": 1.0, "revenue_type": 5}, "revenue_type"),
        ({"price": 1.0, "receipt": b"x"}, "receipt"),
        ({"price": 1.0, "receipt_sig": 5}, "receipt_sig"),
        ({"price": 1.0, "currency": 5}, "currency"),
        ({"price": 1.0, "properties": [1]}, "properties"),
        ({"price": 1.0, "properties": Raising()}, "properties"),
    ],
)
def test_a_revenue_that_is_wrong_names_the_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvent) as raised:
        Revenue(**given).event_properties()
    assert raised.value.field == field


def test_a_revenue_does_not_change_the_callers_properties() -> None:
    properties = {"a": 1}
    Revenue(1.0, properties=properties).event_properties()["b"] = 2
    assert properties == {"a": 1}


# -- plans


def test_a_plan_has_its_words_on_the_wire() -> None:
    plan = Plan(branch="main", source="web", version="15", version_id="9ec23ba0")
    assert plan.entries() == {"branch": "main", "source": "web", "version": "15", "versionId": "9ec23ba0"}
    assert Plan(branch="main").entries() == {"branch": "main"}


def test_ingestion_metadata_has_its_words_on_the_wire() -> None:
    metadata = IngestionMetadata(source_name="ampli", source_version="2.0.0")
    assert metadata.entries() == {"source_name": "ampli", "source_version": "2.0.0"}
    assert IngestionMetadata().entries() == {}
