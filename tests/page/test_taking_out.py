"""What can be taken from the page: an export, a pytest assertion that runs, the JSON; and clearing it all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .watching import expect

CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture
def two(client):
    segment = client("segment")
    segment.track("ada", "Item Purchased", {"revenue": 39.95, "items": ["a", "b"]})
    segment.identify("ada", {"email": "ada@example.com"})
    segment.flush(timeout=10)
    return segment


def download(page, button):
    with page.expect_download() as coming:
        page.locator(button).click()
    assert coming.value.suggested_filename.endswith(".jsonl")
    return [json.loads(line) for line in Path(coming.value.path()).read_text().splitlines()]


def test_the_export_is_one_event_a_line(two, page):
    expect(page.locator(".row")).to_have_count(2)
    page.keyboard.press("e")
    expect(page.locator("#export-what")).to_contain_text("all that the server has stored")
    events = download(page, "#export-plain")
    assert {event["type"] for event in events} == {"track", "identify"}
    assert "ada@example.com" not in json.dumps(events)


def test_the_export_keeps_to_the_filter_and_can_reveal(two, page):
    page.locator("#filter-type").fill("identify")
    expect(page.locator(".row")).to_have_count(1)
    page.locator("#export").click()
    expect(page.locator("#export-what")).to_contain_text("type = identify")
    events = download(page, "#export-reveal")
    assert [event["traits"]["email"] for event in events] == ["ada@example.com"]


def test_an_event_is_copied_as_a_pytest_assertion_that_passes_and_can_fail(two, watch, tmp_path):
    page = watch(permissions=CLIPBOARD).page
    page.locator(".row", has_text="Item Purchased").click()
    page.locator("#copy-pytest").click()
    expect(page.locator("#notice")).to_have_text("The pytest assertion copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert "assert_tracked(" in text
    assert "Item Purchased" in text
    assert run_as_test(text, "Item Purchased", tmp_path) == 0
    assert run_as_test(text, "Item Returned", tmp_path) == 1


def run_as_test(text, name, folder):
    """Run the copied text as the end of a test that tracks `name`; answers pytest's exit code."""
    lines = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    rest = [line for line in text.splitlines() if line not in lines]
    call = f"    Segment('k').track('ada', {name!r}, {{'revenue': 39.95, 'items': ['a', 'b']}})"
    if any(line.startswith("def test") for line in rest):
        place = next(place for place, line in enumerate(rest) if line.startswith("def test"))
        rest.insert(place + 1, call)
    else:
        rest = ["def test_it(sluiceway_events):", call, *(f"    {line}" for line in rest)]
    file = folder / f"test_{name.split()[1].lower()}.py"
    file.write_text("\n".join([*lines, "from sluiceway import Segment", *rest]) + "\n")
    # Where the package is used from its sources, pytest may have been told of the plugin, or of none, or twice.
    plugin = ["-p", "no:sluiceway", "-p", "sluiceway.testing.plugin"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, str(file)]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=50, check=False).returncode


def test_without_a_clipboard_the_text_is_shown_and_selected(two, watch):
    watched = watch()
    page = watched.page
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.locator(".row", has_text="Item Purchased").click()
    page.locator("#copy-json").click()
    field = page.locator("#copy-text")
    expect(field).to_be_visible()
    shown = field.input_value()
    assert json.loads(shown)["event"] == "Item Purchased"
    assert field.evaluate("(it) => it.value.slice(it.selectionStart, it.selectionEnd)") == shown
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()


def test_clearing_asks_first(two, page):
    expect(page.locator(".row")).to_have_count(2)
    page.locator("#clear").click()
    page.get_by_role("button", name="Keep them").click()
    expect(page.locator(".row")).to_have_count(2)
    page.locator("#clear").click()
    page.locator("#clear-sure").click()
    expect(page.locator(".row")).to_have_count(0)
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("#total-events")).to_have_text("0")
