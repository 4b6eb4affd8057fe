"""Judged queries: readers for BEIR and TREC files, measures, a paired test, and TREC run files.

Measures come from ir-measures (MacAvaney, Macdonald & Ounis, ECIR 2022) and carry its names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from schemas.errors import EncoderError, InputError, UsageError

if TYPE_CHECKING:
    from ir_measures.measures import Measure

Qrels: TypeAlias = dict[str, dict[str, int]]
"""Query id -> document id -> grade."""

Ranking: TypeAlias = Sequence[tuple[str, float]]
"""Documents with scores, best first."""

Runner: TypeAlias = Callable[[list[str]], Sequence[Ranking]]
"""Answers a batch of query texts: one ranking a query, in the queries' order."""

MEASURES = ("nDCG@10", "RR@10", "AP", "R@100")
"""What BEIR and TREC report most: nDCG@10, MRR@10, MAP, recall at 100."""


def read_queries(path: Path) -> dict[str, str]:
    """Query texts by id from BEIR's ``queries.jsonl`` (``_id`` or ``id``, ``text``), or lines ``id<TAB>text``.

    A query whose text is empty is passed over. Raises :class:`InputError` with the line for what is
    neither, for a repeated id, and for a file without queries.
    """
    queries: dict[str, str] = {}
    for number, line in _lines(path):
        identifier, text = _query(path, number, line)
        if not text:
            # Published sets hold such rows; nothing can be asked with them, and their judgments are left out with them.
            continue
        if identifier in queries:
            raise InputError(f"{path}, line {number}: the query id {identifier!r} stands twice; give each its own.")
        queries[identifier] = text
    if not queries:
        raise InputError(f"{path}: there is no query in it; write one JSON object a line with _id and text.")
    return queries


def _query(path: Path, number: int, line: str) -> tuple[str, str]:
    if not line.lstrip().startswith("{"):
        identifier, tab, text = line.partition("\t")
        if not tab or not identifier.strip() or not text.strip():
            raise InputError(f'{path}, line {number}: write {{"_id": ..., "text": ...}} or an id, a tab and the text.')
        return identifier.strip(), text.strip()
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {number}: not JSON ({error.msg}, column {error.colno}).") from error
    identifier, text = row.get("_id", row.get("id")), row.get("text")
    if isinstance(identifier, bool) or not isinstance(identifier, str | int) or identifier == "":
        raise InputError(f"{path}, line {number}: the query has no _id; give it one.")
    if not isinstance(text, str):
        raise InputError(f"{path}, line {number}: the query {identifier!r} has no text; give it one.")
    return str(identifier), text.strip()


def read_qrels(path: Path) -> Qrels:
    """Grades from BEIR's ``qrels.tsv`` (query, document, grade; header or not) or TREC's four columns.

    Raises :class:`InputError` with the line for another shape, a grade that is not a whole number or
    two grades for one pair, and for a file without judgments.
    """
    qrels: Qrels = {}
    for number, line in _lines(path):
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        if len(cells) == 4:
            query, _, document, grade = cells
        elif len(cells) == 3:
            query, document, grade = cells
        else:
            raise InputError(
                f"{path}, line {number}: {len(cells)} columns; write query, document, grade (BEIR) "
                "or query, 0, document, grade (TREC)."
            )
        try:
            value = int(grade)
        except ValueError:
            if not qrels and number == 1:
                continue
            raise InputError(f"{path}, line {number}: the grade {grade!r} is not a whole number.") from None
        if qrels.setdefault(query, {}).setdefault(document, value) != value:
            raise InputError(f"{path}, line {number}: {document!r} has two grades for the query {query!r}; keep one.")
    if not qrels:
        raise InputError(f"{path}: there is no judgment in it; write query, document and grade, tab-separated.")
    return qrels


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the name.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8; save it as UTF-8.") from error


class Comparison(BaseModel):
    """A paired test of ``name`` against ``baseline``: mean difference, 95 % bootstrap interval, p (two-sided)."""

    model_config = ConfigDict(frozen=True)

    measure: str
    name: str
    baseline: str
    difference: float
    low: float
    high: float
    p: float
    wins: int
    losses: int
    ties: int


class EvaluationReport(BaseModel):
    """Means and per-query values of every configuration.

    ``means[name][measure]`` averages over the judged queries; ``per_query[name][measure][query id]``
    is a value each; ``comparison`` holds the first configuration against the best of the others by
    the first measure. ``model_dump(mode="json")`` is what ``--json`` prints.
    """

    model_config = ConfigDict(frozen=True)

    measures: list[str]
    queries: int
    means: dict[str, dict[str, float]]
    per_query: dict[str, dict[str, dict[str, float]]]
    comparison: Comparison | None = None

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
    first one is compared with the best of the others. Returns the report and the rankings by
    configuration and query id, for :func:`write_trec_run`.

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
    comparison = None
    if len(runners) > 1:
        name, *others = runners
        best = max(others, key=lambda other: means[other][first])
        comparison = compare_runs(name, best, values[name][first], values[best][first], first)
    report = EvaluationReport(
        measures=[str(measure) for measure in parsed],
        queries=len(these.ids),
        means=means,
        per_query=values,
        comparison=comparison,
    )
    return report, runs


def parse_measures(measures: Sequence[str]) -> list[Measure]:
    """The measures of ir-measures by their names; raises :class:`UsageError` for one it does not know."""
    try:
        import ir_measures
    except ImportError as error:
        raise EncoderError("ir-measures is not installed; run: pip install ir-measures") from error
    parsed = []
    for name in measures:
        try:
            parsed.append(ir_measures.parse_measure(name))
        except (ValueError, NameError) as error:
            raise UsageError(f"measure {name!r} is not known; write it as in {', '.join(MEASURES)}.") from error
    if not parsed:
        raise UsageError("name at least one measure.")
    return parsed


def measure_run(
    run: Mapping[str, Ranking], qrels: Mapping[str, Mapping[str, int]], measures: Sequence[Measure]
) -> dict[str, dict[str, float]]:
    """Values by measure and query id; a query without hits has 0.

    The order of the ranking counts and not its scores: trec_eval re-sorts by score and breaks ties
    in its own way, so each rank is handed to it as a distinct score.
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
    for metric in ir_measures.iter_calc(list(measures), judgments, scored):
        values[str(metric.measure)][metric.query_id] = float(metric.value)
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


def write_trec_run(path: Path, run: Mapping[str, Ranking], tag: str) -> None:
    """Write TREC's six columns: query, Q0, document, rank from 1, score, tag.

    Scores are made to fall strictly, by the smallest steps, so that every tool keeps the order.
    Raises :class:`InputError` where the file cannot be written, :class:`UsageError` for an id or a
    tag with white space, which the format cannot hold.
    """
    lines = list(_run_lines(run, tag))
    try:
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); name another file.") from error


def _run_lines(run: Mapping[str, Ranking], tag: str) -> Iterable[str]:
    for query, ranking in run.items():
        last = math.inf
        for rank, (document, score) in enumerate(ranking, 1):
            for name in (query, document, tag):
                if not name or any(char.isspace() for char in name):
                    raise UsageError(f"{name!r} cannot stand in a TREC run file: it is empty or has white space.")
            last = float(score) if score < last else math.nextafter(last, -math.inf)
            yield f"{query} Q0 {document} {rank} {last!r} {tag}\n"


def _distinct(ranking: Ranking) -> Ranking:
    seen: dict[str, Any] = {}
    for document, score in ranking:
        seen.setdefault(document, score)
    return list(seen.items())
