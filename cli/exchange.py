"""``xunyi export`` and ``xunyi import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import json_option, store_option
from cli.output import console, emit_json

if TYPE_CHECKING:
    from ingest.exchange import ExchangeReport


@click.command("export")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@store_option
@json_option
def export(name: str, file: Path, store: str | None, as_json: bool) -> None:
    r"""Write a corpus with all its vectors to one Parquet file.

    \b
    Example:
      xunyi export hotels hotels.parquet
    """
    from ingest.exchange import export_corpus

    _show(export_corpus(name, file, store=store), "Wrote {corpus} to {file}", as_json)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as-corpus", metavar="NAME", help="Another name for the corpus [default: its own].")
@store_option
@json_option
def import_(file: Path, as_corpus: str | None, store: str | None, as_json: bool) -> None:
    r"""Make a corpus of a file that `xunyi export` wrote.

    \b
    Example:
      xunyi import hotels.parquet --as-corpus hotels-copy --store http://127.0.0.1:6333
    """
    from ingest.exchange import import_corpus

    _show(import_corpus(file, name=as_corpus, store=store), "Imported {corpus} from {file}", as_json)


def _show(report: ExchangeReport, said: str, as_json: bool) -> None:
    if as_json:
        emit_json(report)
        return
    points = ", ".join(f"{count:,} {shelf}" for shelf, count in report.points.items())
    done = said.format(corpus=report.corpus, file=report.file)
    if report.unfinished:
        click.echo(f"{report.corpus} is unfinished: run its ingest again, here or where it is imported.", err=True)
    console().print(f"{done}: {points}, {report.bytes / 1e6:,.1f} MB, {report.seconds:.1f} s", markup=False)
