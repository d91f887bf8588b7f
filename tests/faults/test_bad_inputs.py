"""A small run of the campaign of bad inputs; `make bad-inputs` makes a large one."""

from __future__ import annotations

import random

import pytest

from sluiceway import standing

from .bad_inputs import BASES, mutated, run
from .clients import VENDORS


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_answer_is_too_odd(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PROBE_SECONDS", 0.0)
    counts, wrong = run(150, 7, vendor)
    assert wrong == []
    assert counts["came_again"] >= 20
    assert counts["delivered"] >= 20


def test_the_answers_are_odd() -> None:
    draw = random.Random(1)
    drawn = {mutated(draw) for _ in range(1_000)}
    assert len(drawn) > 900
    assert len(drawn & set(BASES)) < 50
