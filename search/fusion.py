"""Several ranked lists made one: convex sums, reciprocal ranks, distribution-based scores.

Fusion runs here and not in an engine, so that both stores give the same order, the same in every
call, and so that each hit can tell what every space gave it.

Only the first ``window`` entries of each list count. Later entries keep a score of 0 and follow in
the order of their best rank. So the first n hits are the same however deep the lists reach, as long
as they reach ``max(window, n)``: pages cut from one query never show a hit twice or miss one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

from schemas.errors import UsageError

FusionMethod: TypeAlias = Literal["zscore", "convex", "rrf", "dbsf"]
"""``zscore``: weighted sum of standard scores; ``convex``: of min-max scores; ``rrf``: of reciprocal ranks;
``dbsf``: of scores within mean ± 3 sigma."""

ScoredList: TypeAlias = Sequence[tuple[str, float]]
"""Ids with their scores in one space, best first."""

WINDOW = 100
"""Entries of each list that count towards the fused score; the usual depth of a first stage."""

RRF_K = 60
"""The constant of Cormack, Clarke and Büttcher (SIGIR 2009); ranks count from 1."""


class Standing(NamedTuple):
    """Where an id stands in one space: rank from 1, own score there, share of the fused score (0 to 1)."""

    rank: int
    score: float
    share: float


@dataclass(frozen=True, slots=True)
class Fused:
    """One id of the fused list; ``spaces`` holds the spaces that list it.

    ``score`` is in 0..1 for ``zscore`` and ``convex``.
    """

    id: str
    score: float
    spaces: Mapping[str, Standing]


def fuse(
    lists: Mapping[str, ScoredList],
    *,
    method: FusionMethod = "convex",
    weights: Mapping[str, float] | None = None,
    k: int = RRF_K,
    window: int = WINDOW,
    minima: Mapping[str, float] | None = None,
    limit: int | None = None,
) -> list[Fused]:
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
    share_of = _scaled(lists, weights)
    ranks = {space: _ranked(entries) for space, entries in lists.items()}
    totals: dict[str, float] = {}
    best: dict[str, int] = {}
    parts: dict[str, dict[str, float]] = {}
    for space, weight in share_of.items():
        if weight <= 0:
            continue
        ranked = ranks[space]
        part = _contributions(ranked, method, weight, k, window, None if minima is None else minima.get(space))
        parts[space] = part
        for identifier, (rank, _) in ranked.items():
            totals[identifier] = totals.get(identifier, 0.0) + part.get(identifier, 0.0)
            best[identifier] = min(rank, best.get(identifier, rank))
    if method == "zscore":
        most = sum(max(part.values(), default=0.0) for part in parts.values())
        totals = {identifier: total / most if most > 0 else 0.0 for identifier, total in totals.items()}
    order = sorted(totals, key=lambda identifier: (-totals[identifier], best[identifier], identifier))
    if limit is not None:
        order = order[: max(limit, 0)]
    return [Fused(item, totals[item], _standings(item, ranks, parts, share_of)) for item in order]


def contributions(
    entries: ScoredList,
    *,
    method: FusionMethod = "convex",
    k: int = RRF_K,
    window: int = WINDOW,
    minimum: float | None = None,
) -> dict[str, tuple[int, float]]:
    """Rank and share-giving score of each id of one list at weight 1, as :func:`fuse` adds them up."""
    ranked = _ranked(entries)
    part = _contributions(ranked, method, 1.0, k, window, minimum)
    return {identifier: (rank, part.get(identifier, 0.0)) for identifier, (rank, _) in ranked.items()}


def _check(method: str, k: int, window: int) -> None:
    if method not in get_args(FusionMethod):
        raise UsageError(f"fusion {method!r} is not known; choose one of {', '.join(get_args(FusionMethod))}")
    if k < 1:
        raise UsageError(f"k must be at least 1 and is {k}")
    if window < 1:
        raise UsageError(f"the fusion window must be at least 1 and is {window}")


def _scaled(lists: Mapping[str, ScoredList], weights: Mapping[str, float] | None) -> dict[str, float]:
    raw = {space: 1.0 if weights is None else float(weights.get(space, 0.0)) for space in sorted(lists)}
    for space, weight in raw.items():
        if not math.isfinite(weight) or weight < 0:
            raise UsageError(f"the weight of {space} is {weight}; give a number of 0 or more")
    total = sum(raw.values())
    if raw and total <= 0:
        raise UsageError(f"no space of {', '.join(raw)} has a weight above 0; give one of them a weight")
    return {space: weight / total for space, weight in raw.items()}


def _ranked(entries: ScoredList) -> dict[str, tuple[int, float]]:
    # Engines order equal scores at random, so ties get their ranks by id.
    found: dict[str, tuple[int, float]] = {}
    for identifier, score in sorted(entries, key=lambda entry: (-entry[1], entry[0])):
        if identifier not in found:
            found[identifier] = (len(found) + 1, float(score))
    return found


def _contributions(
    ranked: Mapping[str, tuple[int, float]],
    method: FusionMethod,
    weight: float,
    k: int,
    window: int,
    minimum: float | None,
) -> dict[str, float]:
    inside = {identifier: place for identifier, place in ranked.items() if place[0] <= window}
    if not inside:
        return {}
    if method == "rrf":
        return {identifier: weight / (k + rank) for identifier, (rank, _) in inside.items()}
    scores = [score for _, score in inside.values()]
    if method == "zscore":
        return _standard(inside, scores, weight, window, minimum)
    if method == "dbsf":
        return _distribution(inside, scores, weight)
    floor = scores[-1] if minimum is None or len(scores) >= window else min(minimum, scores[-1])
    spread = scores[0] - floor
    if spread <= 0:
        return dict.fromkeys(inside, weight)
    return {identifier: weight * ((score - floor) / spread) for identifier, (_, score) in inside.items()}


def _standard(
    inside: Mapping[str, tuple[int, float]], scores: Sequence[float], weight: float, window: int, minimum: float | None
) -> dict[str, float]:
    floor = scores[-1] if minimum is None else min(minimum, scores[-1])
    absent = 0 if minimum is None else window - len(scores)
    count = len(scores) + absent
    mean = (math.fsum(scores) + absent * floor) / count
    variance = (math.fsum((score - mean) ** 2 for score in scores) + absent * (floor - mean) ** 2) / count
    if variance <= 0:
        return dict.fromkeys(inside, weight)
    deviation = math.sqrt(variance)
    return {identifier: weight * ((score - floor) / deviation) for identifier, (_, score) in inside.items()}


def _distribution(inside: Mapping[str, tuple[int, float]], scores: Sequence[float], weight: float) -> dict[str, float]:
    mean = math.fsum(scores) / len(scores)
    variance = math.fsum((score - mean) ** 2 for score in scores) / max(len(scores) - 1, 1)
    if variance <= 0:
        return dict.fromkeys(inside, 0.5 * weight)
    deviation = math.sqrt(variance)
    low = mean - 3 * deviation
    return {identifier: weight * (score - low) / (6 * deviation) for identifier, (_, score) in inside.items()}


def _standings(
    item: str,
    ranks: Mapping[str, Mapping[str, tuple[int, float]]],
    parts: Mapping[str, Mapping[str, float]],
    share_of: Mapping[str, float],
) -> dict[str, Standing]:
    listed = [space for space in ranks if item in ranks[space]]
    given = {space: max(parts.get(space, {}).get(item, 0.0), 0.0) for space in listed}
    total = sum(given.values())
    if total <= 0:
        # Past every window nothing was given; the weights say whose word placed it.
        given = {space: share_of[space] for space in listed}
        total = sum(given.values())
    return {space: Standing(*ranks[space][item], given[space] / total) for space in listed}
