"""A part of an embedded collection: one shard of the engine. A part that is full lets go of its memory when closed.

While a new part is filled its segments get no graphs, which would be made again with every join of segments. They are
made once, when the part is full or the ingest at its end, and in a process of its own where the part is large.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

from schemas.errors import StoreLocked
from schemas.spaces import PointBatch, Space
from schemas.storage import StorageSettings
from stores import edge_translation as translate
from stores.base import PayloadIndexType, rows_without
from stores.disk_room import COPIES, SMALL_RESERVE, allocated, filled_by_reading, require_room
from stores.edge_config import config_of, filled_bytes, joined_bytes, joins_graphs
from stores.edge_errors import engine
from stores.edge_results import record, selection
from stores.edge_segments import graph_edges, segments
from stores.joining import Joining
from stores.memory import give_back

UPSERT_POINTS = 2000
"""Points handed to the engine in one operation; each operation is written to its log whole."""

SPARSE_IN_MEMORY = 4
"""Bytes of memory to a byte of sparse vectors in a segment that is being filled, by measurement: its lists grow
by doubling. Segments indexed early on that account are joined later, up to the full size."""

MAPPED_BYTES = 8_000_000
"""Written bytes after which the pages of the collection's files are given back."""

APART_BYTES = 150_000_000
"""Bytes on disk of a part whose segments are joined in a process of its own: starting one takes half a second."""

WRITTEN_BYTES = 8_000_000
"""Bytes written since the last join of segments, below which there is hardly anything to join."""

LEAVING = 10.0
"""Seconds to wait for a process that joined this part's segments to be gone, where who began it was killed."""

_READ_WHOLE = ("segments/*/payload_index/**/*.dat", "segments/*/vector_storage-*/vectors/*.mmap")
"""Files that the engine maps and reads as it opens, before it says anything: indexes of fields, dense vectors."""

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


class EdgePart:
    """Points in one shard of the engine, in ``folder``. The caller has checked what comes in."""

    def __init__(self, name: str, folder: Path, spaces: Mapping[str, Space], storage: StorageSettings) -> None:
        self.folder = folder
        self._name = name
        self._spaces = list(spaces.values())
        self._storage = storage
        self._filling = 0
        self._mapped = 0
        self.changed = False
        """Whether anything was written since the part was opened, or its segments joined."""
        self._loaded: edge.EdgeShard | None = None
        self._open()

    def _open(self, *, filling: bool = False) -> None:
        self._plain = filling
        config = config_of(self._spaces, self._storage, segments(self.folder), filling=filling)
        self._threads = config.max_search_threads
        wanted = filled_by_reading(path for files in _READ_WHOLE for path in self.folder.glob(files))
        if wanted:
            require_room(self.folder, wanted, SMALL_RESERVE)
        give_up = time.monotonic() + LEAVING
        while True:
            try:
                with engine(self._name, opening=self.folder):
                    self._loaded = edge.EdgeShard.load(str(self.folder), config)
                return
            except StoreLocked:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(0.05)

    @property
    def _shard(self) -> edge.EdgeShard:
        """The engine's; where it could not be opened again, as for want of room, that is tried once more."""
        if self._loaded is None:
            self._open(filling=self._plain)
        assert self._loaded is not None
        return self._loaded

    def _without_graphs(self) -> bool:
        """Whether segments may go without until they are joined: the engine would take away what graphs there are."""
        return joins_graphs(self._spaces, self._storage) and not any(graph_edges(self.folder, self._spaces))

    @staticmethod
    def create(name: str, folder: Path, spaces: Mapping[str, Space], storage: StorageSettings) -> None:
        """Make an empty part's files in ``folder``, which is not there yet."""
        require_room(folder.parent)
        with engine(name):
            edge.EdgeShard.create(str(folder), config_of(list(spaces.values()), storage)).close()

    @property
    def threaded(self) -> bool:
        """Whether the engine searches in threads of its own, which a forked process has not."""
        return self._threads != 1

    def close(self) -> None:
        """Flush and let go of the files, where they are open."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            with engine(self._name):
                try:
                    loaded.flush()
                finally:
                    loaded.close()

    def create_payload_index(self, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field."""
        require_room(self.folder)
        self.update(edge.UpdateOperation.create_field_index(field, _SCHEMAS[kind]))

    # -- points ----------------------------------------------------------------------------
    def upsert(self, batch: PointBatch) -> None:
        """Write points whole, durable when this returns."""
        size = self._require_room(batch)
        self.changed = True
        with engine(self._name):
            for start in range(0, len(batch), UPSERT_POINTS):
                rows = range(start, min(start + UPSERT_POINTS, len(batch)))
                self._shard.update(edge.UpdateOperation.upsert_points(translate.points_of(batch, rows)))
            self._shard.flush()
        self._settle(batch, size)

    def update_vectors(self, batch: PointBatch) -> None:
        """Write the batch's spaces of points that stand; the rest of them stays."""
        size = self._require_room(batch)
        self.changed = True
        with engine(self._name):
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

    def update(self, *operations: edge.UpdateOperation) -> None:
        """Small operations of the engine, durable when this returns."""
        # Opening may have taken what was free: the engine sets 34 MB aside for its log.
        require_room(self.folder, reserve=SMALL_RESERVE)
        self.changed = True
        with engine(self._name):
            for operation in operations:
                self._shard.update(operation)
            self._shard.flush()

    def retrieve(self, ids: Sequence[str], payload: Any, vectors: Any) -> list[models.Record]:
        """The points that stand among ``ids``, in any order."""
        with engine(self._name):
            found = self._shard.retrieve(list(dict.fromkeys(ids)), selection(payload), selection(vectors))
        return [record(one) for one in found]

    def columns(self, ids: Sequence[str], space: str) -> dict[int, Sequence[int]]:
        """Which columns points hold in a sparse space, by their ids as numbers."""
        with engine(self._name):
            found: list[Any] = self._shard.retrieve(list(ids), False, [space])
        # Records would be checked and copied, for twice what the engine takes.
        vectors = {one.id.int: one.vector.get(space) for one in found if isinstance(one.vector, dict)}
        return {point: row.indices for point, row in vectors.items() if isinstance(row, edge.SparseVector)}

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
        with engine(self._name):
            found, after = self._shard.scroll(request)
        return [record(one) for one in found], after

    def count(self, query_filter: models.Filter | None = None) -> int:
        """Exactly how many points match."""
        with engine(self._name):
            return int(self._shard.count(edge.CountRequest(exact=True, filter=translate.filter_of(query_filter))))

    def facet(self, field: str, query_filter: models.Filter | None, limit: int) -> dict[str, int]:
        """How many points hold each value of an indexed field, of those that most hold."""
        with engine(self._name):
            request = edge.FacetRequest(field, limit=limit, exact=True, filter=translate.filter_of(query_filter))
            # A value stays known, with 0, when its last point is gone.
            return {str(hit.value): int(hit.count) for hit in self._shard.facet(request).hits if hit.count}

    def answers(self, requests: Sequence[edge.QueryRequest]) -> list[list[Any]]:
        """What each request finds, as the engine gives it."""
        with engine(self._name):
            return [list(found) for found in self._shard.query_batch(edge.QueryBatchRequest(list(requests)))]

    # -- care ------------------------------------------------------------------------------
    @property
    def joins_apart(self) -> bool:
        """Whether there is so much to join that a process of its own does it."""
        if not joins_graphs(self._spaces, self._storage):
            return False
        # Segments without a graph may be of an ingest that was cut off.
        written = self._filling >= WRITTEN_BYTES or 0 in graph_edges(self.folder, self._spaces)
        return written and allocated(self.folder) >= APART_BYTES

    def optimize(self) -> None:
        """Make the segments that were written to unchangeable, with their indexes."""
        if self.joins_apart:
            self.close()
            try:
                self.join_apart().finish()
            finally:
                self._open()
            self._filling, self.changed = 0, False
        else:
            self.optimize_here()

    def optimize_here(self) -> None:
        """The same in this process, however much there is to join."""
        if self._plain:
            self.close()
            self._open()
        self._optimize()
        self.changed = False

    def join_apart(self) -> Joining:
        """Begin it in a process of its own, with this part closed until that is done."""
        self._require_room_to_join()
        return Joining(self._name, self.folder, self._spaces, self._storage)

    def _require_room_to_join(self) -> None:
        # The old segments stand until the new one is whole; no more are joined than fill one.
        joined = joined_bytes(self._spaces, self._storage)
        require_room(self.folder, min(allocated(self.folder), COPIES * 2 * joined))

    def _optimize(self) -> None:
        self._require_room_to_join()
        # Before as well: what is built now comes on top of what is mapped.
        give_back(self.folder)
        with engine(self._name):
            self._shard.optimize()
            self._shard.flush()
        self._filling = self._mapped = 0
        if self._threads != config_of(self._spaces, self._storage, segments(self.folder)).max_search_threads:
            # The engine takes the number of its threads only when it opens.
            self.close()
            self._open(filling=self._plain)
        give_back(self.folder)

    def _require_room(self, batch: PointBatch) -> int:
        """The bytes of a batch, for which there is room."""
        size = sum(map(_bytes_of, batch.vectors.values())) + sum(map(_text_bytes, batch.payloads))
        require_room(self.folder, COPIES * size)
        return size

    def _settle(self, batch: PointBatch, size: int) -> None:
        """Keep memory bounded: a full segment is indexed, and pages of files that were written are given back."""
        sizes = [_bytes_of(found) for found in batch.vectors.values()]
        sparse = [size for size, found in zip(sizes, batch.vectors.values(), strict=True) if hasattr(found, "nnz")]
        self._filling += max(max(sizes, default=0), SPARSE_IN_MEMORY * sum(sparse))
        self._mapped += size
        if self._filling >= filled_bytes(self._storage, plain=True) and self._without_graphs():
            self._index_plain()
        elif self._filling >= filled_bytes(self._storage):
            self.optimize()
        elif self._mapped >= MAPPED_BYTES:
            self._mapped = 0
            give_back(self.folder)

    def _index_plain(self) -> None:
        """Index what was written, but for graphs and small copies."""
        if not self._plain:
            self.close()
            self._open(filling=True)
        self._optimize()


def _text_bytes(payload: Mapping[str, Any]) -> int:
    return 100 + sum(3 * len(value) for value in payload.values() if isinstance(value, str))


def _bytes_of(vectors: Any) -> int:
    """Bytes that the engine keeps of a batch in one space: floats, and with sparse ones their indices."""
    if isinstance(vectors, np.ndarray):
        return 4 * vectors.size
    if isinstance(vectors, list):
        return sum(4 * rows.size for rows in vectors)
    return 8 * int(vectors.nnz)
