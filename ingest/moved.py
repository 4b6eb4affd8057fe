"""Documents that stand unchanged and come from another file now, and what it is to be the same file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from uuid import UUID

from schemas.ids import document_point_id
from stores.base import Store

BATCH = 1000
"""Documents whose source is recorded in one write."""

_ID_BYTES = 16


def places(path: str | Path) -> tuple[Path, Path]:
    """Where a path leads, as it is written and with its links followed; what is gone needs none."""
    return Path(path).absolute(), Path(os.path.realpath(path))


class Moved:
    """The documents that are to be recorded under another source; 16 bytes of memory for each.

    A file that is spelled otherwise, or reached through a link, is the same file.
    """

    def __init__(self, corpus: str) -> None:
        self._corpus = corpus
        self._ids: dict[str, bytearray] = {}
        self._real: dict[str, Path] = {}

    def __bool__(self) -> bool:
        return bool(self._ids)

    def compare(self, document: str, recorded: str, source: str) -> None:
        """Note the document if it stands under another source than the one that it was read from."""
        if recorded != source and self._realpath(recorded) != self._realpath(source):
            self._ids.setdefault(source, bytearray()).extend(UUID(document_point_id(self._corpus, document)).bytes)

    def record(self, store: Store, documents: str) -> None:
        """Write the new sources alone. The same again does no harm: a run that is cut off is made good by the next."""
        each = self._each()
        while batch := list(islice(each, BATCH)):
            by_source: dict[str, list[str]] = {}
            for source, point in batch:
                by_source.setdefault(source, []).append(point)
            store.set_payloads(documents, [({"source": source}, ids) for source, ids in by_source.items()])

    def _each(self) -> Iterator[tuple[str, str]]:
        """The sources with the ids of their documents' points."""
        for source, packed in self._ids.items():
            for at in range(0, len(packed), _ID_BYTES):
                yield source, str(UUID(bytes=bytes(packed[at : at + _ID_BYTES])))

    def _realpath(self, source: str) -> Path:
        if source not in self._real:
            self._real[source] = places(source)[1]
        return self._real[source]
