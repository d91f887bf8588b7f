"""Who a certificate is for, from whom, and for how long, read from its DER.

Python tells these of a certificate that it has verified and of no other, and the one that was refused is the one to be
named. Nothing here decides about trust: that is OpenSSL's. Source of the layout: RFC 5280, section 4.1.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime, timezone

import msgspec

_SEQUENCE, _SET, _OID, _OCTETS, _UTC_TIME, _GENERAL_TIME = 0x30, 0x31, 0x06, 0x04, 0x17, 0x18
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87

_COMMON_NAME, _ORGANISATION, _UNIT = b"\x55\x04\x03", b"\x55\x04\x0a", b"\x55\x04\x0b"
_ALTERNATIVE_NAMES = b"\x55\x1d\x11"
_BMP_STRING = 0x1E
_MOST_NAMES = 100


class Certificate(msgspec.Struct, frozen=True):
    """What is said in a certificate. Names are cut to 80 printable characters: anybody can write one."""

    subject: str
    issuer: str
    issuer_organisation: str
    names: tuple[str, ...]
    begins: datetime
    ends: datetime

    @property
    def is_self_signed(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.subject == self.issuer


def read(der: bytes) -> Certificate | None:
    """Read a certificate; None for what is none."""
    try:
        return _read(der)
    except (ValueError, IndexError, StopIteration, OverflowError):
        return None


def _read(der: bytes) -> Certificate:
    [(_, whole)] = _parts(der)
    tag, signed = next(_parts(whole))
    if tag != _SEQUENCE:
        raise ValueError
    fields = [part for part in _parts(signed) if part[0] != _VERSION]
    # serial number, algorithm, issuer, validity, subject, key, and what is optional.
    issuer, validity, subject = fields[2][1], fields[3][1], fields[4][1]
    begins, ends = (_moment(*part) for part in _parts(validity))
    issued_by = dict(_attributes(issuer))
    return Certificate(
        subject=_shown(dict(_attributes(subject))),
        issuer=_shown(issued_by),
        issuer_organisation=issued_by.get(_ORGANISATION, ""),
        names=tuple(_names(fields[6:])),
        begins=begins,
        ends=ends,
    )


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element. Raises ValueError for a length beyond the data."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4:
                raise ValueError
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise ValueError
        yield tag, data[at : at + length]
        at += length


def _attributes(name: bytes) -> Iterator[tuple[bytes, str]]:
    for _, relative in _parts(name):
        for _, pair in _parts(relative):
            (_, kind), (tag, value) = list(_parts(pair))[:2]
            text = value.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace")
            yield kind, "".join(character for character in text if character.isprintable())[:80]


def _shown(attributes: dict[bytes, str]) -> str:
    organisation, name = attributes.get(_ORGANISATION, ""), attributes.get(_COMMON_NAME, "")
    if organisation and name and organisation not in name:
        return f"{name} ({organisation})"
    return name or organisation or attributes.get(_UNIT, "") or "nobody"


def _names(fields: list[tuple[int, bytes]]) -> Iterator[str]:
    for tag, content in fields:
        if tag != _EXTENSIONS:
            continue
        [(_, listed)] = _parts(content)
        for _, extension in _parts(listed):
            parts = list(_parts(extension))
            if parts[0] != (_OID, _ALTERNATIVE_NAMES):
                continue
            [(_, names)] = _parts(parts[-1][1])
            for kind, name in list(_parts(names))[:_MOST_NAMES]:
                if kind == _DNS_NAME:
                    yield "".join(character for character in name.decode("ascii", "replace") if character.isprintable())
                elif kind == _IP_ADDRESS:
                    yield str(ipaddress.ip_address(name))


def _moment(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        # RFC 5280, 4.1.2.5.1: from 50 on it is the last century.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERAL_TIME:
        raise ValueError
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
