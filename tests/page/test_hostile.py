"""An event made of text that means harm does nothing: no code runs, no element grows, nothing is asked for."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from .corpus import CORPUS, MARKUP, NAMES
from .watching import expect, probe

CLEAN = {"ran": [], "polluted": None, "title": "sluiceway dev", "scripts": 1, "images": 1, "strange": 0, "handlers": 0}
ARM = "window.hits = []; window.pwned = (...given) => window.hits.push(given);"


def post(server, path, body, headers=None):
    """Send what no client of good will sends; headers as they are."""
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
    try:
        connection.request(
            "POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"} | (headers or {})
        )
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.fixture
def armed(watch):
    """A page in which `pwned()` exists and tells; opened before anything arrives, so that all of it comes live."""
    watched = watch()
    watched.page.context.add_init_script(ARM)
    watched.page.reload()
    watched.live()
    return watched


def look_everywhere(page, number):
    """Walk through all rows, open each and all of its branches, both ways of showing it."""
    for _ in range(number):
        page.keyboard.press("j")
        expect(page.locator(".row[aria-selected=true]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_visible()
    page.get_by_role("button", name="Open all").click()
    page.get_by_role("button", name="Raw").click()
    page.get_by_role("button", name="Tree").click()


def test_each_text_as_name_user_key_and_value(armed, client):
    page = armed.page
    segment = client("segment")
    for text in CORPUS:
        segment.track(text[:100], text[:200], {text: text, "nested": [{text: [text]}]}, context={"page": {"url": text}})
    segment.flush(timeout=20)
    expect(page.locator(".row")).to_have_count(len(CORPUS))
    expect(page.locator("#total-events")).to_have_text(str(len(CORPUS)))
    look_everywhere(page, len(CORPUS))
    assert page.evaluate(probe("look")) == CLEAN
    expect(page.locator(".row .name", has_text=MARKUP[1])).to_have_count(1)


def test_all_texts_in_one_event_with_traits_groups_and_reveal(armed, client):
    page = armed.page
    every = {f"{place} {text}": text for place, text in enumerate(CORPUS)}
    for vendor in ("segment", "posthog", "amplitude"):
        one = client(vendor)
        if vendor == "segment":
            one.identify(MARKUP[0], every | {name: {name: name} for name in NAMES}, anonymous_id=MARKUP[3])
            one.group(MARKUP[0], MARKUP[4], {"email": MARKUP[3], "token": MARKUP[4]})
        elif vendor == "posthog":
            one.capture(MARKUP[3], distinct_id=MARKUP[5][:190], properties={"$set": every, "email": MARKUP[3]})
        else:
            one.track(MARKUP[5], user_id=MARKUP[3], device_id=MARKUP[5], user_properties=every)
        one.flush(timeout=20)
    expect(page.locator(".row")).to_have_count(4)
    for place in range(4):
        row = page.locator(".row").nth(place)
        row.click()
        expect(page.locator("#detail")).to_have_attribute("data-seq", row.get_attribute("data-seq"))
        expect(page.locator(".tree")).to_be_visible()
        page.get_by_role("button", name="Open all").click()
        if page.locator("#reveal").is_visible():
            page.locator("#reveal").click()
            expect(page.locator("#reveal")).to_have_text("Hide values")
    assert page.evaluate(probe("look")) == CLEAN


def test_headers_paths_and_types_that_no_client_sends(armed, server):
    page = armed.page
    evil = [text for text in MARKUP if text.isprintable() and text.isascii()]
    for place, text in enumerate(evil):
        body = {
            "writeKey": text,
            "batch": [{"type": text, "event": text, "userId": text, "messageId": text, "timestamp": text}],
        }
        path = "/segment/v1/batch?" + "".join(f"%{byte:02X}" for byte in text.encode())
        post(server, path, body, {"User-Agent": text, f"X-Probe-{place}": text, "Authorization": f"Basic {text}"})
    expect(page.locator(".row")).to_have_count(len(evil))
    look_everywhere(page, len(evil))
    expect(page.locator("#part-headers")).to_contain_text("X-Probe", ignore_case=True)
    assert page.evaluate(probe("look")) == CLEAN


def test_a_filter_out_of_a_link_does_nothing_but_filter(armed):
    page = armed.page
    for text in MARKUP[:6]:
        page.evaluate(
            "(text) => { location.hash = new URLSearchParams({event: text, vendor: text, mark: text}); }", text
        )
        expect(page.locator("#filter-event")).to_have_value(text)
        expect(page.locator("#welcome")).to_be_hidden()
    page.keyboard.press("e")
    expect(page.locator("#export-what")).to_contain_text("event =")
    assert page.evaluate(probe("look")) == CLEAN


def test_a_tree_of_depth_and_breadth_stays_usable(armed, client):
    page = armed.page
    deep: object = "bottom"
    for _ in range(55):
        deep = {"down": deep}
    segment = client("segment")
    segment.track("ada", "Deep", {"deep": deep, "broad": list(range(3000)), "long": "x" * 6000})
    segment.flush(timeout=10)
    page.locator(".row").click()
    page.get_by_role("button", name="Open all").click()
    expect(page.locator(".tree").get_by_text('"bottom"')).to_be_attached()
    expect(page.locator(".tree").get_by_text("more entries")).to_be_attached()
    assert page.locator(".tree li").count() < 1000
    page.get_by_role("button", name="all 6,000 characters").click()
    assert page.evaluate(probe("look")) == CLEAN
