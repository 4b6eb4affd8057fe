"""``xunyi evaluate``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from cli.options import comma_list, json_option, store_option
from cli.output import console, emit_json


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
@store_option
@json_option
def command(
    corpus: str,
    queries: Path,
    qrels: Path,
    measures: tuple[str, ...] | None,
    spaces: tuple[str, ...] | None,
    run_path: Path | None,
    store: str | None,
    as_json: bool,
) -> None:
    r"""Measure a corpus's hybrid search and each of its spaces on judged queries.

    \b
    Example:
      xunyi evaluate papers --queries queries.jsonl --qrels qrels.tsv
    """
    from search import Corpus
    from search.evaluation import read_qrels, read_queries, write_trec_run
    from search.judging import DEFAULT_MEASURES, evaluate_corpus

    asked, judged = read_queries(queries), read_qrels(qrels)
    with Corpus(corpus, store) as opened:
        report, runs = evaluate_corpus(opened, asked, judged, measures=measures or DEFAULT_MEASURES, spaces=spaces)
    if run_path is not None:
        name = next(iter(runs))
        write_trec_run(run_path, runs[name], f"xunyi-{name}")
    if as_json:
        emit_json(report)
        return
    table = Table()
    rows = report.rows()
    for number, heading in enumerate(rows[0]):
        table.add_column(heading, justify="left" if number == 0 else "right")
    for row in rows[1:]:
        table.add_row(*row)
    console().print(table)
