"""The laws of delivery, whatever the vendor answers: a referee that knows no room of ours watches every request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sluiceway.retry import RetryPolicy
from sluiceway.stats import FlushResult
from sluiceway.transport import Request
from sluiceway.verdict import (
    Bisect,
    Delivered,
    Mixed,
    Named,
    Partial,
    Reject,
    Retry,
    Split,
    Throttled,
    Unauthorized,
    Verdict,
)

from .fakes import FakeBatch, FakeQueue, Rig, keeper

MAX_BATCH_EVENTS = 6
MAX_JOINED_BYTES = 60
MAX_LANE_EVENTS = 12
FOREVER = 10_000_000.0

# Mostly the same few: lanes that overlap in users and in devices.
USERS = st.sampled_from(["a", "a", "b", "c", ""])
DEVICES = st.sampled_from(["x", "x", "y", ""])
INDICES = st.frozensets(st.integers(-1, 6), max_size=3)
NAMED = st.builds(
    Named,
    indices=INDICES,
    users=st.frozensets(st.sampled_from(["a", "b", "c", "stranger", ""]), max_size=2),
    devices=st.frozensets(st.sampled_from(["x", "y", "stranger", ""]), max_size=1),
)
# Seldom over their quota: mostly they have to wait.
THROTTLED = st.builds(
    Throttled,
    failed=st.one_of(st.just(Named()), st.just(Named()), NAMED),
    later=st.one_of(NAMED, st.builds(Named, indices=INDICES)),
    seconds=st.sampled_from([0.0, 5.0, 30.0, 31.0]),
)
AT_ONCE = st.one_of(
    st.just(Delivered()),
    st.just(Split()),
    st.builds(Partial, failed=st.dictionaries(st.integers(-1, 6), st.just("rejected"), max_size=2)),
    THROTTLED,
    THROTTLED,
)
VERDICTS = st.one_of(
    AT_ONCE,
    AT_ONCE,
    AT_ONCE,
    st.builds(
        Retry,
        after=st.sampled_from([None, None, 0.0, 7.0]),
        counted=st.booleans(),
        endpoint=st.booleans(),
    ),
    st.just(Bisect()),
    st.tuples(INDICES, INDICES, st.sampled_from([None, 3.0])),
    st.just(Reject()),
    st.just(Unauthorized()),
)
"""A tuple stands for Mixed: which failed, which are wanted again, and after how many seconds."""


def parts_of(name: str) -> tuple[str, str, int]:
    user, device, number = name.split("/")
    return user, device, int(number)


def names_of(name: str) -> list[tuple[str, ...]]:
    user, device, _ = parts_of(name)
    return [("user", user), ("device", device), ("pair", user, device)]


class StrictQueue(FakeQueue):
    """A queue that takes no end twice, and notes what leaves it."""

    referee: Referee

    def settle(self, batch: FakeBatch, end: str, reason: str = "", /) -> int:
        count = super().settle(batch, end, reason)
        self.referee.demand(count == len(batch), "an event ended twice, or in a view that it had left")
        return count

    def next_batch(self, timeout: float | None, /) -> FakeBatch | None:
        batch = super().next_batch(timeout)
        if batch is not None:
            self.referee.came_out(batch.names)
        return batch


class Referee:
    """What a vendor could know and what it asked for, told in the simplest terms."""

    def __init__(self, ends: Mapping[str, str]) -> None:
        self.ends = ends
        self.now = 0.0
        self.out: list[str] = []
        self.until: dict[tuple[str, ...], float] = {}
        """Who was told to wait, and until when."""
        self.behind: dict[tuple[str, ...], set[str]] = {}
        """Events of theirs that no later event of theirs may overtake."""
        self.quiet_until = 0.0
        self.faults: list[str] = []
        """Not raised: what a transport or a judge raises, the sender survives."""

    def demand(self, law: bool, fault: str) -> None:
        if not law:
            self.faults.append(fault)

    def pending(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in self.ends]

    def waits(self, name: tuple[str, ...]) -> bool:
        return self.until.get(name, 0.0) > self.now or bool(self.pending(self.behind.get(name, ())))

    def came_out(self, names: Iterable[str]) -> None:
        for event in names:
            self.out.append(event)
            for name in filter(self.waits, names_of(event)):
                self.behind.setdefault(name, set()).add(event)

    def see(self, events: list[str], body_bytes: int) -> None:
        """Check a request."""
        self.demand(self.now >= self.quiet_until, "a request before the server's Retry-After had passed")
        self.demand(0 < len(events) <= MAX_BATCH_EVENTS, f"{len(events)} events in one request")
        self.demand(body_bytes <= MAX_JOINED_BYTES, f"{body_bytes} bytes in one request")
        self.demand(self.pending(events) == events, "something was sent that had ended")
        self.demand(len(set(events)) == len(events), "something was sent twice in one request")
        for place, event in enumerate(events):
            user, device, number = parts_of(event)
            before = set(events[:place])
            for name in names_of(event):
                self.demand(self.now >= self.until.get(name, 0.0), f"{name} was sent before its wait was over")
                for other in self.pending(self.behind.get(name, ())):
                    if parts_of(other)[2] < number:
                        self.demand(other in before, f"{event} overtook {other} of {name}")
            for other in self.pending(self.out):
                if parts_of(other)[:2] == (user, device) and parts_of(other)[2] < number:
                    self.demand(other in before, f"{event} overtook {other}")

    def note(self, events: list[str], verdict: Verdict) -> None:
        """Note what the answer asks for."""
        after = getattr(verdict, "after", None)
        if after is not None and (isinstance(verdict, Retry) or self.wanted_again(events, verdict)):
            self.quiet_until = self.now + after
        if isinstance(verdict, Throttled):
            until = self.now + max(verdict.seconds, 1.0)
            for name in self.thrown(events, verdict):
                self.until[name] = max(until, self.until.get(name, 0.0))
                self.behind.setdefault(name, set()).update(event for event in self.out if name in names_of(event))

    def wanted_again(self, events: list[str], verdict: Verdict) -> bool:
        return isinstance(verdict, Mixed) and any(
            event in verdict.again and event not in verdict.failed for event in events
        )

    @staticmethod
    def refused(events: list[str], verdict: Throttled) -> set[str]:
        return {event for index, event in enumerate(events) if is_named(verdict.failed, index, event)}

    def thrown(self, events: list[str], verdict: Throttled) -> set[tuple[str, ...]]:
        thrown: set[tuple[str, ...]] = set()
        refused = self.refused(events, verdict)
        for index, event in enumerate(events):
            user, device, _ = parts_of(event)
            by_user = {("user", user)} if user and user in verdict.later.users else set()
            by_device = {("device", device)} if device and device in verdict.later.devices else set()
            thrown |= by_user | by_device
            if index in verdict.later.indices and not by_user and not by_device and event not in refused:
                thrown.add(("pair", user, device))
        return thrown

    def names_anybody(self, events: list[str], verdict: Throttled) -> bool:
        return bool(self.refused(events, verdict) or self.thrown(events, verdict))


def is_named(named: Named, index: int, event: str) -> bool:
    user, device, _ = parts_of(event)
    return index in named.indices or bool(user and user in named.users) or bool(device and device in named.devices)


class Delivery(RuleBasedStateMachine):
    """Push, let time pass, flush, and answer as badly as a vendor can."""

    verdicts: st.SearchStrategy[Any] = VERDICTS
    policy = RetryPolicy(base_seconds=0.5, cap_seconds=4.0, max_retries=3, max_elapsed_seconds=600.0)

    @initialize()
    def begin(self) -> None:
        self.script: list[Any] = []
        self.told: Counter[str] = Counter()
        self.flushes: list[tuple[Any, int]] = []
        self.pushed: list[str] = []
        self.rig = Rig(
            judged_by=self.judge,
            policy=self.policy,
            inline=True,
            lanes=keeper(
                max_events=MAX_LANE_EVENTS, max_joined_bytes=MAX_JOINED_BYTES, max_batch_events=MAX_BATCH_EVENTS
            ),
            on_delivery=lambda report: self.told.update(report.ids),
            on_error=lambda error, report: self.told.update(report.ids),
        )
        self.referee = Referee(self.rig.queue.ends)
        self.rig.queue.__class__ = StrictQueue
        self.rig.queue.referee = self.referee  # type: ignore[attr-defined]
        self.rig.transport.default = self.respond
        self.sent: list[str] = []

    def respond(self, request: Request) -> int:
        self.sent = request.body.split(b"|")[1].decode().replace('"', "").split(",")
        self.referee.now = self.rig.clock.now
        self.referee.see(self.sent, len(request.body.split(b"|")[1]))
        return 200

    def judge(self, *_: Any, **__: Any) -> Verdict:
        verdict = self.wanted()
        self.referee.note(self.sent, verdict)
        return verdict

    def wanted(self) -> Verdict:
        verdict = self.script.pop(0) if self.script else Delivered()
        if isinstance(verdict, tuple):
            failed, again, after = verdict
            chosen = dict(enumerate(self.sent))
            verdict = Mixed(
                failed={chosen.get(index, "stranger"): "rejected" for index in failed},
                again=frozenset(chosen.get(index, "stranger") for index in again),
                after=after,
            )
        return verdict

    @rule(owners=st.lists(st.tuples(USERS, DEVICES), min_size=1, max_size=MAX_BATCH_EVENTS))
    def push(self, owners: list[tuple[str, str]]) -> None:
        first = len(self.pushed)
        names = [f"{user}/{device}/{first + place}" for place, (user, device) in enumerate(owners)]
        self.pushed += names
        self.rig.queue.push(*names)

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self.script += data.draw(st.lists(self.verdicts, min_size=1, max_size=6))

    @rule(seconds=st.sampled_from([0.0, 0.0, 1.0, 6.0, 29.0, 40.0]))
    def work(self, seconds: float) -> None:
        self.referee.now = self.rig.clock.now
        self.rig.worker.drain(self.rig.clock.now + seconds)
        self.referee.now = self.rig.clock.now

    @rule(seconds=st.sampled_from([0.5, 5.0, 30.0]))
    def sleep(self, seconds: float) -> None:
        self.rig.clock.pass_seconds(seconds)
        self.referee.now = self.rig.clock.now

    @rule()
    def flush(self) -> None:
        covered = len(self.pushed) - len(self.rig.queue.ends)
        self.flushes.append((self.rig.flushing.open(hurries=False), covered))

    @invariant()
    def pending_is_exact(self) -> None:
        if hasattr(self, "rig"):
            mark = self.rig.queue.position
            pending = self.rig.queue.count_before(mark) + self.rig.flushing.unsettled(mark)
            assert pending == len(self.pushed) - len(self.rig.queue.ends)

    @invariant()
    def no_law_was_broken(self) -> None:
        if hasattr(self, "rig"):
            assert not self.referee.faults

    @invariant()
    def lanes_keep_their_bound(self) -> None:
        if hasattr(self, "rig"):
            lanes = self.rig.desk.line._places.lanes
            assert sum(map(len, lanes.parcels)) <= MAX_LANE_EVENTS

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        self.end()
        rig = self.rig
        assert not self.referee.faults
        assert set(rig.queue.ends) == set(self.pushed), "not every event has ended"
        assert self.told == Counter(self.pushed), "not every event was told of once"
        assert sorted(rig.queue.released) == sorted(self.pushed)
        for flush, covered in self.flushes:
            result = rig.flushing.result(flush)
            assert result.pending == 0
            assert result.delivered + result.failed + result.dropped == covered
        reasons = {"delivered", *(f"failed.{reason}" for reason in self.may_fail_as), "dropped.throttled"}
        assert set(rig.queue.ends.values()) <= reasons

    may_fail_as = ("rejected", "unauthorized", "retries_exhausted", "expired")

    def end(self) -> None:
        self.rig.worker.drain(FOREVER)
        assert self.rig.desk.line.empty


class ClosedInTheMiddle(Delivery):
    """The same, closed while much is still to do."""

    may_fail_as = (*Delivery.may_fail_as, "shutdown")

    def end(self) -> None:
        pending = len(self.pushed) - len(self.rig.queue.ends)
        began = self.rig.clock.now
        late = {name for name, until in self.referee.until.items() if until > began + 3.0}
        waiting = [event for event in self.referee.pending(self.referee.out) if late.intersection(names_of(event))]
        result: FlushResult = self.rig.worker.close(began + 3.0)
        assert result.pending == 0
        assert result.delivered + result.failed + result.dropped == pending
        assert self.rig.clock.now <= began + 3.0
        assert {self.rig.queue.ends[event] for event in waiting} <= {"failed.shutdown", "dropped.throttled"}


class NobodyElseWaits(Delivery):
    """Where nothing fails but by name, whoever has not been told to wait is sent at once."""

    verdicts = AT_ONCE

    def wanted(self) -> Verdict:
        verdict = super().wanted()
        if isinstance(verdict, Throttled) and not self.referee.names_anybody(self.sent, verdict):
            return Delivered()  # else all wait, which is right and not the matter here
        return verdict

    @rule()
    def everybody_else_has_gone(self) -> None:
        self.work(0.0)
        slow = {name for name, until in self.referee.until.items() if until > self.rig.clock.now}
        # Who shares an event with a slow one stands behind it, and so on.
        pending = self.referee.pending(self.pushed)
        while True:
            held = [event for event in pending if slow.intersection(names_of(event))]
            wider = slow | {name for event in held for name in names_of(event) if self.referee.waits(name)}
            if wider == slow:
                break
            slow = wider
        assert pending == held, "somebody waits who was not asked to"


class OneSchedule(Delivery):
    """The same under a schedule of the user's, which counts every retry."""

    policy = RetryPolicy(delays=(0.1, 0.1, 2.0), max_rate_limited_seconds=60.0)


class NothingIsSentTwice(Delivery):
    """The same where nothing is to be sent again."""

    policy = RetryPolicy(delays=())

    def respond(self, request: Request) -> int:
        status = super().respond(request)
        seen = self.__dict__.setdefault("seen", set())
        self.referee.demand(not seen.intersection(self.sent), "something was sent twice")
        seen.update(self.sent)
        return status


_MANY = settings(max_examples=150, stateful_step_count=30, deadline=None)
_SOME = settings(_MANY, max_examples=75)
TestDelivery = Delivery.TestCase
TestDelivery.settings = _MANY
TestClosedInTheMiddle = ClosedInTheMiddle.TestCase
TestClosedInTheMiddle.settings = _MANY
TestNobodyElseWaits = NobodyElseWaits.TestCase
TestNobodyElseWaits.settings = _SOME
TestOneSchedule = OneSchedule.TestCase
TestOneSchedule.settings = _SOME
TestNothingIsSentTwice = NothingIsSentTwice.TestCase
TestNothingIsSentTwice.settings = _SOME
