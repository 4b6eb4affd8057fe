"""Judged queries: measures of rankings, and a paired test between them.

Measures come from ir-measures (MacAvaney, Macdonald & Ounis, ECIR 2022) and carry its names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import EncoderError, InputError, UsageError
from search.query_files import Qrels, Ranking

if TYPE_CHECKING:
    from ir_measures.measures import Measure

Runner: TypeAlias = Callable[[list[str]], Sequence[Ranking]]
"""Answers a batch of query texts: one ranking a query, in the queries' order."""

MEASURES = ("nDCG@10", "RR@10", "AP", "R@100")
"""What BEIR and TREC report most: nDCG@10, MRR@10, MAP, recall at 100."""


_DEEPEST_CUTOFF = 1_000_000


class Comparison(BaseModel):
    """A paired test of ``name`` against ``baseline``: mean difference, 95 % bootstrap interval, p (two-sided).

    ``p_holm`` is p corrected for the other baselines of the same evaluation (Holm 1979).
    """

    model_config = ConfigDict(frozen=True)

    measure: str
    name: str
    baseline: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float | None = None
    wins: int
    losses: int
    ties: int


class EvaluationReport(BaseModel):
    """Means and per-query values of every configuration.

    ``means[name][measure]`` averages over the judged queries; ``per_query[name][measure][query id]``
    is a value each; ``comparisons`` hold the first configuration against each of the others by the first
    measure, ``comparison`` that against the best of them. ``fusion`` and ``weights`` are the hybrid's.
    ``judged_documents`` counts the relevant documents, ``missing_documents`` those of them
    that the corpus does not hold. ``model_dump(mode="json")`` is what ``--json`` prints.
    """

    model_config = ConfigDict(frozen=True)

    measures: list[str]
    queries: int
    means: dict[str, dict[str, float]]
    per_query: dict[str, dict[str, dict[str, float]]]
    comparison: Comparison | None = None
    comparisons: list[Comparison] = Field(default_factory=list)
    fusion: str | None = None
    weights: dict[str, float] = Field(default_factory=dict)
    judged_documents: int = 0
    missing_documents: int = 0

    def rows(self) -> list[list[str]]:
        """A table: a header, then one row a configuration with its means to four places."""
        table = [["", *self.measures]]
        for name, means in self.means.items():
            table.append([name, *(f"{means[measure]:.4f}" for measure in self.measures)])
        return table


class Judged(NamedTuple):
    """The judged queries of an evaluation: ids and texts in one order, and their grades."""

    ids: list[str]
    texts: list[str]
    qrels: Qrels


def judged(queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]]) -> Judged:
    """Queries that have a relevant document; the others cannot be measured (TREC's convention).

    Raises :class:`InputError` where none is left.
    """
    ids = [query for query in queries if any(grade > 0 for grade in qrels.get(query, {}).values())]
    if not ids:
        raise InputError("no query has a relevant judgment; check that queries and qrels use the same ids.")
    return Judged(ids, [queries[query] for query in ids], {query: dict(qrels[query]) for query in ids})


def evaluate(
    runners: Mapping[str, Runner],
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    measures: Sequence[str] = MEASURES,
    *,
    batch_size: int = 64,
) -> tuple[EvaluationReport, dict[str, dict[str, Ranking]]]:
    """Run every configuration over the judged queries and measure it.

    ``runners`` maps a configuration's name (``hybrid``, ``dense``, …) to what answers a batch; the
    first one is compared with each of the others. Returns the report and the rankings by
    configuration and query id, for ``search.query_files.write_trec_run``.

    Raises :class:`UsageError` for an unknown measure or no runner, :class:`InputError` where no
    query is judged, :class:`EncoderError` without ir-measures.
    """
    if not runners:
        raise UsageError("there is nothing to evaluate; name at least one configuration.")
    parsed = parse_measures(measures)
    these = judged(queries, qrels)
    runs: dict[str, dict[str, Ranking]] = {}
    for name, runner in runners.items():
        found: dict[str, Ranking] = {}
        for at in range(0, len(these.ids), batch_size):
            answers = runner(these.texts[at : at + batch_size])
            found.update(zip(these.ids[at : at + batch_size], map(_distinct, answers), strict=True))
        runs[name] = found
    values = {name: measure_run(run, these.qrels, parsed) for name, run in runs.items()}
    means = {
        name: {measure: math.fsum(of.values()) / len(of) for measure, of in by.items()} for name, by in values.items()
    }
    first = str(parsed[0])
    name, *others = runners
    comparisons = _holm(
        [compare_runs(name, other, values[name][first], values[other][first], first) for other in others]
    )
    best = max(others, key=lambda other: means[other][first], default=None)
    report = EvaluationReport(
        measures=[str(measure) for measure in parsed],
        queries=len(these.ids),
        means=means,
        per_query=values,
        comparison=next((found for found in comparisons if found.baseline == best), None),
        comparisons=comparisons,
    )
    return report, runs


def parse_measures(measures: Sequence[str]) -> list[Measure]:
    """The measures of ir-measures by their names.

    Raises :class:`UsageError` for one that it does not know or that nothing installed computes.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise EncoderError("ir-measures is not installed; run: pip install ir-measures") from error
    parsed: list[Measure] = []
    for name in measures:
        try:
            measure: Any = ir_measures.parse_measure(name)
            measure.validate_params()
        except (ValueError, NameError, AssertionError, TypeError) as error:
            raise UsageError(f"measure {name!r} is not known; write it as in {', '.join(MEASURES)}.") from error
        # trec_eval ends the whole process at a cutoff of 0.
        if not 1 <= measure.params.get("cutoff", 1) <= _DEEPEST_CUTOFF:
            raise UsageError(f"measure {name!r}: its cutoff must be 1 to {_DEEPEST_CUTOFF:,}.")
        pipeline: Any = ir_measures.DefaultPipeline
        if not pipeline.supports(measure):
            raise UsageError(
                f"measure {name!r} is computed by nothing that is installed; choose among {', '.join(MEASURES)} and "
                "others of trec_eval."
            )
        parsed.append(measure)
    if not parsed:
        raise UsageError("name at least one measure.")
    return parsed


def measure_run(
    run: Mapping[str, Ranking], qrels: Mapping[str, Mapping[str, int]], measures: Sequence[Measure]
) -> dict[str, dict[str, float]]:
    """Values by measure and query id; a query without hits has 0.

    The order of the ranking counts and not its scores: trec_eval re-sorts by score and breaks ties
    in its own way, so each rank is handed to it as a distinct score.

    Raises :class:`UsageError` where a measure cannot be computed of these judgments.
    """
    import ir_measures

    judgments = [
        ir_measures.Qrel(query, document, grade) for query, by in qrels.items() for document, grade in by.items()
    ]
    scored = [
        ir_measures.ScoredDoc(query, document, float(-rank))
        for query, ranking in run.items()
        for rank, (document, _) in enumerate(ranking)
    ]
    values = {str(measure): dict.fromkeys(qrels, 0.0) for measure in measures}
    try:
        for metric in ir_measures.iter_calc(list(measures), judgments, scored):
            values[str(metric.measure)][metric.query_id] = float(metric.value)
    except Exception as error:  # its providers are C, Perl and Python, and fail each in its own way
        names = ", ".join(values)
        raise UsageError(
            f"{names} cannot all be computed of these judgments ({type(error).__name__}); "
            f"leave out the rarer ones, or measure {', '.join(MEASURES)}."
        ) from error
    return values


def compare_runs(
    name: str,
    baseline: str,
    values: Mapping[str, float],
    base: Mapping[str, float],
    measure: str,
    *,
    samples: int = 10_000,
    seed: int = 20130116,
) -> Comparison:
    """Compare two configurations over the same queries by a paired randomisation test.

    Signs of the differences are flipped at random (Smucker, Allan & Carterette, CIKM 2007); p counts
    how often the flipped mean is at least as far from 0, the observed one included. The interval is
    the percentile bootstrap over queries.
    """
    differences = np.array([values[query] - base[query] for query in sorted(values)])
    observed = float(differences.mean())
    rng = np.random.default_rng(seed)
    reached, means = 1, np.empty(samples)
    for at in range(0, samples, 500):
        rows = min(500, samples - at)
        flipped = (rng.choice([-1.0, 1.0], size=(rows, len(differences))) * differences).mean(axis=1)
        reached += int(np.count_nonzero(np.abs(flipped) >= abs(observed) - 1e-12))
        means[at : at + rows] = differences[rng.integers(len(differences), size=(rows, len(differences)))].mean(axis=1)
    low, high = (float(bound) for bound in np.percentile(means, [2.5, 97.5]))
    return Comparison(
        measure=measure,
        name=name,
        baseline=baseline,
        difference=observed,
        low=low,
        high=high,
        p=reached / (samples + 1),
        wins=int(np.count_nonzero(differences > 0)),
        losses=int(np.count_nonzero(differences < 0)),
        ties=int(np.count_nonzero(differences == 0)),
    )


def _holm(found: Sequence[Comparison]) -> list[Comparison]:
    """The same tests, each with its p corrected for all of them: the lowest times their number, and so on."""
    corrected, highest = list(found), 0.0
    for passed, at in enumerate(sorted(range(len(found)), key=lambda at: found[at].p)):
        highest = max(highest, min((len(found) - passed) * found[at].p, 1.0))
        corrected[at] = found[at].model_copy(update={"p_holm": highest})
    return corrected


def _distinct(ranking: Ranking) -> Ranking:
    seen: dict[str, Any] = {}
    for document, score in ranking:
        seen.setdefault(document, score)
    return list(seen.items())
