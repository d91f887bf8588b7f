"""Matrix row 33, and proxies in guarantees.md section 6: used when asked for, never on a whim of the environment."""

from __future__ import annotations

import logging
import pickle
import time
from base64 import b64encode
from typing import Any

import pytest

from sluiceway import ConfigError, Segment, proxy, standing
from sluiceway.endpoint import Endpoint

from .acts import reset_unanswered, status, take_and_close
from .authority import Authority
from .book import Book
from .clients import KEY, VENDORS, client
from .forward import ForwardProxy
from .laws import Resources, alive, check
from .server import FaultServer

USER, PASSWORD = "canary-user-11", "canary-pass w@rd-92"
IN_URL = "canary-user-11:canary-pass%20w%40rd-92"
BASIC = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", VARIABLES)
def test_row_33_the_environment_is_not_looked_at_unless_it_is_trusted(
    name: str, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as server, ForwardProxy() as through:
        monkeypatch.setenv(name, "*" if "no" in name.lower() else through.url)
        book = Book()
        one = client(server, book)
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        check(one, book, server)
        assert through.arrivals == []


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_row_33_a_trusted_environment_names_the_proxy(
    name: str, authority: Authority, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(tls=authority.serves()) as server, ForwardProxy() as through:
        monkeypatch.setenv(name, through.url)
        monkeypatch.setenv("no_proxy", "example.com, 10.0.0.0/8")
        book = Book()
        one = client(server, book, trust_env=True, ca_certs=str(authority.pem))
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        check(one, book, server)
        assert through.tunnels == 1


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "example.com,127.0.0.0/8", "127.0.0.1:{port}", " 127.0.0.1 "])
def test_row_33_no_proxy_is_honoured(
    excepted: str, authority: Authority, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(tls=authority.serves()) as server, ForwardProxy() as through:
        monkeypatch.setenv("https_proxy", through.url)
        monkeypatch.setenv("no_proxy", excepted.format(port=server.port))
        book = Book()
        one = client(server, book, trust_env=True, ca_certs=str(authority.pem))
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        check(one, book, server)
        assert through.arrivals == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_33_https_goes_through_a_tunnel_in_which_the_proxy_reads_nothing(
    vendor: str, authority: Authority, resources: Resources
) -> None:
    acts = [status(503), reset_unanswered, take_and_close]
    with FaultServer(*acts, tls=authority.serves()) as server, ForwardProxy(authorization=BASIC) as through:
        book = Book()
        address = f"http://{IN_URL}@{through.address}"
        one = client(server, book, vendor, proxy=address, ca_certs=str(authority.pem))
        for _ in range(2):
            book.push(one, 5)
            assert one.flush(timeout=20).delivered == 5
        alive(one, book, server)
        check(one, book, server, requests=5, retries=10)
        assert through.tunnels >= 3
        assert all(head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n") for head in through.heads)
        assert "proxy-authorization" not in str(server.record.requests[0].headers)
        for arrived in through.arrivals:
            assert KEY.encode() not in arrived.received


def test_row_33_a_tunnel_leads_to_an_ipv6_address_as_well(authority: Authority, resources: Resources) -> None:
    with FaultServer(host="::1", tls=authority.serves("::1")) as server, ForwardProxy() as through:
        book = Book()
        one = client(server, book, proxy=through.url, ca_certs=str(authority.pem))
        book.push(one, 2)
        assert one.flush(timeout=20).delivered == 2
        check(one, book, server)
        assert through.heads[0].split("\r\n")[:2] == [
            f"CONNECT [::1]:{server.port} HTTP/1.1",
            f"Host: [::1]:{server.port}",
        ]


def test_row_33_a_connection_through_a_tunnel_is_kept(authority: Authority, resources: Resources) -> None:
    with FaultServer(tls=authority.serves()) as server, ForwardProxy() as through:
        book = Book()
        one = client(server, book, proxy=through.url, ca_certs=str(authority.pem))
        for _ in range(5):
            book.push(one, 2)
            assert one.flush(timeout=20).delivered == 2
        check(one, book, server, requests=5)
        assert (through.tunnels, server.connections) == (1, 1)


def test_row_33_the_certificate_is_the_endpoint_s_also_behind_a_proxy(
    authority: Authority, resources: Resources
) -> None:
    with FaultServer(tls=authority.serves("sluiceway.example")) as server, ForwardProxy() as through:
        book = Book()
        one = client(server, book, proxy=through.url, ca_certs=str(authority.pem), retry_count=1)
        book.push(one, 3)
        assert one.flush(timeout=20).failed == 3
        assert str(one.stats().last_error).startswith("tls: certificate refused")
        assert book.reasons() == {("retries_exhausted", "no"): 3}
        check(one, book, server, requests=0)
        assert through.tunnels == 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_33_http_to_loopback_is_handed_to_the_proxy(vendor: str, resources: Resources) -> None:
    with FaultServer(status(503)) as server, ForwardProxy(authorization=BASIC) as through:
        book = Book()
        one = client(server, book, vendor, proxy=f"{IN_URL}@{through.address}")
        book.push(one, 5)
        assert one.flush(timeout=20).delivered == 5
        check(one, book, server, requests=2, retries=5)
        assert all(head.startswith(f"POST http://127.0.0.1:{server.port}/") for head in through.heads)
        assert all(f"Host: 127.0.0.1:{server.port}" in head for head in through.heads)
        assert "proxy-authorization" not in str([seen.headers for seen in server.record.requests])


DENIED = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("secure", [True, False], ids=["tunnel", "forwarded"])
def test_row_33_a_407_is_a_refused_credential_told_once_and_probed(
    secure: bool,
    authority: Authority,
    resources: Resources,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(standing, "PROBE_SECONDS", 0.3)
    with (
        FaultServer(tls=authority.serves() if secure else None) as server,
        ForwardProxy(DENIED) as through,
    ):
        book = Book()
        one = client(server, book, proxy=f"http://{IN_URL}@{through.address}", ca_certs=str(authority.pem))
        for _ in range(2):
            book.push(one, 3)
            assert one.flush(timeout=20).failed == 3
        assert len(through.heads) == 1
        assert book.reasons() == {("unauthorized", "no"): 6}
        assert {(error.status, error.message) for error in book.failed.values()} == {
            (407, "the proxy refused its credentials")
        }
        errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(errors) == 1
        assert "the proxy refused its credentials with status 407" in errors[0]
        time.sleep(0.35)
        alive(one, book, server)
        stats = check(one, book, server)
    told = [caplog.text, str(stats), repr(one), *map(str, book.failed.values()), *map(repr, book.failed.values())]
    for canary in ("canary-user", "canary-pass", BASIC.split()[1], KEY):
        assert all(canary not in text for text in told)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"220 smtp.example.com\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
        b"\x00" * 100_000,
        b"",
    ],
    ids=range(11),
)
def test_row_33_a_proxy_that_makes_no_tunnel_is_asked_again_and_gets_nothing(
    said: bytes, authority: Authority, resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer(tls=authority.serves()) as server, ForwardProxy(said, said) as through:
        book = Book()
        one = client(server, book, proxy=f"http://{IN_URL}@{through.address}", ca_certs=str(authority.pem))
        book.push(one, 3)
        assert one.flush(timeout=20).delivered == 3
        stats = check(one, book, server)
        assert stats.attempts == 3
        assert str(stats.last_error).startswith("proxy")
        assert through.tunnels == 1
        assert all(not arrived.bodies for arrived in through.arrivals)
        assert "canary" not in caplog.text


def test_row_33_a_proxy_that_drips_meets_the_deadline(authority: Authority, resources: Resources) -> None:
    from .peers import Arrived, Peer

    def behave(arrived: Arrived) -> None:
        arrived.read_head_only()
        arrived.drip(b"HTTP/1.1 200 " + b"O" * 10_000, 0.05)

    with Peer(behave) as dripping:
        book = Book()
        one = client(
            "https://vendor.invalid",
            book,
            proxy=f"http://127.0.0.1:{dripping.port}",
            connect_timeout=0.5,
            retry_count=0,
        )
        book.push(one, 3)
        began = time.monotonic()
        assert one.flush(timeout=20).failed == 3
        assert 0.4 < time.monotonic() - began < 10
        assert one.stats().last_error == "timeout: no answer from the proxy in time"
        check(one, book, requests=0)
        assert book.reasons() == {("retries_exhausted", "no"): 3}


def test_row_33_a_proxy_that_is_not_there_is_asked_again(authority: Authority, resources: Resources) -> None:
    with FaultServer() as server:
        book = Book()
        one = client(server, book, proxy="http://127.0.0.1:1", retry_count=1)
        book.push(one, 3)
        assert one.flush(timeout=20).failed == 3
        assert one.stats().last_error == "connect: ECONNREFUSED"
        check(one, book, server, requests=0)
        assert server.connections == 0, "there is no way around it"


# -- how an address is read


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("http://proxy.example.com:3128", "proxy.example.com", 3128),
        ("HTTP://Proxy.Example.com:3128/", "proxy.example.com", 3128),
        ("proxy:8080", "proxy", 8080),
        ("proxy", "proxy", 80),
        ("http://[::1]:3128", "::1", 3128),
        ("u:p@proxy:1", "proxy", 1),
    ],
)
def test_an_address_is_read_in_every_usual_form(text: str, host: str, port: int) -> None:
    read = proxy.parse(text)
    assert (read.host, read.port, read.authorization is not None) == (host, port, "@" in text)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "https://canary:canary@proxy",
        "socks5://canary:canary@proxy:1080",
        "http://canary:canary@",
        "http://canary:canary@proxy/path",
        "http://canary:canary@proxy:99999",
        "http://canary:ca\nnary@proxy",
        "http://canary%0d%0aX: y:canary@proxy",
        "http://:canary@proxy",
        "http://canary:canary@proxy:1?x",
        5,
        {"https": "canary"},
    ],
    ids=repr,
)
def test_an_address_that_is_none_is_refused_in_the_constructor_and_not_repeated(value: Any) -> None:
    with pytest.raises(ConfigError, match="proxy") as caught:
        Segment("key", proxy=value)
    assert "canary" not in str(caught.value)


def test_an_address_of_the_environment_that_is_none_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://canary@proxy")
    Segment("key").close(timeout=0)
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        Segment("key", trust_env=True)
    assert "canary" not in str(caught.value)


def test_credentials_are_shown_nowhere() -> None:
    read = proxy.parse(f"http://{IN_URL}@proxy:3128")
    assert read.headers == {"Proxy-Authorization": "Basic " + BASIC.split()[1]}
    one = Segment("key", proxy=f"http://{IN_URL}@proxy:3128")
    for shown in (
        repr(read),
        str(read),
        repr(read.authorization),
        repr(one),
        repr(one._options),
        str(pickle.dumps(read)),
    ):
        for canary in ("canary", BASIC.split()[1], "rd-92", BASIC[-4:]):
            assert canary not in shown
    one.close(timeout=0)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "a"),
        ({"HTTPS_PROXY": "http://b:1", "all_proxy": "http://c:1"}, "b"),
        ({"ALL_PROXY": "http://c:1", "http_proxy": "http://d:1"}, "c"),
        ({"http_proxy": "http://d:1"}, None),
        ({"https_proxy": "", "HTTPS_PROXY": "http://b:1"}, None),
        ({"https_proxy": "http://a:1", "no_proxy": "segment.io"}, None),
        ({"https_proxy": "http://a:1", "NO_PROXY": ".segment.io"}, None),
        ({"https_proxy": "http://a:1", "NO_PROXY": "*.segment.io"}, None),
        ({"https_proxy": "http://a:1", "no_proxy": "API.SEGMENT.IO:443"}, None),
        ({"https_proxy": "http://a:1", "no_proxy": "api.segment.io:8443"}, "a"),
        ({"https_proxy": "http://a:1", "no_proxy": "gment.io,pi.segment.io,10.0.0.0/8,,"}, "a"),
        ({"https_proxy": "http://a:1", "no_proxy": "", "NO_PROXY": "*"}, "a"),
        ({}, None),
    ],
    ids=str,
)
def test_the_environment_is_read_as_everywhere_else(environ: dict[str, str], expected: str | None) -> None:
    found = proxy.from_environment(Endpoint("https", "api.segment.io", 443, "/v1/batch"), environ)
    assert (found.host if found else None) == expected


def test_a_visitor_of_a_cgi_program_names_no_proxy() -> None:
    endpoint = Endpoint("http", "127.0.0.1", 80, "/")
    assert proxy.from_environment(endpoint, {"HTTP_PROXY": "http://a:1"}) is not None
    assert proxy.from_environment(endpoint, {"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}) is None


@pytest.mark.parametrize(
    ("host", "listed", "is_excepted"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("::1", "::1", True),
        ("::1", "[::1]:443", True),
        ("::1", "[::1]:444", False),
        ("fd00::5", "fd00::/8", True),
        ("localhost", "localhost", True),
    ],
)
def test_no_proxy_takes_addresses_and_networks(host: str, listed: str, is_excepted: bool) -> None:
    environ = {"https_proxy": "http://a:1", "no_proxy": listed}
    assert (proxy.from_environment(Endpoint("https", host, 443, "/"), environ) is None) == is_excepted
