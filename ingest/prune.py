"""Documents that are gone from the source: found by their ids, removed passages first."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from qdrant_client import models

from ingest.plan import batched
from ingest.readers.tables import digest
from schemas.ids import document_point_id
from stores.base import Store

PRUNE_BATCH = 256
"""Documents removed in one request."""


def gone_documents(store: Store, documents: str, met: Container[bytes]) -> list[str]:
    """The ids of the corpus's documents that are not among ``met``, the digests of the ids that a run read."""
    found = (str((record.payload or {})["document_id"]) for record in store.scroll(documents, payload=["document_id"]))
    return [document for document in found if digest(document) not in met]


def remove_documents(store: Store, corpus: str, passages: str, documents: str, gone: Sequence[str]) -> Iterator[int]:
    """Remove documents with their passages; yields how many are gone so far.

    A document's own point goes last: whatever stops the run before, the next one finds it again.
    """
    done = 0
    for batch in batched(gone, PRUNE_BATCH):
        among = models.FieldCondition(key="document_id", match=models.MatchAny(any=batch))
        store.delete(passages, models.Filter(must=[among]))
        store.delete(documents, [document_point_id(corpus, document) for document in batch])
        done += len(batch)
        yield done
