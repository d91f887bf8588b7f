"""From the name to the answer, against real things that are broken on loopback."""

from __future__ import annotations

import errno
import socket
import time
from email.utils import formatdate
from typing import Any

import pytest

from sluiceway.checking import answering, reaching
from sluiceway.checking.deadlines import Deadline
from sluiceway.checking.target import target
from sluiceway.proxy import parse

from ..faults.acts import raw, status
from ..faults.forward import ForwardProxy
from ..faults.peers import Arrived, Peer
from ..faults.server import FaultServer
from .running import KEYS, VENDORS, examine, only, pointed


def levels(findings: dict[str, list[Any]]) -> dict[str, str]:
    return {check: made[-1].level for check, made in findings.items()}


@pytest.fixture
def refused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.parametrize("vendor", VENDORS)
def test_without_probe_one_request_goes_out_and_no_key_is_in_it(vendor: str) -> None:
    with FaultServer(then=status(405, {"Date": formatdate(usegmt=True)})) as server:
        findings = examine(vendor, server.url)
        requests = server.record.requests
    assert levels(findings) == {
        **dict.fromkeys(("key", "installation", "environment", "dns", "tcp", "http", "clock"), "ok"),
        **dict.fromkeys(("proxy", "tls", "permission", "gzip", "spool"), "skipped"),
    }
    [seen] = requests
    assert seen.head.startswith(b"GET /")
    assert seen.body == b""
    assert KEYS[vendor].encode() not in seen.head
    assert b"authorization" not in seen.head.lower()
    if vendor == "rudderstack":
        assert seen.head.startswith(b"GET /health ")


def test_a_name_that_does_not_resolve_spares_everything_behind_it() -> None:
    # RFC 6761: "invalid" is never a name, whatever the network. A resolver that is out of reach says so in other words.
    findings = examine("segment", "https://sluiceway.invalid", probe=True, seconds=5.0)
    assert only(findings, "dns").level == "fail"
    assert "sluiceway.invalid" in only(findings, "dns").seen
    for check in ("tcp", "proxy", "tls", "http", "clock", "permission", "gzip"):
        assert only(findings, check).level == "skipped"


def test_a_name_look_up_that_hangs_ends_by_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    let_go = threading.Event()
    real = socket.getaddrinfo

    def hang(host: str, *more: Any) -> Any:
        if host != "hangs.test":
            return real(host, *more)
        if more[-1] == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        let_go.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    findings = examine("segment", "https://hangs.test", seconds=0.6)
    let_go.set()
    assert only(findings, "dns").seen.startswith("no answer for hangs.test in 0.2 s")
    assert time.monotonic() - began < 10


def test_a_refused_port_is_told_as_such(refused_port: int) -> None:
    findings = examine("segment", f"http://127.0.0.1:{refused_port}")
    tcp = only(findings, "tcp")
    assert (tcp.level, tcp.seen) == (
        "fail",
        f"no connection to 127.0.0.1:{refused_port}: 127.0.0.1 refuses",
    )
    assert tcp.todo.startswith("Nobody listens there")
    assert only(findings, "http").level == "skipped"


def test_a_black_hole_ends_by_the_deadline() -> None:
    """Its queue of connections is full, so that the kernel answers no more of them."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        waiting = []
        for _ in range(2):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(hole.getsockname())
            waiting.append(one)
        began = time.monotonic()
        findings = examine("segment", f"http://127.0.0.1:{hole.getsockname()[1]}", seconds=1.5)
        took = time.monotonic() - began
        for one in waiting:
            one.close()
    tcp = only(findings, "tcp")
    assert (tcp.level, "does not answer" in tcp.seen) == ("fail", True)
    assert "firewall" in tcp.todo
    assert took < 15


def test_a_server_that_accepts_and_says_nothing_ends_by_the_deadline() -> None:
    with Peer(Arrived.stall) as silent:
        began = time.monotonic()
        findings = examine("segment", f"http://127.0.0.1:{silent.port}", seconds=1.5)
        assert time.monotonic() - began < 15
    assert (only(findings, "http").level, only(findings, "clock").level) == ("fail", "skipped")
    assert only(findings, "http").seen.startswith("no answer: timeout")


def test_ipv6_that_is_broken_while_ipv4_works_is_told() -> None:
    with FaultServer() as server:
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", server.port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)),
        ]
        reached = reaching.connect(found, Deadline(10.0))
    assert [one.error for one in reached][1] == 0
    assert reached[0].error in (errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAFNOSUPPORT)
    refused = [reached[0]._replace(error=errno.ECONNREFUSED), reached[1]]
    silent = [reached[0]._replace(error=errno.ETIMEDOUT), reached[1]]
    no_route = [reached[0]._replace(error=errno.ENETUNREACH), reached[1]]
    assert reaching.judge(refused, "x").level == "warn"
    finding = reaching.judge(silent, "x")
    assert (finding.level, finding.seen.startswith("IPv6 is broken, IPv4 works: ::1 does not answer")) == ("warn", True)
    assert reaching.judge(no_route, "x").level == "ok", "the kernel says at once that there is no IPv6"
    assert reaching.judge(reached[1:], "x").level == "ok"


@pytest.mark.parametrize(
    ("said", "level", "words"),
    [
        (status(404), "ok", "status 404"),
        (status(503), "warn", "status 503"),
        (
            status(302, {"Location": "https://elsewhere.example/path?key=1"}),
            "warn",
            "a redirect to https://elsewhere.example",
        ),
        (status(200, {"Content-Type": "text/html"}, b"<html>Log in</html>"), "warn", "and a web page"),
        (raw(b"220 smtp.example.com ESMTP\r\n"), "fail", "no answer: protocol"),
        (raw(b""), "fail", "no answer: closed"),
    ],
)
def test_what_answers_a_get_is_told(said: Any, level: str, words: str) -> None:
    with FaultServer(then=said) as server:
        http = only(examine("segment", server.url), "http")
    assert (http.level, words in http.seen) == (level, True), http


# -- the clock


@pytest.mark.parametrize(
    ("vendor", "off", "level", "words"),
    [
        ("segment", 0.0, "ok", "within 5 seconds"),
        ("segment", 3_600.0, "warn", "60 minutes ahead of the server's"),
        ("segment", -3_600.0, "warn", "60 minutes behind the server's"),
        ("segment", 400_000.0, "fail", "5 days ahead"),
        ("posthog", 84_000.0, "fail", "23 hours ahead"),
        ("amplitude", 60.0, "warn", " seconds ahead"),
        ("amplitude", 3_600.0, "fail", "all of them are off by so much"),
        ("rudderstack", 3_600.0, "warn", "60 minutes ahead"),
    ],
)
def test_a_clock_that_is_wrong_is_measured_against_the_server_s(
    vendor: str, off: float, level: str, words: str
) -> None:
    date = formatdate(time.time() - off, usegmt=True)
    with FaultServer(then=status(405, {"Date": date})) as server:
        clock = only(examine(vendor, server.url), "clock")
    assert (clock.level, words in clock.seen) == (level, True), clock
    assert bool(clock.todo) == (level != "ok")


@pytest.mark.parametrize("date", ["yesterday", "", "Sat, 99 Nov 2026 99:99:99 GMT", "0"])
def test_a_date_that_is_none_is_skipped(date: str) -> None:
    whom = target("segment", {"host": "http://127.0.0.1:9"})
    assert answering.clock(whom, {"date": date}).level == "skipped"


# -- proxies. The server is TLS in test_tls.py; here is what the proxy itself may say.


@pytest.mark.parametrize(
    ("said", "words", "todo"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "status 407",
            "user and a password",
        ),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "status 403", "forbids this host"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502", "does not reach the vendor"),
        (b"HTTP/1.1 418 Teapot\r\n\r\n", "status 418", "Ask whoever runs the proxy"),
        (b"220 smtp.example.com\r\n\r\n", "no HTTP", "must be an HTTP proxy"),
        (b"", "closed the connection", "must be an HTTP proxy"),
    ],
    ids=range(6),
)
def test_what_a_proxy_says_to_connect_is_told(said: bytes, words: str, todo: str) -> None:
    with ForwardProxy(*([said] * 3)) as through:
        findings = examine("segment", "https://vendor.invalid", proxy=through.url)
    proxy = only(findings, "proxy")
    assert (proxy.level, words in proxy.seen, todo in proxy.todo) == ("fail", True, True), proxy
    assert only(findings, "http").level == "skipped"
    assert len(through.heads) == 1


def test_a_proxy_that_never_answers_ends_by_the_deadline() -> None:
    with Peer(Arrived.stall) as silent:
        began = time.monotonic()
        findings = examine("segment", "https://vendor.invalid", proxy=f"http://127.0.0.1:{silent.port}", seconds=1.5)
        assert time.monotonic() - began < 15
    assert only(findings, "proxy").seen.endswith("does not answer CONNECT")


def test_a_proxy_that_is_not_there_is_a_matter_of_tcp(refused_port: int) -> None:
    findings = examine("segment", "https://vendor.invalid", proxy=f"http://127.0.0.1:{refused_port}")
    assert only(findings, "tcp").seen.startswith(f"no connection to the proxy 127.0.0.1:{refused_port}")


def test_requests_in_clear_are_handed_to_the_proxy() -> None:
    with FaultServer(then=status(405)) as server, ForwardProxy() as through:
        findings = examine("segment", server.url, proxy=through.url)
    assert (only(findings, "proxy").level, only(findings, "http").level) == ("ok", "ok")
    assert through.heads[0].startswith(f"GET {server.url}/v1/batch ")


def test_the_password_of_a_proxy_is_shown_nowhere() -> None:
    denied = b"HTTP/1.1 407 Denied canary-word\r\nContent-Length: 0\r\n\r\n"
    with ForwardProxy(denied) as through:
        address = through.url.replace("http://", "http://canary-user:canary-pass@")
        findings = examine("segment", "https://vendor.invalid", proxy=address)
    assert parse(address).authorization is not None
    assert "Proxy-Authorization" in through.heads[0]
    assert "canary" not in str(findings)


# -- the options are the client's own


def test_options_are_read_as_the_client_reads_them() -> None:
    assert target("posthog", {"host": "app.posthog.com"}).options.endpoint.url == "https://us.i.posthog.com/batch/"
    assert target("amplitude", {"server_zone": "EU"}).options.endpoint.url == "https://api.eu.amplitude.com/2/httpapi"
    assert target("segment", {"region": "eu"}).options.endpoint.url == "https://events.eu1.segmentapis.com/v1/batch"
    assert target("rudderstack", {"data_plane_url": "d.example.com/v1/batch"}).prefix == ""
    assert target("posthog", {"host": "https://own.example.com/ingest"}).prefix == "/ingest"
    assert target("segment", {}).is_public
    assert not target("segment", pointed("segment", "https://own.example.com")).is_public
