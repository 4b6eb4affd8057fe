"""Weights and fusion method learned from judged queries, by cross-validation.

The spaces' lists are collected once; every choice of method and weights is then a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import InputError, UsageError
from search.fusion_choices import FusionChoice, fusion_choices, weighing_only
from search.ranked_list import RRF_K, WINDOW, FusionMethod, ScoredList, part

Collected: TypeAlias = Mapping[str, Mapping[str, ScoredList]]
"""Query id -> space -> ids with scores, best first; fetched once, deep enough to fuse."""

Matrix: TypeAlias = npt.NDArray[np.float64]

Cover: TypeAlias = Callable[[str, Sequence[str], Matrix, Mapping[str, float], float], Matrix]
"""Of a query, ids, their scores, the weights by which those were made, and the most that ``tfidf`` gives: what each
is given besides."""

METHODS: tuple[FusionMethod, ...] = ("zscore", "convex", "dbsf", "rrf")
SEED = 20130116
_CUT = 10


class TuningReport(BaseModel):
    """What cross-validation found; all values are mean nDCG@10.

    ``tuned`` is measured on queries that the choice did not see, ``default`` and ``singles`` on the
    same ones. ``gain`` is tuned minus ``best_single``, with a 95 % bootstrap interval over
    queries; ``gain_over_default`` likewise, and ``single_over_default``, of the single space that was best
    on the other queries. ``choice`` is what was adopted (see :func:`tune`), else the default.
    ``kinds`` counts the queries that were made of the corpus, by how.
    """

    model_config = ConfigDict(frozen=True)

    queries: int
    folds: int
    choice: FusionChoice
    adopted: bool
    tuned: float
    default: float
    singles: dict[str, float]
    best_single: str
    gain: float
    gain_interval: tuple[float, float]
    gain_over_default: float
    gain_over_default_interval: tuple[float, float]
    single_over_default: float
    single_over_default_interval: tuple[float, float]
    fold_choices: list[FusionChoice]
    synthetic: bool = False
    kinds: dict[str, int] = Field(default_factory=dict)


def tune(
    collected: Collected,
    qrels: Mapping[str, Mapping[str, int]],
    *,
    default: FusionChoice,
    document_of: Callable[[str], str] | None = None,
    minima: Mapping[str, float] | None = None,
    beliefs: Mapping[str, Mapping[str, float]] | None = None,
    cover: Cover | None = None,
    alone: Collected | None = None,
    folds: int = 5,
    k: int = RRF_K,
    window: int = WINDOW,
    methods: Sequence[FusionMethod] = METHODS,
    synthetic: bool = False,
    seed: int = SEED,
) -> TuningReport:
    """Learn method and weights from judged queries by ``folds``-fold cross-validation.

    ``document_of`` turns a list's id into a document's (passages grouped by their best one).
    ``minima``, ``k`` and ``window`` are those of ``search.fusion.fuse``. ``beliefs`` are each query's
    factors of the weights, by space, which ``zscore`` goes by (``search.belief``), and ``cover`` adds to its scores
    what the best passages hold of the query. ``alone`` are the lists of
    the spaces that can be searched alone (default all), where fusing asks them in another way. ``default``
    is what the corpus uses now; of choices that cannot be told from the best the one nearest to it is taken.

    Adopted is the better, on unseen queries, of that choice and of the best space alone; and only where its gain over
    the default is larger than the gain's standard error. What is stored changes every later search, and a gain of
    a few queries' luck is as likely a loss. ``synthetic`` queries favour words over meaning, so that of them no
    space alone is adopted.

    Raises :class:`InputError` for fewer judged queries than two, :class:`UsageError` for folds below 2.
    """
    if folds < 2:
        raise UsageError(f"{folds} folds cannot be; give at least 2.")
    ids = sorted(query for query in collected if any(grade > 0 for grade in qrels.get(query, {}).values()))
    if len(ids) < 2:
        raise InputError(f"{len(ids)} judged queries are too few to tune with; give at least 2, better 50.")
    folds = min(folds, len(ids))
    spaces = sorted({space for query in ids for space in collected[query]})
    if not spaces:
        raise InputError("no judged query finds anything in the corpus; check that they are queries to this corpus.")
    choices = fusion_choices(spaces, methods, default)
    by_itself = spaces if alone is None else sorted({space for query in ids for space in alone[query]})
    only = {space: weighing_only(choices, space) for space in by_itself}
    values = np.empty((len(ids), len(choices)))
    for method in dict.fromkeys(choice.method for choice in choices):
        columns = [at for at, choice in enumerate(choices) if choice.method == method]
        by = [choices[at].weights for at in columns]
        weights = np.array([[of.get(space, 0.0) for of in by] for space in spaces])
        for row, query in enumerate(ids):
            matrix, names = _matrix(collected[query], spaces, method, k, window, minima or {})
            if method == "zscore":
                believed = beliefs[query] if beliefs else {}
                fused = _fused(matrix * [believed.get(space, 1.0) for space in spaces], weights)
                fused += _covered(cover, query, names, matrix[:, [space == "tfidf" for space in spaces]], fused, by)
            else:
                fused = _fused(matrix, weights)
            values[row, columns] = _ndcg(fused, names, qrels[query], document_of)
    if alone is not None:
        for space, columns in only.items():
            values[:, columns] = [[_ndcg_alone(alone[q].get(space, ()), qrels[q], document_of)] for q in ids]
    singles = {space: float(values[:, columns[0]].mean()) for space, columns in only.items()}
    rng = np.random.default_rng(seed)
    fold_of = rng.permutation(len(ids)) % folds
    # Of queries that were made no space alone may be chosen; the default stands first whatever it weighs.
    barred = {column for columns in only.values() for column in columns} if synthetic else set()
    among = [at for at in range(len(choices)) if at == 0 or at not in barred]
    unseen, unseen_single, picks = _cross_validated(values, among, only, fold_of)
    best, column = _best_single(values, only)
    gain, interval = _bootstrap(unseen - values[:, column], rng)
    over, over_interval = _bootstrap(unseen - values[:, 0], rng)
    single_over, single_interval = _bootstrap(unseen_single - values[:, 0], rng)
    gains = [(unseen - values[:, 0], _pick(values, among))]
    if not synthetic:
        gains.append((unseen_single - values[:, 0], column))
    likely = [(float(gained.mean()), choice) for gained, choice in gains if gained.mean() > _standard_error(gained)]
    adopted, chosen = bool(likely), max(likely, default=(0.0, 0))[1]
    return TuningReport(
        queries=len(ids),
        folds=folds,
        choice=choices[chosen],
        adopted=adopted,
        tuned=float(unseen.mean()),
        default=float(values[:, 0].mean()),
        singles=singles,
        best_single=best,
        gain=gain,
        gain_interval=interval,
        gain_over_default=over,
        gain_over_default_interval=over_interval,
        single_over_default=single_over,
        single_over_default_interval=single_interval,
        fold_choices=[choices[pick] for pick in picks],
        synthetic=synthetic,
    )


def _cross_validated(
    values: Matrix, among: Sequence[int], only: Mapping[str, Sequence[int]], fold_of: npt.NDArray[np.int64]
) -> tuple[Matrix, Matrix, list[int]]:
    """What each query gets by the pick of the other folds, ``among`` choices and of single spaces; and those picks."""
    unseen, unseen_single, picks = np.empty(len(values)), np.empty(len(values)), []
    for fold in range(int(fold_of.max()) + 1):
        held = fold_of == fold
        picks.append(_pick(values[~held], among))
        unseen[held] = values[held, picks[-1]]
        unseen_single[held] = values[held, _best_single(values[~held], only)[1]]
    return unseen, unseen_single, picks


def _best_single(values: Matrix, only: Mapping[str, Sequence[int]]) -> tuple[str, int]:
    """The space that is best alone, and its first choice."""
    best = max(only, key=lambda space: values[:, only[space][0]].mean())
    return best, only[best][0]


def _pick(values: Matrix, among: Sequence[int]) -> int:
    """The first choice ``among`` these, so the nearest to the default, that is within one standard error of the best.

    The one-standard-error rule (Breiman et al. 1984): the very best of hundreds is mostly luck. The
    error is that of the paired differences over queries.
    """
    values = values[:, among]
    means = values.mean(axis=0)
    behind = values[:, [int(np.argmax(means))]] - values
    error = behind.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.zeros(len(means))
    return among[int(np.argmax(behind.mean(axis=0) <= error + 1e-12))]


def _matrix(
    lists: Mapping[str, ScoredList],
    spaces: Sequence[str],
    method: FusionMethod,
    k: int,
    window: int,
    minima: Mapping[str, float],
) -> tuple[Matrix, list[str]]:
    parts = {
        space: part(entries, method=method, k=k, window=window, minimum=minima.get(space))
        for space, entries in lists.items()
    }
    best: dict[str, int] = {}
    for made in parts.values():
        for name, rank in made.ranks.of.items():
            best[name] = min(rank, best.get(name, rank))
    names = sorted(best, key=lambda name: (best[name], name))
    row_of = {name: row for row, name in enumerate(names)}
    matrix = np.full((len(names), len(spaces)), np.nan)
    for column, space in enumerate(spaces):
        if space in parts:
            for name, rank in parts[space].ranks.of.items():
                matrix[row_of[name], column] = parts[space].gives(rank)
    return matrix, names


def _fused(matrix: Matrix, weights: Matrix) -> Matrix:
    # As in fuse: what only spaces of weight 0 list is not in the result.
    fused = np.nan_to_num(matrix) @ weights
    listed = ~np.isnan(matrix) @ (weights > 0)
    return np.where(listed, fused, -np.inf)


def _covered(
    cover: Cover | None,
    query: str,
    names: Sequence[str],
    lexical: Matrix,
    fused: Matrix,
    weights: Sequence[Mapping[str, float]],
) -> Matrix:
    """What ``cover`` gives besides, of the same shape as ``fused``; ``lexical`` is what ``tfidf`` gives."""
    if cover is None:
        return np.zeros_like(fused)
    most = float(np.nan_to_num(lexical).max(initial=0.0))
    return np.array([cover(query, names, scores, by, most) for scores, by in zip(fused.T, weights, strict=True)]).T


def _ndcg_alone(entries: ScoredList, grades: Mapping[str, int], document_of: Callable[[str], str] | None) -> float:
    scores = np.array([score for _, score in entries], dtype=np.float64).reshape(-1, 1)
    return float(_ndcg(scores, [name for name, _ in entries], grades, document_of)[0])


def _ndcg(
    fused: Matrix, names: Sequence[str], grades: Mapping[str, int], document_of: Callable[[str], str] | None
) -> Matrix:
    documents = [name if document_of is None else document_of(name) for name in names]
    discount = 1 / np.log2(np.arange(2, _CUT + 2))
    ideal = np.array(sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:_CUT])
    order = np.argsort(-fused, axis=0, kind="stable")
    found = np.zeros(fused.shape[1])
    for column in range(fused.shape[1]):
        seen: set[str] = set()
        for row in order[:, column]:
            document = documents[row]
            if fused[row, column] == -np.inf:
                break
            if document in seen:
                continue
            found[column] += max(grades.get(document, 0), 0) * discount[len(seen)]
            seen.add(document)
            if len(seen) == _CUT:
                break
    return np.asarray(found / (ideal @ discount[: len(ideal)]))


def _standard_error(differences: Matrix) -> float:
    """That of their mean; without an end where there is one only."""
    return float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else np.inf


def _bootstrap(differences: Matrix, rng: np.random.Generator, samples: int = 2000) -> tuple[float, tuple[float, float]]:
    means = [differences[rng.integers(len(differences), size=len(differences))].mean() for _ in range(samples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(differences.mean()), (float(low), float(high))
