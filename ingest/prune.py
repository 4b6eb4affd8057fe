"""Documents that are gone from the source: found by their ids, removed passages first."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from qdrant_client import models

from ingest.moved import places
from ingest.plan import batched
from ingest.unreadable import is_there
from schemas.ids import document_point_id
from stores.base import Store

PRUNE_BATCH = 256
"""Documents removed in one request."""


class Scope:
    """Which recorded sources a run answers for: the files it read, and what a folder of ``paths`` held once.

    A relative path means the same from whatever folder it was given, if that is the same folder still; so does a
    folder that is reached through a link. A file that is there and was not read, as one of another kind than was asked
    for, is not gone. Of the sources ``unsure``, and what is below a folder among them, nothing is to be removed.
    """

    def __init__(self, sources: Iterable[Path], paths: Iterable[Path], unsure: Iterable[str]) -> None:
        self._read = {place for path in sources for place in places(path)}
        self._roots = {place for path in paths for place in places(path)}
        self._unsure = {place for source in unsure for place in places(source)}
        self._known: dict[str, bool] = {}

    def holds(self, source: str) -> bool:
        """Whether a document of this source that was not met is gone."""
        if source not in self._known:
            self._known[source] = self._holds(places(source))
        return self._known[source]

    def _holds(self, found: Sequence[Path]) -> bool:
        above = {place for path in found for place in (path, *path.parents)}
        if not self._unsure.isdisjoint(above):
            return False
        if not self._read.isdisjoint(found):
            return True
        return not self._roots.isdisjoint(above) and not is_there(found[0])


def gone_documents(store: Store, documents: str, met: Container[str], scope: Scope) -> list[str]:
    """The ids of documents whose source ``scope`` holds and that are not among ``met``, the ids read."""
    gone = []
    for record in store.scroll(documents, payload=["document_id", "source"]):
        payload = record.payload or {}
        if str(payload["document_id"]) not in met and scope.holds(str(payload["source"])):
            gone.append(str(payload["document_id"]))
    return gone


def remove_documents(store: Store, corpus: str, passages: str, documents: str, gone: Sequence[str]) -> Iterator[int]:
    """Remove documents with their passages; yields how many are gone so far.

    A document's own point goes last: whatever stops the run before, the next one finds it again.
    """
    done = 0
    for batch in batched(gone, PRUNE_BATCH):
        remove_passages(store, corpus, passages, batch)
        store.delete(documents, [document_point_id(corpus, document) for document in batch])
        done += len(batch)
        yield done


def remove_passages(store: Store, corpus: str, passages: str, gone: Sequence[str]) -> None:
    """Remove all passages of documents, in one request."""
    among = models.FieldCondition(key="document_id", match=models.MatchAny(any=list(gone)))
    owners = [document_point_id(corpus, document) for document in gone]
    store.delete(passages, models.Filter(must=[among]), documents=owners)
