"""The files of one import: opened in their order, read by their format, known again after a resume."""

from __future__ import annotations

from collections.abc import Sequence

from sluiceway.importing import mapping as mappings
from sluiceway.importing.cells import checked_kinds
from sluiceway.importing.faults import Misuse
from sluiceway.importing.jsonl import JsonLines
from sluiceway.importing.mapping import Mapping
from sluiceway.importing.opening import STDIN, Identity, Opened, format_of, open_file
from sluiceway.importing.parquet import Parquet
from sluiceway.importing.rows import Source
from sluiceway.importing.tables import Table


class Files:
    """Paths with what is known of them. Standard input is opened once, everything else when its turn comes."""

    def __init__(
        self,
        paths: Sequence[str],
        mapping: Mapping,
        *,
        vendor: str,
        form: str | None = None,
        delimiter: str | None = None,
        names: Sequence[str] = (),
        wants_identity: bool = True,
    ) -> None:
        """Look at every file: that it can be read, and has the columns that the mapping speaks of. Raises Misuse."""
        self.paths = list(paths)
        self._mapping = mapping
        self._vendor = vendor
        self._formats = [format_of(path, form) for path in paths]
        self._delimiter = delimiter
        self._names = list(names)
        self.words = [form or "", delimiter or "", *names]
        """What else decides how a file is read."""
        self.identities: list[Identity] = []
        self._ready: dict[int, Source] = {}
        self._opened: list[Opened] = []
        self._current: Opened | None = None
        if self.paths.count(STDIN) > 1:
            raise Misuse("standard input can be read once")
        try:
            for number, path in enumerate(self.paths):
                self._look_at(number, path, wants_identity)
        except BaseException:
            self.close()
            raise
        self.weights = [max(1, identity.size or 1) for identity in self.identities]

    def open(self, number: int) -> Source:
        """Return the rows of one file, and close the one before. To be called once for each."""
        ready = self._ready.pop(number, None)
        if ready is not None:
            return ready
        if self._current is not None:
            self._current.close()
        self._current = opened = open_file(self.paths[number])
        self._opened.append(opened)
        return self._source(number, opened)

    def close(self) -> None:
        """Close whatever is open. May be called twice."""
        while self._opened:
            self._opened.pop().close()

    def _look_at(self, number: int, path: str, wants_identity: bool) -> None:
        mappings.check(self._mapping, self._vendor, self._formats[number])
        opened = open_file(path, wants_identity=wants_identity)
        self._opened.append(opened)
        self.identities.append(opened.identity)
        source = self._source(number, opened)
        if source.columns is not None:
            mappings.check_columns(self._mapping, source.columns, path)
        if path == STDIN or len(self.paths) == 1:
            self._ready[number] = source
        else:
            self._opened.pop().close()

    def _source(self, number: int, opened: Opened) -> Source:
        form, mapping = self._formats[number], self._mapping
        if form == "jsonl":
            return JsonLines(opened)
        if form == "parquet":
            return Parquet(opened)
        kinds = checked_kinds({**mapping.types, **dict.fromkeys(mapping.texts, "text")})
        if mapping.timestamp:
            kinds.setdefault(mapping.timestamp, "text")
        return Table(
            opened,
            delimiter=self._delimiter or ("\t" if form == "tsv" else ","),
            names=self._names,
            kinds=kinds,
            infers=mapping.infer,
            nulls=["", *mapping.null],
        )
