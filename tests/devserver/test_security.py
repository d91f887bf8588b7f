"""Who may ask, row by row, in raw HTTP: names, origins, the token, changes, and what a page may load."""

from __future__ import annotations

import json
import socket

import pytest

from sluiceway.devserver import DevServer

from .asking import HEADER, Api, raw
from .made import KEY, PATHS, envelope, event

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def request(host: str, path: str = "/", *lines: str, method: str = "GET") -> bytes:
    head = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host else []), "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_names_of_this_machine_are_answered(api: Api, name: str) -> None:
    assert status(raw(api.port, request(f"{name}:{api.port}"))) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", "::1", " "],
)
def test_other_names_are_misdirected(api: Api, host: str) -> None:
    for path in ("/", f"/debug/{api.token}/", f"/debug/{api.token}/api/state", "/segment/v1/batch"):
        answer = raw(api.port, request(host.format(port=api.port), path))
        assert status(answer) == 421
        assert api.token.encode() not in answer


def test_no_name_and_two_names_are_misdirected(api: Api) -> None:
    assert status(raw(api.port, request("").replace(b"HTTP/1.1", b"HTTP/1.0"))) == 421
    two = request(f"127.0.0.1:{api.port}", "/", "Host: evil.example")
    assert status(raw(api.port, two)) in (400, 421)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "file://",
        "http://[::1",
        "",
    ],
)
def test_pages_of_other_hosts_are_refused(api: Api, origin: str) -> None:
    for method, path in (("POST", PATHS["segment"]), ("OPTIONS", PATHS["segment"]), ("GET", f"/debug/{api.token}/")):
        code, headers, _ = api.send(method, path, b"{}" if method == "POST" else None, {"Origin": origin})
        assert code == 403
        assert "access-control-allow-origin" not in headers
    assert api.counters()["requests"] == 0


def test_a_page_of_this_machine_may_send_events_and_not_read_the_api(api: Api) -> None:
    origin = {"Origin": "http://localhost:3000"}
    wish = origin | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
    }
    code, headers, _ = api.send("OPTIONS", PATHS["segment"], None, wish)
    assert code == 204
    assert headers["access-control-allow-origin"] == origin["Origin"]
    assert headers["access-control-allow-headers"] == "content-type,authorization"
    body = json.dumps(envelope("segment", event("segment"))).encode()
    code, headers, _ = api.send("POST", PATHS["segment"], body, origin)
    assert (code, headers["access-control-allow-origin"]) == (200, origin["Origin"])
    code, headers, _ = api.send("GET", f"/debug/{api.token}/api/state", None, origin)
    assert "access-control-allow-origin" not in headers


def test_a_preflight_repeats_nothing_odd(api: Api) -> None:
    wish = {"Origin": "http://localhost:3000", "Access-Control-Request-Headers": "x\x01y"}
    answer = raw(
        api.port,
        request(
            f"127.0.0.1:{api.port}",
            PATHS["segment"],
            *(f"{name}: {value}" for name, value in wish.items()),
            method="OPTIONS",
        ),
    )
    assert b"\x01" not in answer


@pytest.mark.parametrize("wrong", ["", "x" * 32, "{token}x", "{short}", "%00", "{token}%2f", "..", "é"])
def test_a_wrong_token_is_nowhere(api: Api, wrong: str) -> None:
    token = wrong.format(token=api.token, short=api.token[:-1])
    for path in ("/", "/api/state", "/api/stream", "/static/app.js"):
        answer = raw(api.port, request(f"127.0.0.1:{api.port}", f"/debug/{token}{path}".encode().decode("latin-1")))
        assert status(answer) in (400, 404), path
        assert api.token.encode() not in answer


def test_changes_need_their_header_and_the_pages_own_origin(api: Api) -> None:
    path = f"/debug/{api.token}/api/"
    own, other = f"http://127.0.0.1:{api.port}", "http://localhost:3000"
    fault = json.dumps({"kind": "delay"}).encode()
    for method, what in (("POST", "faults"), ("DELETE", "faults"), ("DELETE", "faults/1"), ("POST", "clear")):
        assert api.send(method, path + what, fault)[0] == 403
        assert api.send(method, path + what, fault, {"X-Sluiceway": "0"})[0] == 403
        assert api.send(method, path + what, fault, HEADER | {"Origin": other})[0] == 403
        assert api.send(method, path + what, fault, HEADER | {"Origin": f"https://127.0.0.1:{api.port}"})[0] == 403
    assert api.ask("state")["faults"] == []
    assert api.send("POST", path + "faults", fault, HEADER | {"Origin": own})[0] == 200
    assert api.send("DELETE", path + "faults", None, HEADER)[0] == 200


def test_other_methods_do_nothing(api: Api) -> None:
    for method in ("PUT", "PATCH", "DELETE", "POST", "OPTIONS"):
        for what in ("api/state", "api/events", "api/stream", "api/export.jsonl", ""):
            assert api.send(method, f"/debug/{api.token}/{what}", None, HEADER)[0] == 405, (method, what)
    assert api.send("GET", f"/debug/{api.token}/api/clear")[0] == 405


def test_page_and_api_say_what_a_browser_may_do(api: Api) -> None:
    for what in ("", "api/state", "api/events", "api/export.jsonl", "api/nothing", "static/nothing.js"):
        _, headers, _ = api.send("GET", f"/debug/{api.token}/{what}")
        assert headers["content-security-policy"] == POLICY, what
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    code, headers, body = api.send("GET", f"/debug/{api.token}/")
    assert (code, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<!doctype html>" in body.lower()


@pytest.mark.parametrize("name", ["../running.py", "..%2frunning.py", "%2e%2e/running.py", "app.js%00", "/etc/passwd"])
def test_nothing_but_the_pages_files_is_served(api: Api, name: str) -> None:
    answer = raw(api.port, request(f"127.0.0.1:{api.port}", f"/debug/{api.token}/static/{name}"))
    assert status(answer) in (400, 404)
    assert b"import" not in answer


def test_it_listens_on_loopback_only(server: DevServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10):
        pass
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in {str(other) for other in others if not str(other).startswith("127.")}:
        with pytest.raises(OSError):
            socket.create_connection((address, server.port), timeout=2)


def test_a_websocket_is_not_opened(api: Api) -> None:
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    head = f"GET /debug/{api.token}/ HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\n" + "\r\n".join([*lines, "", ""])
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
        sock.sendall(head.encode())
        assert b" 101 " not in sock.recv(100)


def test_a_token_that_could_be_guessed_is_not_taken() -> None:
    for token in ("short", "x" * 23, "with/slash" * 4, "with space " * 4):
        with pytest.raises(ValueError, match="24 to 200"):
            DevServer(0, token=token)
    with DevServer(0, token="a" * 24) as server:
        assert server.page.endswith(f"/debug/{'a' * 24}/")


def test_two_servers_have_two_tokens(server: DevServer) -> None:
    with DevServer(0) as other:
        assert other.token != server.token
        assert len(other.token) >= 32


def test_a_header_that_names_a_key_is_no_way_in(api: Api) -> None:
    assert api.send("GET", "/debug/", None, {"Authorization": f"Bearer {api.token}", "X-Key": KEY})[0] == 404
