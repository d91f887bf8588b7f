"""TLS: who the certificate is from and for, why it is refused, and that refusing it sends nothing."""

from __future__ import annotations

import ssl
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any

import pytest
import trustme

from sluiceway.checking import certificate, handshake, issuers
from sluiceway.checking.target import target

from ..faults.acts import status
from ..faults.authority import Authority
from ..faults.forward import ForwardProxy
from ..faults.peers import Arrived, Peer
from ..faults.server import FaultServer, Visit
from .running import KEYS, examine, only


def answers_now(visit: Visit) -> None:
    status(405, {"Date": formatdate(usegmt=True)})(visit)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def corporate(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of a product that inspects TLS."""
    made = Authority(tmp_path_factory.mktemp("corporate"))
    made.authority = trustme.CA(organization_name="Zscaler Inc.")
    made.authority.cert_pem.write_to_path(made.pem)
    return made


def test_a_connection_that_is_verified_says_by_whom(authority: Authority) -> None:
    with FaultServer(then=answers_now, tls=authority.serves()) as server:
        findings = examine("segment", server.url, ca_certs=str(authority.pem))
    tls = only(findings, "tls")
    assert tls.level == "ok"
    assert tls.seen.startswith("TLSv1.")
    assert "certificate for 127.0.0.1 from" in tls.seen
    assert "29 more days" in tls.seen
    assert (only(findings, "http").level, only(findings, "clock").level) == ("ok", "ok")


def refused(authority: Authority, context: ssl.SSLContext, **options: Any) -> Any:
    """What is said of a certificate that is refused; nothing but handshakes reached the server."""
    with FaultServer(then=answers_now, tls=context) as server:
        findings = examine("segment", server.url, probe=True, **options)
        assert server.record.requests == []
    for check in ("http", "clock", "permission", "gzip"):
        assert only(findings, check).level == "skipped"
    tls = only(findings, "tls")
    assert tls.level == "fail"
    return tls


def test_a_certificate_for_another_name_says_for_which(authority: Authority) -> None:
    tls = refused(authority, authority.serves("other.example"), ca_certs=str(authority.pem))
    assert tls.seen == "the certificate is for other.example, not for 127.0.0.1"


def test_an_expired_certificate_says_since_when(authority: Authority) -> None:
    context = authority.serves(starts_in_days=-20, ends_in_days=-10)
    tls = refused(authority, context, ca_certs=str(authority.pem))
    assert "expired on 20" in tls.seen


def test_a_certificate_of_tomorrow_suspects_the_clock(authority: Authority) -> None:
    tls = refused(authority, authority.serves(starts_in_days=5), ca_certs=str(authority.pem))
    assert "begins on" in tls.seen
    assert "clock" in tls.todo


def test_an_unknown_authority_is_named(authority: Authority, corporate: Authority) -> None:
    tls = refused(authority, authority.serves(), ca_certs=str(corporate.pem))
    assert "trustme" in tls.seen
    assert "that authority is not trusted here" in tls.seen
    assert "ca_certs=FILE" in tls.todo


def test_the_system_s_authorities_are_trusted_unless_others_are_named(authority: Authority) -> None:
    assert "not trusted here" in refused(authority, authority.serves()).seen


def test_an_interceptor_is_named_by_its_issuer(authority: Authority, corporate: Authority) -> None:
    tls = refused(authority, corporate.serves(), ca_certs=str(authority.pem))
    assert "Zscaler inspects TLS here, and is not trusted" in tls.seen


def test_an_interceptor_that_is_trusted_is_told_all_the_same(corporate: Authority) -> None:
    with FaultServer(then=answers_now, tls=corporate.serves()) as server:
        tls = only(examine("segment", server.url, ca_certs=str(corporate.pem)), "tls")
    assert (tls.level, "Zscaler stands between" in tls.seen) == ("warn", True)


def test_a_vendor_s_own_host_with_an_unknown_authority_is_suspicious(authority: Authority) -> None:
    der = ssl.PEM_cert_to_DER_cert(authority.authority.issue_cert("api.segment.io").cert_chain_pems[0].bytes().decode())
    whom = target("segment", {})
    said = handshake._verified("TLSv1.3", certificate.read(der), whom)
    assert (said.level, "stands between this machine and the vendor" in said.seen) == ("warn", True)


def test_a_certificate_that_ends_soon_is_a_warning(authority: Authority) -> None:
    with FaultServer(then=answers_now, tls=authority.serves(ends_in_days=3)) as server:
        tls = only(examine("segment", server.url, ca_certs=str(authority.pem)), "tls")
    assert (tls.level, "2 more days" in tls.seen) == ("warn", True)


def test_a_server_without_tls_is_told_as_such() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_bytes(5)
        arrived.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Peer(behave) as plain:
        tls = only(examine("segment", f"https://127.0.0.1:{plain.port}"), "tls")
    assert (tls.level, tls.seen) == ("fail", "what answers there speaks no TLS")


def test_a_handshake_that_is_cut_suspects_a_firewall() -> None:
    def behave(arrived: Arrived) -> None:
        arrived.read_bytes(5)
        arrived.reset()

    with Peer(behave) as cut:
        tls = only(examine("segment", f"https://127.0.0.1:{cut.port}"), "tls")
    assert (tls.level, "the handshake broke" in tls.seen, "firewall" in tls.todo) == ("fail", True, True)


def test_a_handshake_that_never_ends_meets_the_deadline() -> None:
    with Peer(Arrived.stall) as silent:
        tls = only(examine("segment", f"https://127.0.0.1:{silent.port}", seconds=1.0), "tls")
    assert (tls.level, tls.seen) == ("fail", "the handshake does not end")


def test_everything_goes_through_the_tunnel_of_a_proxy(authority: Authority) -> None:
    with FaultServer(then=answers_now, tls=authority.serves()) as server, ForwardProxy() as through:
        findings = examine("segment", server.url, ca_certs=str(authority.pem), proxy=through.url)
        assert through.tunnels == 2
    assert only(findings, "proxy").seen.endswith(f"opens a tunnel to 127.0.0.1:{server.port}")
    assert [only(findings, check).level for check in ("tls", "http", "clock")] == ["ok"] * 3


def test_a_trusted_environment_names_the_proxy(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(then=answers_now, tls=authority.serves()) as server, ForwardProxy() as through:
        monkeypatch.setenv("HTTPS_PROXY", through.url)
        without = examine("segment", server.url, ca_certs=str(authority.pem))
        assert through.heads == []
        trusted = examine("segment", server.url, ca_certs=str(authority.pem), trust_env=True)
        assert through.tunnels == 2
    assert without["environment"][0].level == "warn"
    assert "--trust-env" in without["environment"][0].todo
    assert only(trusted, "proxy").level == "ok"


def test_a_probe_over_tls_reaches_nobody_but_the_server(authority: Authority) -> None:
    answers = status(200, body=b'{"success":true}')
    with FaultServer(then=answers, tls=authority.serves()) as server, ForwardProxy() as through:
        examine("segment", server.url, ca_certs=str(authority.pem), proxy=through.url, probe=True)
        sent = b"".join(seen.head + seen.body for seen in server.record.requests)
        assert KEYS["segment"].encode() in sent
        assert all(KEYS["segment"].encode() not in arrived.received for arrived in through.arrivals)


# -- reading a certificate


def test_a_certificate_is_read_as_it_was_written(authority: Authority) -> None:
    made = authority.authority.issue_cert(
        "a.example",
        "*.b.example",
        "127.0.0.1",
        "::1",
        organization_name="Größe & Söhne",
        common_name="a.example",
        not_before=datetime(1996, 2, 29, 12, 0, 0, tzinfo=timezone.utc),
        not_after=datetime(2051, 1, 1, tzinfo=timezone.utc),
    )
    found = certificate.read(ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode()))
    assert found is not None
    assert found.names == ("a.example", "*.b.example", "127.0.0.1", "::1")
    assert found.subject == "a.example (Größe & Söhne)"
    assert found.issuer.startswith("trustme")
    assert not found.is_self_signed
    assert (found.begins, found.ends) == (
        datetime(1996, 2, 29, 12, 0, 0, tzinfo=timezone.utc),
        datetime(2051, 1, 1, tzinfo=timezone.utc),
    )


def test_what_is_no_certificate_is_none_whatever_it_is(authority: Authority) -> None:
    der = ssl.PEM_cert_to_DER_cert(authority.authority.cert_pem.bytes().decode())
    whole = certificate.read(der)
    assert whole is not None
    assert whole.is_self_signed
    for at in range(len(der)):
        certificate.read(der[:at])
        certificate.read(der[:at] + bytes([der[at] ^ 0xFF]) + der[at + 1 :])
    for junk in (b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80\x00\x00", b"\xff" * 100):
        assert certificate.read(junk) is None


def test_the_vendors_authorities_are_public() -> None:
    for name in ("Amazon RSA 2048 M03 (Amazon)", "R11 (Let's Encrypt)", "WE1 (Google Trust Services)", "DigiCert Inc"):
        assert issuers.is_public(name)
        assert issuers.interceptor(name) == ""
    assert not issuers.is_public("Example Corp Root")
