"""Amplitude's own options: what each does, what it may be, and which contradict each other."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sluiceway.errors import ConfigError
from sluiceway.options import resolve
from sluiceway.retry import RetryPolicy
from sluiceway.secret import Secret
from sluiceway.testing import MemoryTransport
from sluiceway.transport import Response
from sluiceway.vendors.amplitude import Amplitude
from sluiceway.vendors.amplitude_options import AmplitudeOptions, read
from sluiceway.vendors.amplitude_page import AMPLITUDE, BATCH_LIMITS, LIMITS, envelope
from sluiceway.vendors.amplitude_values import IngestionMetadata, Plan
from sluiceway.vendors.base import Sending, Vendor

SENDING = Sending(sent_at=0.0, created_at=0.0, attempt=1, request_id="")


class Handler:
    def send_events_with_retry(self, events: list[dict[str, Any]], /) -> Response:
        return Response(status=200)


def page(**given: Any) -> Vendor:
    return read(given)[1]


def general(**given: Any) -> Any:
    """The general options as they are in force."""
    _, variant, rest = read(given)
    return resolve(variant, Secret("key"), rest)


# -- the defaults of the documents


def test_the_defaults_are_the_documented_ones() -> None:
    options = Amplitude("key").get_options()
    assert {name: options[name] for name in options if name != "retry_timeouts"} == {
        "server_url": "https://api2.amplitude.com/2/httpapi",
        "use_batch": False,
        "debug": False,
        "log_level": "none",
        "max_cached_events": 16_000,
        "opt_out": False,
        "retry_class": None,
        "transport_class": None,
        "upload_interval_in_sec": 0.0,
        "min_id_length": None,
        "on_retry": None,
        "request_timeout_millis": 10_000.0,
        "plan": None,
        "ingestion_metadata": None,
    }
    # Not the documented twelve waits: an outage of thirteen seconds must not cost an event.
    assert options["retry_timeouts"] is None
    in_force = general()
    assert (in_force.flush_at, in_force.flush_interval, in_force.flush_first) == (1_999, 0.0, False)
    assert in_force.max_queue_events == 100_000
    assert in_force.retry == RetryPolicy(max_retries=12, base_seconds=0.1, cap_seconds=30.0)
    assert page().lanes.max_events == 16_000  # type: ignore[union-attr]


def test_none_is_the_default_of_every_option() -> None:
    nothing = dict.fromkeys(AmplitudeOptions.__annotations__)
    client = Amplitude("key", **nothing)  # type: ignore[arg-type]
    assert client.get_options() == Amplitude("key").get_options()


def test_get_options_never_shows_the_key() -> None:
    assert "a-secret-key" not in repr(Amplitude("a-secret-key").get_options())


# -- where requests go

V2, BATCH = "https://api2.amplitude.com/2/httpapi", "https://api2.amplitude.com/batch"
V2_EU, BATCH_EU = "https://api.eu.amplitude.com/2/httpapi", "https://api.eu.amplitude.com/batch"


@pytest.mark.parametrize(
    ("given", "url", "is_batch"),
    [
        ({}, V2, False),
        ({"use_batch": False}, V2, False),
        ({"use_batch": True}, BATCH, True),
        ({"server_zone": "US"}, V2, False),
        ({"server_zone": "EU"}, V2_EU, False),
        ({"region": "eu"}, V2_EU, False),
        ({"server_zone": "EU", "use_batch": True}, BATCH_EU, True),
        ({"region": "eu", "use_batch": True}, BATCH_EU, True),
        ({"server_url": V2}, V2, False),
        ({"server_url": BATCH}, BATCH, True),
        ({"server_url": V2_EU}, V2_EU, False),
        ({"server_url": BATCH_EU}, BATCH_EU, True),
        ({"server_url": BATCH + "/"}, BATCH, True),
        ({"server_url": "api.eu.amplitude.com/batch"}, BATCH_EU, True),
        ({"server_url": BATCH, "use_batch": True}, BATCH, True),
        ({"server_url": V2, "use_batch": False}, V2, False),
        # A proxy's address is taken as it is; one without a path is completed.
        ({"server_url": "https://proxy.example.com/events"}, "https://proxy.example.com/events", False),
        ({"server_url": "https://proxy.example.com:8443/a/batch"}, "https://proxy.example.com:8443/a/batch", True),
        (
            {"server_url": "https://proxy.example.com/e", "use_batch": True},
            "https://proxy.example.com/e",
            True,
        ),
        ({"server_url": "https://proxy.example.com"}, "https://proxy.example.com/2/httpapi", False),
        ({"server_url": "https://proxy.example.com/", "use_batch": True}, "https://proxy.example.com/batch", True),
        ({"server_url": "http://127.0.0.1:8080/2/httpapi"}, "http://127.0.0.1:8080/2/httpapi", False),
        ({"server_url": "http://[::1]:8080"}, "http://[::1]:8080/2/httpapi", False),
        (
            {"server_url": "http://proxy.example.com/x", "allow_http": True},
            "http://proxy.example.com/x",
            False,
        ),
        # A host is completed, as for every vendor.
        ({"host": "api.eu.amplitude.com"}, V2_EU, False),
        ({"host": V2_EU}, V2_EU, False),
        ({"host": BATCH_EU}, BATCH_EU, True),
        ({"host": "https://api.eu.amplitude.com", "use_batch": True}, BATCH_EU, True),
        ({"host": "https://proxy.example.com/a"}, "https://proxy.example.com/a/2/httpapi", False),
        ({"path": "/batch"}, BATCH, True),
        ({"host": "https://proxy.example.com", "path": "/x"}, "https://proxy.example.com/x", False),
    ],
)
def test_an_address_in_every_form(given: dict[str, Any], url: str, is_batch: bool) -> None:
    assert general(**given).endpoint.url == url
    assert page(**given).limits == (BATCH_LIMITS if is_batch else LIMITS)
    assert read(given)[0].use_batch is is_batch


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"server_url": 5}, "server_url"),
        ({"server_url": ""}, "server_url"),
        ({"server_url": "ftp://api2.amplitude.com"}, "server_url"),
        ({"server_url": "http://api2.amplitude.com/batch"}, "server_url"),
        ({"server_url": "https://user:hunter2@proxy.example.com"}, "server_url"),
        ({"server_url": V2 + "?a=b"}, "server_url"),
        ({"host": "http://api2.amplitude.com/batch"}, "host"),
        ({"server_zone": "eu"}, "server_zone"),
        ({"server_zone": "APAC"}, "server_zone"),
        ({"region": "EU"}, "region"),
        ({"use_batch": "yes"}, "use_batch"),
        ({"use_batch": 1}, "use_batch"),
        ({"server_url": V2, "use_batch": True}, "use_batch"),
        ({"server_url": BATCH, "use_batch": False}, "use_batch"),
        ({"host": BATCH, "use_batch": False}, "use_batch"),
        ({"server_url": V2, "host": "api2.amplitude.com"}, "host"),
        ({"server_url": V2, "path": "/batch"}, "path"),
        ({"server_url": V2, "server_zone": "EU"}, "server_zone"),
        ({"server_url": V2, "region": "eu"}, "region"),
        ({"host": "api2.amplitude.com", "server_zone": "EU"}, "server_zone"),
        ({"region": "eu", "server_zone": "EU"}, "server_zone"),
    ],
)
def test_a_wrong_address_is_refused_and_not_repeated(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Amplitude("key", **given)
    assert raised.value.field == field
    assert "hunter2" not in str(raised.value)


# -- one option at a time


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"request_timeout": 2}, "timeout", 2.0),
        ({"request_timeout_millis": 2500}, "timeout", 2.5),
        ({"timeout": 3}, "timeout", 3.0),
        ({"upload_interval_in_sec": 10}, "flush_interval", 10.0),
        ({"upload_interval_in_sec": 0}, "flush_interval", 0.0),
        ({"flush_interval_millis": 500}, "flush_interval", 0.5),
        ({"flush_interval": 0.25}, "flush_interval", 0.25),
        ({"max_cached_events": 200}, "flush_at", 200),
        ({"max_cached_events": 20_000}, "flush_at", 1_999),
        ({"max_cached_events": 20_000, "use_batch": True}, "flush_at", 2_000),
        ({"max_cached_events": 20_000, "flush_at": 5}, "flush_at", 5),
        ({"flush_queue_size": 200}, "flush_at", 200),
        ({"flush_at": 0}, "flush_at", 1),
        ({"opt_out": True}, "opt_out", True),
        ({"retry_timeouts": [100, 100, 250.5]}, "retry", RetryPolicy(delays=(0.1, 0.1, 0.2505))),
        ({"retry_timeouts": (0,)}, "retry", RetryPolicy(delays=(0.0,))),
        ({"retry_timeouts": []}, "retry", RetryPolicy(delays=())),
        ({"retry": RetryPolicy()}, "retry", RetryPolicy()),
        ({"retry_count": 2}, "retry", RetryPolicy(max_retries=12, base_seconds=0.1, cap_seconds=30.0, retry_count=2)),
        (
            {"flush_max_retries": 2},
            "retry",
            RetryPolicy(max_retries=12, base_seconds=0.1, cap_seconds=30.0, retry_count=2),
        ),
        ({"log_level": "none"}, "log_level", logging.CRITICAL + 1),
        ({"log_level": "error"}, "log_level", logging.ERROR),
        ({"log_level": "warn"}, "log_level", logging.WARNING),
        ({"log_level": "verbose"}, "log_level", logging.NOTSET),
        ({"debug": True}, "log_level", logging.WARNING),
        ({"debug": True, "log_level": "error"}, "log_level", logging.ERROR),
        ({"debug": False}, "log_level", logging.CRITICAL + 1),
    ],
)
def test_an_option_does_what_it_says(given: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(general(**given), name) == value


def test_a_transport_is_used_under_both_names() -> None:
    for name in ("transport", "transport_class"):
        transport = MemoryTransport()
        assert Amplitude("key", **{name: transport}).track("E", user_id="user-1")  # type: ignore[arg-type]
        assert len(transport.events) == 1


def test_a_retry_handler_and_on_retry_are_on_the_page() -> None:
    handler, told = Handler(), []
    assert page(retry_class=handler).retry_handler is handler
    assert page(on_retry=told.append).on_retry == told.append
    assert page().retry_handler is None
    assert page().on_retry is None


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"min_id_length": 0}, "from 1 to 1,024"),
        ({"min_id_length": 1_025}, "from 1 to 1,024"),
        ({"min_id_length": 5.0}, "an int"),
        ({"min_id_length": True}, "an int"),
        ({"plan": "main"}, "Plan or a mapping"),
        ({"plan": {"brnach": "main"}}, "branch, source, version, versionId"),
        ({"plan": {"version": 15}}, "only texts"),
        ({"plan": IngestionMetadata()}, "Plan or a mapping"),
        ({"ingestion_metadata": []}, "IngestionMetadata or a mapping"),
        ({"ingestion_metadata": {"source": "a"}}, "source_name, source_version"),
        ({"opt_out": "yes"}, "True or False"),
        ({"debug": 1}, "True or False"),
        ({"log_level": "WARN"}, "'none', 'error', 'warn', 'verbose'"),
        ({"log_level": 2}, "'none', 'error', 'warn', 'verbose'"),
        ({"request_timeout": 0}, "from 0.001 to 3,600"),
        ({"request_timeout": 10_000}, "were milliseconds meant by 10000?"),
        ({"request_timeout": "10"}, "a number of seconds"),
        ({"request_timeout_millis": 0}, "from 1 to 3,600,000"),
        ({"request_timeout_millis": float("nan")}, "milliseconds"),
        ({"request_timeout_millis": True}, "milliseconds"),
        ({"upload_interval_in_sec": -1}, "from 0 to 3,600"),
        ({"upload_interval_in_sec": 10_000}, "were milliseconds meant by 10000?"),
        ({"flush_interval_millis": -1}, "milliseconds from 0"),
        ({"max_cached_events": 0}, "from 1"),
        ({"max_cached_events": 1.5}, "an int"),
        ({"flush_queue_size": 0}, "from 1"),
        ({"flush_max_retries": -1}, "from 0"),
        ({"retry_timeouts": 100}, "a list"),
        ({"retry_timeouts": "100"}, "a list"),
        ({"retry_timeouts": [100, -1]}, "milliseconds from 0"),
        ({"retry_timeouts": [100, None]}, "milliseconds from 0"),
        ({"retry_timeouts": [True]}, "milliseconds from 0"),
        ({"retry_timeouts": [3_600_001]}, "milliseconds from 0 to 3,600,000"),
        ({"retry_timeouts": [1] * 1_001}, "at most 1,000"),
        ({"on_retry": 5}, "callable"),
        ({"retry_class": Handler}, "an object, not a class"),
        ({"retry_class": MemoryTransport()}, "send_events_with_retry"),
        ({"transport_class": MemoryTransport}, "an object, not a class"),
        ({"transport_class": Handler()}, "send and close"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(given: dict[str, Any], allowed: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Amplitude("key", **given)
    assert raised.value.field == next(iter(given))
    assert allowed in str(raised.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"timeout": 1}, {"request_timeout": 1}),
        ({"timeout": 1}, {"request_timeout_millis": 1}),
        ({"request_timeout": 1}, {"request_timeout_millis": 1}),
        ({"flush_interval": 1}, {"upload_interval_in_sec": 1}),
        ({"upload_interval_in_sec": 1}, {"flush_interval_millis": 1}),
        ({"flush_at": 1}, {"flush_queue_size": 1}),
        ({"retry": RetryPolicy()}, {"retry_timeouts": []}),
        ({"retry_count": 1}, {"retry_timeouts": []}),
        ({"flush_max_retries": 1}, {"retry_timeouts": []}),
        ({"retry_count": 1}, {"flush_max_retries": 1}),
        ({"transport": MemoryTransport()}, {"transport_class": MemoryTransport()}),
        ({"retry_class": Handler()}, {"retry_timeouts": []}),
        ({"retry_class": Handler()}, {"retry": RetryPolicy()}),
        ({"retry_class": Handler()}, {"retry_count": 1}),
        ({"retry_class": Handler()}, {"flush_max_retries": 1}),
        ({"retry_class": Handler()}, {"on_retry": print}),
        ({"retry_class": Handler()}, {"transport": MemoryTransport()}),
        ({"retry_class": Handler()}, {"transport_class": MemoryTransport()}),
    ],
)
def test_two_options_for_one_thing_are_refused(one: dict[str, Any], other: dict[str, Any]) -> None:
    Amplitude("key", **one)
    Amplitude("key", **other)
    for given in (one | other, other | one):
        with pytest.raises(ConfigError) as raised:
            Amplitude("key", **given)
        assert raised.value.field == next(iter(other))
        assert f"must not be given together with {next(iter(one))}" in str(raised.value)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="flush_queue is not an option"):
        Amplitude("key", flush_queue=1)  # type: ignore[call-arg]


@pytest.mark.parametrize("key", ["", 5, None, "with space"])
def test_a_wrong_key_is_refused_by_its_own_name(key: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        Amplitude(key)
    assert raised.value.field == "api_key"


# -- what options do to the page


def test_min_id_length_is_a_rule_of_the_fields_and_an_option_of_the_request() -> None:
    variant = page(min_id_length=1)
    fields = {field.argument: field for field in variant.calls[0].fields}
    assert (fields["user_id"].min_chars, fields["device_id"].min_chars) == (1, 1)
    around = variant.envelope("key", SENDING)
    assert around.head + around.tail == b'{"api_key":"key","events":[],"options":{"min_id_length":1}}'
    assert envelope("key", SENDING).tail == b"]}"
    assert {field.min_chars for field in AMPLITUDE.calls[0].fields if field.argument in ("user_id", "device_id")} == {5}


@pytest.mark.parametrize("plan", [Plan(branch="main", version_id="9"), {"branch": "main", "versionId": "9"}])
def test_a_plan_is_what_an_event_has_that_brings_none(plan: Any) -> None:
    fields = {field.argument: field for field in page(plan=plan).calls[0].fields}
    assert fields["plan"].default == b'{"branch":"main","versionId":"9"}'
    assert fields["plan"].guarded
    assert not fields["ingestion_metadata"].guarded


def test_an_empty_plan_is_none() -> None:
    fields = {field.argument: field for field in page(plan=Plan()).calls[0].fields}
    assert fields["plan"].default == b""


def test_max_cached_events_bounds_the_lanes() -> None:
    assert page(max_cached_events=7).lanes.max_events == 7  # type: ignore[union-attr]


# -- instances


@pytest.fixture(autouse=True)
def _no_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluiceway.vendors.amplitude._instances", {})


def test_init_makes_the_default_instance() -> None:
    transport = MemoryTransport()
    client = Amplitude.init("key", transport=transport)
    assert isinstance(client, Amplitude)
    assert Amplitude.instance() is client
    assert Amplitude.instance().track("E", user_id="user-1")
    assert len(transport.events) == 1


def test_instances_by_name_have_options_of_their_own() -> None:
    default = Amplitude.init("key", min_id_length=1)
    named = Amplitude.init("other-key", instance_name="mobile", server_zone="EU")
    assert Amplitude.instance() is default
    assert Amplitude.instance("mobile") is named
    assert default.get_options()["server_url"] == V2
    assert named.get_options()["server_url"] == V2_EU
    assert named.get_options()["min_id_length"] is None


def test_a_later_init_takes_the_place_and_the_former_goes_on() -> None:
    transport = MemoryTransport()
    former = Amplitude.init("key", transport=transport)
    assert Amplitude.init("key") is Amplitude.instance()
    assert former.track("E", user_id="user-1")
    assert len(transport.events) == 1


@pytest.mark.parametrize("name", [None, "mobile"])
def test_an_instance_that_nobody_made_is_no_instance(name: str | None) -> None:
    with pytest.raises(ConfigError, match="names no instance"):
        Amplitude.instance(name)


@pytest.mark.parametrize("name", ["", 5])
def test_a_name_is_a_text(name: Any) -> None:
    with pytest.raises(ConfigError, match="instance_name must be a non-empty str"):
        Amplitude.init("key", instance_name=name)
    with pytest.raises(ConfigError, match="instance_name must be a non-empty str"):
        Amplitude.instance(name)


def test_an_init_that_fails_leaves_the_instance() -> None:
    client = Amplitude.init("key")
    with pytest.raises(ConfigError):
        Amplitude.init("key", min_id_length=0)
    assert Amplitude.instance() is client


def test_a_subclass_is_made_by_its_own_init() -> None:
    class Ours(Amplitude):
        __slots__ = ()

    assert type(Ours.init("key")) is Ours
    assert type(Amplitude.instance()) is Ours
