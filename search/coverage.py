"""How far each space is believed for one query: by the query's words that its best hit holds.

A space of meaning has a nearest passage for everything, also for what it does not understand: a part
number, an address, a few keywords. Its scores do not tell (they stand out of its own list as those of a
good answer do), but its best hit does: it lacks words of the query that the best lexical hit holds. Rare
words tell most (idf to the power of ``POWER``), and words that the corpus does not know count as the
query's rarest known one, so that a query in other words, or another language, takes little from the space.

Chosen over 25 sets of queries in two languages, each left out in turn (docs/quality.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from schemas.spaces import Term, VectorBatch

POWER = 3
"""Of a word's idf, for what it weighs: 1, 2 and 3 did alike over all sets."""

_LEAST, _MOST = 1e-4, 4.0


@dataclass(frozen=True, slots=True)
class QueryMass:
    """A query's words in the sparse space: their columns, rising, what each weighs, and all with the unknown ones."""

    columns: npt.NDArray[np.int64]
    mass: npt.NDArray[np.float64]
    total: float


@dataclass(frozen=True, slots=True)
class QueryWords:
    """A query's distinct features: the idf of each, and their mass."""

    idf: Mapping[str, float]
    mass: QueryMass


def query_words(features: Iterable[str], known: Mapping[str, Term]) -> QueryWords:
    """The words of a query; one that the corpus does not know weighs as much as the rarest known of the query.

    As much as the corpus's own rarest would be right for a name (``libbrotli-dev``) and wrong for a slip of the pen,
    which is unknown as well: that cost more, over the sets of docs/quality.md, than it gained.
    """
    top = max((term.idf for term in known.values()), default=1.0)
    idf = {feature: known[feature].idf if feature in known else top for feature in sorted(set(features))}
    terms = sorted((term.index, term.idf**POWER) for term in known.values() if term.index is not None)
    mass = QueryMass(
        np.array([column for column, _ in terms], dtype=np.int64),
        np.array([weight for _, weight in terms], dtype=np.float64),
        sum(weight**POWER for weight in idf.values()),
    )
    return QueryWords(idf, mass)


def masses_of(queries: VectorBatch) -> list[QueryMass]:
    """The masses of TF-IDF query vectors alone: what they leave out as unknown is not seen."""
    assert isinstance(queries, csr_array)
    found = []
    for start, end in zip(queries.indptr[:-1], queries.indptr[1:], strict=True):
        mass = queries.data[start:end].astype(np.float64) ** POWER
        found.append(QueryMass(queries.indices[start:end].astype(np.int64), mass, float(mass.sum())))
    return found


def coverage(query: QueryMass, columns: Iterable[int]) -> float:
    """The share of the query's mass, 0 to 1, that a passage with these columns holds."""
    if query.total <= 0:
        return 0.0
    # A few dozen columns: a set is ten times as quick as sorting them for numpy.
    held = set(columns)
    covered = sum(m for c, m in zip(query.columns.tolist(), query.mass.tolist(), strict=True) if c in held)
    return float(covered / query.total)


def belief(lexical: float, other: float) -> float:
    """The factor of a space's weight whose best hit covers ``other``, where the best lexical one covers ``lexical``.

    1 where they cover the same; ``((1 - d) / (1 + d)) ** 2`` where the lexical one covers d more: next to
    nothing where it covers all and the other nothing, but never 0, since the space's hits still follow.
    Where the other covers more, its weight grows in the same way.
    """
    ahead = lexical - other
    return min(max((1 - ahead) / (1 + ahead + _LEAST), _LEAST) ** 2, _MOST)


def beliefs(
    query: QueryMass, best: Mapping[str, int], columns: Mapping[int, Sequence[int]], lexical: str
) -> dict[str, float]:
    """The factor of each space but ``lexical``; ``best`` is each one's best hit, ``columns`` what those hold."""
    if lexical not in best or query.total <= 0:
        return {}
    covered = {space: coverage(query, columns.get(point, ())) for space, point in best.items()}
    return {space: belief(covered[lexical], other) for space, other in covered.items() if space != lexical}
