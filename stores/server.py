"""The server store: a Qdrant server or cluster through ``qdrant_client``, or its in-memory emulation."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from qdrant_client import models

from schemas.errors import StoreError
from schemas.ids import point_number, point_text
from schemas.manifest import CorpusManifest
from schemas.spaces import PointBatch, Space
from schemas.storage import StorageSettings
from stores.base import PayloadChange, PayloadIndexType, rows_without
from stores.checks import check_batch, check_filter, check_id, check_payload
from stores.nearest import Nearest, Scored
from stores.server_collections import Collections
from stores.server_connection import Connection
from stores.server_manifest_collection import MANIFESTS
from stores.server_manifests import Manifests
from stores.server_points import REQUEST_POINTS, requests_of, vectors_of
from stores.server_queries import answered


class ServerStore:
    """Corpora on a server. ``url`` may be ``:memory:`` for the client's own emulation."""

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = 60.0, prefer_grpc: bool = False
    ) -> None:
        self._connection = Connection(url, api_key=api_key, timeout=timeout, prefer_grpc=prefer_grpc)
        self.call = self._connection.call
        self.change = self._connection.change
        self._manifests = Manifests(self._connection)
        self._collections = Collections(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def location(self) -> str:
        """The URL, without a user or a key."""
        return self._connection.location

    # -- corpora ---------------------------------------------------------------------------
    def list_corpora(self) -> list[str]:
        """The names of all corpora that have a manifest, sorted."""
        return self._manifests.corpora()

    def hold(self, corpus: str, *, new: bool = False) -> None:
        """A server has no owners: who changes a corpus looks whether its manifest is still the one that was read."""

    def read_manifest(self, corpus: str) -> CorpusManifest | None:
        """The corpus's current manifest, or None."""
        return self._manifests.read(corpus)

    def manifest_mark(self, corpus: str, *, fresh: bool = False) -> Hashable:
        """What changes whenever the corpus's manifest does; others' changes show within a second."""
        return self._manifests.mark(corpus, fresh=fresh)

    def write_manifest(self, manifest: CorpusManifest) -> None:
        """Make the manifest the corpus's current one, in one upsert."""
        self._manifests.write(manifest)

    def delete_corpus(self, corpus: str) -> None:
        """Remove the corpus: its manifest first, then its collections."""
        self._manifests.remove(corpus)
        for name in self.list_collections():
            if name.rsplit(".", 2)[0] == corpus:
                self.drop_collection(name)

    # -- collections -----------------------------------------------------------------------
    def check_storage(self, storage: StorageSettings) -> None:
        """Nothing is refused: a server has all settings."""

    def create_collection(self, name: str, spaces: Sequence[Space], storage: StorageSettings | None = None) -> None:
        """Create an empty collection; nothing happens where it stands already with these spaces."""
        self._collections.create(name, spaces, storage or StorageSettings())

    def collection_exists(self, name: str) -> bool:
        """Whether the collection stands."""
        return self._collections.stands(name)

    def list_collections(self) -> list[str]:
        """All collections of corpora, sorted."""
        return self._collections.names()

    def drop_collection(self, name: str) -> None:
        """Remove the collection if it stands."""
        self._collections.drop(name)

    def create_payload_index(self, name: str, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field; the server passes over one that stands. The emulation has none."""
        self._collections.index(name, field, kind)

    # -- points ----------------------------------------------------------------------------
    def upsert(self, name: str, batch: PointBatch) -> None:
        """Write points whole, in requests cut by count and by bytes."""
        check_batch(batch, *self._collections.described(name))
        for rows in requests_of(batch):
            points = [
                models.PointStruct(id=batch.ids[row], vector=vectors_of(batch, row), payload=dict(batch.payloads[row]))
                for row in rows
            ]
            self._upsert(name, points)

    def update_vectors(self, name: str, batch: PointBatch) -> None:
        """Write the batch's spaces of points that stand; the rest of them stays."""
        check_batch(batch, *self._collections.described(name), payloads=False)
        present = {record.id for record in self.retrieve(name, batch.ids, payload=False)}
        rows = [row for row in range(len(batch)) if batch.ids[row] in present]
        for start in range(0, len(rows), REQUEST_POINTS):
            points = [
                models.PointVectors(id=batch.ids[row], vector=found)
                for row in rows[start : start + REQUEST_POINTS]
                if (found := vectors_of(batch, row))
            ]
            if points:
                self._update_vectors(name, points)
        for space, left_out in rows_without(batch).items():
            if gone := [batch.ids[row] for row in left_out if batch.ids[row] in present]:
                self._delete_vectors(name, gone, [space])

    def set_payload(self, name: str, payload: Mapping[str, Any], ids: Sequence[str]) -> None:
        """Set these payload keys on the points, leaving other keys."""
        check_payload(payload, "the update")
        for point in ids:
            check_id(point)
        if not ids:
            return
        ordering = self._ordering(name)
        self.call(lambda c: c.set_payload(name, dict(payload), points=list(ids), wait=True, ordering=ordering))

    def set_payloads(self, name: str, changes: Sequence[PayloadChange]) -> None:
        """The same of several payloads, one after the other."""
        for payload, ids in changes:
            self.set_payload(name, payload, ids)

    def delete(
        self, name: str, points: Sequence[str] | models.Filter, *, documents: Sequence[str] | None = None
    ) -> None:
        """Remove points by id or by filter; whose ``documents`` they are the server finds by its index."""
        if isinstance(points, models.Filter):
            check_filter(points)
            selector: Any = models.FilterSelector(filter=points)
        else:
            for point in points:
                check_id(point)
            if not points:
                return
            selector = models.PointIdsList(points=list(points))
        ordering = None if name == MANIFESTS else self._ordering(name)
        self.call(lambda c: c.delete(name, selector, wait=True, ordering=ordering))

    def retrieve(
        self,
        name: str,
        ids: Sequence[str],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[models.Record]:
        """The points that stand among ``ids``, in the order of ``ids``."""
        for point in ids:
            check_id(point)
        found: dict[str, models.Record] = {}
        unique = list(dict.fromkeys(ids))
        for start in range(0, len(unique), REQUEST_POINTS):
            part = unique[start : start + REQUEST_POINTS]
            records = self._retrieve(name, part, _which(payload), _which(vectors))
            found.update((str(record.id), record) for record in records)
        return [found[point] for point in ids if point in found]

    def columns(self, name: str, points: Collection[int], space: str) -> dict[int, Sequence[int]]:
        """Which columns points hold in a sparse space, by their ids (``UUID.int``); those without any are left out."""
        records = self.retrieve(name, [point_text(point) for point in points], payload=False, vectors=[space])
        held = {point_number(record.id): record.vector for record in records}
        vectors = {point: found.get(space) for point, found in held.items() if isinstance(found, dict)}
        return {point: found.indices for point, found in vectors.items() if isinstance(found, models.SparseVector)}

    def scroll(
        self,
        name: str,
        *,
        query_filter: models.Filter | None = None,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
        batch_size: int = 256,
    ) -> Iterator[models.Record]:
        """Every point, in the order of ids."""
        check_filter(query_filter)
        if batch_size < 1:
            raise StoreError(f"Pages of {batch_size} points were asked for; give 1 or more.")
        offset: Any = None
        while True:
            records, offset = self._scroll(name, query_filter, batch_size, _which(payload), _which(vectors), offset)
            yield from records
            if offset is None:
                return

    def count(self, name: str, query_filter: models.Filter | None = None) -> int:
        """Exactly how many points match."""
        check_filter(query_filter)
        return int(self.call(lambda c: c.count(name, count_filter=query_filter, exact=True)).count)

    def facet(
        self, name: str, field: str, query_filter: models.Filter | None = None, limit: int = 10
    ) -> dict[str, int]:
        """How many points hold each value of an indexed field."""
        check_filter(query_filter)
        found = self.call(lambda c: c.facet(name, field, facet_filter=query_filter, limit=limit, exact=True))
        return {str(hit.value): int(hit.count) for hit in found.hits if hit.count}

    # -- questions -------------------------------------------------------------------------
    def query(self, name: str, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """Answer the requests in one round, best first and equals by id."""
        spaces, storage = self._collections.described(name)
        return answered(self._connection, name, requests, spaces, storage)

    def nearest(self, name: str, questions: Sequence[Nearest]) -> list[list[Scored]]:
        """Answer the questions in one round, best first and equals by id."""
        answers = self.query(name, [question.request() for question in questions])
        return [[(point_number(point.id), point.score) for point in points] for points in answers]

    # -- care ------------------------------------------------------------------------------
    def optimize(self, name: str) -> None:
        """Nothing: a server does it by itself."""

    def disk_bytes(self, name: str) -> int | None:
        """None: a server does not say."""
        return None

    def forkable(self, names: Sequence[str]) -> bool:
        """No: two processes cannot talk over one connection."""
        return False

    def forked(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Let go of the connection; closing twice is harmless."""
        self._connection.close()

    def recover(self, name: str, location: str) -> None:
        """Put a snapshot in the place of the collection, or make the collection of it."""
        self._collections.recover(name, location)

    # -- inside ----------------------------------------------------------------------------
    def _upsert(self, name: str, points: list[models.PointStruct]) -> None:
        ordering = self._ordering(name)
        self.call(lambda c: c.upsert(name, points, wait=True, ordering=ordering))

    def _update_vectors(self, name: str, points: list[models.PointVectors]) -> None:
        ordering = self._ordering(name)
        self.call(lambda c: c.update_vectors(name, points, wait=True, ordering=ordering))

    def _delete_vectors(self, name: str, ids: list[str], spaces: list[str]) -> None:
        ordering = self._ordering(name)
        points: Any = ids
        self.call(lambda c: c.delete_vectors(name, spaces, points, wait=True, ordering=ordering))

    def _retrieve(self, name: str, ids: list[str], payload: Any, vectors: Any) -> list[models.Record]:
        return self.call(lambda c: c.retrieve(name, ids, with_payload=payload, with_vectors=vectors))

    def _scroll(self, name: str, query_filter: Any, limit: int, payload: Any, vectors: Any, offset: Any) -> Any:
        return self.call(
            lambda c: c.scroll(
                name,
                scroll_filter=query_filter,
                limit=limit,
                offset=offset,
                with_payload=payload,
                with_vectors=vectors,
            )
        )

    def _ordering(self, name: str) -> models.WriteOrdering | None:
        ordering = self._collections.described(name)[1].ordering
        return None if ordering is None else models.WriteOrdering(ordering)


def _which(selection: bool | Sequence[str]) -> Any:
    return selection if isinstance(selection, bool) else list(selection)
