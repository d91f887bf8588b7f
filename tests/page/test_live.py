"""Events arrive on the page by themselves, and the empty page says how to make the first one come."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from .watching import expect

VENDORS = ["Segment", "RudderStack", "PostHog", "Amplitude"]


def track(client, vendor, name, number=1):
    for place in range(number):
        if vendor == "posthog":
            client.capture(name, distinct_id=f"user-{place}", properties={"place": place})
        elif vendor == "amplitude":
            client.track(name, user_id=f"user-{place}", event_properties={"place": place})
        else:
            client.track(f"user-{place}", name, {"place": place})
    assert client.flush(timeout=10)


@pytest.mark.parametrize("vendor", [vendor.lower() for vendor in VENDORS])
def test_an_event_of_each_vendor_appears_without_a_reload(page, client, vendor):
    expect(page.locator("#welcome")).to_be_visible()
    track(client(vendor), vendor, "Item Purchased")
    row = page.locator(".row").first
    expect(row.locator(".name")).to_have_text("Item Purchased")
    expect(row.locator(".who")).to_have_text("user-0")
    expect(row.locator(".vendor")).to_have_text(next(name for name in VENDORS if name.lower() == vendor))
    expect(row.locator(".verdict")).to_have_text("delivered")
    expect(page.locator("#welcome")).to_be_hidden()


def test_the_newest_event_is_on_top_and_is_counted(page, client):
    segment = client("segment")
    track(segment, "segment", "First")
    track(segment, "segment", "Second")
    names = page.locator(".row .name")
    expect(names).to_have_text(["Second", "First"])
    expect(page.locator("#total-events")).to_have_text("2")
    card = page.locator(".card.vendor-segment")
    expect(card.locator(".number")).to_have_text("2")
    expect(card.locator(".fates")).to_contain_text("2 delivered")
    expect(page.locator("#plot")).to_have_attribute("aria-label", re.compile(r"peak [12]$"))


def test_a_reader_who_scrolled_away_is_told_how_many_came(page, client):
    segment = client("segment")
    track(segment, "segment", "Early", 80)
    expect(page.locator(".row")).to_have_count(80)
    page.locator("#scroller").evaluate("(it) => { it.scrollTop = 600; }")
    top = page.locator("#scroller").evaluate("(it) => it.scrollTop")
    track(segment, "segment", "Late", 3)
    pill = page.locator("#pill")
    expect(pill).to_have_text("↑ 3 new")
    assert page.locator("#scroller").evaluate("(it) => it.scrollTop") == top
    expect(page.locator(".row")).to_have_count(80)
    pill.click()
    expect(page.locator(".row")).to_have_count(83)
    expect(page.locator(".row .name").first).to_have_text("Late")
    expect(pill).to_be_hidden()


def test_a_paused_list_stands_still_and_goes_on(page, client):
    segment = client("segment")
    track(segment, "segment", "Before")
    expect(page.locator(".row")).to_have_count(1)
    page.locator("#pause").click()
    expect(page.locator("#connection-words")).to_have_text("paused")
    track(segment, "segment", "While paused", 2)
    expect(page.locator("#pill")).to_have_text("↑ 2 new (paused)")
    expect(page.locator("#total-events")).to_have_text("3")
    expect(page.locator(".row")).to_have_count(1)
    page.locator("#pause").click()
    expect(page.locator(".row")).to_have_count(3)


def test_older_events_are_loaded_on_demand(server, client, watch):
    segment = client("segment")
    track(segment, "segment", "Many", 250)
    page = watch().page
    expect(page.locator(".row")).to_have_count(100)
    page.locator("#older").click()
    expect(page.locator(".row")).to_have_count(200)
    page.locator("#older").click()
    expect(page.locator(".row")).to_have_count(250)
    expect(page.locator("#older")).to_be_hidden()


def test_the_empty_page_gives_code_that_works(page, server):
    expect(page.locator("#welcome-url")).to_have_text(server.url)
    tabs = page.locator("#tabs [role=tab]")
    expect(tabs).to_have_text(["sluiceway", *VENDORS, "curl"])
    codes = page.locator("#snippets code").all_inner_texts()
    assert len(codes) == 4
    for code in codes:
        assert server.url in code
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    expect(page.locator(".row")).to_have_count(4)
    expect(page.locator(".row .verdict-delivered")).to_have_count(4)
    assert {*page.locator(".row .vendor").all_inner_texts()} == {*VENDORS}


def test_the_empty_page_s_tabs_follow_the_arrow_keys(page):
    tabs = page.locator("#tabs [role=tab]")
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tabs.nth(1)).to_be_focused()
    expect(page.locator("#snippets")).to_contain_text("segment-analytics-python")
    page.keyboard.press("End")
    expect(page.locator("#snippets")).to_contain_text("curl http://127.0.0.1:")
