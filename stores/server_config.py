"""Spaces and storage settings to a server's collection parameters, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qdrant_client import models

from schemas.spaces import Space, SpaceKind
from schemas.storage import StorageSettings
from stores.base import PayloadIndexType

METADATA = "xunyi"
"""The key of a collection's metadata under which its storage settings stand."""


def parameters_of(spaces: Sequence[Space], storage: StorageSettings) -> dict[str, Any]:
    """The arguments of ``create_collection`` for these spaces."""
    return {
        "vectors_config": {s.name: _dense(s, storage) for s in spaces if s.kind is not SpaceKind.SPARSE},
        "sparse_vectors_config": {s.name: _sparse(storage) for s in spaces if s.kind is SpaceKind.SPARSE},
        "optimizers_config": _optimizers(storage),
        "shard_number": storage.shard_number,
        "replication_factor": storage.replication_factor,
        "write_consistency_factor": storage.write_consistency_factor,
        "metadata": {METADATA: storage.model_dump(mode="json", exclude_defaults=True)},
    }


def index_of(kind: PayloadIndexType, storage: StorageSettings) -> Any:
    """The index of a payload field; on disk where the vectors are."""
    on_disk = storage.on_disk
    if kind == "text":
        return models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            tokenizer=models.TokenizerType.MULTILINGUAL,
            lowercase=True,
            on_disk=on_disk,
        )
    if kind == "integer":
        return models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True, on_disk=on_disk)
    if kind == "float":
        return models.FloatIndexParams(type=models.FloatIndexType.FLOAT, on_disk=on_disk)
    if kind == "datetime":
        return models.DatetimeIndexParams(type=models.DatetimeIndexType.DATETIME, on_disk=on_disk)
    if kind == "bool":
        return models.BoolIndexParams(type=models.BoolIndexType.BOOL, on_disk=on_disk)
    return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, on_disk=on_disk)


def spaces_of(config: models.CollectionConfig) -> dict[str, Space]:
    """The spaces of a collection that stands."""
    parameters = config.params
    found: dict[str, Space] = {}
    vectors = parameters.vectors if isinstance(parameters.vectors, dict) else {}
    for space, dense in vectors.items():
        kind = SpaceKind.MULTI if dense.multivector_config is not None else SpaceKind.DENSE
        found[space] = Space(name=space, kind=kind, dim=dense.size)
    for space in parameters.sparse_vectors or {}:
        found[space] = Space(name=space, kind=SpaceKind.SPARSE)
    return found


def storage_of(config: models.CollectionConfig) -> StorageSettings:
    """The settings that a collection was made with; the defaults where it does not say."""
    return StorageSettings.model_validate((config.metadata or {}).get(METADATA, {}))


def _dense(space: Space, storage: StorageSettings) -> models.VectorParams:
    multi = space.kind is SpaceKind.MULTI
    # Token vectors are compared one with one, never through a graph of documents.
    m = 0 if multi else storage.hnsw_m
    graph = models.HnswConfigDiff(m=m, ef_construct=storage.hnsw_ef_construct, on_disk=storage.on_disk)
    return models.VectorParams(
        size=space.dim or 1,
        distance=models.Distance.DOT,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM) if multi else None,
        hnsw_config=graph if graph.model_dump(exclude_none=True) else None,
        on_disk=storage.on_disk,
        datatype=models.Datatype.FLOAT16 if storage.datatype == "float16" else None,
        quantization_config=_quantization(storage),
    )


def _sparse(storage: StorageSettings) -> models.SparseVectorParams:
    index = models.SparseIndexParams(on_disk=True) if storage.on_disk else None
    return models.SparseVectorParams(index=index)


def _optimizers(storage: StorageSettings) -> models.OptimizersConfigDiff | None:
    size = storage.max_segment_mb
    diff = models.OptimizersConfigDiff(
        max_segment_size=None if size is None else size * 1000, indexing_threshold=storage.indexing_threshold_kb
    )
    return diff if diff.model_dump(exclude_none=True) else None


def _quantization(storage: StorageSettings) -> Any:
    if storage.quantization == "scalar":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        return models.ScalarQuantization(scalar=scalar)
    if storage.quantization == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    if storage.quantization == "product":
        product = models.ProductQuantizationConfig(compression=models.CompressionRatio.X16, always_ram=True)
        return models.ProductQuantization(product=product)
    return None
