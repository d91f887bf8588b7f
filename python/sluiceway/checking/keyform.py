"""The form of a key, before anybody is asked: blanks and quotes around it, a placeholder, a key of another kind.

Pure. No text in a finding holds any part of the key but what `Secret` shows of it.

What is said of prefixes and lengths: PostHog's capture refuses `phx_` and more than 64 characters
(rust/capture/src/token.rs), its clients' documents name `phs_` as the secret of a project; Amplitude's API keys and
secret keys are both 32 hexadecimal digits; Segment's write keys are 32 letters and digits, and none of its documents
promises it, so another length is a warning and no failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sluiceway.checking.finding import Finding, fail, ok, warn
from sluiceway.errors import ConfigError
from sluiceway.reading import as_secret
from sluiceway.secret import Secret

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"
# What documents, templates and empty slots of a deployment have in the place of a key.
_PLACEHOLDER = re.compile(
    r"[<\[{$%].*|.*[>\]}]|x{3,}|\*+|\.{3,}|(?:change|replace)[-_ ]?me|todo|none|null|undefined|test|dummy|placeholder"
    r"|(?:(?:your|my|the|a|segment|rudderstack|posthog|amplitude|sluiceway|project|source)[-_ ]*)*"
    r"(?:public[-_ ]*)?(?:api[-_ ]*|write[-_ ]*|secret[-_ ]*|project[-_ ]*)*(?:key|token)(?:[-_ ]*here)?"
    r"|(?:phc|phx)_?(?:x*|\.*|your.*|<.*)",
    re.IGNORECASE,
).fullmatch
_HEX = re.compile(r"[0-9a-f]{32}", re.IGNORECASE).fullmatch
_LETTERS_AND_DIGITS = re.compile(r"[0-9A-Za-z]+").fullmatch

_PREFIXES = {
    "phc_": ("posthog", "a PostHog project API key"),
    "phx_": ("", "a PostHog personal API key, which is secret and sends no events"),
    "phs_": ("", "a PostHog project secret key, which is for feature flags and sends no events"),
    "pha_": ("", "a PostHog OAuth token"),
    "sgp_": ("", "a token of Segment's Public API, which is secret and sends no events"),
    "ghp_": ("", "a GitHub token"),
    "sk_live_": ("", "a Stripe secret key"),
    "sk-": ("", "a secret key of another service"),
    "AKIA": ("", "an AWS access key"),
    "eyJ": ("", "a JSON web token"),
}
_WHERE = {
    "segment": "Copy the Write Key: Connections, Sources, your source, Settings, API Keys.",
    "rudderstack": "Copy the write key from the Setup tab of your source in the dashboard.",
    "posthog": "Copy the project API key (phc_…): Settings, Project, General.",
    "amplitude": "Copy the API Key: Settings, Organization settings, Projects, your project.",
}
_POSTHOG_MAX_CHARS = 64
_HEX_CHARS = 32
_SEGMENT_CHARS = 32


def look(vendor: str, key: Secret, source: str, *, readable_by_others: bool = False) -> list[Finding]:
    """Return what is wrong with the form of a key, or that nothing is. `source` says where it was found."""
    text = key.reveal()
    findings = list(_findings(vendor, text, source))
    if readable_by_others:
        findings.append(warn("key", f"the {source} can be read by other users of this machine", "Run chmod 600 on it."))
    if not findings:
        findings.append(ok("key", f"{key!r}, {len(text)} characters, from the {source}{_OF_THE_FORM[vendor]}"))
    return findings


_OF_THE_FORM = {
    "segment": "",
    "rudderstack": "",
    "posthog": ": a project API key by its form",
    "amplitude": ": 32 hexadecimal digits, as API keys and secret keys both are; only --probe can tell them apart",
}


def usable(key: Secret) -> bool:
    """Whether a client takes it at all, so that a request can be made with it."""
    try:
        as_secret(key.reveal())
    except ConfigError:
        return False
    return True


def _findings(vendor: str, text: str, source: str) -> Iterator[Finding]:
    where = _WHERE[vendor]
    bare = text.strip().strip(_QUOTES).strip()
    if not text.strip():
        what = "is empty" if not text else "holds nothing but blanks"
        yield fail("key", f"the {source} {what}", where)
        return
    if text != text.strip():
        start, _, end = text.partition(text.strip())
        which = "a line break" if {"\r", "\n"} & set(start + end) else "blanks"
        yield fail("key", f"{which} around the key in the {source}", "Take it away: the client refuses such a key.")
    if text.strip().strip(_QUOTES) != text.strip():
        yield fail(
            "key",
            f"quotes around the key in the {source}",
            "Take them away: env files of Docker and systemd units keep them as part of the value.",
        )
    if _PLACEHOLDER(bare):
        yield fail("key", f"the {source} holds a placeholder, no key", where)
        return
    for prefix, (owner, what) in _PREFIXES.items():
        if bare.startswith(prefix) and owner != vendor:
            yield fail("key", f"this is {what}, not {_A_KEY[vendor]}", where)
            return
    if not usable(Secret(bare)):
        yield fail("key", f"it holds {_strange(bare)}, which {_A_KEY[vendor]} does not", _unusable(vendor, bare))
        return
    yield from _by_vendor(vendor, bare)


_A_KEY = {
    "segment": "a Segment write key",
    "rudderstack": "a RudderStack write key",
    "posthog": "a PostHog project API key",
    "amplitude": "an Amplitude API key",
}


def _strange(text: str) -> str:
    if ":" in text:
        return "a colon"
    if any(character.isspace() for character in text):
        return "a blank or a line break"
    return "a character that is no printable ASCII"


def _unusable(vendor: str, text: str) -> str:
    if vendor == "amplitude" and ":" in text:
        return "Before the colon stands the API key: take that alone. Behind it stands the secret key."
    return "Take what stands before the colon, alone." if ":" in text else _WHERE[vendor]


def _by_vendor(vendor: str, text: str) -> Iterator[Finding]:
    where, count = _WHERE[vendor], len(text)
    if vendor == "posthog":
        if count > _POSTHOG_MAX_CHARS:
            yield fail("key", f"{count} characters, where PostHog takes {_POSTHOG_MAX_CHARS} at most", where)
        elif not text.startswith("phc_"):
            yield warn("key", "it does not begin with phc_, as the keys of today's projects do", where)
    elif vendor == "amplitude":
        if not _HEX(text):
            kind = "hexadecimal digits" if re.fullmatch(r"[0-9a-fA-F]+", text) else "characters"
            yield fail("key", f"{count} {kind}, where an Amplitude API key has {_HEX_CHARS} hexadecimal digits", where)
    elif _HEX(text) and text == text.lower():
        yield warn("key", f"32 hexadecimal digits: this looks like a key of Amplitude, not {_A_KEY[vendor]}", where)
    elif not _LETTERS_AND_DIGITS(text):
        yield warn("key", f"it holds more than letters and digits, as {_A_KEY[vendor]} usually does not", where)
    elif vendor == "segment" and count != _SEGMENT_CHARS:
        yield warn("key", f"{count} characters, where Segment's write keys usually have {_SEGMENT_CHARS}", where)
