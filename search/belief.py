"""How far each space is believed for one query: by the query's words that its best hit holds.

A space of meaning has a nearest passage for everything, also for what it does not understand: a part
number, an address, a few keywords. Its scores do not tell (they stand out of its own list as those of a
good answer do), but its best hit does: it lacks words of the query that the best lexical hit holds. Words that
the corpus does not know count as rare as any, and there is always one such more, so that a query in other words or
another language, or a name of which the corpus has a part, takes little from the space.

Chosen over 25 sets of queries in two languages, each left out in turn (docs/quality.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.coverage import Coverage, QueryMass

_LEAST, _MOST = 1e-4, 4.0


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
    """The factor of each space but ``lexical``; ``best`` is each one's best hit, ``columns`` what those hold.

    Where the corpus knows few of the query's words, or there are few, what they tell is little.
    """
    if lexical not in best or query.total <= 0:
        return {}
    cover, trust = Coverage(query), query.total / query.doubted
    covered = {space: trust * cover.of(cover.held(columns.get(point, ()))) for space, point in best.items()}
    return {space: belief(covered[lexical], other) for space, other in covered.items() if space != lexical}
