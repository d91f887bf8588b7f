"""The page for everybody: by keyboard alone, dark and light, narrow and wide, still, with a name for each control."""

from __future__ import annotations

import re

import pytest

from .watching import expect, probe

WIDE = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@pytest.fixture
def some(client):
    """Events of each verdict that a client can bring about, and marks."""
    segment, posthog = client("segment"), client("posthog")
    for _ in range(2):
        segment.track("ada", "A name that is longer than a narrow screen is wide, by far", message_id="the-same")
        segment.flush(timeout=10)
    posthog.capture("Signed Up", distinct_id="anonymous", properties={"plan": "pro"})
    posthog.flush(timeout=10)


def test_by_keyboard_alone(some, page):
    expect(page.locator(".row")).to_have_count(3)
    keys = page.keyboard
    keys.press("j")
    expect(page.locator(".row").nth(0)).to_have_attribute("aria-selected", "true")
    keys.press("ArrowDown")
    expect(page.locator(".row").nth(1)).to_have_attribute("aria-selected", "true")
    keys.press("k")
    keys.press("Enter")
    expect(page.locator("#detail-title")).to_be_focused()
    keys.press("Tab")
    expect(page.locator("#detail-close")).to_be_focused()
    keys.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(page.locator("#list")).to_be_focused()
    keys.press("/")
    expect(page.locator("#filter-text")).to_be_focused()
    keys.type("Signed jfp?")
    expect(page.locator("#filter-text")).to_have_value("Signed jfp?")
    expect(page.locator("#faults")).to_be_hidden()
    expect(page.locator("#nothing")).to_be_visible()
    for _ in range(5):
        keys.press("Backspace")
    expect(page.locator(".row")).to_have_count(1)
    keys.press("Escape")
    expect(page.locator("#list")).to_be_focused()
    keys.press("p")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    keys.press("p")
    keys.press("f")
    expect(page.locator("#fault-kind")).to_be_focused()
    for _ in range(4):
        keys.press("Tab")
    keys.press("Escape")
    expect(page.locator("#faults")).to_be_hidden()
    keys.press("?")
    expect(page.locator("#help-dialog")).to_be_visible()
    keys.press("j")
    keys.press("Escape")
    expect(page.locator("#help-dialog")).to_be_hidden()
    keys.press("e")
    expect(page.locator("#export-plain")).to_be_focused()
    keys.press("Escape")
    keys.press("x")
    expect(page.locator("#clear-dialog")).to_be_visible()


def test_every_stop_of_the_tab_key_is_seen(some, page):
    page.locator(".row").first.click()
    expect(page.locator("#detail")).to_be_visible()
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        focus = page.evaluate(probe("focus"))
        assert focus[1], focus
        seen.add(focus[0])
    assert {"faults-open", "theme", "filter-text", "list", "detail-close", "copy-pytest"} <= seen


def test_no_width_scrolls_sideways(some, page):
    expect(page.locator(".row")).to_have_count(3)
    for width in (360, 390, 720, 900, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 700})
        whole, seen = page.evaluate(WIDE)
        assert whole == seen == width
        page.locator(".row").first.click()
        expect(page.locator("#detail")).to_be_visible()
        assert page.evaluate(WIDE) == [width, width]
        page.keyboard.press("Escape")
        expect(page.locator("#detail")).to_be_hidden()
        for spot in ("#faults-open", "#pause", "#export", "#clear", "#theme", "#help"):
            assert_within(page.locator(spot).bounding_box(), width)
        page.locator("#faults-open").click()
        assert page.evaluate(WIDE) == [width, width]
        assert_within(page.locator("#faults-close").bounding_box(), width)
        page.keyboard.press("Escape")
        expect(page.locator("#faults")).to_be_hidden()


def assert_within(box, width):
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_the_empty_page_fits_a_narrow_screen(watch):
    page = watch(viewport={"width": 360, "height": 640}).page
    expect(page.locator("#welcome")).to_be_visible()
    whole, seen = page.evaluate(WIDE)
    assert whole == seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_every_control_has_a_name(some, watch, scheme):
    page = watch(color_scheme=scheme).page
    expect(page.locator(".row")).to_have_count(3)
    page.locator(".row").last.click()
    expect(page.locator("#detail .tree")).to_be_visible()
    assert page.evaluate(probe("faint")) == []
    assert page.evaluate(probe("nameless")) == []
    page.locator("#faults-open").click()
    page.get_by_role("button", name="Inject").click()
    expect(page.locator("#banner")).to_be_visible()
    assert page.evaluate(probe("faint")) == []
    assert page.evaluate(probe("nameless")) == []


def test_dark_and_light_follow_the_system_and_the_switch_and_are_kept(watch):
    page = watch(color_scheme="dark").page
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark != light
    switch = page.locator("#theme")
    switch.click()
    switch.click()
    expect(switch).to_have_attribute("title", re.compile("dark"))
    assert page.evaluate(ground) == dark
    page.reload()
    assert page.evaluate(ground) == dark
    page.locator("#theme").click()
    assert page.evaluate(ground) == light


def test_nothing_moves_for_who_wants_it_still(some, watch):
    page = watch(reduced_motion="reduce").page
    expect(page.locator(".row")).to_have_count(3)
    assert page.evaluate("document.getAnimations().length") == 0


def test_the_page_asks_only_its_own_server_and_says_so_in_its_policy(watch, server):
    watched = watch()
    watched.live()
    assert len(watched.requests) > 20
    assert all(url.startswith(server.page) for url in watched.requests)
    with watched.page.expect_response(server.page) as coming:
        watched.page.reload()
    policy = coming.value.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"):
        assert part in policy
    assert "unsafe" not in policy
