"""The page says when its server is away, and goes on by itself when it is back."""

from __future__ import annotations

import contextlib

import pytest

from .watching import expect

# What Chromium itself logs of a request to a server that is not there, or that no longer knows the page's address.
AWAY = r"Failed to load resource: (net::ERR_|the server responded with a status of 404)"


@pytest.fixture
def restartable(browser):
    """`restart(port, token)`: a server in the place of the one before, at the same address."""
    from sluiceway.devserver import DevServer

    with contextlib.ExitStack() as started:
        servers = []

        def restart(port=0, token=None):
            if servers:
                servers.pop().__exit__(None, None, None)
            server = DevServer(port=port, token=token)
            server.__enter__()
            servers.append(server)
            return server

        started.callback(lambda: [server.__exit__(None, None, None) for server in servers])
        yield restart


@pytest.fixture
def shown(browser, restartable):
    """A server that can be restarted, and a page of it that may be without it for a while."""
    from .watching import Watched

    server = restartable()
    context = browser.new_context()
    context.set_default_timeout(15_000)
    watched = Watched(context, server.url)
    watched.allow(AWAY)
    watched.page.goto(server.page)
    watched.live()
    yield server, watched
    context.close()
    watched.check()


def test_the_page_reconnects_to_a_server_at_the_same_address(shown, restartable, client):
    server, watched = shown
    page = watched.page
    first = client("segment", server.url)
    first.track("ada", "Before")
    first.flush(timeout=10)
    expect(page.locator(".row .name")).to_have_text(["Before"])
    server.__exit__(None, None, None)
    expect(page.locator("#connection")).to_have_attribute("data-state", "away")
    expect(page.locator("#away-text")).to_contain_text("does not answer")
    expect(page.locator(".row .name")).to_have_text(["Before"])
    again = restartable(server.port, server.token)
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("#away")).to_be_hidden()
    second = client("posthog", again.url)
    second.capture("After", distinct_id="ada")
    second.flush(timeout=10)
    expect(page.locator(".row .name")).to_have_text(["After"])


def test_the_page_says_when_a_new_server_does_not_know_it(shown, restartable):
    server, watched = shown
    restartable(server.port)
    expect(watched.page.locator("#connection")).to_have_attribute("data-state", "moved")
    expect(watched.page.locator("#away-text")).to_contain_text("Open the one that it printed")


def test_an_act_without_a_server_says_so(shown):
    server, watched = shown
    server.__exit__(None, None, None)
    watched.page.locator("#clear").click()
    watched.page.locator("#clear-sure").click()
    expect(watched.page.locator("#notice")).to_contain_text("does not answer")
