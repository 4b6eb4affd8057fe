"""What a corpus's next generation does not make anew: copied from the one in use, or from a run that was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qdrant_client import models

from encoders.base import Encoder
from ingest.copying import encode_the_rest, stored_vectors
from ingest.encoding import Vectors, batches_ahead
from ingest.staleness import SINCE_FIT
from ingest.stored import payload_of
from schemas.errors import CorpusError
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf, Space, VectorBatch
from stores.base import Store, collection_name


class CarriedVectors:
    """The vectors of the next generation, but for those that are fitted: an ``ingest.points.Carried``.

    ``copied`` are the spaces whose vectors stay, ``encoded`` those that ``fill`` makes. Where an earlier run
    made them already (``resumed``), as a passage's hash tells, they are taken from what it wrote;
    ``taken_over`` counts the passages. ``same_fit``: what was counted of a document since the fit stays true.
    """

    def __init__(
        self,
        store: Store,
        old: CorpusManifest,
        new: CorpusManifest,
        *,
        copied: Sequence[str],
        encoded: Sequence[str],
        fill: Encoder | None,
        resumed: bool,
        same_fit: bool,
    ) -> None:
        self._store = store
        self._old = old
        self._new = new
        self._passages = {name: new.spaces[name] for name in copied}
        # The mean of what is rounded is another than the mean, rounded.
        rounded = new.storage.datatype == "float16" != old.storage.datatype
        means = new.encoders if rounded else ()
        self._documents = {s.name: s for s in new.document_spaces if s.name in copied and s.name not in means}
        self._encoded = {name: new.spaces[name] for name in encoded}
        self._fill = fill
        self._resumed = resumed
        self._same_fit = same_fit
        self.taken_over = 0

    @property
    def ahead(self) -> int:
        """Batches that may be begun besides the one whose vectors are wanted next."""
        return batches_ahead(self._fill)

    def passages(self, ids: Sequence[str], hashes: Sequence[str], texts: Sequence[str]) -> Vectors:
        """Begin with these passages; gives their vectors in all spaces that are copied or encoded."""
        encoded = self._encoding(ids, hashes, texts) if self._encoded else dict

        def vectors() -> dict[str, VectorBatch]:
            found: dict[str, VectorBatch] = {}
            if self._passages:
                found.update(stored_vectors(self._records(Shelf.PASSAGES, ids, False, self._passages), self._passages))
            found.update(encoded())
            return found

        return vectors

    def documents(self, ids: Sequence[str]) -> tuple[dict[str, VectorBatch], list[dict[str, Any]]]:
        """The vectors of these documents in the spaces that are copied, and what was counted since the fit."""
        if not self._documents and not self._same_fit:
            return {}, [{} for _ in ids]
        records = self._records(Shelf.DOCUMENTS, ids, [SINCE_FIT] if self._same_fit else False, self._documents)
        return stored_vectors(records, self._documents), [payload_of(record) for record in records]

    def _encoding(self, ids: Sequence[str], hashes: Sequence[str], texts: Sequence[str]) -> Vectors:
        assert self._fill is not None
        standing = self._standing(ids, hashes) if self._resumed else {}
        self.taken_over += len(standing)
        return encode_the_rest(self._fill, texts, standing, self._encoded)

    def _standing(self, ids: Sequence[str], hashes: Sequence[str]) -> dict[int, models.Record]:
        """The rows that an earlier run wrote from the same text, with what it wrote."""
        rows = {point: row for row, point in enumerate(ids)}
        collection = collection_name(self._new.corpus, self._new.generation, Shelf.PASSAGES)
        records = self._store.retrieve(collection, ids, payload=["hash"], vectors=list(self._encoded))
        found = {rows[str(record.id)]: record for record in records}
        return {row: found[row] for row in sorted(found) if payload_of(found[row]).get("hash") == hashes[row]}

    def _records(
        self, shelf: Shelf, ids: Sequence[str], payload: bool | Sequence[str], spaces: dict[str, Space]
    ) -> list[models.Record]:
        collection = collection_name(self._old.corpus, self._old.generation, shelf)
        records = self._store.retrieve(collection, ids, payload=payload, vectors=list(spaces) or False)
        if len(records) < len(ids):
            raise changed(self._old.corpus)
        return records


def changed(corpus: str) -> CorpusError:
    """The error of a corpus that an ingest changed while its next generation was built."""
    return CorpusError(f"The corpus {corpus!r} changed meanwhile; run the same command again, which goes on from here.")
