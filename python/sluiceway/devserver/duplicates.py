"""Which ids have been here: as hashes, in two generations, so that the memory is bounded whatever arrives.

An id is remembered for the next 500,000 ids at least and for 1,000,000 at most. Two different ids share a hash once in
some 10^13 pairs of them.
"""

from __future__ import annotations

from collections.abc import Sequence

GENERATION_IDS = 500_000


class Seen:
    """The hashes of the ids that were taken. Not safe to use from several threads."""

    def __init__(self, generation_ids: int = GENERATION_IDS) -> None:
        self._most = generation_ids
        self._new: set[int] = set()
        self._old: set[int] = set()

    def note(self, hashes: Sequence[int]) -> list[int]:
        """Take the hashes of one batch; return the indices of those that have been here, in this batch or before."""
        new, old = self._new, self._old
        if len(new) >= self._most:
            self._old, self._new = new, set()
            old, new = self._old, self._new
        if new.isdisjoint(hashes) and old.isdisjoint(hashes):
            before = len(new)
            new.update(hashes)
            if len(new) == before + len(hashes):
                return []
            new.difference_update(hashes)  # one comes twice in this very batch
        again = []
        for at, one in enumerate(hashes):
            if one in new or one in old:
                again.append(at)
            new.add(one)
        return again

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._new) + len(self._old)

    def clear(self) -> None:
        """Forget all of them."""
        self._new, self._old = set(), set()


class Unsettled:
    """How often the ids that are to be sent again have been here: the attempts of those that were never taken."""

    def __init__(self, generation_ids: int = GENERATION_IDS // 2) -> None:
        self._most = generation_ids
        self._new: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def attempts(self, hashes: Sequence[int]) -> dict[int, int]:
        """Return how often those have been here before that have, by index."""
        if not self._new and not self._old:
            return {}
        new, old = self._new, self._old
        if new.keys().isdisjoint(hashes) and old.keys().isdisjoint(hashes):
            return {}
        found = {at: new.get(one) or old.get(one, 0) for at, one in enumerate(hashes)}
        return {at: count for at, count in found.items() if count}

    def note(self, hashes: Sequence[int], before: dict[int, int]) -> None:
        """Take ids that are to be sent again; `before` is what `attempts` said of them."""
        if len(self._new) >= self._most:
            self._old, self._new = self._new, {}
        self._new.update((one, before.get(at, 0) + 1) for at, one in enumerate(hashes))

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._new) + len(self._old)

    def clear(self) -> None:
        """Forget all of them."""
        self._new, self._old = {}, {}
