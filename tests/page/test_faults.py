"""Faults are injected from the page, a banner says so while they last, and our clients survive them."""

from __future__ import annotations

import pytest

from .watching import expect


def inject(page, kind, *, times=None, percent=None, **settings):
    if page.locator("#faults").is_hidden():
        page.locator("#faults-open").click()
    page.locator("#fault-kind").select_option(kind)
    if times is not None:
        page.locator("[name=fault-when][value=times]").check()
        page.locator("#fault-times").fill(str(times))
    elif percent is not None:
        page.locator("[name=fault-when][value=percent]").check()
        page.locator("#fault-percent").fill(str(percent))
    else:
        page.locator("[name=fault-when][value=always]").check()
    for name, value in settings.items():
        control = page.locator(f"#fault-{name}")
        if name == "vendor":
            control.select_option(value)
        else:
            control.fill(str(value))
    page.get_by_role("button", name="Inject").click()


def test_a_client_survives_429_with_retry_after(page, client):
    inject(page, "status_429", times=2, retry_after=1)
    expect(page.locator("#banner-text")).to_contain_text("429 Too Many Requests for the next 2 answers")
    segment = client("segment")
    segment.track("ada", "Survives")
    expect(page.locator(".row .verdict", has_text="retry")).to_have_count(2)
    expect(page.locator(".row .verdict", has_text="delivered")).to_have_count(1)
    expect(page.locator("#banner")).to_be_hidden()
    segment.flush(timeout=10)
    stats = segment.stats()
    assert (stats.delivered, stats.failed) == (1, 0)


@pytest.mark.parametrize("kind", ["status_500", "reset", "reset_half"])
def test_a_client_survives(page, client, kind):
    inject(page, kind, times=1)
    expect(page.locator(".fault")).to_have_count(1)
    posthog = client("posthog")
    posthog.capture("Survives", distinct_id="ada")
    expect(
        page.locator(".row .verdict", has_text="delivered")
        .or_(page.locator(".row .verdict", has_text="duplicate"))
        .first
    ).to_be_visible()
    posthog.flush(timeout=10)
    assert posthog.stats().delivered == 1


def test_a_413_makes_the_client_split_its_batch(page, client):
    inject(page, "status_413", times=1)
    expect(page.locator(".fault")).to_have_count(1)
    segment = client("segment", flush_first=False, flush_at=100, flush_interval=60)
    for number in range(4):
        segment.track("ada", f"Part {number}")
    assert segment.flush(timeout=10).delivered == 4
    expect(page.locator("#total-requests")).to_have_text("3")


def test_amplitude_names_the_places_it_refuses(page, client):
    inject(page, "amplitude_indexes", times=1, indexes="1")
    expect(page.locator("#fault-vendor")).to_have_value("amplitude")
    expect(page.locator("#fault-vendor")).to_be_disabled()
    expect(page.locator(".fault")).to_have_count(1)
    amplitude = client("amplitude", flush_at=100, upload_interval_in_sec=60)
    for number in range(3):
        amplitude.track(f"Place {number}", user_id=f"user-{number}")
    amplitude.flush(timeout=10)
    stats = amplitude.stats()
    assert (stats.delivered, stats.failed) == (2, 1)
    page.locator("#fault-kind").select_option("delay")
    expect(page.locator("#fault-vendor")).to_have_value("")
    expect(page.locator("#fault-vendor")).to_be_enabled()
    expect(page.locator(".row", has_text="Place 1").locator(".verdict")).to_have_text("refused")


def test_a_fault_for_one_vendor_leaves_the_others_alone(page, client):
    inject(page, "status_401", vendor="posthog")
    expect(page.locator("#banner-text")).to_contain_text("401 Unauthorized for every answer of PostHog")
    segment, posthog = client("segment"), client("posthog")
    segment.track("ada", "Fine")
    posthog.capture("Refused", distinct_id="ada")
    expect(page.locator(".row", has_text="Fine").locator(".verdict")).to_have_text("delivered")
    expect(page.locator(".row", has_text="Refused").locator(".verdict")).to_have_text("refused")
    page.get_by_role("button", name="Remove 401 Unauthorized").click()
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator(".fault")).to_have_count(0)


def test_a_share_of_the_answers_and_all_removed_at_once(page, client):
    inject(page, "status_503", percent=50, retry_after=0)
    inject(page, "delay", percent=20, delay_seconds=0.01)
    expect(page.locator(".fault")).to_have_count(2)
    expect(page.locator("#banner-text")).to_contain_text("50 % of the answers")
    segment = client("segment", flush_at=1)
    for number in range(10):
        segment.track("ada", f"Number {number}")
    page.locator("#fault-remove-all").click()
    expect(page.locator(".fault")).to_have_count(0)
    expect(page.locator("#banner")).to_be_hidden()
    segment.flush(timeout=30)
    assert segment.stats().delivered == 10


def test_two_pages_see_the_same_faults(page, watch):
    other = watch().page
    inject(page, "black_hole", times=1, delay_seconds=0.2)
    expect(other.locator("#banner-text")).to_contain_text("Black hole")
    other.locator("#banner-remove").click()
    expect(page.locator("#banner")).to_be_hidden()


def test_a_setting_that_is_missing_is_asked_for(page):
    inject(page, "amplitude_indexes", times=1, indexes="x")
    assert page.locator("#fault-indexes").evaluate("(it) => !it.validity.valid")
    expect(page.locator(".fault")).to_have_count(0)
