"""One space's ranked list, and what its entries give to a fused score.

Only the first ``window`` entries of a list give something. How a score of one space is made comparable with
those of others is the fusion method's (see ``search.fusion.fuse``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias

from typing_extensions import TypeVar

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


class Ranks(Mapping[Id, tuple[int, float]]):
    """One list, best first: the rank, from 1, and the own score of each id."""

    __slots__ = ("of", "scores")

    def __init__(self, entries: ScoredList[Id]) -> None:
        names, scores = zip(*entries, strict=True) if entries else ((), ())
        self.scores: Sequence[float] = scores
        self.of: dict[Id, int] = dict(zip(names, range(1, len(names) + 1), strict=True))

    def __getitem__(self, name: Id) -> tuple[int, float]:
        rank = self.of[name]
        return rank, self.scores[rank - 1]

    def __iter__(self) -> Iterator[Id]:
        return iter(self.of)

    def __len__(self) -> int:
        return len(self.of)


@dataclass(frozen=True, slots=True)
class Part(Generic[Id]):
    """One list made ready to be fused: its ranks, and what each entry of its window gives at weight 1."""

    ranks: Ranks[Id]
    given: Sequence[float]

    def gives(self, rank: int) -> float:
        """What the entry of that rank gives; nothing past the window."""
        return self.given[rank - 1] if rank <= len(self.given) else 0.0


def part(
    entries: ScoredList[Id],
    *,
    method: FusionMethod = "convex",
    k: int = RRF_K,
    window: int = WINDOW,
    minimum: float | None = None,
    ranked: bool = False,
) -> Part[Id]:
    """Make one list ready for ``Fusion``, with the parameters of ``fuse``.

    ``ranked`` says that the entries stand in their final order, each once, whatever their scores.
    """
    ranks = Ranks(entries if ranked else _ranked(entries))
    return Part(ranks, _given(ranks.scores[:window], method, k, window, minimum))


def _ranked(entries: ScoredList[Id]) -> ScoredList[Id]:
    # Engines order equal scores at random, so ties get their ranks by id.
    scores = [score for _, score in entries]
    if len(set(scores)) < len(scores) or scores != sorted(scores, reverse=True):
        entries = sorted(entries, key=lambda entry: (-entry[1], entry[0]))
    found: dict[Id, float] = {}
    for identifier, score in entries:
        found.setdefault(identifier, float(score))
    return list(found.items())


def _given(
    scores: Sequence[float], method: FusionMethod, k: int, window: int, minimum: float | None
) -> Sequence[float]:
    if not scores:
        return []
    if method == "rrf":
        return [1 / (k + rank) for rank in range(1, len(scores) + 1)]
    if method == "zscore":
        return _standard(scores, window, minimum)
    if method == "dbsf":
        return _distribution(scores)
    floor = scores[-1] if minimum is None or len(scores) >= window else min(minimum, scores[-1])
    spread = scores[0] - floor
    if spread <= 0:
        return [1.0] * len(scores)
    return [(score - floor) / spread for score in scores]


def _standard(scores: Sequence[float], window: int, minimum: float | None) -> list[float]:
    floor = scores[-1] if minimum is None else min(minimum, scores[-1])
    absent = 0 if minimum is None else window - len(scores)
    count = len(scores) + absent
    mean = (math.fsum(scores) + absent * floor) / count
    variance = (math.fsum([(score - mean) ** 2 for score in scores]) + absent * (floor - mean) ** 2) / count
    if variance <= 0:
        return [1.0] * len(scores)
    deviation = math.sqrt(variance)
    return [(score - floor) / deviation for score in scores]


def _distribution(scores: Sequence[float]) -> list[float]:
    mean = math.fsum(scores) / len(scores)
    variance = math.fsum([(score - mean) ** 2 for score in scores]) / max(len(scores) - 1, 1)
    if variance <= 0:
        return [0.5] * len(scores)
    deviation = math.sqrt(variance)
    low = mean - 3 * deviation
    return [(score - low) / (6 * deviation) for score in scores]
