"""Several ranked lists made one: convex sums, reciprocal ranks, distribution-based scores.

Fusion runs here and not in an engine, so that both stores give the same order, the same in every
call, and so that each hit can tell what every space gave it.

Only the first ``window`` entries of each list count. Later entries keep a score of 0 and follow in
the order of their best rank. So the first n hits are the same however deep the lists reach, as long
as they reach ``max(window, n)``: pages cut from one query never show a hit twice or miss one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import gt, itemgetter
from typing import Any, Generic, NamedTuple, get_args

from schemas.errors import UsageError
from search.ranked_list import RRF_K, WINDOW, FusionMethod, Id, Part, ScoredList, part


class Standing(NamedTuple):
    """Where an id stands in one space: rank from 1, own score there, share of the fused score (0 to 1).

    The rank is None where no list was deep enough to tell.
    """

    rank: int | None
    score: float
    share: float


@dataclass(frozen=True, slots=True)
class Fused(Generic[Id]):
    """One id of the fused list; ``spaces`` holds the spaces that list it.

    ``score`` is in 0..1 for ``zscore`` and ``convex``.
    """

    id: Id
    score: float
    spaces: Mapping[str, Standing]


def fuse(
    lists: Mapping[str, ScoredList[Id]],
    *,
    method: FusionMethod = "convex",
    weights: Mapping[str, float] | None = None,
    k: int = RRF_K,
    window: int = WINDOW,
    minima: Mapping[str, float] | None = None,
    limit: int | None = None,
) -> list[Fused[Id]]:
    """One list of the spaces' lists, best first; equal scores by best rank, then by id.

    ``lists`` holds for each space ids with scores, best first (an id once; a later repetition is
    ignored). ``weights`` need not sum to 1 (they are scaled to it); a space left out has weight 0
    where weights are given, and all are equal where they are not. ``minima`` names spaces whose
    scores are scaled from a given lower bound instead of the list's lowest score (the *theoretical*
    minimum of Bruch, Gai & Ingber 2023, for ``convex`` only). ``limit`` cuts the result.

    What an id gets from a list that lacks it, and from lists that say little:

    * ``zscore``: (score - floor) / sd, sd over the window, the sum divided by what the first of every
      list would get together. The floor is the list's last entry, or the
      minimum where one is given. So a space whose best stand out for this
      query (as sigma predicts: Shtok et al. 2012, NQC) weighs more in it than one whose scores are
      flat, without a constant, and a weak space harms it less than ``convex``.
      Non-matches of a sparse space count in its sd.
    * ``convex`` (Bruch et al., arXiv:2210.11934): 0, the same as the last entry of the window. A
      sparse space's ``minima`` is 0, and holds where its list is shorter than the window: what does
      not match scores exactly that, so the last match is still worth more than no match. (In a full
      window the last entry as floor measured better.) A cosine of dense vectors has no such bound
      worth naming (a model may use 0.7 to 0.9 of -1 to 1 only). Equal scores at their floor give
      every entry 1.
    * ``rrf`` (Cormack et al. 2009): weight / (k + rank), and 0 where absent.
    * ``dbsf`` (Qdrant): (score - mean + 3 sd) / 6 sd, sd with n - 1; 0.5 for a list of one or of
      equal scores, and 0 where absent.

    A space with weight 0 is listed in ``spaces`` with share 0, and adds no ids of its own.

    Raises :class:`UsageError` for an unknown method, a negative or not finite weight, no positive
    weight among the lists, k or window below 1.
    """
    _check(method, k, window)
    parts = {
        space: part(entries, method=method, k=k, window=window, minimum=None if minima is None else minima.get(space))
        for space, entries in lists.items()
    }
    return Fusion(parts, method=method, weights=weights).ranking(limit)


class Fusion(Generic[Id]):
    """Lists made ready, put together; more can be added while it stands, and the best of it be read at any time.

    ``weights`` are those of ``fuse``. Who adds a list later names it in ``later``, so that its weight counts.
    """

    def __init__(
        self,
        parts: Mapping[str, Part[Id]],
        *,
        method: FusionMethod,
        weights: Mapping[str, float] | None = None,
        later: Iterable[str] = (),
    ) -> None:
        # Standings are read later, whatever becomes of the caller's parts.
        self._parts: dict[str, Part[Id]] = dict(parts)
        self._method = method
        self._share_of = _scaled([*parts, *later], weights)
        self._totals: dict[Id, float] = {}
        for space in self._counting():
            self._give(space)
        for space in self._counting():
            # What lies past its list's window.
            if len(self._parts[space].ranks) > len(self._parts[space].given):
                for identifier in self._parts[space].ranks.of:
                    self._totals.setdefault(identifier, 0.0)

    def _counting(self) -> list[str]:
        return [space for space, weight in self._share_of.items() if weight > 0 and space in self._parts]

    def _give(self, space: str) -> None:
        totals, weight = self._totals, self._share_of[space]
        for identifier, score in zip(self._parts[space].ranks.of, self._parts[space].given, strict=False):
            totals[identifier] = totals.get(identifier, 0.0) + weight * score

    def awaits(self, name: str) -> bool:
        """Whether a list of that name was promised and has not been added."""
        return name in self._share_of and name not in self._parts

    def add(self, name: str, found: Part[Id]) -> None:
        """One list more, of ids that others list; its name was given as ``later``."""
        self._parts[name] = found
        if self._share_of[name] > 0:
            self._give(name)

    def first(self, limit: int) -> list[Id]:
        """The ids of the best ``limit``, best first."""
        return [item for item, _ in self._best(limit)]

    def ranking(self, limit: int | None = None) -> list[Fused[Id]]:
        """The best ``limit``, or all, best first; equal scores by best rank, then by id."""
        scale = 1.0
        if self._method == "zscore":
            most = sum(
                weight * max(self._parts[space].given, default=0.0)
                for space, weight in self._share_of.items()
                if space in self._parts
            )
            scale = 1 / most if most > 0 else 0.0
        return [
            Fused(item, total * scale, Standings(item, self._parts, self._share_of))
            for item, total in self._best(limit)
        ]

    def _best(self, limit: int | None) -> list[tuple[Id, float]]:
        best = sorted(self._totals.items(), key=itemgetter(1), reverse=True)
        if limit is not None and limit < len(best):
            end = max(limit, 0)
            # Equals on both sides of the cut: it is not yet said which come first.
            while 0 < end < len(best) and best[end][1] == best[end - 1][1]:
                end += 1
            del best[end:]
        scores = [total for _, total in best]
        if all(map(gt, scores, scores[1:])):
            return best
        ranks = [self._parts[space].ranks.of for space in self._counting()]
        best.sort(key=lambda one: (-one[1], min(of[one[0]] for of in ranks if one[0] in of), one[0]))
        return best[:limit]


def _check(method: str, k: int, window: int) -> None:
    if method not in get_args(FusionMethod):
        raise UsageError(f"fusion {method!r} is not known; choose one of {', '.join(get_args(FusionMethod))}")
    if k < 1:
        raise UsageError(f"k must be at least 1 and is {k}")
    if window < 1:
        raise UsageError(f"the fusion window must be at least 1 and is {window}")


def _scaled(lists: Iterable[str], weights: Mapping[str, float] | None) -> dict[str, float]:
    raw = {space: 1.0 if weights is None else float(weights.get(space, 0.0)) for space in sorted(lists)}
    for space, weight in raw.items():
        if not math.isfinite(weight) or weight < 0:
            raise UsageError(f"the weight of {space} is {weight}; give a number of 0 or more")
    total = sum(raw.values())
    if raw and total <= 0:
        raise UsageError(f"no space of {', '.join(raw)} has a weight above 0; give one of them a weight")
    return {space: weight / total for space, weight in raw.items()}


class Standings(Mapping[str, Standing]):
    """Where an id stands in every space that lists it, worked out where it is looked at: few hits are shown."""

    __slots__ = ("_found", "_item", "_parts", "_share_of")

    def __init__(self, item: Any, parts: Mapping[str, Part[Any]], share_of: Mapping[str, float]) -> None:
        self._item, self._parts, self._share_of = item, parts, share_of
        self._found: dict[str, Standing] | None = None

    def _made(self) -> dict[str, Standing]:
        if self._found is None:
            self._found = _standings(self._item, self._parts, self._share_of)
        return self._found

    def __getitem__(self, space: str) -> Standing:
        return self._made()[space]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())


def _standings(item: Id, parts: Mapping[str, Part[Id]], share_of: Mapping[str, float]) -> dict[str, Standing]:
    ranks = {space: rank for space, found in parts.items() if (rank := found.ranks.of.get(item)) is not None}
    given = {space: max(share_of[space] * parts[space].gives(rank), 0.0) for space, rank in ranks.items()}
    total = sum(given.values())
    if total <= 0:
        # Past every window nothing was given; the weights say whose word placed it.
        given = {space: share_of[space] for space in ranks}
        total = sum(given.values())
    return {
        space: Standing(rank, parts[space].ranks.scores[rank - 1], given[space] / total)
        for space, rank in ranks.items()
    }
