"""PostHog's own options, its defaults, its hosts and its key: what is taken, and what is refused in which words."""

from __future__ import annotations

import logging
import math
import traceback
from typing import Any

import pytest

from sluiceway.errors import ConfigError
from sluiceway.retry import RetryPolicy
from sluiceway.testing import MemoryTransport
from sluiceway.vendors.base import Sending, Vendor
from sluiceway.vendors.posthog import PostHog
from sluiceway.vendors.posthog_page import PATH_V1

KEY = "phc_canarycanarycanary7f3d"
SENDING = Sending(sent_at=0.0, created_at=0.0, attempt=1, request_id="r")


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTHOG_CAPTURE_MODE", raising=False)


def client(key: Any = KEY, **options: Any) -> PostHog:
    return PostHog(key, transport=MemoryTransport(), **options)


def url(**options: Any) -> str:
    return client(**options)._options.endpoint.url


def page(**options: Any) -> Vendor:
    return client(**options)._page


def refusal(key: Any = KEY, **options: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        client(key, **options)
    assert "canary" not in str(caught.value)
    return caught.value


def test_the_defaults_are_those_of_the_documents() -> None:
    options = client()._options
    assert options.endpoint.url == "https://us.i.posthog.com/batch/"
    assert (options.flush_at, options.flush_interval, options.flush_first) == (20, 10.0, True)
    assert (options.max_event_bytes, options.max_batch_bytes) == (921_600, 5_242_880)
    assert (options.max_batch_events, options.gzip) == (2_500, True)
    assert options.retry == RetryPolicy(retry_count=3, base_seconds=3.0, cap_seconds=30.0)


def test_none_is_the_default_of_every_option() -> None:
    names = ("capture_mode", "historical_migration", "disable_geoip", "super_properties", "host", "personal_api_key")
    transport = MemoryTransport()
    told = PostHog(KEY, transport=transport, **dict.fromkeys(names))  # type: ignore[arg-type]
    assert told._options == PostHog(KEY, transport=transport)._options
    assert told._page.path == "/batch/"


# -- hosts


@pytest.mark.parametrize(
    ("host", "mapped"),
    [
        *[
            (form.format(older), newer)
            for older, newer in {
                "app.posthog.com": "us.i.posthog.com",
                "us.posthog.com": "us.i.posthog.com",
                "eu.posthog.com": "eu.i.posthog.com",
                "us.i.posthog.com": "us.i.posthog.com",
                "eu.i.posthog.com": "eu.i.posthog.com",
            }.items()
            for form in ("https://{}", "https://{}/", "https://{}///", "{}", "{}/", "{}.", "HTTPS://{}", "{}:443")
        ],
        ("https://App.PostHog.com/batch/", "us.i.posthog.com"),
        ("https://app.posthog.com:8443/", "us.i.posthog.com:8443"),
        ("https://eu.i.posthog.com/batch", "eu.i.posthog.com"),
        ("https://posthog.example.com", "posthog.example.com"),
        ("https://app.posthog.com.example.com", "app.posthog.com.example.com"),
        ("https://my-app.posthog.com", "my-app.posthog.com"),
    ],
)
def test_older_hosts_are_mapped_in_every_form_and_others_are_not(host: str, mapped: str) -> None:
    assert url(host=host) == f"https://{mapped}/batch/"


def test_a_proxy_keeps_its_path() -> None:
    assert url(host="https://e.example.com/ingest") == "https://e.example.com/ingest/batch/"
    assert url(host="https://e.example.com/ingest", capture_mode="v1") == f"https://e.example.com/ingest{PATH_V1}"
    assert url(host="https://app.posthog.com/x") == "https://us.i.posthog.com/x/batch/"


def test_the_eu_by_name_and_by_url() -> None:
    assert url(region="eu") == url(host="https://eu.i.posthog.com") == "https://eu.i.posthog.com/batch/"
    assert url(region="us") == url()
    assert refusal(region="asia").field == "region"


@pytest.mark.parametrize("host", ["http://app.posthog.com", "", "https://key@app.posthog.com", 7])
def test_a_host_that_is_none_is_refused(host: Any) -> None:
    assert refusal(host=host).field == "host"


# -- capture_mode


@pytest.mark.parametrize("mode", ["v1", "V1", " v1 ", "analytics_v1"])
def test_v1_is_another_endpoint(mode: str) -> None:
    options = client(capture_mode=mode)._options
    assert options.endpoint.url == "https://us.i.posthog.com/i/v1/analytics/events"
    assert options.max_batch_events == 500


@pytest.mark.parametrize("mode", ["v0", "legacy", None])
def test_v0_is_the_default(mode: str | None) -> None:
    assert url(capture_mode=mode) == "https://us.i.posthog.com/batch/"


@pytest.mark.parametrize("mode", ["v2", "", "canary", 1, True])
def test_an_unknown_mode_is_refused(mode: Any) -> None:
    error = refusal(capture_mode=mode)
    assert (error.field, "'v0' or 'v1'" in error.message) == ("capture_mode", True)


@pytest.mark.parametrize("value", ["v1", "V1", " analytics_v1\n"])
def test_the_environment_says_the_mode_where_no_option_does(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("POSTHOG_CAPTURE_MODE", value)
    assert url().endswith(PATH_V1)
    assert url(capture_mode="v0").endswith("/batch/")


def test_a_mistyped_environment_does_not_change_the_protocol(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("POSTHOG_CAPTURE_MODE", "canary")
    with caplog.at_level(logging.WARNING, "sluiceway"):
        assert url().endswith("/batch/")
    [record] = caplog.records
    assert "POSTHOG_CAPTURE_MODE" in record.getMessage()
    assert "canary" not in record.getMessage()


# -- flags and properties


@pytest.mark.parametrize("name", ["historical_migration", "disable_geoip"])
@pytest.mark.parametrize("wrong", [0, 1, "true", []])
def test_flags_are_true_or_false(name: str, wrong: Any) -> None:
    assert refusal(**{name: wrong}).field == name


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_historical_migration_reaches_the_envelope(mode: str) -> None:
    for historical in (False, True):
        around = page(capture_mode=mode, historical_migration=historical).envelope("k", SENDING)
        assert (b'"historical_migration":true' in around.head + around.tail) is historical


def test_disable_geoip_reaches_every_call() -> None:
    for disable, sent in ((True, b"true"), (False, b"false"), (None, b"true")):
        vendor = page(disable_geoip=disable)
        assert {f.default for call in vendor.calls for f in call.fields if f.key == "$geoip_disable"} == {sent}


def test_super_properties_are_a_copy() -> None:
    shared = {"nested": {"a": [1]}}
    vendor = page(super_properties=shared)
    shared["nested"]["a"].append(2)
    assert [field.default for field in vendor.calls[0].fields if field.key == "nested"] == [b'{"a":[1]}']


@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_fifty_super_properties_fit_into_every_call(mode: str) -> None:
    posthog = client(capture_mode=mode, super_properties={str(number): number for number in range(50)}, strict=True)
    assert posthog.capture("E", distinct_id="u")
    assert posthog.identify("u", {"a": 1}, set_once={"b": 1}, anon_distinct_id="x")
    [first, second] = posthog._options.transport.events
    assert [event["properties"]["49"] for event in (first, second)] == [49, 49]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("canary", "must be a mapping with texts as keys, not str"),
        ([("a", 1)], "must be a mapping"),
        ({1: "a"}, "must be a mapping with texts as keys"),
        ({"a": object()}, "must be what JSON can hold"),
        ({str(number): number for number in range(51)}, "must be at most 50, not 51"),
        *[
            ({key: {}}, f"must not hold '{key}', which calls write themselves")
            for key in (
                *("$geoip_disable", "$groups", "$set", "$set_once", "$anon_distinct_id", "distinct_id", "alias"),
                *("$group_type", "$group_key", "$group_set", "$current_url", "$lib", "$lib_version"),
            )
        ],
    ],
)
def test_super_properties_that_cannot_be_are_refused(wrong: Any, told: str) -> None:
    error = refusal(super_properties=wrong)
    assert error.field == "super_properties"
    assert told in error.message


# -- limits and retries


@pytest.mark.parametrize(
    ("name", "mode", "most"),
    [
        ("max_batch_bytes", "v0", 20_000_000),
        ("max_batch_bytes", "v1", 10_485_760),
        ("max_batch_events", "v0", 16_777_215),
        ("max_batch_events", "v1", 500),
    ],
)
def test_limits_can_be_raised_to_those_of_the_server(name: str, mode: str, most: int) -> None:
    assert getattr(client(capture_mode=mode, **{name: most})._options, name) == most
    error = refusal(capture_mode=mode, **{name: most + 1})
    assert error.field == name
    assert f"{most:,}" in error.message


def test_an_event_may_be_as_large_as_a_batch_takes() -> None:
    assert client(max_event_bytes=1_000_000)._options.max_event_bytes == 1_000_000
    assert refusal(max_event_bytes=5_242_880).field == "max_event_bytes"


@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_retry_count_bounds_every_kind_of_retry(count: int) -> None:
    policy = client(retry_count=count)._options.retry
    assert (policy.max_counted(True), policy.max_counted(False)) == (count, count)


@pytest.mark.parametrize("wrong", [-1, 1.0, "3", True, math.inf])
def test_retry_count_is_a_number_from_0(wrong: Any) -> None:
    assert refusal(retry_count=wrong).field == "retry_count"


def test_at_once_is_allowed() -> None:
    options = client(flush_at=0, flush_interval=0)._options
    assert (options.flush_at, options.flush_interval) == (1, 0.0)


def test_milliseconds_are_asked_about() -> None:
    assert "milliseconds" in refusal(flush_interval=10_000).message


# -- the key, and options that are not ours


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("phx_canarycanarycanary", "personal"),
        ("phc_canary" + "x" * 55, "at most 64 characters"),
        ("", "must not be empty"),
        ("phc canary", "printable"),
        ("phc_canary\n", "printable"),
        (None, "must be a str"),
        (7, "must be a str"),
    ],
)
def test_a_key_that_posthog_would_refuse_is_refused(key: Any, told: str) -> None:
    error = refusal(key)
    assert error.field == "project_api_key"
    assert told in error.message


def test_a_key_of_64_characters_is_taken() -> None:
    assert repr(client("x" * 64)).startswith("<PostHog ***xxxx https://us.i.posthog.com")


@pytest.mark.parametrize("wrong", [{"capture_mode": "v9"}, {"flush_at": "20"}, {"personal_api_key": "phx_canary"}])
def test_no_frame_of_a_refusal_holds_the_bare_key(wrong: dict[str, Any]) -> None:
    try:
        PostHog(KEY, **wrong)  # type: ignore[arg-type]
    except ConfigError as error:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][1:]
        assert frames
        assert not any(value == KEY for frame in frames for value in frame.f_locals.values())
        assert not any(KEY in repr(frame.f_locals) for frame in frames)
    else:
        pytest.fail("was taken")


@pytest.mark.parametrize("name", ["personal_api_key", "secret_key", "feature_flags_polling_interval", "poll_interval"])
def test_options_of_feature_flags_are_refused_with_the_reason(name: str) -> None:
    error = refusal(**{name: "phx_canary"})
    assert (error.field, error.message) == (name, "is for feature flags, which this client does not evaluate")


@pytest.mark.parametrize("name", ["write_key", "max_queue_size", "flushAt", "debug", "data_plane_url"])
def test_an_unknown_option_is_refused(name: str) -> None:
    error = refusal(**{name: 1})
    assert (error.field, error.message) == (name, "is not an option")
