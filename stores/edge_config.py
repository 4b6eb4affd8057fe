"""Spaces and storage settings to the engine's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qdrant_edge as edge

from schemas.spaces import Space, SpaceKind
from schemas.storage import StorageSettings

SEGMENT_MB = 32
"""The most vectors in a segment that is being filled, by default. It keeps its sparse index in memory, about
three times as large as its vectors, and making it unchangeable takes as much again; so this bounds the memory
of an ingest."""

PLAIN_SEGMENT_MB = 16
"""The same of segments without a graph. They cost little to make and are joined once, so they may be small."""

JOINED_MB = 200
"""The most vectors in a segment that others are joined into, where vectors are long. A graph's search costs hardly
more in a large segment than in a small one, so fewer are quicker to ask: of 100,000 vectors of 384 dimensions in
one segment a quarter of what six take, for a quarter more time to build (``scripts/bench_search.py``)."""

LONG_VECTOR_BYTES = 1024
"""Vectors of so many bytes (256 dimensions) are compared by a copy of one byte a number first, at a third of the
time. Where no vector is that long, a point's sparse ones are most of it: joining two segments holds some ten times
their bytes then, so such a collection's segments stay as large as they are filled, a quarter of ``SEGMENT_MB``."""

HNSW_M, HNSW_EF_CONSTRUCT = 16, 64
"""Edges a node as Qdrant has it; candidates fewer than its 100, since segments are small."""

INDEXING_THRESHOLD_KB = 10_000
"""Vectors of fewer KB are compared one by one, as Qdrant has it."""

FULL_SCAN_VECTORS = 6_500
"""Vectors of a segment that are compared one by one instead of through a graph: as many as Qdrant's 10,000 kB are
of 384 dimensions. Counted in vectors, since it is their number that costs time, and short ones cost hardly less."""

THREADS = 4
"""Threads of a search where there are several segments: more than cores, since segments differ in size."""


def config_of(
    spaces: Sequence[Space], storage: StorageSettings, segments: int = 1, *, filling: bool = False
) -> edge.EdgeConfig:
    """The engine's configuration for a collection of these spaces, which has so many ``segments``.

    While a collection is ``filling`` its segments get their sparse index alone: what makes searches quick, graphs and
    small copies, is made once, when segments are joined. The engine makes it anew for every segment of another
    configuration than it was opened with.
    """
    if filling:
        most = filled_bytes(storage, plain=True) // 1_000_000
        storage = storage.model_copy(update={"hnsw_m": 0, "quantization": "none", "max_segment_mb": most})
    dense = {space.name: _dense(space, storage) for space in spaces if space.kind is not SpaceKind.SPARSE}
    # Cold: read from the file, which the system caches, where the default would hold it in memory twice.
    params = edge.EdgeSparseVectorParams(memory=edge.Memory.Cold)
    sparse = {space.name: params for space in spaces if space.kind is SpaceKind.SPARSE}
    if not dense and not sparse:
        # The engine wants at least one space, also where points have payloads only.
        sparse = {"unused": params}
    segment_kb = joined_bytes(spaces, storage) // 1000
    threshold = storage.indexing_threshold_kb
    if threshold is None:
        # A segment that is full must be indexed, or it would go on growing; it may be so with several spaces' vectors.
        threshold = min(INDEXING_THRESHOLD_KB, segment_kb // 2)
    return edge.EdgeConfig(
        vectors=dense,
        sparse_vectors=sparse,
        optimizers=edge.EdgeOptimizersConfig(max_segment_size=segment_kb, indexing_threshold=threshold),
        # One segment and the empty one beside it are searched before other threads have woken.
        max_search_threads=1 if segments <= 2 else THREADS,
        wal_enabled=True,
    )


def filled_bytes(storage: StorageSettings, *, plain: bool = False) -> int:
    """How many bytes of vectors fill a segment that is written to; of a ``plain`` one, which gets no graph, fewer."""
    most = PLAIN_SEGMENT_MB if plain else SEGMENT_MB
    return min(storage.max_segment_mb or most, most) * 1_000_000


def joined_bytes(spaces: Sequence[Space], storage: StorageSettings) -> int:
    """How many bytes of vectors the largest segment holds."""
    if storage.max_segment_mb is not None:
        return storage.max_segment_mb * 1_000_000
    if any(_is_long(space) for space in spaces):
        return JOINED_MB * 1_000_000
    sparse = any(space.kind is SpaceKind.SPARSE for space in spaces)
    return SEGMENT_MB * 1_000_000 // (4 if sparse else 1)


def joins_graphs(spaces: Sequence[Space], storage: StorageSettings) -> bool:
    """Whether segments with graphs are joined: they are, where a joined one is larger than one that is filled."""
    graphs = storage.hnsw_m != 0 and any(space.kind is SpaceKind.DENSE for space in spaces)
    return graphs and joined_bytes(spaces, storage) > filled_bytes(storage)


def resolved(spaces: Sequence[Space], storage: StorageSettings) -> StorageSettings:
    """The settings with this store's own choice where they leave quantization to it.

    Vectors that stay on disk are left alone: what is to be in memory was chosen there.
    """
    if storage.quantization is not None:
        return storage
    chosen = "none" if storage.on_disk or not any(map(_is_long, spaces)) else "scalar"
    return storage.model_copy(update={"quantization": chosen})


def _is_long(space: Space) -> bool:
    return space.kind is SpaceKind.DENSE and (space.dim or 0) * 4 >= LONG_VECTOR_BYTES


def _dense(space: Space, storage: StorageSettings) -> edge.EdgeVectorParams:
    multi = space.kind is SpaceKind.MULTI
    # Token vectors are compared one with one, never through a graph of documents.
    m = 0 if multi else HNSW_M if storage.hnsw_m is None else storage.hnsw_m
    return edge.EdgeVectorParams(
        size=space.dim or 1,
        distance=edge.Distance.Dot,
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim) if multi else None,
        hnsw_config=edge.HnswIndexConfig(
            m=m,
            ef_construct=storage.hnsw_ef_construct or HNSW_EF_CONSTRUCT,
            full_scan_threshold=max(FULL_SCAN_VECTORS * (space.dim or 1) * 4 // 1000, 1),
            memory=edge.Memory.Cold if storage.on_disk else None,
        ),
        datatype=edge.VectorStorageDatatype.Float16 if storage.datatype == "float16" else None,
        memory=edge.Memory.Cold if storage.on_disk else None,
        quantization_config=_quantization(resolved([space], storage)),
    )


def _quantization(storage: StorageSettings) -> Any:
    if storage.quantization == "scalar":
        return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, memory=edge.Memory.Pinned)
    if storage.quantization == "binary":
        return edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
    if storage.quantization == "product":
        return edge.ProductQuantizationConfig(compression=edge.CompressionRatio.X16, memory=edge.Memory.Pinned)
    return None
