"""An open collection of the embedded store: one shard of the engine, with what is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

from schemas.errors import StoreDamaged, StoreError
from schemas.spaces import PointBatch, Space
from schemas.storage import StorageSettings
from stores import edge_translation as translate
from stores.base import PayloadIndexType, rows_without
from stores.checks import check_batch, check_names, check_nearest, check_request
from stores.disk_room import COPIES, allocated, require_room
from stores.edge_config import config_of, filled_bytes, joined_bytes, resolved
from stores.edge_errors import engine
from stores.edge_memory import give_back
from stores.edge_results import query_request, record, scored, selection
from stores.files import replace_text
from stores.nearest import Nearest, Scored, SparseRow
from stores.quantized import rescoring, with_rescoring
from stores.ties import MARGIN, by_score, cut

R = TypeVar("R")

UPSERT_POINTS = 2000
"""Points handed to the engine in one operation; each operation is written to its log whole."""

SPARSE_IN_MEMORY = 4
"""Bytes of memory to a byte of sparse vectors in a segment that is being filled, by measurement: its lists grow
by doubling. Segments indexed early on that account are joined later, up to the full size."""

MAPPED_BYTES = 24_000_000
"""Written bytes after which the pages of the collection's files are given back."""

_COLD = edge.Memory.Cold
_SCHEMAS: dict[str, Any] = {
    "keyword": edge.KeywordIndexParams(memory=_COLD),
    "integer": edge.IntegerIndexParams(lookup=True, range=True, memory=_COLD),
    "float": edge.FloatIndexParams(memory=_COLD),
    "bool": edge.BoolIndexParams(memory=_COLD),
    "datetime": edge.DatetimeIndexParams(memory=_COLD),
    "text": edge.TextIndexParams(tokenizer=edge.TokenizerType.Multilingual, lowercase=True, memory=_COLD),
}
"""Indexes of the payload are read from disk through the system's cache: held in memory they would grow with the corpus
without an end. A filter on them then takes longer, but less than a search."""


class EdgeCollection:
    """Points of one collection. The caller sees to it that one thread is in here at a time."""

    def __init__(
        self,
        name: str,
        folder: Path,
        shard: edge.EdgeShard,
        spaces: dict[str, Space],
        indexes: dict[str, str],
        storage: StorageSettings,
    ) -> None:
        self.name = name
        self.spaces = spaces
        self.storage = storage
        self._asked = resolved(list(spaces.values()), storage)
        self._params = translate.params_of(rescoring(self._asked))
        self._folder = folder
        self._shard = shard
        self._indexes = indexes
        self._filling = 0
        self._mapped = 0

    @classmethod
    def create(cls, name: str, folder: Path, spaces: Mapping[str, Space], storage: StorageSettings) -> None:
        """Make an empty collection's files in ``folder``."""
        require_room(folder.parent)
        with engine(name):
            edge.EdgeShard.create(str(folder / "shard"), config_of(list(spaces.values()), storage)).close()
        _describe(folder, spaces, {}, storage)

    @classmethod
    def load(cls, name: str, folder: Path) -> EdgeCollection:
        """Open what ``create`` made; raises ``StoreDamaged`` where that cannot be."""
        try:
            described = json.loads((folder / "collection.json").read_text(encoding="utf-8"))
            spaces = {space["name"]: Space.model_validate(space) for space in described["spaces"]}
            indexes = {str(field): str(kind) for field, kind in described["indexes"].items()}
            storage = StorageSettings.model_validate(described.get("storage", {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreDamaged(f"{folder} does not say what it holds; remove it and ingest again.") from error
        segments = sum(1 for _ in (folder / "shard" / "segments").glob("*-*"))
        config = config_of(list(spaces.values()), storage, segments)
        with engine(name, opening=folder):
            shard = edge.EdgeShard.load(str(folder / "shard"), config)
        return cls(name, folder, shard, spaces, indexes, storage)

    def close(self) -> None:
        """Flush and let go of the files."""
        with engine(self.name):
            self._shard.flush()
            self._shard.close()

    def create_payload_index(self, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field; nothing happens where it is indexed already so."""
        if self._indexes.get(field) == kind:
            return
        require_room(self._folder)
        with engine(self.name):
            self._shard.update(edge.UpdateOperation.create_field_index(field, _SCHEMAS[kind]))
            self._shard.flush()
        self._indexes[field] = kind
        _describe(self._folder, self.spaces, self._indexes, self.storage)

    # -- points ----------------------------------------------------------------------------
    def upsert(self, batch: PointBatch) -> None:
        """Write points whole, durable when this returns."""
        check_batch(batch, self.spaces)
        size = self._require_room(batch)
        with engine(self.name):
            for start in range(0, len(batch), UPSERT_POINTS):
                rows = range(start, min(start + UPSERT_POINTS, len(batch)))
                self._shard.update(edge.UpdateOperation.upsert_points(translate.points_of(batch, rows)))
            self._shard.flush()
        self._settle(batch, size)

    def update_vectors(self, batch: PointBatch) -> None:
        """Write the batch's spaces of points that stand; the rest of them stays."""
        check_batch(batch, self.spaces, payloads=False)
        size = self._require_room(batch)
        with engine(self.name):
            present = {str(r.id) for r in self._shard.retrieve(list(batch.ids), False, False)}
            vectors = [
                edge.PointVectors(batch.ids[row], found)
                for row in range(len(batch))
                if batch.ids[row] in present and (found := translate.vectors_of(batch, row))
            ]
            for start in range(0, len(vectors), UPSERT_POINTS):
                self._shard.update(edge.UpdateOperation.update_vectors(vectors[start : start + UPSERT_POINTS]))
            for space, left_out in rows_without(batch).items():
                gone: list[Any] = [batch.ids[row] for row in left_out if batch.ids[row] in present]
                if gone:
                    self._shard.update(edge.UpdateOperation.delete_vectors(gone, [space]))
            self._shard.flush()
        self._settle(batch, size)

    def set_payload(self, payload: Mapping[str, Any], ids: Sequence[str]) -> None:
        """Set these payload keys on the points, leaving other keys."""
        self._update(edge.UpdateOperation.set_payload(list(ids), dict(payload)))

    def delete(self, points: Sequence[str] | models.Filter) -> None:
        """Remove points by id or by filter."""
        if isinstance(points, models.Filter):
            self._update(edge.UpdateOperation.delete_points_by_filter(translate.filter_of(points) or edge.Filter()))
        else:
            self._update(edge.UpdateOperation.delete_points(list(points)))

    def _update(self, operation: edge.UpdateOperation) -> None:
        with engine(self.name):
            self._shard.update(operation)
            self._shard.flush()

    def retrieve(self, ids: Sequence[str], payload: Any, vectors: Any) -> list[models.Record]:
        """The points that stand among ``ids``, in the order of ``ids``."""
        if not isinstance(vectors, bool):
            check_names(vectors, self.spaces)
        with engine(self.name):
            found = self._shard.retrieve(list(dict.fromkeys(ids)), selection(payload), selection(vectors))
        by_id = {str(one.id): record(one) for one in found}
        return [by_id[point] for point in ids if point in by_id]

    def scroll(
        self, offset: Any, limit: int, query_filter: models.Filter | None, payload: Any, vectors: Any
    ) -> tuple[list[models.Record], Any]:
        """A page of points in the order of ids, and where the next begins; None after the last."""
        request = edge.ScrollRequest(
            offset=offset,
            limit=limit,
            filter=translate.filter_of(query_filter),
            with_payload=selection(payload),
            with_vector=selection(vectors),
        )
        with engine(self.name):
            found, after = self._shard.scroll(request)
        return [record(one) for one in found], after

    def count(self, query_filter: models.Filter | None = None) -> int:
        """Exactly how many points match."""
        with engine(self.name):
            return int(self._shard.count(edge.CountRequest(exact=True, filter=translate.filter_of(query_filter))))

    def facet(self, field: str, query_filter: models.Filter | None, limit: int) -> dict[str, int]:
        """How many points hold each value of an indexed field."""
        with engine(self.name):
            request = edge.FacetRequest(field, limit=limit, exact=True, filter=translate.filter_of(query_filter))
            return {str(hit.value): int(hit.count) for hit in self._shard.facet(request).hits}

    def query(self, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """Answer the requests in one round, best first and equals by id."""
        for request in requests:
            check_request(request, self.spaces)
            if isinstance(getattr(request.query, "nearest", request.query), str | int | UUID):
                raise StoreError("Ask with a point's vector, which retrieve gives, instead of its id.")
        requests = [with_rescoring(request, self._asked) for request in requests]
        pages = [(request.offset or 0, request.limit or 10) for request in requests]
        ranked = [by_score(request.query) for request in requests]
        found = self._answers(lambda row, depth: query_request(requests[row], depth), pages, ranked)
        return [[scored(point) for point in points] for points in found]

    def nearest(self, questions: Sequence[Nearest]) -> list[list[Scored]]:
        """Answer the questions in one round, best first and equals by id."""
        for question in questions:
            check_nearest(question, self.spaces)
        # One filter goes with all questions of a search.
        filters = {id(question.query_filter): translate.filter_of(question.query_filter) for question in questions}
        made = [translate.nearest_of(question.vector, question.space) for question in questions]

        def request(row: int, depth: int) -> edge.QueryRequest:
            return edge.QueryRequest(
                limit=depth,
                offset=0,
                query=made[row],
                filter=filters[id(questions[row].query_filter)],
                params=None if isinstance(questions[row].vector, SparseRow) else self._params,
                with_payload=False,
                with_vector=False,
            )

        pages = [(0, question.limit) for question in questions]
        found = self._answers(request, pages, [True] * len(questions))
        return [[(point.id.int, point.score) for point in points] for points in found]

    def _answers(
        self, request: Callable[[int, int], edge.QueryRequest], pages: Sequence[tuple[int, int]], ranked: Sequence[bool]
    ) -> list[list[Any]]:
        """The page, offset and limit, of what each request finds; ``request`` makes one, for so many results.

        Those that are ``ranked`` by score have their ties settled by id.
        """
        asked = [offset + limit + MARGIN for offset, limit in pages]
        with engine(self.name):
            batch = [request(row, depth) for row, depth in enumerate(asked)]
            answers = self._shard.query_batch(edge.QueryBatchRequest(batch)) if batch else []
            results = []
            for row, ((offset, limit), points) in enumerate(zip(pages, answers, strict=True)):

                def ask(more: int, row: int = row) -> list[Any]:
                    return list(self._shard.query(request(row, more)))

                if ranked[row]:
                    results.append(cut(ask, list(points), asked[row], offset, limit))
                else:
                    results.append(points[offset : offset + limit])
            return results

    # -- care ------------------------------------------------------------------------------
    def optimize(self) -> None:
        """Make the segments that were written to unchangeable, with their indexes."""
        # The old segments stand until the new one is whole; no more are joined than fill one.
        joined = joined_bytes(list(self.spaces.values()), self.storage)
        require_room(self._folder, min(allocated(self._folder / "shard"), COPIES * 2 * joined))
        # Before as well: what is built now comes on top of what is mapped.
        give_back(self._folder)
        with engine(self.name):
            self._shard.optimize()
            self._shard.flush()
        self._filling = self._mapped = 0
        give_back(self._folder)

    def _require_room(self, batch: PointBatch) -> int:
        """The bytes of a batch, for which there is room."""
        size = sum(map(_bytes_of, batch.vectors.values())) + sum(map(_text_bytes, batch.payloads))
        require_room(self._folder, COPIES * size)
        return size

    def _settle(self, batch: PointBatch, size: int) -> None:
        """Keep memory bounded: a full segment is indexed, and pages of files that were written are given back."""
        sizes = [_bytes_of(found) for found in batch.vectors.values()]
        sparse = [size for size, found in zip(sizes, batch.vectors.values(), strict=True) if hasattr(found, "nnz")]
        self._filling += max(max(sizes, default=0), SPARSE_IN_MEMORY * sum(sparse))
        self._mapped += size
        if self._filling >= filled_bytes(self.storage):
            self.optimize()
        elif self._mapped >= MAPPED_BYTES:
            self._mapped = 0
            give_back(self._folder)


def _text_bytes(payload: Mapping[str, Any]) -> int:
    return 100 + sum(3 * len(value) for value in payload.values() if isinstance(value, str))


def _bytes_of(vectors: Any) -> int:
    """Bytes that the engine keeps of a batch in one space: floats, and with sparse ones their indices."""
    if isinstance(vectors, np.ndarray):
        return 4 * vectors.size
    if isinstance(vectors, list):
        return sum(4 * rows.size for rows in vectors)
    return 8 * int(vectors.nnz)


def _describe(folder: Path, spaces: Mapping[str, Space], indexes: Mapping[str, str], storage: StorageSettings) -> None:
    described = {
        "spaces": [space.model_dump(mode="json") for space in spaces.values()],
        "indexes": dict(indexes),
        "storage": storage.model_dump(mode="json", exclude_defaults=True),
    }
    replace_text(folder / "collection.json", json.dumps(described, ensure_ascii=False))
