"""What can be said of a key by its form alone."""

from __future__ import annotations

import pytest

from sluiceway.checking import keyform
from sluiceway.secret import Secret

from .running import KEYS, VENDORS

HEX = KEYS["amplitude"]
POSTHOG = KEYS["posthog"]


def said(vendor: str, key: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.seen) for finding in keyform.look(vendor, Secret(key), "test")]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_of_the_usual_form_is_shown_masked(vendor: str) -> None:
    [(level, seen)] = said(vendor, KEYS[vendor])
    assert level == "ok"
    assert seen.startswith(f"***{KEYS[vendor][-4:]}, {len(KEYS[vendor])} characters, from the test")


@pytest.mark.parametrize(
    ("vendor", "key", "level", "words"),
    [
        ("posthog", "phx_Canary0fkz9876543210ABCDEFG", "fail", "personal API key"),
        ("posthog", "phs_Canary0fkz9876543210ABCDEFG", "fail", "project secret key"),
        ("posthog", "phc_" + "x1" * 31, "fail", "66 characters, where PostHog takes 64"),
        ("posthog", "Canary0fkz9876543210ABCDEFGHIJKLMNOPQRS", "warn", "does not begin with phc_"),
        ("segment", POSTHOG, "fail", "a PostHog project API key, not a Segment write key"),
        ("segment", "sgp_Canary0fkz9876543210ABCDEFG", "fail", "Public API"),
        ("segment", HEX, "warn", "looks like a key of Amplitude"),
        ("segment", "Canary0fkz", "warn", "10 characters, where Segment's write keys usually have 32"),
        ("segment", "Canary-0fkz-9876543210-ABCDEFGHI", "warn", "more than letters and digits"),
        ("rudderstack", "eyJhbGciOiJIUzI1NiJ9.canary0fkz", "fail", "JSON web token"),
        ("rudderstack", f"{KEYS['rudderstack']}:", "fail", "a colon"),
        ("amplitude", HEX[:31], "fail", "31 hexadecimal digits, where an Amplitude API key has 32"),
        ("amplitude", HEX * 2, "fail", "64 hexadecimal digits"),
        ("amplitude", f"{HEX}:{HEX}", "fail", "a colon"),
        ("amplitude", "Canary0fkz9876543210ABCDEFGHtail", "fail", "32 characters, where"),
        ("amplitude", POSTHOG, "fail", "a PostHog project API key"),
        ("segment", "", "fail", "is empty"),
        ("segment", " \n", "fail", "nothing but blanks"),
        ("segment", f"{KEYS['segment']}\n", "fail", "a line break around"),
        ("segment", f" {KEYS['segment']}", "fail", "blanks around"),
        ("segment", f'"{KEYS["segment"]}"', "fail", "quotes around"),
        ("segment", f"“{KEYS['segment']}”", "fail", "quotes around"),
        ("segment", f"{KEYS['segment'][:9]} {KEYS['segment'][10:]}", "fail", "a blank or a line break"),
        ("segment", f"{KEYS['segment'][:31]}ü", "fail", "no printable ASCII"),
    ],
)
def test_what_is_wrong_is_told_and_the_key_is_not(vendor: str, key: str, level: str, words: str) -> None:
    [(found, seen)] = said(vendor, key)
    assert (found, words in seen) == (level, True), seen
    for piece in ("anary0fkz", "c0ffee", "x1x1", "eyJh"):
        assert piece not in seen


@pytest.mark.parametrize(
    "text",
    [
        *(
            "WRITE_KEY",
            "YOUR_WRITE_KEY",
            "your-api-key",
            "<your write key>",
            "${SEGMENT_WRITE_KEY}",
            "$SEGMENT_WRITE_KEY",
        ),
        *("xxxxxxxx", "changeme", "CHANGE_ME", "TODO", "null", "undefined", "***", "...", "{{ segment_key }}", "test"),
        *("SEGMENT_WRITE_KEY", "YOUR_PROJECT_API_KEY", "phc_xxxxxxxx", "phc_...", "api_key_here", "[key]"),
    ],
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_placeholder_is_known_for_one(vendor: str, text: str) -> None:
    [(level, seen)] = said(vendor, text)
    assert (level, seen) == ("fail", "the test holds a placeholder, no key")


def test_several_things_can_be_wrong_at_once() -> None:
    assert [seen.split(" around")[0] for _, seen in said("segment", f"'{KEYS['segment']}'\n")] == [
        "a line break",
        "quotes",
    ]


def test_a_file_that_others_can_read_is_a_warning() -> None:
    findings = keyform.look("segment", Secret(KEYS["segment"]), "file key", readable_by_others=True)
    assert [finding.level for finding in findings] == ["warn"]
