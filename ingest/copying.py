"""Points read back from a store as batches that can be written again, vector for vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qdrant_client import models
from scipy.sparse import csr_array, vstack

from encoders.base import Encoder
from ingest.encoding import Vectors, begin_encoding
from ingest.plan import batched
from schemas.spaces import DenseBatch, PointBatch, Space, SpaceKind, VectorBatch
from stores.base import Store

PAGE = 1024
"""Points copied together."""


def stored_vectors(records: Sequence[models.Record], spaces: Mapping[str, Space]) -> dict[str, VectorBatch]:
    """One row a record in each of ``spaces``, as the store keeps it; empty where a record has none."""
    found: dict[str, VectorBatch] = {}
    for name, space in spaces.items():
        column = [record.vector.get(name) if isinstance(record.vector, dict) else None for record in records]
        if space.kind is SpaceKind.SPARSE:
            found[name] = sparse_rows(
                [None if value is None else (value.indices, value.values) for value in map(_sparse, column)]
            )
        elif space.kind is SpaceKind.MULTI:
            found[name] = multi_rows(column, space.dim or 0)
        else:
            found[name] = dense_rows(column, space.dim or 0)
    return found


def copy_points(store: Store, source: str, target: str, spaces: Sequence[Space]) -> None:
    """Write every point of one collection into another, with its vectors of ``spaces``."""
    wanted = {space.name: space for space in spaces}
    for page in batched(store.scroll(source, vectors=list(wanted) or False, batch_size=PAGE), PAGE):
        ids, payloads = [str(record.id) for record in page], [dict(record.payload or {}) for record in page]
        store.upsert(target, PointBatch(ids, payloads, stored_vectors(page, wanted)))


def dense_rows(column: Sequence[Any], dim: int) -> DenseBatch:
    """A float32 matrix of shape ``(n, dim)``, with a zero row for None."""
    matrix = np.zeros((len(column), dim), dtype=np.float32)
    for row, value in enumerate(column):
        if value is not None:
            matrix[row] = value
    return matrix


def multi_rows(column: Sequence[Any], dim: int) -> VectorBatch:
    """A list of ``(tokens, dim)`` arrays, with an empty one for None."""
    return [
        np.zeros((0, dim), dtype=np.float32) if value is None else np.asarray(value, dtype=np.float32).reshape(-1, dim)
        for value in column
    ]


def sparse_rows(column: Sequence[tuple[Sequence[int], Sequence[float]] | None]) -> csr_array:
    """A CSR matrix of float32 with rising indices, with an empty row for None."""
    indices: list[int] = []
    values: list[float] = []
    ends = [0]
    for value in column:
        if value is not None:
            order = np.argsort(np.asarray(value[0], dtype=np.int64), kind="stable")
            indices.extend(np.asarray(value[0], dtype=np.int64)[order].tolist())
            values.extend(np.asarray(value[1], dtype=np.float32)[order].tolist())
        ends.append(len(indices))
    columns = np.array(indices, dtype=np.int64)
    width = int(columns.max()) + 1 if len(columns) else 1
    data = np.array(values, dtype=np.float32)
    return csr_array((data, columns, np.array(ends, dtype=np.int64)), shape=(len(column), width))


def _sparse(value: Any) -> models.SparseVector | None:
    return value if isinstance(value, models.SparseVector) else None


def interleaved(parts: Sequence[tuple[Sequence[int], VectorBatch]], space: Space) -> VectorBatch:
    """One batch of several: each with the rows that its own take in it, which together are all."""
    rows = np.concatenate([np.asarray(places, dtype=np.int64) for places, _ in parts])
    order = np.argsort(rows, kind="stable")
    batches = [batch for _, batch in parts]
    if space.kind is SpaceKind.SPARSE:
        width = max(batch.shape[1] for batch in batches)  # type: ignore[union-attr]
        for batch in batches:
            batch.resize((batch.shape[0], width))  # type: ignore[union-attr]
        return csr_array(vstack(batches, format="csr")[order])
    if space.kind is SpaceKind.MULTI:
        together = [tokens for batch in batches for tokens in batch]
        return [together[place] for place in order]
    return np.ascontiguousarray(np.concatenate(batches)[order], dtype=np.float32)


def encode_the_rest(
    encoder: Encoder, texts: Sequence[str], standing: Mapping[int, models.Record], spaces: Mapping[str, Space]
) -> Vectors:
    """Begin to encode the texts but those whose rows are ``standing``: they keep what the store has in ``spaces``."""
    if not standing:
        return begin_encoding(encoder, texts)
    there = sorted(standing)
    left = [row for row in range(len(texts)) if row not in standing]
    taken = stored_vectors([standing[row] for row in there], spaces)
    if not left:
        return lambda: taken
    encoded = begin_encoding(encoder, [texts[row] for row in left])

    def vectors() -> dict[str, VectorBatch]:
        fresh = encoded()
        return {name: interleaved([(there, taken[name]), (left, fresh[name])], space) for name, space in spaces.items()}

    return vectors
