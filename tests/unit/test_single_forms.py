"""Forms, as old clients and requests by hand send them: whatever is in one, it is read or refused."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.testing import Arriving, Limits
from sluiceway.testing.strict.detect import strict_for
from sluiceway.testing.strict.reading import Reading
from sluiceway.testing.strict.single import as_batch
from sluiceway.testing.wire import Malformed

FORM = {"content-type": "application/x-www-form-urlencoded"}
USER = {"user_id": "user-1", "user_properties": {"$set": {"ville": "Genève", "名": "値"}}}


def form(vendor: str, path: str, data: bytes) -> Reading:
    arriving = Arriving(
        number=0, connection=0, method="POST", path=path, headers=FORM, body_bytes=len(data), read=lambda _n: data
    )
    batch = as_batch(arriving, vendor)
    return strict_for(batch, vendor).read(batch, Limits())


def events(reading: Reading) -> list[Any]:
    return [json.loads(bytes(raw)) for raw in reading.events]


@pytest.mark.parametrize("path", ["/identify", "/amplitude/identify"])
def test_amplitudes_identify_keeps_its_texts(path: str) -> None:
    said = json.dumps([USER], ensure_ascii=False)
    escaped = urlencode({"api_key": "k", "identification": said}).encode()
    raw = f"api_key=k&identification={said}".encode()
    for data in (escaped, raw):
        reading = form("amplitude", path, data)
        assert reading.refusal is None
        [event] = events(reading)
        assert (event["event_type"], event["user_properties"]) == ("$identify", USER["user_properties"])


def test_posthogs_data_keeps_its_texts() -> None:
    said = {"api_key": "k", "event": "gekauft", "distinct_id": "Jürgen", "properties": {"名": "値"}}
    plain = json.dumps(said, ensure_ascii=False).encode()
    for value in (quote_from_bytes(plain), quote_from_bytes(base64.b64encode(plain))):
        reading = form("posthog", "/e/", b"data=" + value.encode())
        assert reading.refusal is None
        [event] = events(reading)
        assert (event["distinct_id"], event["properties"]) == ("Jürgen", {"名": "値"})


def test_a_form_of_bytes_that_are_no_text_is_refused() -> None:
    for text in (b"\xe4\xff", b"%E4%FF"):
        reading = form("amplitude", "/identify", b'api_key=k&identification=[{"user_id":"%s"}]' % text)
        assert reading.refusal is not None
        assert reading.refusal.status == 400
    with pytest.raises(Malformed):
        form("amplitude", "/identify", b"a=1&" * 1_000)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["/identify", "/groupidentify", "/httpapi"]),
    st.sampled_from([b"api_key=k&identification=", b"api_key=k&event=", b"data=", b"", b"compression=gzip-js&data="]),
    st.binary(max_size=40) | st.text(max_size=40).map(str.encode),
)
def test_no_form_is_too_odd(path: str, start: bytes, rest: bytes) -> None:
    for vendor, where in (("amplitude", path), ("posthog", "/e/"), ("posthog", "/batch/?compression=base64")):
        with suppress(Malformed):
            form(vendor, where, start + rest)
