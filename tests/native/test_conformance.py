"""Every document that a JSON reader must accept, read by Python and sent, arrives as Python read it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from .clients import Kept, strict
from .corpus import DOCUMENTS


@pytest.fixture(scope="module")
def client() -> Kept:
    return Kept()


@pytest.fixture(scope="module")
def long_way() -> Kept:
    return Kept(middleware=[lambda event: event])


def exact(value: Any) -> Any:
    """The value with floats as their bits and numbers with their type, so that `==` sees every difference."""
    if isinstance(value, Mapping):
        return [(key, exact(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [exact(each) for each in value]
    return struct.pack("<d", value) if isinstance(value, float) else (type(value), value)


def test_the_corpus_covers_the_grammar() -> None:
    assert len(DOCUMENTS) >= 200
    text = b"".join(DOCUMENTS.values())
    assert all(b"\\" + letter in text for letter in (b'"', b"\\", b"/", b"b", b"f", b"n", b"r", b"t", b"u"))
    kinds = {type(json.loads(document)) for document in DOCUMENTS.values()}
    assert kinds == {dict, list, str, int, float, bool, type(None)}
    for document in DOCUMENTS.values():
        msgspec.json.decode(document)  # another reader accepts each, too


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_what_python_reads_arrives_as_it_was(client: Kept, long_way: Kept, document: bytes) -> None:
    value = json.loads(document)
    for each in (client, long_way):
        each.clear()
        assert each.track("u", "E", {"document": value, "again": [value]}) is True
        arrived = strict(each.memory.requests[0].body)["batch"][0]["properties"]
        assert list(arrived) == ["document", "again"]
        assert exact(arrived["document"]) == exact(value)
        assert exact(arrived["again"]) == exact([value])
        assert each.stats().replaced == {}


@pytest.mark.parametrize("document", [each for each in DOCUMENTS.values() if each.strip()[:1] == b"{"])
def test_an_object_may_be_the_properties_themselves(client: Kept, document: bytes) -> None:
    client.clear()
    assert client.track("u", "E", json.loads(document)) is True
    [event] = strict(client.memory.requests[0].body)["batch"]
    assert exact(event["properties"]) == exact(json.loads(document))


@pytest.mark.parametrize("document", [each for each in DOCUMENTS.values() if each.strip()[:1] == b'"'])
def test_a_text_may_be_the_name_of_an_event(client: Kept, document: bytes) -> None:
    name = json.loads(document)
    client.clear()
    assert client.track("u", name) is bool(name)
    assert [event["event"] for event in client.memory.events] == [name][: bool(name)]


def test_all_documents_in_one_event() -> None:
    client = Kept(max_event_bytes=1_000_000, max_batch_bytes=2_000_000)
    values = {name: json.loads(document) for name, document in DOCUMENTS.items()}
    assert client.track("u", "E", values) is True
    assert exact(client.memory.events[0]["properties"]) == exact(values)
