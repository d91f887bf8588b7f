"""Hosts: every form that the vendors' documents print works letter by letter, everything doubtful is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.endpoint import Endpoint, complete_path, parse
from sluiceway.errors import ConfigError

API_PATH = "/v1/batch"


@pytest.mark.parametrize(
    ("printed", "url"),
    [
        ("api.segment.io/v1", "https://api.segment.io/v1/batch"),
        ("events.eu1.segmentapis.com/v1/", "https://events.eu1.segmentapis.com/v1/batch"),
        ("https://api.segment.io", "https://api.segment.io/v1/batch"),
        ("https://api.segment.io/", "https://api.segment.io/v1/batch"),
        ("https://api.segment.io///", "https://api.segment.io/v1/batch"),
        ("https://api.segment.io/v1/batch", "https://api.segment.io/v1/batch"),
        ("https://api.segment.io/v1/batch/", "https://api.segment.io/v1/batch"),
        ("https://events.eu1.segmentapis.com", "https://events.eu1.segmentapis.com/v1/batch"),
        ("api.segment.io", "https://api.segment.io/v1/batch"),
        ("HTTPS://API.Segment.IO", "https://api.segment.io/v1/batch"),
        ("api.segment.io:8443", "https://api.segment.io:8443/v1/batch"),
        ("https://api.segment.io:443", "https://api.segment.io/v1/batch"),
        ("https://gateway.example.com/segment", "https://gateway.example.com/segment/v1/batch"),
        ("https://gateway.example.com/segment/v1/", "https://gateway.example.com/segment/v1/batch"),
        ("http://localhost:8080", "http://localhost:8080/v1/batch"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1/batch"),
        ("http://127.8.9.10", "http://127.8.9.10/v1/batch"),
        ("http://[::1]:8080", "http://[::1]:8080/v1/batch"),
        ("http://service.localhost", "http://service.localhost/v1/batch"),
        ("https://[2001:db8::1]/v1", "https://[2001:db8::1]/v1/batch"),
    ],
)
def test_a_printed_host_means_its_batch_address(printed: str, url: str) -> None:
    assert parse(printed, api_path=API_PATH).url == url


def test_the_parts_of_an_endpoint_are_bare() -> None:
    assert parse("http://[::1]:8080", api_path=API_PATH) == Endpoint("http", "::1", 8080, "/v1/batch")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " https://api.segment.io",
        "https://api.segment.io ",
        "https://api.segment.io\r\nX-Evil: 1",
        "https://api.segment.io\x00",
        "https://api.segment.io\x7f",
        "https://api.segment.io\\@evil.example",
        "https://user:password@api.segment.io",
        "https://user@api.segment.io",
        "ftp://api.segment.io",
        "//api.segment.io",
        "https://",
        "https:///v1/batch",
        "https://api.segment.io:0",
        "https://api.segment.io:65536",
        "https://api.segment.io:",
        "https://api.segment.io:+80",
        "https://api.segment.io:\uff180",
        "https://api.segment.io:80:80",
        "https://::1",
        "https://[::1",
        "https://[::1]8080",
        "https://[localhost]",
        "https://api..segment.io",
        "https://.segment.io",
        "https://bücher.example",
        "https://api.segment.io?key=1",
        "https://api.segment.io#top",
        "https://api.segment.io/../v2",
        'https://api.segment.io/"v1',
        "https://" + "a" * 254,
    ],
)
def test_a_doubtful_host_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, api_path=API_PATH)
    assert caught.value.field == "host"
    assert "password" not in str(caught.value).replace("a user name or a password", "")
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("text", [None, 7, b"api.segment.io", ["api.segment.io"]])
def test_a_host_of_another_type_is_refused_by_its_type(text: object) -> None:
    with pytest.raises(ConfigError, match=type(text).__name__):
        parse(text, api_path=API_PATH)


@pytest.mark.parametrize(
    "host", ["example.com", "127.0.0.1.example.com", "127.evil.com", "localhost.example.com", "10.0.0.1"]
)
def test_http_leaves_this_machine_only_when_allowed(host: str) -> None:
    with pytest.raises(ConfigError, match="allow_http"):
        parse(f"http://{host}", api_path=API_PATH)
    assert parse(f"http://{host}", api_path=API_PATH, allow_http=True).port == 80


@pytest.mark.parametrize(
    ("given_path", "api_path", "joined"),
    [
        ("", "/v1/batch", "/v1/batch"),
        ("v1", "/v1/batch", "/v1/batch"),
        ("v1/batch", "/v1/batch", "/v1/batch"),
        ("v1/batch/v1", "/v1/batch", "/v1/batch/v1/batch"),
        ("proxy/batch", "/v1/batch", "/proxy/batch/v1/batch"),
        ("", "/collect/", "/collect/"),
        ("/batch", "/batch/", "/batch/"),
        ("/a/batch/", "/batch/", "/a/batch/"),
        ("", "", "/"),
    ],
)
def test_paths_are_joined_without_repetition(given_path: str, api_path: str, joined: str) -> None:
    assert complete_path(given_path, api_path) == joined


@given(st.text())
def test_any_text_is_an_https_or_local_endpoint_or_a_config_error(text: str) -> None:
    try:
        endpoint = parse(text, api_path=API_PATH)
    except ConfigError:
        return
    assert endpoint.scheme == "https" or endpoint.is_loopback
    assert endpoint.url.isascii()
    assert endpoint.url.isprintable()
    assert parse(endpoint.url, api_path=API_PATH) == endpoint
