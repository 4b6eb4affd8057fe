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
        titles = opened.manifest.titles
    if as_json:
        emit_json(report)
        return
    out = console()
    if report.synthetic:
        made = ", ".join(f"{count} by {kind}" for kind, count in report.kinds.items())
        out.print(
            f"No judged queries were given: these were made of the corpus itself ({made}), and favour words over "
            "meaning."
        )
        if titles:
            out.print("Titles are indexed with the passages and would find themselves: no queries were made of them.")
    best = report.best_single
    out.print(f"{report.queries} queries in {report.folds} folds, nDCG@10 on those not learned from:")
    out.print(f"  tuned {report.tuned:.4f}, default {report.default:.4f}, {best} alone {report.singles[best]:.4f}")
    out.print(f"  gain over the default {_gain(report.gain_over_default, report.gain_over_default_interval)}")
    out.print(f"  gain over the best space {_gain(report.gain, report.gain_interval)}")
    if report.single_over_default > max(report.gain_over_default, 0):
        over = _gain(report.single_over_default, report.single_over_default_interval)
        out.print(f"  --spaces {best} does better than both: over the default {over}", markup=False)
    weights = ",".join(f"{space}={weight:.4g}" for space, weight in report.choice.weights.items())
    stored = "not stored" if dry_run or not report.adopted else "stored with the corpus"
    kept = ""
    if not report.adopted and report.synthetic and report.single_over_default > max(report.gain_over_default, 0):
        kept = " (the default stays: made queries are no ground to search one space alone)"
    elif not report.adopted:
        kept = " (the default stays: no gain over it is larger than its standard error)"
    out.print(f"  --fusion {report.choice.method} --weights {weights}; {stored}{kept}", markup=False, soft_wrap=True)


def _gain(value: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{value:+.4f} (95 % interval {low:+.4f} to {high:+.4f})"
