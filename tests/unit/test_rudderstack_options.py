"""RudderStack's own options: the data plane URL in every printed form, the log level, sizes up to the server's."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from sluiceway import ConfigError, RudderStack
from sluiceway.options import Options
from sluiceway.testing import MemoryTransport
from sluiceway.vendors.rudderstack_page import RUDDERSTACK

KEY = "canarycanarycanary7f3d"
URL = "https://hosted.rudderlabs.com"


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("sluiceway")
    was = logger.level
    yield logger
    logger.setLevel(was)


def client(url: Any = URL, **options: Any) -> RudderStack:
    return RudderStack(KEY, url, transport=MemoryTransport(), **options)


def options(url: Any = URL, **given: Any) -> Options:
    return client(url, **given)._options


def test_the_defaults_are_the_pages() -> None:
    resolved = options()
    assert (resolved.flush_at, resolved.flush_interval, resolved.flush_first) == (20, 10.0, True)
    assert (resolved.max_event_bytes, resolved.max_batch_bytes) == (32_768, 4_096_000)
    assert (resolved.max_batch_events, resolved.gzip, resolved.enable) == (2_500, True, True)
    assert resolved.retry == RUDDERSTACK.retry


@pytest.mark.parametrize(
    ("printed", "url"),
    [
        ("https://hosted.rudderlabs.com", "https://hosted.rudderlabs.com/v1/batch"),
        ("https://hosted.rudderlabs.com/", "https://hosted.rudderlabs.com/v1/batch"),
        ("https://hosted.rudderlabs.com///", "https://hosted.rudderlabs.com/v1/batch"),
        ("https://hosted.rudderlabs.com/v1", "https://hosted.rudderlabs.com/v1/batch"),
        ("https://hosted.rudderlabs.com/v1/batch", "https://hosted.rudderlabs.com/v1/batch"),
        ("https://hosted.rudderlabs.com/v1/batch/", "https://hosted.rudderlabs.com/v1/batch"),
        ("https://hosted.rudderlabs.com//v1//batch//", "https://hosted.rudderlabs.com/v1/batch"),
        ("hosted.rudderlabs.com", "https://hosted.rudderlabs.com/v1/batch"),
        ("hosted.rudderlabs.com/v1/batch", "https://hosted.rudderlabs.com/v1/batch"),
        ("https://example.com/rudder", "https://example.com/rudder/v1/batch"),
        ("https://example.com/rudder/v1/batch", "https://example.com/rudder/v1/batch"),
        ("https://example.com:8443/v1/batch", "https://example.com:8443/v1/batch"),
        ("http://localhost:8080", "http://localhost:8080/v1/batch"),
    ],
)
def test_every_form_of_a_data_plane_url_means_its_batch_address(printed: str, url: str) -> None:
    assert options(printed).endpoint.url == url


def test_another_path_replaces_the_batch_path() -> None:
    assert options("https://example.com/proxy", path="/collect").endpoint.url == "https://example.com/proxy/collect"


def test_the_url_is_required() -> None:
    assert inspect.signature(RudderStack).parameters["data_plane_url"].default is inspect.Parameter.empty
    with pytest.raises(TypeError, match="data_plane_url"):
        RudderStack(KEY)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, "is required"),
        ("", "must not be empty"),
        (7, "not int"),
        ("DATA_PLANE_URL / v1 / batch", "spaces"),
        ("https://user:canary@example.com", "a user name or a password"),
        ("http://example.com", "must be https"),
        ("https://example.com?canary", "a query"),
    ],
)
def test_a_wrong_url_is_told_under_its_own_name_and_not_repeated(url: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        client(url)
    assert caught.value.field == "data_plane_url"
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["host", "region"])
def test_what_would_contradict_the_url_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="data_plane_url says where") as caught:
        client(**{name: "eu"})
    assert caught.value.field == name
    assert options(**{name: None}).endpoint == options().endpoint


def test_another_wrong_option_keeps_its_name() -> None:
    with pytest.raises(ConfigError, match=r"^flush_at must be an int"):
        client(flush_at="20")
    with pytest.raises(ConfigError, match=r"^data_plane is not an option"):
        client(data_plane=URL)


@pytest.mark.parametrize("key", [None, "", "canary key", "canary:"])
def test_a_doubtful_key_is_refused_without_repeating_it(key: Any) -> None:
    with pytest.raises(ConfigError, match=r"^write_key") as caught:
        RudderStack(key, URL)
    assert "canary" not in str(caught.value)


def test_no_frame_of_a_failing_constructor_holds_the_bare_key() -> None:
    with pytest.raises(ConfigError) as caught:
        client("http://example.com")
    ours = [
        frame for frame, _ in traceback.walk_tb(caught.value.__traceback__) if "tests" not in frame.f_code.co_filename
    ]
    assert [frame.f_code.co_name for frame in ours][:1] == ["__init__"]
    assert all(KEY not in repr(value) for frame in ours for value in frame.f_locals.values())


def test_an_event_may_be_as_large_as_the_servers_body() -> None:
    around = RUDDERSTACK.envelope_bytes(KEY)
    assert options(max_event_bytes=1_000_000).max_event_bytes == 1_000_000
    assert options(max_event_bytes=4_096_000).max_event_bytes == 4_096_000 - around
    assert options(max_event_bytes=4_096_000 - around).max_event_bytes == 4_096_000 - around
    assert options(max_event_bytes=50_000, max_batch_bytes=50_000).max_event_bytes == 50_000 - around
    with pytest.raises(ConfigError, match=r"within max_batch_bytes \(4,096,000\)"):
        client(max_event_bytes=4_096_001)


def test_an_event_of_the_largest_size_is_one_body_of_exactly_the_servers_limit() -> None:
    transport = MemoryTransport()
    with RudderStack(KEY, URL, transport=transport, max_event_bytes=4_096_000) as largest:
        assert largest.track("u", "E", {"fill": ""})
        fill = 4_096_000 - len(transport.requests[0].body)
        assert largest.track("u", "E", {"fill": "x" * fill})
        assert not largest.track("u", "E", {"fill": "x" * (fill + 1)})
        assert largest.stats().refused == {"event_too_large": 1}
    assert len(transport.requests[1].body) == 4_096_000


@pytest.mark.parametrize(
    ("level", "least"),
    [("log", 1), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40), ("none", 51), (None, 0)],
)
def test_a_documented_log_level_is_the_least_that_the_client_logs(level: Any, least: int) -> None:
    assert options(log_level=level).log_level == least


def test_a_log_level_silences_this_client_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sluiceway")
    loud, errors, silent = client(), client(log_level="error"), client(log_level="none")
    for each in (errors, silent):
        assert each.track("u") is False
    assert caplog.records == []
    assert loud.track("u") is False
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("level", ["verbose", "INFO", 20, True])
def test_another_log_level_is_refused(level: Any) -> None:
    with pytest.raises(ConfigError, match=r"^log_level must be one of 'log', 'debug', 'info', 'warn', 'error', 'none'"):
        client(log_level=level)
