"""Ids as the ledger keeps them: 16 bytes each, so that millions fit into memory."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence


def pack(ids: Sequence[str]) -> list[bytes]:
    """Return 16 bytes for each id: the UUID's own where it is one in lower case, else a digest of the text.

    One conversion for the whole batch: a UUID object each would cost more than decoding the event.
    """
    packed = pack_uuids(ids)
    return [_pack_one(event_id) for event_id in ids] if packed is None else packed


def pack_uuids(ids: Sequence[str]) -> list[bytes] | None:
    """Return 16 bytes for each id if every one of them is a UUID as it is commonly printed, else None."""
    dashes = "-" * len(ids)
    joined = "".join(ids)
    digits = joined.replace("-", "")
    if len(digits) != 32 * len(ids) or any(length != 36 for length in set(map(len, ids))):
        return None
    if any(joined[at::36] != dashes for at in (8, 13, 18, 23)):
        return None
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return None
    if packed.hex() != digits:
        return None  # capitals: another text, another id
    # One call for all of them; slices would be a fifth of the work.
    return list(struct.unpack("16s" * len(ids), packed))


def _pack_one(event_id: str) -> bytes:
    packed = pack_uuids([event_id])
    if packed is not None:
        return packed[0]
    return hashlib.blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
