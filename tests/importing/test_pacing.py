"""The pace of events, on a clock of the test's own."""

from __future__ import annotations

import pytest

from sluiceway.importing.pacing import Pacer


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.oversleeps = 0.0
        self.stops = False

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds + self.oversleeps
        return self.stops


@pytest.mark.parametrize("rate", [0.5, 1, 7, 100, 1_000, 33_333])
@pytest.mark.parametrize("oversleeps", [0.0, 0.002])
def test_events_go_as_often_as_was_asked_and_never_before_their_time(rate: float, oversleeps: float) -> None:
    clock = Clock()
    clock.oversleeps = oversleeps
    pacer = Pacer(rate, clock.monotonic, clock.wait)
    gone = 0
    while clock.now < 160.0:
        assert pacer.wait_for(pacer.group)
        # A group's first event is due when all before it have had their time.
        assert gone / rate <= clock.now - 100.0 + 1e-6
        gone += pacer.group
    seconds = clock.now - 100.0
    assert gone == pytest.approx(seconds * rate, rel=0.01, abs=2 * pacer.group)
    # It sleeps, and not for every event.
    assert len(clock.slept) <= seconds * 20 + 1


def test_time_that_passed_unused_is_not_made_up_for() -> None:
    clock = Clock()
    pacer = Pacer(1_000, clock.monotonic, clock.wait)
    assert pacer.wait_for(50)
    clock.now += 3_600
    began, gone = clock.now, 0
    while clock.now < began + 10:
        pacer.wait_for(50)
        gone += 50
    assert gone <= 10_000 + 150


def test_a_wait_is_cut_short_when_everything_stops() -> None:
    clock = Clock()
    clock.stops = True
    pacer = Pacer(1, clock.monotonic, clock.wait)
    assert pacer.wait_for(1)
    clock.now += 0.1
    stopped = Pacer(1, clock.monotonic, clock.wait)
    assert stopped.wait_for(1)
    assert not stopped.wait_for(1)
