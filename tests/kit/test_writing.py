"""The copied assertion: a whole test that passes when the same event comes again, whatever stands in the event."""

from __future__ import annotations

import ast
import keyword
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kit import events as made

from sluiceway.testing import CapturedEvents, assertion_for
from sluiceway.testing.assertions import done, fill
from sluiceway.testing.captured import VENDORS, captured


def replay(text: str, vendor: str, *events: Any) -> None:
    """Run the text as a test in which these events are sent."""
    namespace: dict[str, Any] = {"__name__": "copied"}
    exec(compile(text, "copied", "exec"), namespace)
    [test] = [value for name, value in namespace.items() if name.startswith("test_")]
    collection = CapturedEvents()
    for event in events:
        collection.add(captured(vendor, event))
    fill(collection)
    try:
        test(collection)
    finally:
        done(collection)


def holds_only_a_call_with_literals(text: str) -> None:
    """Whatever the event says, the text has one shape: imports, and a function that calls one assertion."""
    *imports, function = ast.parse(text).body
    assert all(isinstance(each, ast.ImportFrom) for each in imports)
    assert isinstance(function, ast.FunctionDef)
    assert re.fullmatch("test_[a-z0-9_]+", function.name)
    assert not keyword.iskeyword(function.name)
    ellipsis, asserts = function.body
    assert isinstance(ellipsis, ast.Expr)
    assert isinstance(asserts, ast.Expr)
    call = asserts.value
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    assert call.func.id.startswith("assert_")
    for value in (*call.args, *(each.value for each in call.keywords)):
        is_literal(value)


def is_literal(node: ast.expr) -> None:
    if isinstance(node, ast.Dict):
        for each in (*node.keys, *node.values):
            assert each is not None
            is_literal(each)
    elif isinstance(node, ast.List):
        for each in node.elts:
            is_literal(each)
    elif isinstance(node, ast.UnaryOp):
        assert isinstance(node.op, ast.USub)
        assert isinstance(node.operand, ast.Constant)
    elif isinstance(node, ast.Call):
        assert ast.unparse(node) in ("float('nan')", "float('inf')", "float('-inf')")
    elif isinstance(node, ast.Name):
        assert node.id == "ANY"
    else:
        assert isinstance(node, ast.Constant)


@pytest.mark.parametrize("vendor", VENDORS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_same_event_passes_the_copied_test(vendor: str, data: st.DataObject) -> None:
    event = data.draw(made.by_vendor[vendor])
    text = assertion_for(vendor, event)
    holds_only_a_call_with_literals(text)
    replay(text, vendor, {"type": "track", "event": "Another"}, event)


@pytest.mark.parametrize("vendor", VENDORS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(event=made.broken)
def test_what_is_no_event_of_the_vendors_is_written_as_well(vendor: str, event: dict[str, Any]) -> None:
    text = assertion_for(vendor, event)
    holds_only_a_call_with_literals(text)
    replay(text, vendor, event)


@pytest.mark.parametrize("hostile", made.HOSTILE)
@pytest.mark.parametrize("vendor", VENDORS)
def test_no_text_gets_out_of_its_quotes(vendor: str, hostile: str) -> None:
    wire = {
        "segment": {"type": "track", "event": hostile, "userId": hostile, "properties": {hostile: [hostile]}},
        "posthog": {"event": hostile, "distinct_id": hostile, "properties": {hostile: {hostile: hostile}}},
        "amplitude": {"event_type": hostile, "user_id": hostile, "event_properties": {hostile: hostile}},
    }
    event = wire.get(vendor, wire["segment"])
    text = assertion_for(vendor, event)
    holds_only_a_call_with_literals(text)
    text.encode()  # also a lone surrogate is written out
    replay(text, vendor, event)


@pytest.mark.parametrize("vendor", VENDORS)
def test_another_event_fails_the_copied_test(vendor: str) -> None:
    def event(revenue: float) -> dict[str, Any]:
        return {
            "segment": {"type": "track", "event": "Sold", "userId": "u", "properties": {"revenue": revenue}},
            "posthog": {"event": "Sold", "distinct_id": "u", "properties": {"revenue": revenue}},
            "amplitude": {"event_type": "Sold", "user_id": "u", "event_properties": {"revenue": revenue}},
        }.get(vendor) or {"type": "track", "event": "Sold", "userId": "u", "properties": {"revenue": revenue}}

    text = assertion_for(vendor, event(39.95))
    replay(text, vendor, event(39.95))
    with pytest.raises(AssertionError, match=r"expected: 39\.95"):
        replay(text, vendor, event(36.0))


def test_what_differs_from_run_to_run_is_left_out() -> None:
    text = assertion_for(
        "posthog",
        {
            "event": "Sold",
            "distinct_id": "u",
            "uuid": "0197-ID",
            "timestamp": "2026-01-01T00:00:00Z",
            "properties": {"$lib": "sluiceway", "$lib_version": "9.9", "$geoip_disable": True, "revenue": 1},
        },
    )
    assert text == (
        "from sluiceway.testing import assert_tracked\n"
        "\n"
        "\n"
        "def test_sold(sluiceway_events) -> None:\n"
        "    ...  # what sends the event\n"
        "\n"
        "    assert_tracked('Sold', user_id='u', properties={'revenue': 1})\n"
    )


def test_a_long_event_is_written_over_several_lines() -> None:
    items = [{"sku": f"sku-{number}", "price": number + 0.5, "tags": ["a", "b"]} for number in range(4)]
    event = {"type": "track", "event": "Order Completed", "userId": "user-1", "properties": {"items": items}}
    text = assertion_for("segment", event)
    assert max(map(len, text.splitlines())) <= 102
    assert "def test_order_completed(" in text
    replay(text, "segment", event)


def test_a_made_up_owner_is_left_out() -> None:
    event = {"event": "Seen", "distinct_id": "0197", "properties": {"$process_person_profile": False}}
    assert "0197" not in assertion_for("posthog", event)
    event = {"event_type": "$groupidentify", "device_id": "made-up", "groups": {"company": "acme"}}
    assert "made-up" not in assertion_for("amplitude", event)


def test_what_is_nested_too_deep_for_a_literal_is_anything() -> None:
    nested: Any = "core"
    for _ in range(3_000):
        nested = [nested]
    event = {"type": "track", "event": "Deep", "userId": "u", "properties": {"nested": nested}}
    text = assertion_for("segment", event)
    assert "ANY" in text
    replay(text, "segment", event)


def test_values_that_are_not_json_do_not_reach_the_text() -> None:
    class Evil(str):
        __slots__ = ()

        def __repr__(self) -> str:
            return "__import__('os').abort()"

    class Odd:
        def __repr__(self) -> str:
            return "__import__('os').abort()"

    event = {"type": "track", "event": Evil("x"), "userId": Evil("u"), "properties": {Evil("k"): Odd(), "n": Evil("v")}}
    text = assertion_for("segment", event)
    assert "abort" not in text
    holds_only_a_call_with_literals(text)


def test_a_vendor_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="vendor must be one of"):
        assertion_for("mixpanel", {})


@pytest.mark.parametrize("number", [10**5000, -(10**5000)], ids=["long", "negative"])
def test_an_integer_longer_than_python_prints_is_written(number: int) -> None:
    event = {"type": "track", "event": "Long", "userId": "u", "properties": {"n": number}}
    text = assertion_for("segment", event)
    assert "0x" in text
    replay(text, "segment", event)
