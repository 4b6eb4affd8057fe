"""Vector spaces, the batches of vectors that encoders give, and the points that stores take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.sparse import csr_array

DenseBatch: TypeAlias = npt.NDArray[np.float32]
"""Rows of one dense space: float32 of shape ``(n, dim)``; NaN-free. A zero row means "none"."""

SparseBatch: TypeAlias = csr_array
"""Rows of one sparse space: CSR float32 of shape ``(n, vocabulary)``, indices sorted, no duplicates."""

MultiBatch: TypeAlias = list[npt.NDArray[np.float32]]
"""Rows of one multi-vector space: n arrays of shape ``(tokens, dim)``."""

VectorBatch: TypeAlias = DenseBatch | SparseBatch | MultiBatch


class Shelf(StrEnum):
    """The three collections of a corpus, from fine to coarse."""

    TERMS = "terms"
    PASSAGES = "passages"
    DOCUMENTS = "documents"


class SpaceKind(StrEnum):
    """How a vector of a space is laid out."""

    DENSE = "dense"
    SPARSE = "sparse"
    MULTI = "multi"


class Space(BaseModel):
    """One named vector: its kind, and its dimension where it is not sparse.

    All are compared by dot product, and dense vectors are of unit length: that is the cosine, and
    engines keep such vectors as they are, where their own cosine would round them anew.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: SpaceKind
    dim: int | None = None


@dataclass(frozen=True, slots=True)
class PointBatch:
    """Points to upsert: parallel ids, payloads, and for each space one vector a point.

    A dense or multi-vector space may be left out of single points by a zero row or an empty
    array, a sparse one by an empty row: the point then has no vector there.
    """

    ids: Sequence[str]
    payloads: Sequence[Mapping[str, Any]]
    vectors: Mapping[str, VectorBatch]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Term:
    """A word or n-gram of a corpus's vocabulary, as the ``terms`` shelf holds it.

    ``index`` is its column in the sparse space (None where it is only a Word2Vec word),
    ``df`` the number of passages that hold it, ``cf`` its occurrences, ``idf`` its smooth
    inverse document frequency, ``vector`` its Word2Vec vector of shape ``(dim,)``, ``lsa`` its row of
    LSA's components.
    """

    term: str
    index: int | None
    df: int
    cf: int
    idf: float
    vector: npt.NDArray[np.float32] | None = None
    lsa: npt.NDArray[np.float32] | None = None
