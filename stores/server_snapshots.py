"""Snapshots on a server: the engine's own of each collection, and a point that says which belong together."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid5

from qdrant_client import QdrantClient, models

from schemas.errors import CorpusNotFound, StoreDamaged, StoreError
from schemas.ids import corpus_namespace
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from schemas.snapshots import Snapshot
from schemas.spaces import Shelf
from stores.base import collection_name
from stores.server import ServerStore
from stores.server_manifest_collection import MANIFESTS

SERVER_FOLDER = "/qdrant/snapshots"
"""Where Qdrant's image keeps snapshots."""


class ServerSnapshots:
    """The snapshots of ``store``. A cluster's nodes keep their own shards' each, and must be restored one by one."""

    def __init__(self, store: ServerStore) -> None:
        self._store = store

    def create(self, corpus: str) -> Snapshot:
        """Copy the corpus as it is now; raises ``CorpusNotFound`` where there is none."""
        store = self._store
        manifest = store.read_manifest(corpus)
        if manifest is None:
            raise CorpusNotFound(f"{store.location} has no corpus {corpus!r}; see `xunyi corpora list`.")
        taken: dict[str, str] = {}
        for shelf in Shelf:
            collection = collection_name(corpus, manifest.generation, shelf)
            if store.collection_exists(collection):
                taken[collection] = self._take(collection)
        snapshot = Snapshot(
            corpus=corpus,
            name=f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z",
            generation=manifest.generation,
            documents=manifest.counts.documents,
            passages=manifest.counts.passages,
        )
        payload = {
            "snapshot_of": corpus,
            "snapshot": snapshot.model_dump(mode="json"),
            "manifest": manifest.model_dump_json(),
            "files": taken,
        }
        point = models.PointStruct(id=_point(corpus, snapshot.name), vector={}, payload=payload)
        store.call(lambda c: c.upsert(MANIFESTS, [point], wait=True))
        return snapshot

    def list(self, corpus: str | None = None) -> list[Snapshot]:
        """All snapshots, or one corpus's, by corpus and age."""
        if corpus is not None:
            check_corpus_name(corpus)
        if not self._store.collection_exists(MANIFESTS):
            return []
        payloads = [record.payload or {} for record in self._store.scroll(MANIFESTS)]
        found = [Snapshot.model_validate(one["snapshot"]) for one in payloads if "snapshot" in one]
        return sorted((s for s in found if corpus in (None, s.corpus)), key=lambda s: (s.corpus, s.name))

    def restore(self, corpus: str, name: str) -> Snapshot:
        """Make the corpus what it was: its collections first, then its manifest.

        Generations that are kept beside it now stay so, but for one whose collections those are. Which they are only
        the manifest tells: where that is gone or cannot be read, none is kept any more.
        """
        found = self._record(corpus, name)
        manifest = CorpusManifest.model_validate_json(str(found["manifest"])).alone
        current = None
        with suppress(StoreDamaged):
            current = self._store.read_manifest(corpus)
        if current is not None:
            kept = [one for one in current.kept if one.generation != manifest.generation]
            manifest = manifest.model_copy(update={"kept": kept, "newest": current.next_generation - 1})
        for collection, file in dict(found["files"]).items():
            self._store.recover(collection, f"file://{SERVER_FOLDER}/{collection}/{file}")
        self._store.write_manifest(manifest)
        return Snapshot.model_validate(found["snapshot"])

    def delete(self, corpus: str, name: str) -> Snapshot:
        """Remove a snapshot."""
        found = self._record(corpus, name)
        self._store.delete(MANIFESTS, [_point(corpus, name)])
        for collection, file in dict(found["files"]).items():
            self._store.change(partial(_delete_file, collection, file), partial(self._lacks, collection, file))
        return Snapshot.model_validate(found["snapshot"])

    def _take(self, collection: str) -> str:
        made = self._store.call(lambda c: c.create_snapshot(collection, wait=True))
        if made is None:
            raise StoreError(f"{self._store.location} made no snapshot of {collection}.")
        return made.name

    def _lacks(self, collection: str, file: str) -> bool:
        if not self._store.collection_exists(collection):
            return True
        return all(one.name != file for one in self._store.call(lambda c: c.list_snapshots(collection)))

    def _record(self, corpus: str, name: str) -> dict[str, Any]:
        check_corpus_name(corpus)
        if self._store.collection_exists(MANIFESTS):
            for record in self._store.retrieve(MANIFESTS, [_point(corpus, name)]):
                return dict(record.payload or {})
        raise StoreError(f"{corpus!r} has no snapshot {name!r}; see `xunyi snapshots list {corpus}`.")


def _delete_file(collection: str, file: str, client: QdrantClient) -> None:
    client.delete_snapshot(collection, file, wait=True)


def _point(corpus: str, name: str) -> str:
    return str(uuid5(corpus_namespace(corpus), f"snapshot:{name}"))
