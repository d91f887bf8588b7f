"""Whole bodies, byte for byte: what a change of the encoder, of a shape or of the envelope would change on the wire."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest

from sluiceway import Segment, __version__
from sluiceway.testing import MemoryTransport

KEY = 'a-write-key-"quoted"-of-tests'
WHEN = datetime(2013, 1, 1, 5, 0, 0, 123_456, timezone.utc)
LIBRARY = '{"library":{"name":"sluiceway","version":"' + __version__ + '"}'
COMMON = {"timestamp": WHEN, "message_id": "m-1"}
STAMPS = '"messageId":"m-1","timestamp":"2013-01-01T05:00:00.123Z"'

GOLDEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "identify": (
        "identify",
        {"user_id": "u", "traits": {"plan": "pro"}},
        '{"type":"identify",@,"userId":"u","traits":{"plan":"pro"},"context":#},"integrations":{}}',
    ),
    "track": (
        "track",
        {"user_id": "u", "event": "Signed Up"},
        '{"type":"track",@,"userId":"u","event":"Signed Up","properties":{},"context":#},"integrations":{}}',
    ),
    "page": (
        "page",
        {"anonymous_id": "a", "category": "Docs", "name": ""},
        '{"type":"page",@,"anonymousId":"a","category":"Docs","name":"","properties":{},"context":#},"integrations":{}}',
    ),
    "screen": (
        "screen",
        {"user_id": "u", "anonymous_id": "a", "name": "Start"},
        '{"type":"screen",@,"userId":"u","anonymousId":"a","name":"Start","properties":{},"context":#},"integrations":{}}',
    ),
    "group": (
        "group",
        {"user_id": "u", "group_id": 7, "traits": {"seats": 3}},
        '{"type":"group",@,"userId":"u","groupId":"7","traits":{"seats":3},"context":#},"integrations":{}}',
    ),
    "alias": (
        "alias",
        {"previous_id": "before", "user_id": "after"},
        '{"type":"alias",@,"previousId":"before","userId":"after","context":#},"integrations":{}}',
    ),
    "context and integrations of the caller's": (
        "track",
        {"user_id": "u", "event": "E", "context": {"ip": "10.0.0.1"}, "integrations": {"All": False}},
        (
            '{"type":"track",@,"userId":"u","event":"E","properties":{},"context":#,"ip":"10.0.0.1"},'
            '"integrations":{"All":false}}'
        ),
    ),
    "library of the caller's": (
        "track",
        {"user_id": "u", "event": "E", "context": {"ip": "10.0.0.1", "library": None}},
        (
            '{"type":"track",@,"userId":"u","event":"E","properties":{},"context":{"ip":"10.0.0.1","library":null},'
            '"integrations":{}}'
        ),
    ),
    "numbers": (
        "track",
        {"user_id": "u", "event": "E", "properties": {"n": [0, -1, 127, 128, -(2**31), 2**53 + 1, 2**63, -(10**20)]}},
        (
            '{"type":"track",@,"userId":"u","event":"E","properties":{"n":[0,-1,127,128,-2147483648,9007199254740993,'
            '9223372036854775808,-100000000000000000000]},"context":#},"integrations":{}}'
        ),
    ),
    "floats": (
        "track",
        {
            "user_id": "u",
            "event": "E",
            "properties": {"f": [0.0, -0.0, 1.0, 0.1, 1e15, 123456.789, float("nan"), float("inf"), 5e-324]},
        },
        (
            '{"type":"track",@,"userId":"u","event":"E","properties":{"f":[0.0,-0.0,1.0,0.1,1000000000000000.0,123456.789,'
            'null,null,5e-324]},"context":#},"integrations":{}}'
        ),
    ),
    "texts": (
        "track",
        {
            "user_id": "u",
            "event": "E",
            "properties": {'a"\\/\b\f\n\r\t\0\x1f\x7f': "\u00e9\u20ac\U0001f600\u2028\u2029\ufeff\ud800</script>"},
        },
        (
            '{"type":"track",@,"userId":"u","event":"E","properties":{"a\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f":'
            '"\u00e9\u20ac\U0001f600\u2028\u2029\ufeff\ufffd</script>"},"context":#},"integrations":{}}'
        ),
    ),
    "times and ids": (
        "track",
        {
            "user_id": UUID(int=255),
            "event": "E",
            "properties": {
                "t": WHEN,
                "n": datetime(2013, 1, 1),
                "u": UUID(int=1),
                "x": [None, True, {}, [], ()],
            },
        },
        (
            '{"type":"track",@,"userId":"00000000-0000-0000-0000-0000000000ff","event":"E","properties":'
            '{"t":"2013-01-01T05:00:00.123456Z","n":"2013-01-01T00:00:00.000Z","u":"00000000-0000-0000-0000-000000000001",'
            '"x":[null,true,{},[],[]]},"context":#},"integrations":{}}'
        ),
    ),
}


@pytest.mark.parametrize("checked", [False, True], ids=["native", "checked"])
@pytest.mark.parametrize(("name", "given", "wire"), GOLDEN.values(), ids=GOLDEN)
def test_a_body_has_exactly_these_bytes(name: str, given: dict[str, Any], wire: str, checked: bool) -> None:
    transport = MemoryTransport()
    client = Segment(KEY, transport=transport, middleware=[lambda event: event] if checked else None)
    assert getattr(client, name)(**given, **COMMON) is True
    [request] = transport.requests
    event = wire.replace("@", STAMPS).replace("#", LIBRARY).encode()
    head, tail = (
        b'{"batch":[',
        rb'],"sentAt":"....-..-..T..:..:..\....Z","writeKey":"a-write-key-\\"quoted\\"-of-tests"}',
    )
    assert re.fullmatch(re.escape(head + event) + tail, request.body)


def test_events_of_one_body_are_joined_by_bare_commas() -> None:
    class Slow(MemoryTransport):
        inline = False

    transport = Slow()
    with Segment(KEY, transport=transport, flush_first=False, flush_at=3, flush_interval=3_600.0) as client:
        for number in range(3):
            client.track("u", "E", message_id=f"m-{number}", timestamp=WHEN)
        assert client.flush(30).ok
    [request] = transport.requests
    _, _, events = request.body.partition(b'{"batch":[')
    events, _, _ = events.rpartition(b'],"sentAt":')
    one = GOLDEN["track"][2].replace("Signed Up", "E").replace("@", STAMPS).replace("#", LIBRARY)
    assert events.decode() == ",".join(one.replace("m-1", f"m-{number}") for number in range(3))
