"""What passages hold of a query's words, and that as a list beside those of the spaces.

Of two passages that score alike, the one that holds more of the words is the better (TFC3 of Fang, Tao & Zhai,
SIGIR 2004), which neither a cosine of TF-IDF rows nor one of meanings tells: one word often makes up for two that
are missing. So the best hits are looked at again for what they hold. Rare words tell most (idf to the power of
``POWER``), and words that the corpus does not know count as the query's rarest known one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from schemas.ids import document_point_of
from schemas.spaces import Term, VectorBatch
from search.ranked_list import Part, Ranks

COVERAGE = "tfidf:coverage"
"""The name under which a hit shows how much of the query it holds, and by which that is weighed."""

COVERED = 30
"""So many of the best hits are looked at; 20 did a little worse, 50 the same."""

POWER = 3
"""Of a word's idf, for what it weighs (1, 2 and 3 did alike over all sets), and of what a hit holds, for what that
gives: a hit that lacks one of three words is hardly better than one that lacks two."""


@dataclass(frozen=True, slots=True)
class QueryMass:
    """A query's words in the sparse space: their columns, rising, what each weighs, and all with the unknown ones.

    ``doubted`` is the total where unknown words count as rare as any in the corpus, and there is one such more.
    """

    columns: npt.NDArray[np.int64]
    mass: npt.NDArray[np.float64]
    total: float
    doubted: float


@dataclass(frozen=True, slots=True)
class QueryWords:
    """A query's distinct features: the idf of each, and their mass."""

    idf: Mapping[str, float]
    mass: QueryMass


def query_words(features: Iterable[str], known: Mapping[str, Term], passages: int = 0) -> QueryWords:
    """The words of a query; one that the corpus does not know weighs as much as the rarest known of the query.

    ``passages`` are those that TF-IDF was fitted on, by which a word of one passage is as rare as any.
    """
    top = max((term.idf for term in known.values()), default=1.0)
    rarest = max(top, np.log((1 + passages) / 2) + 1) if passages else top
    idf = {feature: known[feature].idf if feature in known else top for feature in sorted(set(features))}
    terms = sorted((term.index, term.idf**POWER) for term in known.values() if term.index is not None)
    mass = QueryMass(
        np.array([column for column, _ in terms], dtype=np.int64),
        np.array([weight for _, weight in terms], dtype=np.float64),
        sum(weight**POWER for weight in idf.values()),
        sum((weight if feature in known else rarest) ** POWER for feature, weight in idf.items()) + rarest**POWER,
    )
    return QueryWords(idf, mass)


def masses_of(queries: VectorBatch) -> list[QueryMass]:
    """The masses of TF-IDF query vectors alone: what they leave out as unknown is not seen."""
    assert isinstance(queries, csr_array)
    found = []
    for start, end in zip(queries.indptr[:-1], queries.indptr[1:], strict=True):
        mass = queries.data[start:end].astype(np.float64) ** POWER
        total, rarest = float(mass.sum()), float(mass.max(initial=0.0))
        found.append(QueryMass(queries.indices[start:end].astype(np.int64), mass, total, total + rarest))
    return found


class Coverage:
    """How much of one query's mass, 0 to 1, passages with these columns hold."""

    __slots__ = ("_columns", "_of", "_shares", "_total")

    def __init__(self, query: QueryMass) -> None:
        self._of = dict(zip(query.columns.tolist(), query.mass.tolist(), strict=True))
        self._columns = frozenset(self._of)
        self._total = query.total
        # Most passages hold one of a few sets of the words.
        self._shares: dict[frozenset[int], float] = {}

    def held(self, columns: Iterable[int]) -> frozenset[int]:
        """The columns that are the query's."""
        # A set is ten times as quick as sorting for numpy, of a few dozen columns.
        return self._columns.intersection(columns)

    def of(self, held: frozenset[int]) -> float:
        """The share of the query's mass."""
        if (share := self._shares.get(held)) is None:
            share = math.fsum(map(self._of.__getitem__, held)) / self._total if self._total > 0 else 0.0
            self._shares[held] = share
        return share

    def of_block(self, block: Sequence[frozenset[int]], owners: Sequence[Hashable]) -> list[float]:
        """The share for each of the best passages, whose documents are ``owners``.

        Half of it is what the passage holds, half what it holds together with the others of its document that are
        among them: words asked for together may stand in two of its passages.
        """
        together: dict[Hashable, frozenset[int]] = {}
        for held, owner in zip(block, owners, strict=True):
            together[owner] = together[owner] | held if owner in together else held
        whole = {owner: self.of(held) for owner, held in together.items()}
        return [(self.of(held) + whole[owner]) / 2 for held, owner in zip(block, owners, strict=True)]


def coverage_part(
    query: QueryMass, block: Sequence[int], columns: Mapping[int, Sequence[int]], most: float = 1.0
) -> Part[int]:
    """The list of a query's best passages by what they hold, ready to be fused; ``columns`` are those of each.

    Who holds all is given ``most``.
    """
    cover = Coverage(query)
    shares = cover.of_block(
        [cover.held(columns.get(point, ())) for point in block], [document_point_of(point) for point in block]
    )
    entries = sorted(zip(block, shares, strict=True), key=lambda entry: (-entry[1], entry[0]))
    return Part(Ranks(entries), [most * given(share) for _, share in entries])


def given(share: float) -> float:
    """What a hit that holds this share of the query gets for it, of what one gets that holds all."""
    return share**POWER
