"""Questions for nearest points as a ranking asks them: by the hundred, for ids and scores alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from qdrant_client import models

Scored: TypeAlias = tuple[int, float]
"""A point found: its id as a number (``UUID.int``, the same order as its text), and its score."""


class SparseRow(NamedTuple):
    """A sparse vector: its indices, each once, and as many values."""

    indices: npt.NDArray[np.integer[Any]]
    values: npt.NDArray[np.float32]


QueryRow: TypeAlias = npt.NDArray[np.float32] | SparseRow
"""A query in one space: ``(dim,)``, ``(tokens, dim)`` of multi-vectors, or sparse."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The ``limit`` points nearest to ``vector`` in ``space``, of those that the filter lets pass.

    Leaner than a ``models.QueryRequest``, whose validation costs as much as a search.
    """

    vector: QueryRow
    space: str
    limit: int
    query_filter: models.Filter | None = None

    def request(self) -> models.QueryRequest:
        """The same question as ``Store.query`` takes it."""
        query: Any = self.vector
        if isinstance(query, SparseRow):
            query = models.SparseVector(indices=query.indices.tolist(), values=query.values.tolist())
        else:
            query = query.tolist()
        return models.QueryRequest(
            query=query, using=self.space, filter=self.query_filter, limit=self.limit, with_payload=False
        )
