"""Matrix row 32, and TLS in guarantees.md section 6: whoever is not the vendor gets not a byte of a request."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest

from sluiceway import ConfigError, Segment
from sluiceway.connection import verifying_context

from .acts import status
from .authority import Authority
from .book import Book
from .clients import KEY, VENDORS, client
from .laws import Resources, alive, check
from .peers import Arrived, Peer
from .server import FaultServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def refused(one: Any, book: Book, peer: Peer) -> str:
    """Offer events and see them stay: nothing in clear, nothing encrypted for somebody else."""
    book.push(one, 5)
    assert one.flush(timeout=20).failed == 5
    assert one.stats().attempts == 3
    assert book.reasons() == {("retries_exhausted", "no"): 5}
    for arrived in peer.arrivals:
        assert not arrived.heads
        for canary in (KEY, "canary-payload", "POST", "writeKey"):
            assert canary.encode() not in arrived.received
    return str(one.stats().last_error)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"starts_in_days": -30.0, "ends_in_days": -1.0}, "expired"),
    "not yet valid": ({"starts_in_days": 1.0}, "not yet valid"),
    "another host": ({"name": "sluiceway.example"}, "mismatch"),
    "another address": ({"name": "127.0.0.2"}, "mismatch"),
}


@pytest.mark.parametrize(("options", "why"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("vendor", ["segment", "posthog"])
def test_row_32_a_bad_certificate_gets_nothing_and_is_told_loudly_once(
    vendor: str,
    options: dict[str, Any],
    why: str,
    authority: Authority,
    resources: Resources,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with FaultServer(tls=authority.serves(**options)) as server:
        book = Book()
        one = client(server, book, vendor, ca_certs=str(authority.pem), retry_count=2)
        said = refused(one, book, server)
        assert said.startswith("tls: certificate refused")
        assert why in said.lower()
        assert server.connections >= 3
        check(one, book, server, requests=0)
    loud = [record.getMessage() for record in caplog.records if "no secure connection" in record.getMessage()]
    assert len(loud) == 1
    assert "nothing is sent" in loud[0]


@pytest.mark.parametrize("vendor", VENDORS)
def test_row_32_an_unknown_authority_gets_nothing(vendor: str, authority: Authority, resources: Resources) -> None:
    with FaultServer(tls=authority.serves()) as server:
        book = Book()
        one = client(server, book, vendor, retry_count=2)
        assert "certificate refused" in refused(one, book, server)
        check(one, book, server, requests=0)


def test_row_32_old_tls_gets_nothing(authority: Authority, resources: Resources) -> None:
    with pytest.warns(DeprecationWarning, match="TLS"):
        context = authority.serves(newest=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with FaultServer(tls=context) as server:
        # A client of the old kind gets through: the server is not what refuses.
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.authority.configure_trust(old)
        with pytest.warns(DeprecationWarning, match="TLS"):
            old.minimum_version = ssl.TLSVersion.TLSv1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with old.wrap_socket(socket.create_connection(("127.0.0.1", server.port)), server_hostname="127.0.0.1") as sock:
            assert sock.version() == "TLSv1.1"
        book = Book()
        one = client(server, book, ca_certs=str(authority.pem), retry_count=2)
        assert refused(one, book, server).startswith("tls:")
        check(one, book, server, requests=0)


@pytest.mark.parametrize("count", [0, 1, 10, 200])
def test_row_32_a_reset_inside_the_handshake_is_retried_and_sends_nothing(count: int, resources: Resources) -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_bytes(count)
        arrived.reset()

    with Peer(behave) as peer:
        book = Book()
        one = client(f"https://127.0.0.1:{peer.port}", book, retry_count=2)
        assert refused(one, book, peer).split(":")[0] in ("tls", "connect")
        check(one, book, requests=0)


def test_row_32_a_server_that_speaks_in_clear_where_tls_was_asked_for_gets_nothing(resources: Resources) -> None:
    with FaultServer() as server:
        book = Book()
        one = client(server.url.replace("http:", "https:"), book, connect_timeout=0.3, retry_count=2)
        refused(one, book, server)
        assert server.record.requests == []
        assert all(b"POST" not in arrived.received for arrived in server.arrivals)
        check(one, book, requests=0)


def test_row_32_events_wait_for_the_certificate_to_be_put_right(authority: Authority, resources: Resources) -> None:
    with FaultServer(tls=authority.serves("sluiceway.example")) as server:
        book = Book()
        one = client(server, book, ca_certs=str(authority.pem))
        book.push(one, 5)
        while one.stats().attempts < 2:
            one.flush(timeout=0.05)
        server.tls = authority.serves()
        assert one.flush(timeout=20).delivered == 5
        alive(one, book, server)
        check(one, book, server, requests=2)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_faults_of_the_other_rows_are_survived_over_tls_too(
    vendor: str, authority: Authority, resources: Resources
) -> None:
    from .acts import close_unanswered, reset_unanswered, take_and_close

    acts = [status(503), reset_unanswered, close_unanswered, take_and_close, status(429, {"Retry-After": "0"})]
    with FaultServer(*acts, tls=authority.serves()) as server:
        book = Book()
        one = client(server, book, vendor, ca_certs=str(authority.pem))
        for _ in range(2):
            book.push(one, 10, pad=900)
            assert one.flush(timeout=20).delivered == 10
        alive(one, book, server)
        check(one, book, server, requests=7, retries=30)
        assert isinstance(server.arrivals[0].sock, ssl.SSLSocket)


@pytest.mark.parametrize("option", ["verify", "verify_ssl", "insecure", "ssl_verify", "check_hostname", "cert_reqs"])
def test_there_is_no_way_to_switch_verification_off(option: str) -> None:
    with pytest.raises(ConfigError, match="is not an option"):
        Segment("key", **{option: False})  # type: ignore[arg-type]


def test_the_default_context_verifies_and_is_not_older_than_tls_1_2(authority: Authority) -> None:
    for context in (
        verifying_context(),
        client("http://127.0.0.1", Book(), ca_certs=str(authority.pem))._options.ssl_context,
    ):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("host", ["http://api.segment.io", "http://10.0.0.7:8080", "http://localhost.example.com"])
def test_http_is_refused_but_for_loopback(host: str) -> None:
    with pytest.raises(ConfigError, match="must be https"):
        Segment("key", host=host)
    Segment("key", host="http://localhost:1").close(timeout=0)
