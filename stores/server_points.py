"""Batches of points as requests to a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from qdrant_client import models

from schemas.spaces import PointBatch
from stores import base

REQUEST_BYTES = 16_000_000
"""Bytes of one upsert at the most, by estimate; a server refuses requests over 32 MB."""

REQUEST_POINTS = 1000


def vectors_of(batch: PointBatch, row: int) -> dict[str, Any]:
    """One point's vectors as a request takes them."""
    return base.vectors_of(batch, row, models.SparseVector, np.ndarray.tolist)


def requests_of(batch: PointBatch) -> Iterator[list[int]]:
    """The batch's rows in groups that fit one request each, by count and by bytes."""
    rows: list[int] = []
    size = 0
    for row in range(len(batch)):
        bytes_here = _estimate(batch, row)
        if rows and (size + bytes_here > REQUEST_BYTES or len(rows) == REQUEST_POINTS):
            yield rows
            rows, size = [], 0
        rows.append(row)
        size += bytes_here
    if rows:
        yield rows


def _estimate(batch: PointBatch, row: int) -> int:
    # A float32 takes up to 22 characters as JSON, with its comma.
    floats = 0
    for vectors in batch.vectors.values():
        if isinstance(vectors, np.ndarray):
            floats += vectors.shape[1]
        elif isinstance(vectors, list):
            floats += vectors[row].size
        else:
            floats += 2 * int(vectors.indptr[row + 1] - vectors.indptr[row])
    return 22 * floats + len(json.dumps(batch.payloads[row], ensure_ascii=True)) + 100
