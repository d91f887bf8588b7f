"""The filter shows what it says, live and stored, and a link keeps it."""

from __future__ import annotations

import pytest

from .watching import expect


@pytest.fixture
def mixed(page, client):
    """A page that shows two vendors, two events and a repeated one."""
    segment, posthog = client("segment"), client("posthog")
    segment.track("ada", "Item Purchased", {"coupon": "SPRING"})
    segment.identify("ada", {"plan": "pro"})
    posthog.capture("Signed Up", distinct_id="grace", properties={"coupon": "NONE"})
    segment.flush(timeout=10)
    posthog.flush(timeout=10)
    expect(page.locator(".row")).to_have_count(3)
    return page


@pytest.mark.parametrize(
    ("field", "value", "left"),
    [
        ("event", "Item Purchased", "Item Purchased"),
        ("user", "grace", "Signed Up"),
        ("type", "identify", "identify"),
        ("text", "SPRING", "Item Purchased"),
    ],
)
def test_typing_filters(mixed, field, value, left):
    mixed.locator(f"#filter-{field}").fill(value)
    expect(mixed.locator(".row .name")).to_have_text([left])


def test_a_card_filters_by_its_vendor(mixed):
    card = mixed.locator(".card.vendor-posthog")
    card.click()
    expect(card).to_have_attribute("aria-pressed", "true")
    expect(mixed.locator("#filter-vendor")).to_have_value("posthog")
    expect(mixed.locator(".row .name")).to_have_text(["Signed Up"])
    card.click()
    expect(mixed.locator(".row")).to_have_count(3)


def test_a_verdict_and_a_mark_filter(mixed, client):
    twice = client("segment")
    for _ in range(2):
        twice.track("ada", "Twice", message_id="the-same")
        twice.flush(timeout=10)
    expect(mixed.locator(".row")).to_have_count(5)
    mixed.locator("#filter-verdict").select_option("duplicate")
    expect(mixed.locator(".row .name")).to_have_text(["Twice"])
    mixed.locator("#filter-verdict").select_option("")
    mixed.locator("#filter-mark").select_option("duplicate")
    expect(mixed.locator(".row .mark")).to_have_text(["duplicate"])
    mixed.locator("#filter-clear").click()
    expect(mixed.locator(".row")).to_have_count(5)


def test_what_comes_later_is_filtered_too(mixed, client):
    mixed.locator("#filter-event").fill("Wanted")
    expect(mixed.locator("#nothing")).to_be_visible()
    segment = client("segment")
    segment.track("ada", "Other")
    segment.track("ada", "Wanted")
    segment.flush(timeout=10)
    expect(mixed.locator("#total-events")).to_have_text("5")
    expect(mixed.locator(".row .name")).to_have_text(["Wanted"])


def test_a_link_keeps_filter_and_event(mixed, watch):
    mixed.locator("#filter-user").fill("ada")
    mixed.locator("#filter-event").fill("Item Purchased")
    expect(mixed.locator(".row")).to_have_count(1)
    mixed.locator(".row").click()
    expect(mixed.locator("#detail-title")).to_have_text("Item Purchased")
    link = mixed.url
    assert "user=ada" in link
    mixed.reload()
    expect(mixed.locator("#filter-user")).to_have_value("ada")
    expect(mixed.locator(".row")).to_have_count(1)
    expect(mixed.locator("#detail-title")).to_have_text("Item Purchased")
    other = watch("#" + link.split("#")[1]).page
    expect(other.locator("#filter-event")).to_have_value("Item Purchased")
    expect(other.locator(".row")).to_have_count(1)
    expect(other.locator("#detail-title")).to_have_text("Item Purchased")


def test_a_hash_of_nonsense_is_an_empty_filter(watch):
    watched = watch("#seq=-1&vendor=&%zz&__proto__=x&verdict=%3Cb%3E&mark=toString")
    watched.live()
    expect(watched.page.locator("#filter-verdict")).to_have_value("")
    expect(watched.page.locator("#filter-clear")).to_be_hidden()
    expect(watched.page.locator("#welcome")).to_be_visible()
