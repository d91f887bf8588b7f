"""Options: every wrong one is refused at construction, named, with its type or bare number and the range allowed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from sluiceway.errors import ConfigError
from sluiceway.options import GivenOptions, Options, resolve
from sluiceway.retry import RetryPolicy
from sluiceway.secret import Secret
from sluiceway.vendors.segment import SEGMENT

KEY = "canarycanarycanary7f3d"


def options(**given: Any) -> Options:
    return resolve(SEGMENT, KEY, given)


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLUICEWAY_EXIT_TIMEOUT", raising=False)


def test_the_defaults_are_those_of_the_table() -> None:
    resolved = options()
    assert resolved.endpoint.url == "https://api.segment.io/v1/batch"
    assert (resolved.flush_at, resolved.flush_interval, resolved.flush_first) == (20, 10.0, True)
    assert (resolved.max_event_bytes, resolved.max_batch_bytes, resolved.max_batch_events) == (32_768, 500_000, 2_500)
    assert (resolved.max_queue_events, resolved.max_queue_bytes) == (100_000, 64 * 1024 * 1024)
    assert (resolved.on_full, resolved.block_timeout) == ("drop_new", None)
    assert (resolved.timeout, resolved.connect_timeout, resolved.senders) == (15.0, 5.0, 1)
    assert (resolved.exit_timeout, resolved.install_sigterm) == (2.0, False)
    assert (resolved.enable, resolved.sync, resolved.strict, resolved.opt_out) == (True, False, False, False)
    assert (resolved.gzip, resolved.allow_http, resolved.ssl_context) == (False, False, None)
    assert resolved.retry == RetryPolicy()
    assert resolved.middleware == ()


def test_none_is_the_default_for_every_option() -> None:
    assert options(**dict.fromkeys(GivenOptions.__annotations__)) == options()


def test_every_option_reaches_the_resolved_ones() -> None:
    merged = {"host", "path", "region", "retry_count", "ca_certs", "trust_env", "spool_dir", "spool_max_bytes", "fsync"}
    not_given = {"write_key", "endpoint", "log_level"}
    assert set(GivenOptions.__annotations__) - merged == set(Options.__struct_fields__) - not_given


def test_the_key_is_wrapped_and_never_shown() -> None:
    resolved = options()
    assert resolved.write_key == Secret(KEY)
    assert "canary" not in repr(resolved)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("flush_at", -1, "must be an int from 0 to 16,777,215, not -1"),
        ("flush_at", 1.5, "not 1.5"),
        ("flush_at", True, "not bool"),
        ("flush_at", "20", "not str"),
        pytest.param("flush_at", 10**5000, "not int", id="huge"),
        ("flush_interval", -1, "from 0 to 3,600, not -1"),
        ("flush_interval", 10_000, "milliseconds"),
        ("flush_interval", 3_600.5, "milliseconds"),
        ("flush_interval", float("nan"), "not nan"),
        ("flush_interval", float("inf"), "not inf"),
        ("flush_interval", "canary", "not str"),
        ("flush_first", 1, "must be True or False, not 1"),
        ("max_event_bytes", 255, "not 255"),
        ("max_event_bytes", 500_000, "max_batch_bytes"),
        ("max_batch_bytes", 511, "not 511"),
        ("max_batch_events", 0, "not 0"),
        ("max_queue_events", 2**24, "to 16,777,215, not 16777216"),
        ("max_queue_bytes", 2**36 + 1, "to 68,719,476,736, not 68719476737"),
        ("max_queue_bytes", 1_000, "must hold one event"),
        ("on_full", "canary", "must be one of 'drop_new', 'drop_oldest', 'block', 'raise', not str"),
        ("on_full", ["drop_new"], "not list"),
        ("block_timeout", -1, "not -1"),
        ("retry", 3, "must be a RetryPolicy, not int"),
        ("retry_count", -1, "not -1"),
        ("timeout", 0, "not 0"),
        ("timeout", float("inf"), "not inf"),
        ("connect_timeout", None.__class__, "not type"),
        ("senders", 0, "not 0"),
        ("senders", 2, "to 1, not 2"),
        ("gzip", "yes", "not str"),
        ("exit_timeout", -0.5, "not -0.5"),
        ("install_sigterm", "canary", "not str"),
        ("transport", object(), "object"),
        ("enable", 0, "not 0"),
        ("sync", "canary", "not str"),
        ("strict", 2, "not 2"),
        ("opt_out", "canary", "not str"),
        ("default", "canary", "must be callable, not str"),
        ("middleware", len, "must be a list of functions, not builtin_function_or_method"),
        ("middleware", ["canary"], "not str"),
        ("on_delivery", "canary", "must be callable, not str"),
        ("on_error", 3, "must be callable, not 3"),
        ("ca_certs", 7, "not int"),
        ("ca_certs", "/canary/does/not/exist", "FileNotFoundError"),
        ("ssl_context", "canary", "not str"),
        ("allow_http", "canary", "not str"),
        ("host", "http://example.com", "https"),
        ("path", 7, "not int"),
        ("path", "/v1?canary", "plain path"),
        ("region", "canary", "must be one of 'us', 'eu', not str"),
    ],
)
def test_a_wrong_option_is_named_with_its_type_or_number_and_range(field: str, value: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(**{field: value})
    assert caught.value.field == field
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"flush_after is not an option"):
        options(flush_after=20)


@pytest.mark.parametrize("key", ["", "canary\n", "canary\x00", "canary key", "canary:", "canaryé", "canary\x7f"])
def test_a_doubtful_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ConfigError, match=r"^write_key") as caught:
        resolve(SEGMENT, key, {})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("key", [None, b"key", 7])
def test_a_key_of_another_type_is_refused(key: Any) -> None:
    with pytest.raises(ConfigError, match=type(key).__name__):
        resolve(SEGMENT, key, {})


def test_the_region_chooses_the_documented_host() -> None:
    assert options(region="eu").endpoint.url == "https://events.eu1.segmentapis.com/v1/batch"
    assert options(region="us").endpoint == options().endpoint


def test_a_region_and_a_host_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="together with host"):
        options(region="eu", host="https://example.com")


def test_a_path_of_ones_own() -> None:
    assert options(host="https://example.com", path="/collect").endpoint.url == "https://example.com/collect"


def test_http_elsewhere_needs_permission() -> None:
    assert options(host="http://example.com", allow_http=True).endpoint.scheme == "http"


def test_the_retry_count_is_part_of_the_policy() -> None:
    assert options(retry_count=0).retry.retry_count == 0
    assert options(retry=RetryPolicy(max_retries=2), retry_count=5).retry == RetryPolicy(max_retries=2, retry_count=5)


def test_the_exit_timeout_comes_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEWAY_EXIT_TIMEOUT", "0.5")
    assert options().exit_timeout == 0.5
    assert options(exit_timeout=3).exit_timeout == 3.0


@pytest.mark.parametrize("text", ["canary", "-1", "nan", "inf", "1e9"])
def test_a_wrong_exit_timeout_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SLUICEWAY_EXIT_TIMEOUT", text)
    with pytest.raises(ConfigError, match=r"^SLUICEWAY_EXIT_TIMEOUT") as caught:
        options()
    assert "canary" not in str(caught.value)


def test_middleware_must_not_be_async() -> None:
    async def later(event: dict[str, Any]) -> dict[str, Any]:
        return event

    class Later:
        async def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
            return event

    for step in (later, Later()):
        with pytest.raises(ConfigError, match="async"):
            options(middleware=[step])


def test_a_ca_bundle_becomes_a_context_that_verifies(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = options(ca_certs=tmp_path / "ca.pem").ssl_context
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_file_that_is_no_ca_bundle_is_refused_at_construction(tmp_path: Path) -> None:
    (tmp_path / "canary.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"^ca_certs") as caught:
        options(ca_certs=tmp_path / "canary.pem")
    assert "canary" not in str(caught.value)


def test_a_context_of_ones_own_and_a_ca_bundle_contradict_each_other(tmp_path: Path) -> None:
    context = ssl.create_default_context()
    assert options(ssl_context=context).ssl_context is context
    with pytest.raises(ConfigError, match="together with ssl_context"):
        options(ca_certs=tmp_path, ssl_context=context)


def test_an_event_of_the_limit_fits_a_batch_exactly() -> None:
    envelope = SEGMENT.envelope_bytes(KEY)
    assert options(max_event_bytes=1_000, max_batch_bytes=1_000 + envelope).max_event_bytes == 1_000
    with pytest.raises(ConfigError, match="max_event_bytes"):
        options(max_event_bytes=1_001, max_batch_bytes=1_000 + envelope)


def test_zero_means_at_once() -> None:
    """The documents write 0 for both where every event is to be sent at once."""
    given = options(flush_at=0, flush_interval=0)
    assert (given.flush_at, given.flush_interval) == (1, 0.0)
