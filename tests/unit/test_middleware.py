"""Row 63: middleware fails closed: whatever goes wrong, the event as it was is not sent."""

from __future__ import annotations

from typing import Any

import pytest

from sluiceway.middleware import MiddlewareFault, run

CANARY = "canary-of-the-payload"


def test_functions_run_in_order_each_on_the_answer_before() -> None:
    def first(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "seen": [*event["seen"], 1]}

    def second(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "seen": [*event["seen"], 2]}

    assert run([first, second], {"seen": []}) == {"seen": [1, 2]}


def test_no_middleware_leaves_the_event_alone() -> None:
    event = {"a": 1}
    assert run([], event) is event


def test_none_drops_the_event_and_later_functions_do_not_run() -> None:
    def later(event: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("ran after a drop")

    assert run([lambda event: None, later], {}) is None


def test_an_exception_drops_the_event_and_hides_the_payload() -> None:
    def broken(event: dict[str, Any]) -> dict[str, Any]:
        raise ValueError(CANARY)

    with pytest.raises(MiddlewareFault) as caught:
        run([broken], {"secret": CANARY})
    assert "broken raised ValueError" in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("answer", [True, "text", [("a", 1)], 7, object()])
def test_an_answer_of_another_type_drops_the_event(answer: object) -> None:
    with pytest.raises(MiddlewareFault, match=type(answer).__name__):
        run([lambda event: answer], {})  # type: ignore[list-item, return-value]


def test_an_interrupt_goes_through() -> None:
    def interrupted(event: dict[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([interrupted], {})


def test_a_fault_names_an_object_by_its_type() -> None:
    class Step:
        def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
            raise RuntimeError

    with pytest.raises(MiddlewareFault, match="Step raised RuntimeError"):
        run([Step()], {})
