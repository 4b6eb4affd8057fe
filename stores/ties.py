"""Results of equal score in the order of their ids, also where the limit cuts between them."""

from __future__ import annotations

from collections.abc import Callable
from operator import gt
from typing import Any, Protocol, TypeVar

from qdrant_client import models

MARGIN = 8
"""Results asked for beyond the limit, to see whether its last one has equals outside."""


class Scored(Protocol):
    """Whatever has an id and a score."""

    @property
    def id(self) -> object:
        """The point's id."""
        ...

    @property
    def score(self) -> float:
        """More is better."""
        ...


P = TypeVar("P", bound=Scored)


def by_score(query: Any) -> bool:
    """Whether a query's results are ranked by their scores: not by a field, at random, by id, or for diversity."""
    if isinstance(query, models.NearestQuery):
        return query.mmr is None
    return query is not None and not isinstance(query, models.OrderByQuery | models.SampleQuery)


def in_order(points: list[P]) -> list[P]:
    """Best first, equals by id."""
    # Most rankings come in order and without equals; seeing that is cheaper than sorting.
    scores = [point.score for point in points]
    if all(map(gt, scores, scores[1:])):
        return points
    return sorted(points, key=lambda point: (-point.score, str(point.id)))


def cut(ask: Callable[[int], list[P]], first: list[P], asked: int, offset: int, limit: int) -> list[P]:
    """The page of a ranking whose ties are settled by id.

    ``first`` are the results of asking for ``asked`` of them. As long as the page's last score goes
    on to the end of what came, more is asked for: only then is it known which equals come first.
    """
    points = in_order(first)
    reach = offset + limit
    # The last of what came has the lowest score: where the page's last one has it too, equals may lie outside.
    while len(points) >= asked and len(points) > reach and points[-1].score == points[reach - 1].score:
        asked *= 4
        points = in_order(ask(asked))
    return points[offset:reach]
