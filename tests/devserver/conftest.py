"""A server for each test that asks for one, and clients that are closed whatever happens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="sluiceway[dev] is not installed")
pytest.importorskip("sse_starlette", reason="sluiceway[dev] is not installed")

from sluiceway import Amplitude, PostHog, RudderStack, Segment
from sluiceway.client import Client
from sluiceway.devserver import DevServer

from .asking import Api


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer(0) as server:
        yield server


@pytest.fixture
def api(server: DevServer) -> Api:
    return Api(server.port, server.token)


@pytest.fixture
def client(server: DevServer) -> Iterator[Callable[..., Client]]:
    """`client("capture", "/posthog")`: one of ours, pointed at a place of the server."""
    with contextlib.ExitStack() as made:

        def make(vendor: str, prefix: str, **options: Any) -> Client:
            url = server.url + prefix
            options = {"exit_timeout": 1.0} | options
            one: Client
            if vendor == "segment":
                one = Segment("key-of-a-test-0123456789", host=url, **options)
            elif vendor == "rudderstack":
                one = RudderStack("key-of-a-test-0123456789", url, **options)
            elif vendor == "amplitude":
                one = Amplitude("key-of-a-test-0123456789", server_url=url + "/2/httpapi", **options)
            else:
                mode = "v1" if vendor == "capture" else "v0"
                one = PostHog("phc_key-of-a-test-0123456789", host=url, capture_mode=mode, **options)
            made.callback(one.close, timeout=0)
            return one

        yield make


@pytest.fixture
def tell() -> Callable[..., bool]:
    """Make one call on a client of any vendor."""

    def call(client: Client, name: str = "Item Purchased", who: str = "user-1", **properties: Any) -> bool:
        if isinstance(client, PostHog):
            return client.capture(name, distinct_id=who, properties=properties)
        if isinstance(client, Amplitude):
            return client.track(name, user_id=who, event_properties=properties)
        assert isinstance(client, (Segment, RudderStack))
        return client.track(who, name, properties)

    return call
