"""Row 69, and section 6 on hosts, headers and keys: what a constructor refuses, by field, and without repeating it."""

from __future__ import annotations

import inspect
import traceback
from typing import Any

import pytest

from sluiceway import Amplitude, ConfigError, PostHog, RudderStack, Segment
from sluiceway.options import GivenOptions
from sluiceway.testing import MemoryTransport
from sluiceway.transport import Urllib3Transport

KEY = "a-key-of-tests-0123456789abcdef0"
SECRET = "canarypassword"

MAKERS: dict[str, Any] = {
    "segment": lambda host, key=KEY, **options: Segment(key, host=host, **options),
    "rudderstack": lambda host, key=KEY, **options: RudderStack(key, host, **options),
    "posthog": lambda host, key=KEY, **options: PostHog(key, host=host, **options),
    "amplitude": lambda host, key=KEY, **options: Amplitude(key, server_url=host, **options),
}
HOST_FIELDS = {"segment": "host", "rudderstack": "data_plane_url", "posthog": "host", "amplitude": "server_url"}
KEY_FIELDS = {"segment": "write_key", "rudderstack": "write_key", "posthog": "project_api_key", "amplitude": "api_key"}

WRONG_HOSTS = {
    "user name and password": f"https://user:{SECRET}@example.com",
    "user name": f"https://{SECRET}@example.com",
    "password only": f"https://:{SECRET}@example.com",
    "user name without a scheme": f"user:{SECRET}@example.com",
    "userinfo behind a path": f"https://example.com@{SECRET}.example.org",
    "http elsewhere": f"http://{SECRET}.example.com",
    "http of a name like ours": f"http://localhost.{SECRET}.com",
    "http of an address like ours": f"http://127.0.0.1.{SECRET}.com",
    "another scheme": f"ftp://{SECRET}.example.com",
    "a file": f"file:///{SECRET}",
    "no host": f"https:///{SECRET}",
    "port 0": f"https://{SECRET}.example.com:0",
    "port 65536": f"https://{SECRET}.example.com:65536",
    "port -1": f"https://{SECRET}.example.com:-1",
    "port of letters": f"https://{SECRET}.example.com:https",
    "empty port": f"https://{SECRET}.example.com:",
    "port of other digits": f"https://{SECRET}.example.com:\u0664\u0664\u0663",
    "newline": f"https://example.com\n{SECRET}",
    "carriage return": f"https://example.com\r\nX: {SECRET}",
    "folded line": f"https://example.com\r\n {SECRET}",
    "nul": f"https://example.com\0{SECRET}",
    "tab": f"https://example.com\t{SECRET}",
    "backslash": f"https://example.com\\{SECRET}",
    "query": f"https://example.com/?key={SECRET}",
    "fragment": f"https://example.com/#{SECRET}",
    "way up": f"https://example.com/../{SECRET}",
    "percent of a newline in the host": f"https://example.com%0a{SECRET}",
    "brackets without an address": f"https://[{SECRET}]",
    "other letters": f"https://ex\u00e4mple-{SECRET}.com",
}


def check(error: ConfigError, field: str) -> None:
    """Names the field; shows nothing of the value, wherever one looks."""
    assert error.field == field
    shown = [str(error), repr(error), repr(error.args), repr(vars(error))]
    linked: BaseException | None = error
    while linked is not None:
        shown.append(repr(linked))
        linked = linked.__cause__ or (None if linked.__suppress_context__ else linked.__context__)
    assert not [text for text in shown if SECRET in text]
    assert SECRET not in traceback.format_exception_only(error)[0]


@pytest.mark.parametrize("vendor", MAKERS)
@pytest.mark.parametrize("name", WRONG_HOSTS)
def test_row_69_a_host_that_is_none_is_refused_by_its_field(vendor: str, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MAKERS[vendor](WRONG_HOSTS[name])
    check(caught.value, HOST_FIELDS[vendor])


@pytest.mark.parametrize("vendor", MAKERS)
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n ", "\0", " ", "\t", "\x7f", ":", "\u00e9", "\u2028"])
@pytest.mark.parametrize("place", ["in front", "inside", "behind"])
def test_row_69_a_key_that_could_end_a_header_is_refused(vendor: str, end: str, place: str) -> None:
    halves = {"in front": ("", SECRET), "inside": (SECRET[:6], SECRET[6:]), "behind": (SECRET, "")}[place]
    with pytest.raises(ConfigError) as caught:
        MAKERS[vendor]("https://example.com", key=end.join(halves))
    assert caught.value.field == KEY_FIELDS[vendor]
    assert SECRET[:6] not in f"{caught.value} {caught.value!r} {caught.value.args}"


COUNTS = (
    "max_event_bytes",
    "max_batch_bytes",
    "max_batch_events",
    "max_queue_events",
    "max_queue_bytes",
    "senders",
    "spool_max_bytes",
)
SECONDS = ("timeout", "connect_timeout", "exit_timeout", "block_timeout", "flush_interval")


@pytest.mark.parametrize("name", [*COUNTS, *SECONDS, "flush_at", "retry_count"])
@pytest.mark.parametrize(
    "wrong",
    [
        -1,
        pytest.param(-(10**400), id="400 digits"),
        pytest.param(10**400, id="400 digits more"),
        float("nan"),
        float("-inf"),
        float("inf"),
        1e300,
        SECRET,
        b"1",
        True,
        [SECRET],
    ],
    ids=repr,
)
def test_row_69_a_number_outside_its_range_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Segment(KEY, **{name: wrong})
    check(caught.value, name)


def test_row_69_every_option_that_takes_a_number_was_tried() -> None:
    words = {name for name, kind in GivenOptions.__annotations__.items() if "int" in str(kind) or "float" in str(kind)}
    assert words <= {*COUNTS, *SECONDS, "flush_at", "retry_count"}


# -- the lines that no option can break


@pytest.mark.parametrize("vendor", MAKERS)
def test_there_is_no_option_for_headers_redirects_or_an_unverified_connection(vendor: str) -> None:
    # What cannot be said needs no rule: reserved headers cannot be given, nothing can be followed or left unverified.
    for name in ("headers", "extra_headers", "redirect", "verify", "verify_ssl", "insecure", "proxies"):
        with pytest.raises(ConfigError) as caught:
            MAKERS[vendor]("https://example.com", **{name: {"Authorization": SECRET}})
        check(caught.value, name)


def test_no_header_that_a_client_sends_can_be_set_by_an_event() -> None:
    traps = "x\r\nAuthorization: Basic y\r\n\r\nPOST / HTTP/1.1"
    for vendor, make in MAKERS.items():
        memory = MemoryTransport()
        client = make("https://example.com", transport=memory)
        if vendor == "posthog":
            client.capture(traps, distinct_id=traps, properties={traps: traps})
        elif vendor == "amplitude":
            client.track(traps, user_id=traps, event_properties={traps: traps})
        else:
            client.track(traps, traps, {traps: traps}, context={traps: traps})
        [request] = memory.requests
        assert traps[:5] not in f"{request.path} {dict(request.headers)}"
        assert b"\r\n" not in request.body
        assert not {name.lower() for name in request.headers} & {
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
        }


def test_the_transport_that_ships_verifies_and_has_no_switch_for_it() -> None:
    options = set(inspect.signature(Urllib3Transport).parameters)
    assert options == {"endpoint", "connect_seconds", "gzip", "ssl_context", "proxy", "monotonic"}


def test_on_the_wire_nothing_is_escaped_that_json_does_not_ask_for() -> None:
    # Escapes for HTML belong to a page that shows events, and there is none here.
    memory = MemoryTransport()
    Segment(KEY, transport=memory).track("u", "E", {"a": "<script>&'\u2028\u2029/"})
    assert "<script>&'\u2028\u2029/".encode() in memory.requests[0].body
