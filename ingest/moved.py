"""Documents that stand unchanged and come from another file or place in it now, and what it is to be the same file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from struct import Struct
from uuid import UUID

from schemas.documents import Document
from schemas.ids import document_point_id
from stores.base import PayloadChange, Store

BATCH = 1000
"""Documents whose place is recorded in one write."""

_PLACE = Struct("<16sq")
"""A point's id, and the document's position."""


def places(path: str | Path) -> tuple[Path, Path]:
    """Where a path leads, as it is written and with its links followed; what is gone needs none."""
    return Path(path).absolute(), Path(os.path.realpath(path))


class Moved:
    """The documents that are to be recorded under another source or position; 24 bytes of memory for each.

    A file that is spelled otherwise, or reached through a link, is the same file.
    """

    def __init__(self, corpus: str) -> None:
        self._corpus = corpus
        self._places: dict[str | None, bytearray] = {}
        self._real: dict[str, Path] = {}

    def __bool__(self) -> bool:
        return bool(self._places)

    def compare(self, document: Document, source: str, position: int) -> None:
        """Note a document that stands under another source than the one that it was read from, or elsewhere in it."""
        moved = source != document.source and self._realpath(source) != self._realpath(document.source)
        if moved or position != document.position:
            packed = self._places.setdefault(document.source if moved else None, bytearray())
            point = UUID(document_point_id(self._corpus, document.id)).bytes
            packed.extend(_PLACE.pack(point, document.position))

    def record(self, store: Store, documents: str) -> None:
        """Write the new places alone. The same again does no harm: a run that is cut off is made good by the next."""
        each = self._each()
        while batch := list(islice(each, BATCH)):
            store.set_payloads(documents, batch)

    def _each(self) -> Iterator[PayloadChange]:
        for source, packed in self._places.items():
            for point, position in _PLACE.iter_unpack(packed):
                place: dict[str, str | int] = {"position": position}
                if source is not None:
                    place["source"] = source
                yield place, [str(UUID(bytes=point))]

    def _realpath(self, source: str) -> Path:
        if source not in self._real:
            self._real[source] = places(source)[1]
        return self._real[source]
