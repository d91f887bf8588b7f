"""Processes and threads share nothing that can be left locked or closed under them; and what is loaded and logged."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.transport import Request, Response, TransportError, Urllib3Transport

from .peers import OK, Arrived, Peer, answering

if TYPE_CHECKING:
    from collections.abc import Mapping


def request(body: bytes = b"{}", headers: Mapping[str, str] | None = None, later: float = 0.0) -> Request:
    return Request(path="/v1/batch", headers=headers or {}, body=body, deadline=time.monotonic() + 30 + later)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection_and_leaves_the_parents_alone() -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        pid = os.fork()
        if pid == 0:
            try:
                fine = transport.send(request(b"child")).status == 200
                transport.close()
                os._exit(0 if fine else 1)
            except BaseException:
                os._exit(2)
        assert os.waitpid(pid, 0)[1] == 0
        assert transport.send(request(b"parent")).status == 200
        assert [arrived.bodies for arrived in peer.arrivals] == [[b"{}", b"parent"], [b"child"]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_a_thread_sends_closes_its_copy_of_that_connection_and_sends_its_own() -> None:
    def behave(arrived: Arrived) -> None:
        if len(peer.arrivals) == 1:
            arrived.read()
            gone.append(arrived.sock.recv(1))
        else:
            answering(OK)(arrived)

    def send_slowly() -> None:
        with pytest.raises(TransportError, match="timeout"):
            transport.send(request(later=-29.5))

    gone: list[bytes] = []
    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        thread = threading.Thread(target=send_slowly)
        thread.start()
        while not peer.requests:
            time.sleep(0.005)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writer, b"%d" % transport.send(request(b"child")).status)
                time.sleep(20)
            finally:
                os._exit(0)
        assert os.read(reader, 3) == b"200"
        assert not gone
        thread.join(5)
        peer.threads[1].join(2)
        assert gone == [b""], "the child holds the connection open"
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_closed_transport_stays_closed_in_a_child() -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        transport.close()
        pid = os.fork()
        if pid == 0:
            try:
                transport.send(request())
            except TransportError as error:
                os._exit(0 if (error.kind, error.sent) == ("shut", "no") else 2)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        assert not peer.arrivals


def test_the_idle_connections_are_kept_without_a_lock() -> None:
    """A fork while another thread holds a lock would leave it locked in the child. Fails if urllib3 drops QueueCls."""
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        transport.send(request())
        queue: Any = transport._exchanges[os.getpid()]._pool.pool
        with queue.mutex:
            assert transport.send(request()).status == 200
            assert len(peer.arrivals) == 1
            transport.close()


def test_many_threads_share_a_transport(caplog: pytest.LogCaptureFixture) -> None:
    with Peer(answering(OK)) as peer:
        transport = Urllib3Transport(peer)
        outcomes: list[Response] = []
        threads = [
            threading.Thread(target=lambda: outcomes.extend(transport.send(request()) for _ in range(20)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(outcomes) == peer.requests == 160
        assert len(peer.arrivals) <= 8
        transport.close()
        assert not caplog.records, "urllib3 warns when a connection finds no room in the pool"


def test_an_answer_of_5xx_closes_its_own_connection_only() -> None:
    """Also when another thread takes the next connection at the very moment at which the answer has been read."""
    answers = iter([b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", OK] * 200)

    def behave(arrived: Arrived) -> None:
        while arrived.read():
            arrived.send(next(answers))

    with Peer(behave) as peer:
        transport = Urllib3Transport(peer)
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.extend(transport.send(request()).status for _ in range(50)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(statuses) == [200] * 100 + [503] * 100
        assert peer.requests == 200
        transport.close()


# -- what is loaded and what is logged


@pytest.mark.parametrize("code", ["import sluiceway.transport", "from sluiceway import Segment; Segment('k')"])
def test_urllib3_is_not_imported_before_the_first_request(code: str) -> None:
    if "Segment" in code and importlib.util.find_spec("sluiceway._native") is None:
        pytest.skip("the native engine is not built for this Python")
    code += "; import sys; print([m for m in ('urllib3', 'ssl', 'http.client') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 307 Go\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncanary\r\nContent-Length: 6\r\n\r\ncanary",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ncanary\r\n0\r\n\r\n",
        b"HTTP/1.1 canary\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n",
        b"",
    ],
    ids=["ok", "5xx", "redirect", "broken head", "two framings", "garbage", "bad length", "closed"],
)
def test_no_log_line_and_no_error_quotes_a_key_or_a_body(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    def behave(arrived: Arrived) -> None:
        while arrived.read():
            arrived.send(answer)
            if not answer:
                return

    said: list[str] = []
    with caplog.at_level(logging.DEBUG), Peer(behave) as peer:
        transport = Urllib3Transport(peer, gzip=True)
        for _ in range(2):
            try:
                transport.send(request(b"canary" * 500, {"Authorization": "Basic canary"}))
            except TransportError as error:
                said.append(repr(error))
        transport.close()
    assert "canary" not in f"{said} {caplog.text}"
    assert all(record.levelno == logging.DEBUG for record in caplog.records)
