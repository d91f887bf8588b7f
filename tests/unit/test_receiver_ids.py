"""Ids as sixteen bytes: a UUID's own, a digest of any other text, and never one id for two texts."""

from __future__ import annotations

import uuid

from sluiceway.testing.ids import pack, pack_uuids

UUIDS = [str(uuid.uuid4()) for _ in range(50)]


def test_uuids_are_their_own_bytes() -> None:
    assert pack(UUIDS) == [uuid.UUID(text).bytes for text in UUIDS]
    assert pack([]) == []


def test_one_other_text_does_not_change_what_the_uuids_are() -> None:
    assert pack([*UUIDS, "order-1"])[:-1] == pack(UUIDS)
    assert len(pack(["order-1"])[0]) == 16


def test_texts_that_only_look_like_uuids_when_joined_are_none() -> None:
    joined = UUIDS[0] + UUIDS[1]
    assert pack_uuids([joined[:35], joined[35:]]) is None
    assert pack_uuids([joined, ""]) is None


def test_each_spelling_is_an_id_of_its_own() -> None:
    spellings = [UUIDS[0], UUIDS[0].upper(), UUIDS[0].replace("-", ""), UUIDS[0][:-1] + "\uff11", UUIDS[0] + " "]
    assert len(set(pack(spellings))) == len(spellings)
