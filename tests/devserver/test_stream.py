"""The stream tells what happens as it happens, bounded whatever comes, and ends when the server does."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sluiceway.devserver import DevServer

from .asking import PATIENCE_SECONDS, Api, wait_for
from .made import PATHS, envelope, event


class Listener:
    """One page's stream: what it has heard, in order."""

    def __init__(self, api: Api, query: str = "") -> None:
        self.heard: list[tuple[str, Any]] = []
        self.ended = threading.Event()
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=PATIENCE_SECONDS)
        self._connection.request("GET", f"/debug/{api.token}/api/stream?{query}")
        self.answer = self._connection.getresponse()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        kind = ""
        try:
            while line := self.answer.readline():
                text = line.decode().rstrip("\r\n")
                if text.startswith("event: "):
                    kind = text[7:]
                elif text.startswith("data: "):
                    self.heard.append((kind, json.loads(text[6:])))
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.ended.set()

    def of(self, kind: str) -> list[Any]:
        return [data for heard, data in list(self.heard) if heard == kind]

    def rows(self) -> list[Any]:
        """Rows in the order of arrival, though each message has the newest first."""
        return [row for data in self.of("rows") for row in reversed(data["events"])]

    def close(self) -> None:
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_SECONDS)
        self.answer.close()
        self._connection.close()


@contextmanager
def listening(api: Api, query: str = "") -> Iterator[Listener]:
    listener = Listener(api, query)
    try:
        wait_for(lambda: bool(listener.of("hello")))
        yield listener
    finally:
        listener.close()


def test_it_begins_with_the_state_and_tells_rows_as_they_are_found(api: Api) -> None:
    with listening(api) as stream:
        assert stream.answer.getheader("content-type", "").startswith("text/event-stream")
        [hello] = stream.of("hello")
        assert hello["url"] == api.url
        assert hello["counters"]["events"] == 0
        assert api.token not in json.dumps(hello)
        for _ in range(3):
            api.post(PATHS["segment"], envelope("segment", event("segment"), event("segment")))
        wait_for(lambda: len(stream.rows()) == 6)
        assert [row["seq"] for row in stream.rows()] == [1, 2, 3, 4, 5, 6]
        assert api.ask("events")["events"][::-1] == stream.rows()


def test_it_tells_what_its_filter_asks_for(api: Api) -> None:
    with listening(api, "verdict=lost&text=needle") as stream:
        api.post(PATHS["segment"], envelope("segment", event("segment", userId=None)))
        api.post(PATHS["segment"], envelope("segment", event("segment", event="Needle")))
        api.post(PATHS["segment"], envelope("segment", event("segment", event="Needle", userId=None)))
        wait_for(lambda: len(stream.rows()) == 1)
        assert stream.rows()[0]["event"] == "Needle"
    assert api.send("GET", f"/debug/{api.token}/api/stream?verdict=nonsense")[0] == 400


def test_it_tells_counters_faults_and_that_all_was_forgotten(api: Api) -> None:
    with listening(api) as stream:
        api.post(PATHS["segment"], envelope("segment", event("segment")))
        wait_for(lambda: any(data["events"] == 1 for data in stream.of("counters")))
        fault = api.fault("reset", vendor="amplitude")
        wait_for(lambda: [fault] in stream.of("faults"))
        api.ask("faults", "DELETE")
        wait_for(lambda: [] in stream.of("faults"))
        api.ask("clear", "POST")
        wait_for(lambda: bool(stream.of("cleared")))


def test_of_a_burst_the_newest_are_told_and_the_others_counted(api: Api) -> None:
    with listening(api) as stream:
        for _ in range(4):
            api.post(PATHS["segment"], envelope("segment", *(event("segment") for _ in range(500))))
        wait_for(lambda: bool(stream.rows()) and stream.rows()[-1]["seq"] == 2_000)
        assert all(len(data["events"]) <= 100 for data in stream.of("rows"))
        assert sum(data["skipped"] + len(data["events"]) for data in stream.of("rows")) == 2_000
        assert sum(data["skipped"] for data in stream.of("rows")) >= 1_500


def test_a_page_that_reads_nothing_holds_up_nobody(api: Api, server: DevServer) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(f"GET /debug/{api.token}/api/stream HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\n\r\n".encode())
        with listening(api) as stream:
            for _ in range(20):
                api.post(PATHS["segment"], envelope("segment", *(event("segment") for _ in range(100))))
            wait_for(lambda: bool(stream.rows()) and stream.rows()[-1]["seq"] == 2_000)


def test_streams_end_with_the_server_and_a_page_that_goes_is_forgotten() -> None:
    with DevServer(0) as server:
        api = Api(server.port, server.token)
        with listening(api):
            pass
        wait_for(lambda: not server.hub.listeners)
        listeners = [Listener(api) for _ in range(3)]
        for listener in listeners:
            wait_for(lambda listener=listener: bool(listener.of("hello")))  # type: ignore[misc]
    for listener in listeners:
        assert listener.ended.wait(PATIENCE_SECONDS)
        listener.close()


def test_every_page_hears_the_same(api: Api, client: Callable[..., Any]) -> None:
    with listening(api) as first, listening(api) as second:
        one = client("segment", "/segment")
        one.track("user-1", "Event")
        one.flush(10)
        wait_for(lambda: len(first.rows()) == len(second.rows()) == 1)
        assert first.rows() == second.rows()
