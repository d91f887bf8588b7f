"""The retry policy: pure arithmetic."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import ConfigError
from sluiceway.retry import GiveUp, History, RetryPolicy, Wait, parse_retry_after, plan

NOW = 1_767_225_600.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("abc", None),
        ("nan", None),
        ("inf", None),
        ("12 apples", None),
        ("٣", None),
        ("1" * 65, None),
        ("-5", 0.0),
        ("0", 0.0),
        ("2", 2.0),
        (" 2 ", 2.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e9", 300.0),
        ("1e999", 300.0),
        ("301", 300.0),
        (formatdate(NOW + 7, usegmt=True), 7.0),
        (formatdate(NOW - 7, usegmt=True), 0.0),
        (formatdate(NOW + 86_400, usegmt=True), 300.0),
        (formatdate(NOW + 7), 7.0),
        ("Thursday, 01-Jan-26 00:00:09 GMT", 9.0),
        ("Thu Jan  1 00:00:09 2026", 9.0),
        ("Thu, 99 Jan 2026 00:00:00 GMT", None),
        ("Thu, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_every_form_and_never_raises(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == (None if seconds is None else pytest.approx(seconds))


@given(st.text(max_size=80))
def test_retry_after_of_any_text_is_nothing_or_within_the_cap(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0.0 <= seconds <= 300.0


def test_back_off_doubles_to_its_cap_under_full_jitter() -> None:
    policy = RetryPolicy()
    assert [policy.backoff(retry, 1.0) for retry in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert policy.backoff(3, 0.25) == 1.0
    assert policy.backoff(5, 0.0) == 0.0
    assert policy.backoff(100_000, 1.0) == 60


def of(history: History | None = None, policy: RetryPolicy | None = None, **how: object) -> Wait | GiveUp:
    given = {"after": None, "counted": True, "endpoint": False, "jitter": 0.5, **how}
    return plan(policy or RetryPolicy(), history or History(), **given)  # type: ignore[arg-type]


def test_counted_retries_end_with_their_number() -> None:
    assert of(History(retries=9)) == Wait(seconds=30.0)
    assert of(History(retries=10)) == GiveUp(reason="retries_exhausted")


def test_an_outage_is_retried_until_the_time_is_up_not_the_number() -> None:
    assert isinstance(of(History(retries=500, elapsed_seconds=43_199.0), endpoint=True), Wait)
    assert of(History(retries=500, elapsed_seconds=43_200.0), endpoint=True) == GiveUp(reason="expired")


def test_a_retry_count_of_the_users_bounds_outages_too() -> None:
    policy = RetryPolicy(retry_count=3)
    assert isinstance(of(History(retries=2), policy, endpoint=True), Wait)
    assert of(History(retries=3), policy, endpoint=True) == GiveUp(reason="retries_exhausted")
    assert of(policy=RetryPolicy(retry_count=0), endpoint=True) == GiveUp(reason="retries_exhausted")


def test_retry_after_is_a_minimum_and_spends_no_retry() -> None:
    decision = of(History(retries=10), after=20.0, counted=False)
    assert isinstance(decision, Wait)
    assert 20.0 <= decision.seconds <= 22.0
    assert decision.asked_seconds == decision.seconds


def test_retry_after_is_capped_and_has_a_budget_of_its_own() -> None:
    decision = of(after=9_999.0, counted=False, jitter=0.0)
    assert decision == Wait(seconds=300.0, asked_seconds=300.0)
    assert isinstance(of(History(elapsed_seconds=99_999.0), after=1.0, counted=False), Wait)
    assert of(History(rate_limited_seconds=43_200.0), after=1.0, counted=False) == GiveUp(reason="expired")


def test_a_server_that_always_says_zero_is_not_asked_without_a_pause() -> None:
    assert of(after=0.0, counted=False, jitter=1.0) == Wait(seconds=0.0, asked_seconds=0.0)
    assert of(History(rate_limited=5), after=0.0, counted=False, jitter=1.0) == Wait(seconds=8.0, asked_seconds=8.0)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("max_retries", -1, "max_retries must be from 0 to 1_000_000, not -1"),
        ("max_retries", True, "max_retries must be an int, not bool"),
        ("retry_count", "3", "retry_count must be an int, not str"),
        ("base_seconds", None, "base_seconds must be a number of seconds, not NoneType"),
        ("cap_seconds", float("nan"), "cap_seconds must be from 0 to 86_400 seconds, not nan"),
        ("retry_after_cap_seconds", 301, "retry_after_cap_seconds must be from 0 to 300 seconds, not 301"),
    ],
)
def test_a_wrong_policy_names_field_and_type(field: str, value: object, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(**{field: value})  # type: ignore[arg-type]
    assert str(caught.value) == says


# -- a schedule of the user's


def test_a_schedule_is_kept_to_the_letter_for_every_kind_of_failure() -> None:
    policy = RetryPolicy(delays=(0.1, 0.1, 3), retry_count=50)
    for endpoint in (True, False):
        waits = [of(History(retries=retry), policy, endpoint=endpoint, jitter=0.9) for retry in range(4)]
        assert waits == [Wait(seconds=0.1), Wait(seconds=0.1), Wait(seconds=3.0), GiveUp(reason="retries_exhausted")]


def test_an_empty_schedule_is_no_retry_at_all_not_even_one_that_the_server_asks_for() -> None:
    policy = RetryPolicy(delays=())
    assert not policy.resends
    assert RetryPolicy(delays=(0.0,)).resends
    for how in ({}, {"after": 3.0, "counted": False}, {"counted": False}, {"endpoint": True}):
        assert of(policy=policy, **how) == GiveUp(reason="retries_exhausted")


def test_a_counted_retry_waits_for_its_back_off_and_for_what_the_server_asked() -> None:
    history = History(retries=3)
    assert of(history, after=1.0, jitter=0.5) == Wait(seconds=2.0, asked_seconds=1.05)
    assert of(history, after=30.0, jitter=0.0) == Wait(seconds=30.0, asked_seconds=30.0)
    assert of(history, RetryPolicy(delays=(9.0,) * 4), after=2.0, jitter=0.0) == Wait(seconds=9.0, asked_seconds=2.0)
    assert of(History(retries=10), after=1.0) == GiveUp(reason="retries_exhausted")


@pytest.mark.parametrize(
    ("delays", "says"),
    [
        ([0.1], "delays must be a tuple of seconds, not list"),
        (("1",), "delays must hold numbers of seconds, not str"),
        ((True,), "delays must hold numbers of seconds, not bool"),
        ((-0.1,), "delays must be from 0 to 86_400 seconds each, not -0.1"),
        ((float("nan"),), "delays must be from 0 to 86_400 seconds each, not nan"),
        ((0.1, 90_000), "delays must be from 0 to 86_400 seconds each, not 90000"),
        ((0.1,) * 1_001, "delays must have at most 1_000 entries, not 1_001"),
    ],
)
def test_a_wrong_schedule_says_what_is_wrong(delays: object, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RetryPolicy(delays=delays)  # type: ignore[arg-type]
    assert str(caught.value) == says
