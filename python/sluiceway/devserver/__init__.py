"""The local server behind `sluiceway dev`: speaks the ingestion APIs of the four vendors, and shows what arrives.

It stands on the extra `sluiceway[dev]`; nothing else of the package imports it.
"""

from __future__ import annotations

from sluiceway.devserver.running import DevServer
from sluiceway.devserver.store import StoreError

__all__ = ["DevServer", "StoreError"]
