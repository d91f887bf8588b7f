"""Who calls: a client of each vendor, steadily, and others that are made, used and closed or forgotten meanwhile."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

from sluiceway import Amplitude, PostHog, RetryPolicy, RudderStack, Segment

from .turns import TIMEOUT_SECONDS

_KEY = "a-write-key-of-the-soak"
_OPTIONS: dict[str, Any] = {
    "on_full": "drop_oldest",
    "max_queue_bytes": 1 << 20,
    "retry": RetryPolicy(base_seconds=0.05, cap_seconds=0.5),
    "timeout": TIMEOUT_SECONDS,
}


class Callers:
    """Everybody who calls, each on a thread of its own, until told to stop."""

    def __init__(self, url: str, per_second: int) -> None:
        self._url = url
        self._pause = 1.0 / per_second
        self._stop = threading.Event()
        self.told = 0
        self.made = 0
        self.forgotten_left = 0
        self.raised: list[BaseException] = []
        self.clients: dict[str, Any] = {
            "segment": Segment(_KEY, host=url, **_OPTIONS),
            "rudderstack": RudderStack(_KEY, url, **_OPTIONS),
            "posthog": PostHog(_KEY, host=url, **_OPTIONS),
            "amplitude": Amplitude(_KEY, server_url=url, **{k: v for k, v in _OPTIONS.items() if k != "timeout"}),
        }
        self._threads = [threading.Thread(target=self._kept, args=(self._call, name)) for name in self.clients]
        self._threads += [
            threading.Thread(target=self._kept, args=(each,)) for each in (self._flush, self._come_and_go)
        ]

    def start(self) -> None:
        """Let all begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop them and close the clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        for client in self.clients.values():
            client.close(10)

    def _kept(self, work: Any, *args: Any) -> None:
        try:
            work(*args)
        except BaseException as error:
            self.raised.append(error)

    def _tell(self, _error: object, _batch: object) -> None:
        self.told += 1

    def _call(self, name: str) -> None:
        client, number = self.clients[name], 0
        while not self._stop.is_set():
            # A hundred at a time, so that the pace does not hang on how exactly the system sleeps.
            due = time.monotonic() + 100 * self._pause
            for _ in range(100):
                number += 1
                self._offer(name, client, number)
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _offer(self, name: str, client: Any, number: int) -> None:
        user = f"user-{number % 500}"
        properties = {"n": number, "text": "x" * (number % 700), "nested": {"list": [number, None, 1.5]}}
        callback = self._tell if number % 10 == 0 else None
        if name == "posthog":
            client.capture("Soaked", distinct_id=user, properties=properties, callback=callback)
        elif name == "amplitude":
            client.track("Soaked", user_id=user, event_properties=properties, callback=callback)
        else:
            client.track(user, "Soaked", properties, callback=callback)

    def _flush(self) -> None:
        while not self._stop.wait(1.0):
            for client in self.clients.values():
                client.flush(0.1)

    def _come_and_go(self) -> None:
        """Make clients that live for a moment; every other one is not closed but forgotten."""
        while not self._stop.wait(1.0):
            client = Segment(_KEY, host=self._url, **_OPTIONS)
            for number in range(50):
                client.track("guest", "Soaked", {"n": number}, callback=self._tell)
            self.made += 1
            if self.made % 2:
                client.close(0.2)
            else:
                client.purge()
            del client
            gc.collect()
