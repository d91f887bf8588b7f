"""The events as JSONL, newest first, read from the store a page at a time so that none of it piles up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sluiceway.devserver.redaction import redact
from sluiceway.devserver.store import Store
from sluiceway.devserver.tables import Filter

_PAGE_EVENTS = 500
_MAX_SEQ = 2**62


async def lines(store: Store, wanted: Filter, *, reveals: bool) -> AsyncIterator[bytes]:
    """Yield the wire JSON of the events that are wanted, one a line; values of people hidden unless `reveals`."""
    before = _MAX_SEQ
    while True:
        page = await asyncio.wrap_future(store.texts(wanted, before=before, limit=_PAGE_EVENTS))
        if not page:
            return
        before = page[-1][0]
        texts = [text if reveals else redact(text)[0] for _, text in page]
        # A newline inside an event's own JSON is blank space: line breaks in texts are escaped.
        yield "".join(f"{text.replace(chr(13), ' ').replace(chr(10), ' ')}\n" for text in texts).encode()
