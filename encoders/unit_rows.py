"""Vectors of unit length, so that a dot product of two is their cosine."""

from __future__ import annotations

import numpy as np

from schemas.spaces import DenseBatch


def unit_rows(vectors: DenseBatch) -> DenseBatch:
    """Each row of a float32 matrix scaled to length 1; a row of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, np.float32(1e-12)), dtype=np.float32)
