"""How bodies are packed on PostHog's older routes, where no header says so: gzip, base64, LZ strings in base64.

After PostHog/posthog: rust/capture/src/payload/decompression.rs and v0_request.rs.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from sluiceway.testing.arriving import MAX_UNPACKED_BYTES, unpacked
from sluiceway.testing.wire import Malformed

GZIP_MAGIC = b"\x1f\x8b"


def unpack_legacy(body: bytes, hint: str) -> bytes:
    """Return a body that may be packed in one of the ways of PostHog's older routes; `hint` is its `compression=`."""
    if body.startswith(GZIP_MAGIC):
        return unpacked(body, "gzip")
    if hint in ("gzip", "gzip-js") and body[:1] not in (b"{", b"["):
        return unpacked(from_base64(body), "gzip")
    if hint == "lz64":
        return unpack_lz64(body.decode("ascii", "replace"))
    return body


def from_base64(body: bytes) -> bytes:
    """Return what a text in base64 says, the padding left out or not. Raises `Malformed`."""
    text = body.strip().replace(b" ", b"+")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=None, validate=True)
    except binascii.Error:
        raise Malformed(400, "the body is not base64") from None


_LZ_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_LZ_VALUES = {letter: value for value, letter in enumerate(_LZ_ALPHABET)}


def unpack_lz64(text: str) -> bytes:
    """Return what lz-string's `compressToBase64` packed, as UTF-8. Raises `Malformed`."""
    letters = unquote_plus(text).replace(" ", "+").strip()
    try:
        # Letters are units of UTF-16, as in JavaScript.
        return _lz(letters).encode("utf-16-le", "surrogatepass").decode("utf-16-le").encode()
    except (KeyError, IndexError, ValueError, OverflowError):
        raise Malformed(400, "the body is not lz64") from None


def _lz(letters: str) -> str:
    """LZ78 with codes that grow bit by bit, 6 bits a letter, each code with its least bit first."""
    bits = "".join(f"{_LZ_VALUES[letter]:06b}" for letter in letters if letter != "=")
    at = 0

    def read(width: int) -> int:
        nonlocal at
        if at + width > len(bits):
            raise IndexError
        value = int(bits[at : at + width][::-1], 2)
        at += width
        return value

    def literal(code: int) -> str:
        return chr(read(8 if code == 0 else 16))

    first = read(2)
    if first == 2:
        return ""
    previous = literal(first)
    known = ["", "", "", previous]  # 0 and 1 announce a letter, 2 ends the text
    width, room = 3, 4
    said = [previous]
    nchars = len(previous)
    while True:
        code = read(width)
        if code == 2:
            return "".join(said)
        if code in (0, 1):
            known.append(literal(code))
            code = len(known) - 1
            room -= 1
            if room == 0:
                room, width = 1 << width, width + 1
        if code > len(known):
            raise IndexError
        entry = known[code] if code < len(known) else previous + previous[0]
        said.append(entry)
        nchars += len(entry)
        if nchars > MAX_UNPACKED_BYTES:
            raise OverflowError
        known.append(previous + entry[0])
        room -= 1
        if room == 0:
            room, width = 1 << width, width + 1
        previous = entry
