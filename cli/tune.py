"""``xunyi tune``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import json_option, store_option
from cli.output import console, emit_json
from schemas.errors import UsageError


@click.command("tune")
@click.argument("corpus")
@click.option(
    "--queries", type=click.Path(path_type=Path), help="Queries, BEIR's queries.jsonl [default: made of the corpus]."
)
@click.option("--qrels", type=click.Path(path_type=Path), help="Judgments, BEIR's TSV or TREC's qrels.")
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    metavar="N",
    help="Parts of the cross-validation.",
)
@click.option("--dry-run", is_flag=True, help="Report, but store nothing.")
@store_option
@json_option
def command(
    corpus: str, queries: Path | None, qrels: Path | None, folds: int, dry_run: bool, store: str | None, as_json: bool
) -> None:
    r"""Learn a corpus's fusion and weights from judged queries, and store them with it.

    Without judged queries some are made of the corpus itself.

    \b
    Example:
      xunyi tune papers --queries queries.jsonl --qrels qrels.tsv
    """
    from search import Corpus
    from search.judging import tune_corpus
    from search.query_files import read_qrels, read_queries

    if (queries is None) != (qrels is None):
        raise UsageError("Give both --queries and --qrels, or neither.")
    asked = read_queries(queries) if queries is not None else None
    judged = read_qrels(qrels) if qrels is not None else None
    with Corpus(corpus, store) as opened:
        report = tune_corpus(opened, asked, judged, folds=folds, save=not dry_run)
    if as_json:
        emit_json(report)
        return
    out = console()
    if report.synthetic:
        out.print("No judged queries were given: these were made of the corpus itself, and favour words over meaning.")
    low, high = report.gain_interval
    best = max(report.singles, key=lambda space: report.singles[space])
    weights = ", ".join(f"{space} {weight:.2f}" for space, weight in report.choice.weights.items())
    out.print(f"{report.queries} queries in {report.folds} folds, nDCG@10 on those not learned from:")
    out.print(f"  tuned {report.tuned:.4f}, default {report.default:.4f}, {best} alone {report.singles[best]:.4f}")
    out.print(f"  gain over the best space {report.gain:+.4f} (95 % interval {low:+.4f} to {high:+.4f})", markup=False)
    stored = "not stored" if dry_run or not report.adopted else "stored with the corpus"
    kept = "" if report.adopted else " (the default stays: tuning did not beat it)"
    out.print(f"  {report.choice.method}: {weights}; {stored}{kept}", markup=False)
