"""A burst of 20,000 events leaves the page small and quick to use."""

from __future__ import annotations

from .watching import expect

EVENTS = 20_000
NODES = "document.querySelectorAll('*').length"
MOST_ROWS = 500


def test_a_burst_leaves_the_page_responsive(page, client):
    segment = client("segment", on_full="block", flush_at=1000)
    for place in range(EVENTS):
        segment.track(f"user-{place % 97}", "Burst", {"place": place, "revenue": 39.95, "items": [1, 2, 3]})
        if place % 4000 == 2000:
            # In the midst of it: the page answers.
            page.keyboard.press("?")
            expect(page.locator("#help-dialog")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.locator("#help-dialog")).to_be_hidden()
            assert page.locator(".row").count() <= MOST_ROWS
    assert segment.flush(timeout=50).delivered <= EVENTS
    expect(page.locator("#total-events")).to_have_text(f"{EVENTS:,}", timeout=30_000)
    assert 0 < page.locator(".row").count() <= MOST_ROWS
    assert page.evaluate(NODES) < 12_000
    # Once it is quiet, the list is whole again at its top.
    expect(page.locator(".row").first).to_be_visible()
    page.locator("#filter-user").fill("user-96")
    expect(page.locator(".row .who").first).to_have_text("user-96")
    page.locator(".row").first.click()
    expect(page.locator("#detail-title")).to_have_text("Burst")


def test_loading_further_and_further_keeps_the_list_bounded(client, watch):
    segment = client("segment", on_full="block", flush_at=1000)
    for place in range(1500):
        segment.track("ada", f"Event {place}")
    segment.flush(timeout=30)
    page = watch().page
    rows = page.locator(".row")
    expect(rows).to_have_count(100)
    for number in range(2, 9):
        page.locator("#older").click()
        expect(rows).to_have_count(min(number * 100, MOST_ROWS))
        expect(rows.last.locator(".name")).to_have_text(f"Event {1500 - number * 100}")
    expect(page.locator("#pill")).to_have_text("↑ back to the newest")
    page.locator("#pill").click()
    expect(rows.first.locator(".name")).to_have_text("Event 1499")
    expect(page.locator("#pill")).to_be_hidden()
