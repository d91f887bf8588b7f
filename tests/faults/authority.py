"""Certificates of the tests' own, good ones and every kind of bad one."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme


class Authority:
    """A certificate authority; `pem` is what a client is given to trust it."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.pem = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(self.pem)

    def serves(
        self,
        name: str = "127.0.0.1",
        *,
        starts_in_days: float = -1.0,
        ends_in_days: float = 30.0,
        newest: ssl.TLSVersion | None = None,
    ) -> ssl.SSLContext:
        """The context of a server of this name."""
        now = datetime.now(timezone.utc)
        certificate = self.authority.issue_cert(
            name,
            not_before=now + timedelta(days=starts_in_days),
            not_after=now + timedelta(days=ends_in_days),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if newest is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
        return context
