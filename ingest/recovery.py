"""What a run that was cut off left in the shelves, and no later run would come past."""

from __future__ import annotations

import logging

from qdrant_client import models

from ingest.plan import batched
from ingest.prune import remove_documents, remove_passages
from schemas.ids import document_point_id
from stores.base import Store

BATCH = 256
"""Documents looked up, or removed, in one request."""

log = logging.getLogger("xunyi.ingest")


def remove_orphans(store: Store, corpus: str, passages: str, documents: str) -> int:
    """Remove the passages of documents that have no point of their own; gives how many documents those were.

    They are new documents of the run that was cut off, which the source does not hold any more.
    """
    found = orphans(store, corpus, passages, documents)
    for batch_of_names in batched(found, BATCH):
        remove_passages(store, corpus, passages, batch_of_names)
    if found:
        log.info("recovered", extra={"corpus": corpus, "removed": len(found)})
    return len(found)


def orphans(store: Store, corpus: str, passages: str, documents: str) -> list[str]:
    """The ids of documents that have passages, and no point of their own."""
    first = models.Filter(must=[models.FieldCondition(key="position", match=models.MatchValue(value=0))])
    found: list[str] = []
    for batch in batched(store.scroll(passages, query_filter=first, payload=["document_id"]), BATCH):
        names = {document_point_id(corpus, name): name for name in (_document(record) for record in batch)}
        standing = {str(record.id) for record in store.retrieve(documents, list(names), payload=False)}
        found.extend(name for point, name in names.items() if point not in standing)
    return found


def remove_absent(store: Store, corpus: str, passages: str, documents: str, standing: str) -> None:
    """Remove the documents that are not among those of the collection ``standing``, and passages of none."""
    gone: list[str] = []
    for page in batched(store.scroll(documents, payload=["document_id"]), BATCH):
        ids = [str(record.id) for record in page]
        there = {str(record.id) for record in store.retrieve(standing, ids, payload=False)}
        gone += [_document(record) for record in page if str(record.id) not in there]
    for _ in remove_documents(store, corpus, passages, documents, gone):
        pass
    remove_orphans(store, corpus, passages, documents)


def half_written(store: Store, documents: str) -> int:
    """How many documents stand whose passages a run began to replace, and no run has finished."""
    begun = models.Filter(must=[models.FieldCondition(key="hash", match=models.MatchValue(value=""))])
    return store.count(documents, begun)


def _document(record: models.Record) -> str:
    return str((record.payload or {})["document_id"])
