"""``xunyi evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from cli.options import (
    comma_list,
    fusion_options,
    json_option,
    rerank_options,
    spelling_option,
    store_option,
    where_option,
)
from cli.output import console, emit_json
from schemas.errors import UsageError

if TYPE_CHECKING:
    from search.evaluation import Comparison, EvaluationReport
    from search.ranked_list import FusionMethod


@click.command("evaluate")
@click.argument("corpus")
@click.option("--queries", required=True, type=click.Path(path_type=Path), help="Queries, BEIR's queries.jsonl.")
@click.option("--qrels", required=True, type=click.Path(path_type=Path), help="Judgments, BEIR's TSV or TREC's qrels.")
@click.option(
    "--measures", callback=comma_list, metavar="A,B", help="ir-measures' names [default: nDCG@10,RR@10,AP@100,R@100]."
)
@click.option("--spaces", callback=comma_list, metavar="A,B", help="Vector spaces to put together [default: all].")
@click.option(
    "--run", "run_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the hybrid's TREC run file."
)
@click.option(
    "--runs",
    "runs_path",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write a run file each of the hybrid and the spaces alone.",
)
@where_option
@fusion_options
@rerank_options
@spelling_option
@store_option
@json_option
def command(
    corpus: str,
    queries: Path,
    qrels: Path,
    measures: tuple[str, ...] | None,
    spaces: tuple[str, ...] | None,
    run_path: Path | None,
    runs_path: Path | None,
    where: tuple[str, ...],
    fusion: FusionMethod | None,
    rrf_k: int | None,
    weights: dict[str, float] | None,
    rerank: str | None,
    rerank_top: int,
    diversity: float | None,
    spelling: bool,
    store: str | None,
    as_json: bool,
) -> None:
    r"""Measure a corpus's hybrid search and each of its spaces on judged queries.

    \b
    Examples:
      xunyi evaluate papers --queries queries.jsonl --qrels qrels.tsv
      xunyi evaluate papers --queries queries.jsonl --qrels qrels.tsv --json --run hybrid.run
      xunyi evaluate papers --queries queries.jsonl --qrels qrels.tsv --fusion rrf --weights dense=2,tfidf=1
    """
    from search import Corpus
    from search.judging import DEFAULT_MEASURES, evaluate_corpus
    from search.query_files import check_run, check_runs, read_qrels, read_queries, write_trec_run
    from search.second_stage import Reranking

    if measures == ():
        raise UsageError(f"--measures: name at least one, such as {DEFAULT_MEASURES[0]}.")
    asked, judged = read_queries(queries), read_qrels(qrels)
    if run_path is not None:
        check_run(run_path, asked, judged)
    if runs_path is not None:
        check_runs(runs_path, asked, judged)
    with Corpus(corpus, store) as opened:
        report, runs = evaluate_corpus(
            opened,
            asked,
            judged,
            measures=DEFAULT_MEASURES if measures is None else measures,
            spaces=spaces,
            where=where,
            fusion=fusion,
            weights=weights,
            rrf_k=rrf_k,
            rerank=Reranking(rerank, diversity, rerank_top),
            spelling=spelling,
        )
    if as_json:
        emit_json(report)
    else:
        _show(report, len(asked))
    if run_path is not None:
        name = next(iter(runs))
        write_trec_run(run_path, runs[name], f"xunyi-{name}")
    if runs_path is not None:
        for name, run in runs.items():
            write_trec_run(runs_path / f"{name}.run", run, f"xunyi-{name}")


def _show(report: EvaluationReport, asked: int) -> None:
    table = Table()
    rows = report.rows()
    for number, heading in enumerate(rows[0]):
        table.add_column(heading, justify="left" if number == 0 else "right")
    for row in rows[1:]:
        table.add_row(*row)
    out = console()
    out.print(table)
    left = f" of {asked:,}; the others have no relevant judgment" if report.queries < asked else ""
    out.print(f"Means over {report.queries:,} queries{left}.", markup=False)
    if report.missing_documents:
        out.print(
            f"{report.missing_documents:,} of {report.judged_documents:,} relevant documents are not in the corpus; "
            "they count as not found.",
            markup=False,
        )
    if report.comparison is not None:
        out.print(_compared(report.comparison), markup=False)


def _compared(found: Comparison) -> str:
    """The paired test in one sentence."""
    return (
        f"{found.difference:+.4f} {found.measure} of {found.name} over {found.baseline}, the best other "
        f"(95 % interval {found.low:+.4f} to {found.high:+.4f}, p {found.p:.4f}; "
        f"better on {found.wins} queries, worse on {found.losses}, equal on {found.ties})."
    )
