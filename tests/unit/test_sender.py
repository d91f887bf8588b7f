"""One batch to its end: what each answer of the server does to the events, on a fake clock."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.hold import Hold
from sluiceway.parcel import Parcel, Rest, Stay
from sluiceway.retry import RetryPolicy
from sluiceway.vendors.base import Envelope, Owner, Sending
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

from .fakes import Rig, answer, keeper, lost

if TYPE_CHECKING:
    from sluiceway.errors import DeliveryError
    from sluiceway.report import BatchReport
    from sluiceway.transport import Request


def names(count: int) -> list[str]:
    return [f"e{index}" for index in range(count)]


def refusing(*bad: str, status: int = 400) -> Any:
    """A server that refuses every request with one of these events in it."""

    def respond(request: Request) -> int:
        sent = request.body.split(b"|")[1].decode().replace('"', "").split(",")
        return status if set(bad) & set(sent) else 200

    return respond


def test_a_delivered_batch_is_settled_and_released_once() -> None:
    rig = Rig(200)
    assert rig.carry("a", "b") == []
    assert rig.queue.ends == {"a": "delivered", "b": "delivered"}
    assert rig.queue.released == ["a", "b"]
    assert rig.transport.bodies == ["a,b"]
    assert rig.sender.progress.last_success == rig.clock.time()


def test_an_outage_is_outlasted_with_growing_waits_and_the_attempt_in_a_header() -> None:
    rig = Rig(lost(), 500, 503, 529, 502, 200, jitter=0.999)
    waits = rig.carry("a")
    assert waits == pytest.approx([0.4995, 0.999, 1.998, 3.996, 7.992])
    assert [request.headers.get("X-Retry-Count") for request in rig.transport.requests] == [
        None,
        "1",
        "2",
        "3",
        "4",
        "5",
    ]
    assert rig.queue.ends == {"a": "delivered"}


@pytest.mark.parametrize("jump", [-3_600.0, 3_600.0, 315_576_000.0, -1e9])
def test_row_68_a_jump_of_the_wall_clock_at_each_attempt_changes_no_wait_and_no_end(jump: float) -> None:
    def lived(jump: float) -> Any:
        rig = Rig(
            lost(), 500, answer(429, retry_after="7"), 503, answer(503, retry_after="400"), 502, 200, jitter=0.999
        )
        wall = rig.clock.time
        rig.clock.time = lambda: wall() + jump * len(rig.transport.requests)  # type: ignore[method-assign]
        return rig.carry("a"), rig.queue.ends, len(rig.transport.requests)

    assert lived(jump) == lived(0.0)
    assert lived(0.0)[2] == 7


def test_every_attempt_carries_its_own_moment() -> None:
    rig = Rig(500, 500, 200)
    rig.carry("a")
    moments = [float(request.body.split(b"|")[0]) for request in rig.transport.requests]
    assert moments == pytest.approx([rig.clock.time() - 0.75, rig.clock.time() - 0.5, rig.clock.time()])


def test_an_outage_of_twelve_hours_ends_as_expired() -> None:
    rig = Rig()
    rig.transport.default = 503
    waits = rig.carry("a")
    assert rig.queue.ends == {"a": "failed.expired"}
    assert 43_200 <= sum(waits) < 43_260
    assert rig.queue.released == ["a"]


def test_a_retry_count_of_the_users_bounds_an_outage() -> None:
    rig = Rig(policy=RetryPolicy(retry_count=3))
    rig.transport.default = 503
    rig.carry("a")
    assert len(rig.transport.requests) == 4
    assert rig.queue.ends == {"a": "failed.retries_exhausted"}


def test_what_is_the_batchs_own_affair_is_retried_ten_times() -> None:
    rig = Rig()
    rig.transport.default = 302
    rig.carry("a")
    assert len(rig.transport.requests) == 11
    assert rig.queue.ends == {"a": "failed.retries_exhausted"}


def test_retry_after_holds_the_sender_and_spends_no_retry() -> None:
    rig = Rig(*[answer(429, retry_after="2")] * 50, 200, policy=RetryPolicy(retry_count=0))
    waits = rig.carry("a")
    assert len(waits) == 50
    assert min(waits) >= 2.0
    assert waits[0] < 3.0
    assert rig.queue.ends == {"a": "delivered"}


def test_a_server_that_says_zero_again_and_again_is_asked_more_and_more_rarely() -> None:
    rig = Rig(*[answer(429, retry_after="0")] * 5, 200, jitter=0.999)
    assert rig.carry("a") == pytest.approx([0.4995, 0.999, 1.998, 3.996])


def test_waits_that_the_server_asked_for_have_a_budget_of_their_own() -> None:
    rig = Rig(policy=RetryPolicy(max_rate_limited_seconds=10.0), jitter=0.0)
    rig.transport.default = answer(429, retry_after="4")
    assert rig.carry("a") == [4.0, 4.0, 4.0]
    assert rig.queue.ends == {"a": "failed.expired"}


def test_waits_that_the_server_asked_for_do_not_use_up_the_time_for_an_outage() -> None:
    rig = Rig(*[answer(429, retry_after="300")] * 2, 500, 500, 500, 200, policy=RetryPolicy(max_elapsed_seconds=10.0))
    rig.carry("a")
    assert rig.queue.ends == {"a": "delivered"}


def test_retry_after_sets_a_hold_for_everything() -> None:
    rig = Rig(answer(503, retry_after="60"))
    batch = rig.queue.push("a")
    parcel = Parcel(batch)
    rig.sender.conclude(parcel, rig.sender.attempt(parcel))
    assert rig.sender.held_until >= rig.clock.now + 60
    assert parcel.asked_until >= rig.clock.now + 60


@pytest.mark.parametrize("status", [404, 422, 501, 505, 511])
def test_a_final_status_fails_at_once_and_was_not_sent(status: int) -> None:
    told: list[DeliveryError] = []
    rig = Rig(status, on_error=lambda error, batch: told.append(error), inline=True)
    assert rig.carry("a") == []
    rig.delivery.run_pending()
    assert rig.queue.ends == {"a": "failed.rejected"}
    assert [(error.reason, error.status, error.sent) for error in told] == [
        ("rejected", status, "no" if status in (404, 422, 501, 505) else "maybe")
    ]


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        ([lost("no")], "no"),
        ([lost("maybe", "timeout")], "maybe"),
        ([lost("maybe", "timeout"), lost("no")], "maybe"),
        ([500], "maybe"),
        ([503], "no"),
        ([429], "no"),
        ([302], "no"),
        ([500, 404], "maybe"),
    ],
)
def test_sent_is_no_only_when_nothing_left_or_the_server_refused_it(script: list[Any], sent: str) -> None:
    told: list[DeliveryError] = []
    policy = RetryPolicy(retry_count=len(script) - 1)
    rig = Rig(*script, policy=policy, on_error=lambda error, batch: told.append(error), inline=True)
    rig.carry("a")
    rig.delivery.run_pending()
    assert [error.sent for error in told] == [sent]


def test_a_413_splits_in_halves_in_order_down_to_one_event() -> None:
    rig = Rig(413, 413, 200, 413, 413, 200)
    rig.carry("a", "b", "c", "d")
    assert rig.transport.bodies == ["a,b,c,d", "a,b", "a", "b", "c,d", "c", "d"]
    assert rig.queue.ends == {"a": "delivered", "b": "failed.rejected", "c": "delivered", "d": "delivered"}
    assert sorted(rig.queue.released) == ["a", "b", "c", "d"]


def test_a_400_that_speaks_of_size_splits_too() -> None:
    rig = Rig(answer(400, b"Exceed payload limit"), 200, 200)
    rig.carry("a", "b")
    assert rig.transport.bodies == ["a,b", "a", "b"]


def big(name: str) -> list[str]:
    return [name + "x" * 40_000, name + "y" * 40_000]


def test_a_learned_ceiling_saves_the_refused_request_for_ten_seconds() -> None:
    rig = Rig(413)
    rig.carry(*big("a"))
    rig.carry(*big("b"))
    assert [len(body) > 50_000 for body in rig.transport.bodies] == [True, False, False, False, False]
    rig.clock.pass_seconds(11)
    rig.carry(*big("c"))
    assert len(rig.transport.bodies[-1]) > 50_000


def test_a_413_for_what_has_just_been_taken_teaches_nothing() -> None:
    rig = Rig(200, 413)
    for name in "abc":
        rig.carry(*big(name))
    assert [len(body) > 50_000 for body in rig.transport.bodies] == [True, True, False, False, True]


def test_a_413_for_a_small_batch_teaches_nothing() -> None:
    rig = Rig(413)
    rig.carry("a", "b")
    rig.carry("c", "d")
    assert rig.transport.bodies == ["a,b", "a", "b", "c,d"]


def test_one_poisoned_event_of_2500_fails_alone_within_24_requests() -> None:
    rig = Rig()
    rig.transport.default = refusing("e1234")
    rig.carry(*names(2_500))
    assert {name for name, end in rig.queue.ends.items() if end != "delivered"} == {"e1234"}
    assert rig.queue.ends["e1234"] == "failed.rejected"
    assert len(rig.transport.requests) <= 1 + 24


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), poisoned=st.sets(st.integers(0, 39), max_size=4))
def test_only_poisoned_events_fail(count: int, poisoned: set[int]) -> None:
    bad = {f"e{index}" for index in poisoned if index < count}
    rig = Rig()
    rig.transport.default = refusing(*bad)
    rig.carry(*names(count))
    assert {name for name, end in rig.queue.ends.items() if end == "failed.rejected"} == bad
    assert len(rig.queue.ends) == count


def test_a_server_that_refuses_everything_gets_65_requests_for_one_batch_and_one_for_the_next() -> None:
    rig = Rig()
    rig.transport.default = 400
    rig.carry(*names(2_500))
    assert len(rig.transport.requests) == 65
    assert set(rig.queue.ends.values()) == {"failed.rejected"}
    rig.carry("next", "batch")
    assert len(rig.transport.requests) == 66
    rig.transport.default = 200
    rig.carry("good")
    rig.transport.default = refusing("bad")
    rig.carry("bad", "fine")
    assert rig.queue.ends["fine"] == "delivered", "after a delivery the search is worth its requests again"


def test_a_small_batch_refused_event_by_event_stops_the_search_too() -> None:
    rig = Rig()
    rig.transport.default = 400
    rig.carry("a", "b", "c")
    assert rig.transport.bodies == ["a,b,c", "a", "b,c", "b", "c"]
    rig.carry("d", "e")
    assert rig.transport.bodies[5:] == ["d,e"]


def test_a_search_that_found_good_events_does_not_cost_those_of_the_next_batch() -> None:
    rig = Rig()
    rig.transport.default = refusing("e7", "n3")
    rig.carry(*names(8))  # the refused one is the last that the search comes to
    rig.carry("n0", "n1", "n2", "n3", "n4")
    assert {name for name, end in rig.queue.ends.items() if end != "delivered"} == {"e7", "n3"}


def test_a_search_goes_on_behind_events_that_are_all_refused() -> None:
    rig = Rig()
    rig.transport.default = refusing("e0", "e1", "e2", "e3", "e5")
    rig.carry(*names(8))
    assert [name for name, end in sorted(rig.queue.ends.items()) if end == "delivered"] == ["e4", "e6", "e7"]


def test_an_outage_inside_a_search_costs_the_search_nothing() -> None:
    rig = Rig(400, *[503] * 200)
    rig.transport.default = refusing("e3")
    rig.carry(*names(8))
    assert {name for name, end in rig.queue.ends.items() if end != "delivered"} == {"e3"}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_fails_the_batch_loudly_and_the_next_ones_unsent(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[DeliveryError] = []
    rig = Rig(on_error=lambda error, batch: told.append(error), inline=True)
    rig.transport.default = status
    with caplog.at_level(logging.DEBUG, "sluiceway"):
        for name in "abc":
            rig.carry(name)
    rig.delivery.run_pending()
    assert rig.queue.ends == dict.fromkeys("abc", "failed.unauthorized")
    assert rig.transport.bodies == ["a"]
    assert [error.reason for error in told] == ["unauthorized"] * 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "secret" not in caplog.text


def test_a_refused_key_is_probed_once_a_minute_until_it_passes() -> None:
    rig = Rig(401, 401, 200)
    for name, later in [("a", 0), ("b", 59), ("c", 2), ("d", 59), ("e", 2), ("f", 0)]:
        rig.clock.pass_seconds(later)
        rig.carry(name)
    assert rig.transport.bodies == ["a", "c", "e", "f"]
    assert [name for name, end in sorted(rig.queue.ends.items()) if end == "delivered"] == ["e", "f"]


def partly(**how: Any) -> Any:
    """A judge that gives one partial verdict, then delivers."""
    verdicts: list[Verdict] = [Partial(**how)]

    def judge(status: int, headers: Any, body: bytes, *, now: float) -> Verdict:
        return verdicts.pop() if verdicts else Delivered()

    return judge


def test_named_events_fail_and_the_others_go_at_once_and_spend_no_retry() -> None:
    failed = {0: "rejected", 3: "expired", 9: "rejected", -1: "rejected", 5: "rejected"}
    rig = Rig(judged_by=partly(failed=failed), policy=RetryPolicy(retry_count=0))
    assert rig.carry("a", "b", "c", "d", "e") == []
    assert rig.transport.bodies == ["a,b,c,d,e", "b,c,e"]
    assert rig.queue.ends == {"a": "failed.rejected", "d": "failed.expired", **dict.fromkeys("bce", "delivered")}


def test_a_partial_verdict_that_names_nobody_searches() -> None:
    rig = Rig(judged_by=partly(failed={7: "rejected"}))
    rig.carry("a", "b")
    assert rig.transport.bodies == ["a,b", "a", "b"]


def test_somebody_elses_transport_may_raise_anything(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(KeyError("user@example.com"), 200)
    rig.carry("a")
    assert rig.queue.ends == {"a": "delivered"}
    assert "KeyError" in caplog.text
    assert "example.com" not in caplog.text


def test_a_report_tells_ids_events_status_and_attempts() -> None:
    reports: list[BatchReport] = []
    rig = Rig(500, 200, on_delivery=reports.append, inline=True)
    rig.carry("a", "b")
    rig.delivery.run_pending()
    (report,) = reports
    assert (report.ids, report.events, report.status, report.attempts) == (["a", "b"], ["a", "b"], 200, 2)
    assert "a" not in repr(report).replace("BatchReport", "").replace("status", "").replace("attempts", "")


def test_nothing_is_logged_above_debug_for_a_retry(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(500, 429, lost(), 200)
    with caplog.at_level(logging.INFO, "sluiceway"):
        rig.carry("a")
    assert caplog.records == []


def test_an_attempt_ends_by_the_nearer_of_its_timeout_and_the_callers() -> None:
    rig = Rig(200, 200)
    rig.sender.attempt(Parcel(rig.queue.push("a")), until=rig.clock.now + 2)
    rig.sender.attempt(Parcel(rig.queue.push("b")), until=rig.clock.now + 99)
    assert [request.deadline - rig.clock.now for request in rig.transport.requests] == [2, 15]


def test_of_a_counted_retry_only_the_pause_that_the_server_asked_for_holds_everything() -> None:
    rig = Rig(judged_by=mixed(Retry(after=4.0, counted=True)), policy=RetryPolicy(base_seconds=40.0), jitter=0.5)
    rest, parcel = concluded(rig, "a")
    assert rest.line == [parcel]
    assert (parcel.due, parcel.asked_until) == pytest.approx((rig.clock.now + 20.0, rig.clock.now + 4.2))
    assert rig.sender.held_until == parcel.asked_until
    assert parcel.asked_seconds == pytest.approx(4.2)


def test_the_parts_of_a_batch_that_was_hurried_do_not_sit_out_its_wait() -> None:
    rig = Rig(413)
    parcel = Parcel(rig.queue.push("a", "b"))
    parcel.due = rig.clock.now + 50.0
    rest = rig.sender.conclude(parcel, rig.sender.attempt(parcel))
    assert [half.due for half in rest.line] == [0.0, 0.0]


# -- what stays the same over attempts, and what does not


def watched(*script: Any, **how: Any) -> tuple[Rig, list[Sending]]:
    """A rig that keeps what each attempt was to the page."""
    sendings: list[Sending] = []

    def headers(sending: Sending) -> dict[str, str]:
        sendings.append(sending)
        return {}

    return Rig(*script, attempt_headers=headers, **how), sendings


def test_retries_keep_their_request_id_and_their_first_moment() -> None:
    rig, sendings = watched(500, 503, 200)
    began = rig.clock.time()
    rig.carry("a")
    assert [sending.attempt for sending in sendings] == [1, 2, 3]
    assert {sending.created_at for sending in sendings} == {began}
    assert [sending.sent_at for sending in sendings] == [began, began + 0.25, began + 0.75]
    (request_id,) = {sending.request_id for sending in sendings}
    assert str(uuid.UUID(request_id)) == request_id
    assert uuid.UUID(request_id).version == 4


@pytest.mark.parametrize("verdict", [Split(), Bisect(), Partial({0: "rejected"})])
def test_other_events_are_another_request(verdict: Verdict) -> None:
    verdicts = [verdict]
    rig, sendings = watched(judged_by=lambda *_, **__: verdicts.pop() if verdicts else Delivered())
    rig.carry("a", "b", "c")
    assert [sending.attempt for sending in sendings] == [1] * len(sendings)
    assert len({sending.request_id for sending in sendings}) == len(sendings) > 1


def test_another_batch_is_another_request() -> None:
    rig, sendings = watched()
    rig.carry("a")
    rig.clock.pass_seconds(5)
    rig.carry("b")
    assert len({sending.request_id for sending in sendings}) == 2
    assert sendings[1].created_at == sendings[0].created_at + 5


def test_the_end_of_each_event_is_written_anew_and_reported_as_it_was_sent_last() -> None:
    reports: list[BatchReport] = []
    rig = Rig(500, 200, inline=True, on_delivery=reports.append)
    rig.sender._envelope = lambda sending: Envelope(b"|", b"|", b'%d"' % sending.attempt)
    rig.carry("ax", "bx")
    rig.delivery.run_pending()
    assert rig.transport.bodies == ["a1,b1", "a2,b2"]
    assert reports[0].events == ["a2", "b2"]


# -- taken in part


def mixed(*verdicts: Verdict) -> Any:
    """A judge that gives these verdicts, then delivers."""
    script = list(verdicts)
    return lambda *_, **__: script.pop(0) if script else Delivered()


def test_of_a_mixed_answer_each_event_has_its_own_end_and_only_some_go_again() -> None:
    verdict = Mixed(failed={"B": "rejected", "x": "rejected"}, again=frozenset(["c", "b", "y"]))
    rig, sendings = watched(judged_by=mixed(verdict, verdict))
    assert rig.carry("a", "b", "c", "d") == [0.25, 0.5]
    assert rig.transport.bodies == ["a,b,c,d", "c", "c"]
    assert rig.queue.ends == {"b": "failed.rejected", **dict.fromkeys("acd", "delivered")}
    assert [sending.attempt for sending in sendings] == [1, 2, 3]
    assert len({(sending.request_id, sending.created_at) for sending in sendings}) == 1


def test_what_a_mixed_answer_wants_again_is_counted_and_the_pause_is_a_minimum() -> None:
    verdict = Mixed(again=frozenset(["a"]), after=3.0)
    rig = Rig(judged_by=mixed(*[verdict] * 9), policy=RetryPolicy(retry_count=4, base_seconds=2.0), jitter=0.5)
    assert rig.carry("a", "b") == pytest.approx([3.15, 3.15, 4.0, 8.0])
    assert rig.queue.ends == {"a": "failed.retries_exhausted", "b": "delivered"}


def test_a_mixed_answer_is_a_success_for_the_endpoint_and_a_reason_of_the_vendors_becomes_ours() -> None:
    told: list[DeliveryError] = []
    rig = Rig(
        judged_by=mixed(Mixed(failed={"a": "event_restriction_drop"})),
        inline=True,
        on_error=lambda error, batch: told.append(error),
    )
    rig.carry("a", "b")
    rig.delivery.run_pending()
    assert rig.sender.progress.last_success == rig.clock.time()
    assert [(error.reason, error.message, error.sent) for error in told] == [
        ("rejected", "event_restriction_drop", "no")
    ]


def test_a_mixed_answer_that_names_nobody_delivers_all() -> None:
    rig = Rig(judged_by=mixed(Mixed(failed={"x": "rejected"}, again=frozenset(["y"]))))
    assert rig.carry("a", "b") == []
    assert set(rig.queue.ends.values()) == {"delivered"}


# -- throttled


def concluded(rig: Rig, *names: str) -> tuple[Rest, Parcel]:
    """Make one attempt with a batch and return what is left of it."""
    parcel = Parcel(rig.queue.push(*names))
    parcel.numbers = range(len(names))
    return rig.sender.conclude(parcel, rig.sender.attempt(parcel)), parcel


def test_who_is_throttled_has_to_wait_the_others_go_at_once_and_nobody_spends_a_retry() -> None:
    verdict = Throttled(failed=Named(users=frozenset(["w"])), later=Named(users=frozenset(["u"])), seconds=15.0)
    rig = Rig(judged_by=mixed(verdict), lanes=keeper(), policy=RetryPolicy(retry_count=0))
    rest, _ = concluded(rig, "u/d/0", "w/d/1", "v/d/2")
    assert rest.hold == Hold(frozenset({("user", "u")}), rig.clock.now + 15.0)
    (parcel,) = rest.line
    assert (parcel.batch.ids, parcel.due, parcel.retries) == (["u/d/0", "v/d/2"], 0.0, 0)
    assert rig.queue.ends == {"w/d/1": "failed.rejected"}
    assert rig.sender.held_until == 0.0


@pytest.mark.parametrize(
    ("seconds", "waited"), [(0.0, 1.0), (-5.0, 1.0), (float("nan"), 1.0), (9e9, 300.0), (7.0, 7.0)]
)
def test_a_throttled_user_waits_between_a_second_and_five_minutes(seconds: float, waited: float) -> None:
    rig = Rig(judged_by=mixed(Throttled(later=Named(indices=frozenset([0])), seconds=seconds)), lanes=keeper())
    rest, _ = concluded(rig, "u/d/0")
    assert rest.hold == Hold(frozenset({("pair", "u", "d")}), rig.clock.now + waited)


def test_a_throttled_answer_that_fits_nobody_makes_all_wait_as_an_outage_does() -> None:
    verdict = Throttled(later=Named(indices=frozenset([7]), users=frozenset(["stranger"])))
    rig = Rig(judged_by=mixed(verdict, verdict), lanes=keeper())
    rest, parcel = concluded(rig, "u/d/0")
    assert (rest.line, rest.hold) == ([parcel], None)
    assert (parcel.due, parcel.retries) == (rig.clock.now + 0.25, 1)


def test_where_no_lanes_are_everybody_waits() -> None:
    rig = Rig(judged_by=mixed(Throttled(later=Named(users=frozenset(["u"])), seconds=20.0)))
    assert rig.carry("u/d/0", "v/d/1") == [21.0]
    assert rig.transport.bodies == ["u/d/0,v/d/1"] * 2


def test_who_has_waited_in_a_lane_for_too_long_ends_as_expired() -> None:
    verdict = Throttled(later=Named(users=frozenset(["u"])))
    policy = RetryPolicy(max_rate_limited_seconds=60.0)
    rig = Rig(judged_by=mixed(verdict), lanes=keeper(), policy=policy)
    parcel = Parcel(rig.queue.push("u/d/0", "u/d/1", "v/d/2"))
    now = rig.clock.now
    since = [now - 60.0, now - 59.0, now - 999.0]
    parcel.stays = tuple(
        Stay(number, owner, began, 1)
        for number, (owner, began) in enumerate(zip([Owner("u"), Owner("u"), Owner("v")], since, strict=True))
    )
    rest = rig.sender.conclude(parcel, rig.sender.attempt(parcel))
    assert rig.queue.ends == {"u/d/0": "failed.expired"}
    assert [parcel.batch.ids for parcel in rest.line] == [["u/d/1", "v/d/2"]]


def test_a_search_for_a_poisoned_event_is_not_charged_for_who_is_throttled() -> None:
    rig = Rig(judged_by=mixed(Bisect(), Throttled(later=Named(users=frozenset(["u"])))), lanes=keeper())
    rest, _ = concluded(rig, "u/d/0", "u/d/1", "v/d/2", "v/d/3")
    first = rest.line[0]
    assert first.bisection is not None
    rig.sender.conclude(first, rig.sender.attempt(first))
    assert first.bisection.requests_left == 64


# -- a schedule of the user's


def test_a_schedule_is_kept_to_the_letter_and_then_everything_is_given_up() -> None:
    rig = Rig(policy=RetryPolicy(delays=(0.1, 0.1, 0.2, 3.2)), jitter=0.9)
    rig.transport.default = lost()
    assert rig.carry("a") == pytest.approx([0.1, 0.1, 0.2, 3.2])
    assert rig.queue.ends == {"a": "failed.retries_exhausted"}


@pytest.mark.parametrize(
    ("verdict", "ends"),
    [
        (Retry(), "xxx"),
        (Retry(after=5.0, counted=False), "xxx"),
        (Split(), "xxx"),
        (Bisect(), "xxx"),
        (Partial({1: "rejected"}), "xrx"),
        (Mixed(failed={"u/d/1": "rejected"}, again=frozenset(["u/d/2"])), "drx"),
        (Throttled(failed=Named(indices=frozenset([1])), later=Named(indices=frozenset([0]))), "xrx"),
        (Throttled(), "xxx"),
        (Delivered(), "ddd"),
        (Reject(), "rrr"),
    ],
)
def test_with_an_empty_schedule_nothing_is_ever_sent_again(verdict: Verdict, ends: str) -> None:
    rig = Rig(judged_by=mixed(verdict), policy=RetryPolicy(delays=()), lanes=keeper())
    assert rig.carry("u/d/0", "u/d/1", "u/d/2") == []
    assert len(rig.transport.requests) == 1
    words = {"d": "delivered", "r": "failed.rejected", "x": "failed.retries_exhausted"}
    assert rig.queue.ends == {f"u/d/{index}": words[end] for index, end in enumerate(ends)}


def test_with_an_empty_schedule_new_events_of_a_throttled_user_wait_all_the_same() -> None:
    rig = Rig(
        judged_by=mixed(Throttled(later=Named(users=frozenset(["u"])))), policy=RetryPolicy(delays=()), lanes=keeper()
    )
    rest, _ = concluded(rig, "u/d/0")
    assert rest.line == []
    assert rest.hold is not None


def test_with_an_empty_schedule_what_was_never_sent_is_sent_in_the_size_that_passes() -> None:
    rig = Rig(413, 200, 200, policy=RetryPolicy(delays=()))
    rig.carry(*big("a"))
    rig.carry(*big("b"))
    assert rig.queue.ends == {
        **dict.fromkeys(big("a"), "failed.retries_exhausted"),
        **dict.fromkeys(big("b"), "delivered"),
    }
    assert len(rig.transport.bodies) == 3


# -- on_retry


def told_retries(*script: Any, **how: Any) -> tuple[Rig, list[tuple[int, int, bool]]]:
    told: list[tuple[int, int, bool]] = []
    return Rig(*script, on_retry=lambda *args: told.append((args[0].status, *args[1:])), **how), told


def test_each_retry_is_told_the_success_included_and_the_first_send_never() -> None:
    rig, told = told_retries(500, lost(), 503, 200, policy=RetryPolicy(delays=(0.05, 0.1, 0.2)))
    rig.carry("a")
    assert told == [(0, 0, False), (503, 1, False), (200, 2, True)]
    rig.carry("b")
    assert len(told) == 3


def test_the_last_retry_is_told_as_the_last_though_it_fails() -> None:
    for policy in (RetryPolicy(delays=(0.1, 0.1)), RetryPolicy(retry_count=2)):
        rig, told = told_retries(policy=policy)
        rig.transport.default = 429
        rig.carry("a")
        assert told == [(429, 0, False), (429, 1, True)]


def test_without_a_number_no_retry_is_known_to_be_the_last() -> None:
    rig, told = told_retries(503, 503, 200)
    rig.carry("a")
    assert told == [(503, 0, False), (200, 1, False)]


def test_what_is_no_back_off_of_ours_is_not_told() -> None:
    rig, told = told_retries(413, answer(429, retry_after="1"), 200, 200)
    rig.carry("a", "b")
    assert told == []


def test_what_a_mixed_answer_wants_again_is_a_retry_and_an_attempt_without_a_request_is_none() -> None:
    rig, told = told_retries(judged_by=mixed(Mixed(again=frozenset(["a"])), Unauthorized()))
    rig.carry("a", "b")
    rig.carry("c")
    assert told == [(200, 0, False)]
    assert rig.transport.bodies == ["a,b", "a"]
