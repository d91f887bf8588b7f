"""One event in full: tree, raw JSON, headers, batch, attempts, reasons, and what is hidden until it is asked for."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone

from .watching import expect

DEEP = {
    "revenue": 39.95,
    "count": 12345678901234567890,
    "items": [{"sku": "a-1", "tags": ["new", "sale"]}, {"sku": "b-2", "tags": []}],
    "coupon": None,
    "gift": True,
    "note": "tab\there, line\nthere, \u202esdrawkcab",
}


def open_row(page, name):
    page.locator(".row", has_text=name).first.click()
    expect(page.locator("#detail-title")).to_have_text(name)


def test_the_tree_opens_branch_by_branch(page, client):
    segment = client("segment")
    segment.track("ada", "Item Purchased", DEEP)
    segment.flush(timeout=10)
    open_row(page, "Item Purchased")
    tree = page.locator(".tree")
    expect(tree).to_contain_text("revenue: 39.95")
    expect(tree).to_contain_text("count: 12345678901234567890")
    expect(tree).to_contain_text("coupon: null")
    expect(tree).to_contain_text('note: "tab\\there, line\\nthere, \\u202esdrawkcab"')
    sku = tree.get_by_text('"a-1"')
    expect(sku).to_be_hidden()
    tree.locator("summary", has_text="0").first.click()
    expect(sku).to_be_visible()
    page.get_by_role("button", name="Close all").click()
    expect(tree.get_by_text("revenue")).to_be_hidden()
    page.get_by_role("button", name="Open all").click()
    expect(tree.get_by_text('"sale"')).to_be_visible()


def test_the_raw_json_is_what_was_sent(page, client):
    segment = client("segment")
    segment.track("ada", "Item Purchased", DEEP)
    segment.flush(timeout=10)
    open_row(page, "Item Purchased")
    page.get_by_role("button", name="Raw").click()
    raw = page.locator("#part-content .raw").inner_text()
    assert json.loads(raw)["properties"] == DEEP
    assert "12345678901234567890" in raw


def test_batch_headers_and_answer_are_shown_and_the_key_is_not(page, client):
    segment = client("segment", flush_at=10, flush_first=False, flush_interval=60)
    for number in range(3):
        segment.track("ada", f"Step {number}")
    segment.flush(timeout=10)
    open_row(page, "Step 1")
    request = page.locator("#part-request")
    expect(request).to_contain_text("POST")
    expect(request).to_contain_text("/v1/batch")
    expect(request).to_contain_text("200 OK")
    headers = page.locator("#part-headers table")
    expect(headers).to_contain_text(re.compile("content-type", re.IGNORECASE))
    expect(headers).to_contain_text("application/json")
    assert "ZGV2Og" not in page.content()  # "dev:" as Basic credentials
    neighbours = page.locator("#part-neighbours .neighbour")
    expect(neighbours).to_have_count(3)
    neighbours.last.click()
    expect(page.locator("#detail-title")).to_have_text("Step 2")


def test_the_attempts_are_told_with_their_delays_while_the_event_is_open(page, client, server):
    page.locator("#faults-open").click()
    page.locator("#fault-kind").select_option("status_503")
    page.locator("#fault-retry_after").fill("1")
    page.locator("#fault-times").fill("1")
    page.get_by_role("button", name="Inject").click()
    expect(page.locator(".fault")).to_have_count(1)
    page.locator("#faults-close").click()
    segment = client("segment")
    segment.track("ada", "Survives")
    rows = page.locator(".row", has_text="Survives")
    expect(rows.first).to_be_visible()
    rows.last.click()
    attempts = page.locator(".attempts tbody tr")
    expect(attempts).to_have_count(2)
    expect(attempts.nth(0)).to_contain_text("503 Service Unavailable")
    expect(attempts.nth(0)).to_contain_text("retry")
    expect(attempts.nth(1)).to_contain_text("200 OK")
    expect(attempts.nth(1)).to_contain_text(re.compile(r"\+\d"))
    expect(attempts.nth(1)).to_contain_text("delivered")
    attempts.nth(1).get_by_role("button").click()
    expect(page.locator("#part-head .mark")).to_contain_text(["retried"])
    assert segment.flush(timeout=10).delivered <= 1


def test_a_silent_loss_is_told_with_its_reason(page, server):
    import urllib.request

    body = json.dumps(
        {"batch": [{"type": "track", "event": "Nobody's", "messageId": "m-1"}], "writeKey": "dev"}
    ).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/segment/v1/batch", body, headers)) as answer:
        assert answer.status == 200
    row = page.locator(".row")
    expect(row.locator(".verdict")).to_have_text("lost")
    row.click()
    expect(page.locator("#part-head .badge.verdict")).to_have_text("lost")
    expect(page.locator(".reason").first).to_contain_text(re.compile("userId|anonymousId"))


def test_duplicates_and_odd_clocks_are_marked_and_explained(page, client):
    segment = client("segment")
    for _ in range(2):
        segment.track("ada", "Twice", message_id="the-same")
        segment.flush(timeout=10)
    segment.track("ada", "Tomorrow", timestamp=datetime.now(timezone.utc) + timedelta(days=2))
    segment.flush(timeout=10)
    twice = page.locator(".row", has_text="Twice")
    expect(twice.first.locator(".mark")).to_contain_text(["duplicate"])
    expect(page.locator(".row", has_text="Tomorrow").locator(".mark", has_text="future")).to_be_visible()
    open_row(page, "Tomorrow")
    expect(page.locator(".reason").first).to_contain_text(re.compile("future|time", re.IGNORECASE))


def test_sensitive_values_are_hidden_until_asked_for(page, client):
    segment = client("segment")
    segment.identify("user-7", {"email": "ada@example.com", "plan": "pro"})
    segment.flush(timeout=10)
    page.locator(".row").click()
    tree = page.locator(".tree")
    expect(tree).to_contain_text('plan: "pro"')
    assert "ada@example.com" not in page.content()
    reveal = page.locator("#reveal")
    reveal.click()
    expect(tree).to_contain_text("ada@example.com")
    expect(reveal).to_have_attribute("aria-pressed", "true")
    reveal.click()
    expect(tree).not_to_contain_text("ada@example.com")
