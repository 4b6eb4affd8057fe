"""Several ranked lists made one: convex sums, reciprocal ranks, distribution-based scores.

Fusion runs here and not in an engine, so that both stores give the same order, the same in every
call, and so that each hit can tell what every space gave it.

Only the first ``window`` entries of each list count. Later entries keep a score of 0 and follow in
the order of their best rank. So the first n hits are the same however deep the lists reach, as long
as they reach ``max(window, n)``: pages cut from one query never show a hit twice or miss one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeAlias, get_args

from typing_extensions import TypeVar

from schemas.errors import UsageError

FusionMethod: TypeAlias = Literal["zscore", "convex", "rrf", "dbsf"]
"""``zscore``: weighted sum of standard scores; ``convex``: of min-max scores; ``rrf``: of reciprocal ranks;
``dbsf``: of scores within mean ± 3 sigma."""

Id = TypeVar("Id", str, int, default=str)
"""What names a point: text, or its 128 bits as a number, which is cheaper to hash and to order."""

ScoredList: TypeAlias = Sequence[tuple[Id, float]]
"""Ids with their scores in one space, best first."""

WINDOW = 100
"""Entries of each list that count towards the fused score; the usual depth of a first stage."""

RRF_K = 60
"""The constant of Cormack, Clarke and Büttcher (SIGIR 2009); ranks count from 1."""


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
    return fuse_parts(parts, method=method, weights=weights, limit=limit)


@dataclass(frozen=True, slots=True)
class Part(Generic[Id]):
    """One list made ready to be fused: rank and own score of each id, and what its window gives at weight 1."""

    ranks: Mapping[Id, tuple[int, float]]
    given: Mapping[Id, float]


def part(
    entries: ScoredList[Id],
    *,
    method: FusionMethod = "convex",
    k: int = RRF_K,
    window: int = WINDOW,
    minimum: float | None = None,
    ranked: bool = False,
) -> Part[Id]:
    """Make one list ready for ``fuse_parts``, with the parameters of ``fuse``.

    ``ranked`` says that the entries stand in their final order, each once, whatever their scores.
    """
    ranks = {name: (rank, score) for rank, (name, score) in enumerate(entries, 1)} if ranked else _ranked(entries)
    return Part(ranks, _given(ranks, method, k, window, minimum))


def fuse_parts(
    parts: Mapping[str, Part[Id]],
    *,
    method: FusionMethod,
    weights: Mapping[str, float] | None = None,
    limit: int | None = None,
) -> list[Fused[Id]]:
    """As ``fuse``, of lists made ready before: who fuses twice prepares only what has changed."""
    share_of = _scaled(parts, weights)
    totals: dict[Id, float] = {}
    counting = [parts[space].ranks for space, weight in share_of.items() if weight > 0]
    for space, weight in share_of.items():
        if weight > 0:
            for identifier, score in parts[space].given.items():
                totals[identifier] = totals.get(identifier, 0.0) + weight * score
    for space, weight in share_of.items():
        # What lies past its list's window.
        if weight > 0 and len(parts[space].ranks) > len(parts[space].given):
            for identifier in parts[space].ranks:
                totals.setdefault(identifier, 0.0)
    least = -math.inf
    if limit is not None and limit < len(totals):
        least = sorted(totals.values(), reverse=True)[limit - 1] if limit > 0 else math.inf
    # Ranks settle ties: only what can be among the first needs them.
    keys = sorted(
        (-total, min(ranks[identifier][0] for ranks in counting if identifier in ranks), identifier)
        for identifier, total in totals.items()
        if total >= least
    )[:limit]
    scale = 1.0
    if method == "zscore":
        most = sum(weight * max(parts[space].given.values(), default=0.0) for space, weight in share_of.items())
        scale = 1 / most if most > 0 else 0.0
    return [Fused(item, -total * scale, _standings(item, parts, share_of)) for total, _, item in keys]


def contributions(
    entries: ScoredList[Id],
    *,
    method: FusionMethod = "convex",
    k: int = RRF_K,
    window: int = WINDOW,
    minimum: float | None = None,
) -> dict[Id, tuple[int, float]]:
    """Rank and share-giving score of each id of one list at weight 1, as :func:`fuse` adds them up."""
    made = part(entries, method=method, k=k, window=window, minimum=minimum)
    return {identifier: (rank, made.given.get(identifier, 0.0)) for identifier, (rank, _) in made.ranks.items()}


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


def _ranked(entries: ScoredList[Id]) -> dict[Id, tuple[int, float]]:
    # Engines order equal scores at random, so ties get their ranks by id.
    scores = [score for _, score in entries]
    if len(set(scores)) < len(scores) or scores != sorted(scores, reverse=True):
        entries = sorted(entries, key=lambda entry: (-entry[1], entry[0]))
    found = {identifier: (rank, float(score)) for rank, (identifier, score) in enumerate(entries, 1)}
    if len(found) == len(entries):
        return found
    found = {}
    for identifier, score in entries:
        if identifier not in found:
            found[identifier] = (len(found) + 1, float(score))
    return found


def _given(
    ranked: Mapping[Id, tuple[int, float]], method: FusionMethod, k: int, window: int, minimum: float | None
) -> dict[Id, float]:
    inside = ranked
    if len(ranked) > window:
        inside = {identifier: place for identifier, place in ranked.items() if place[0] <= window}
    if not inside:
        return {}
    if method == "rrf":
        return {identifier: 1 / (k + rank) for identifier, (rank, _) in inside.items()}
    scores = [score for _, score in inside.values()]
    if method == "zscore":
        return _standard(inside, scores, window, minimum)
    if method == "dbsf":
        return _distribution(inside, scores)
    floor = scores[-1] if minimum is None or len(scores) >= window else min(minimum, scores[-1])
    spread = scores[0] - floor
    if spread <= 0:
        return dict.fromkeys(inside, 1.0)
    return {identifier: (score - floor) / spread for identifier, (_, score) in inside.items()}


def _standard(
    inside: Mapping[Id, tuple[int, float]], scores: Sequence[float], window: int, minimum: float | None
) -> dict[Id, float]:
    floor = scores[-1] if minimum is None else min(minimum, scores[-1])
    absent = 0 if minimum is None else window - len(scores)
    count = len(scores) + absent
    mean = (math.fsum(scores) + absent * floor) / count
    variance = (math.fsum([(score - mean) ** 2 for score in scores]) + absent * (floor - mean) ** 2) / count
    if variance <= 0:
        return dict.fromkeys(inside, 1.0)
    deviation = math.sqrt(variance)
    return {identifier: (score - floor) / deviation for identifier, (_, score) in inside.items()}


def _distribution(inside: Mapping[Id, tuple[int, float]], scores: Sequence[float]) -> dict[Id, float]:
    mean = math.fsum(scores) / len(scores)
    variance = math.fsum([(score - mean) ** 2 for score in scores]) / max(len(scores) - 1, 1)
    if variance <= 0:
        return dict.fromkeys(inside, 0.5)
    deviation = math.sqrt(variance)
    low = mean - 3 * deviation
    return {identifier: (score - low) / (6 * deviation) for identifier, (_, score) in inside.items()}


def _standings(item: Id, parts: Mapping[str, Part[Id]], share_of: Mapping[str, float]) -> dict[str, Standing]:
    listed = [space for space, found in parts.items() if item in found.ranks]
    given = {space: max(share_of[space] * parts[space].given.get(item, 0.0), 0.0) for space in listed}
    total = sum(given.values())
    if total <= 0:
        # Past every window nothing was given; the weights say whose word placed it.
        given = {space: share_of[space] for space in listed}
        total = sum(given.values())
    return {space: Standing(*parts[space].ranks[item], given[space] / total) for space in listed}
