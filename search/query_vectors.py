"""Batches of query vectors, one row a query, and their rows as a store takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.spaces import VectorBatch
from stores.nearest import QueryRow, SparseRow


def query_vector(batch: VectorBatch, row: int) -> QueryRow | None:
    """One row as a store takes it; None where it is empty, since nothing can be near it."""
    if isinstance(batch, np.ndarray):
        vector = batch[row]
        return vector if vector.any() else None
    if isinstance(batch, list):
        return batch[row] if len(batch[row]) else None
    start, end = batch.indptr[row], batch.indptr[row + 1]
    return SparseRow(batch.indices[start:end], batch.data[start:end]) if start < end else None


def take(batch: VectorBatch, rows: Sequence[int]) -> VectorBatch:
    """The batch of these rows alone, in their order."""
    if isinstance(batch, list):
        return [batch[row] for row in rows]
    return batch[np.asarray(rows, dtype=np.int64)]


def rows_of(batch: VectorBatch) -> int:
    """How many queries a batch holds."""
    return len(batch) if isinstance(batch, list) else int(batch.shape[0])
