"""``xunyi topics``."""

from __future__ import annotations

import click
from rich.table import Table

from cli.options import json_option, store_option
from cli.output import console, emit_json, printable


@click.command("topics")
@click.argument("corpus")
@click.option(
    "--topics", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="How many topics."
)
@click.option("--words", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Words of each.")
@store_option
@json_option
def command(corpus: str, topics: int, words: int, store: str | None, as_json: bool) -> None:
    r"""Topics of a corpus by latent Dirichlet allocation.

    \b
    Example:
      xunyi topics hotels --topics 5
    """
    from search import Corpus
    from search.topics import corpus_topics

    with Corpus(corpus, store) as opened:
        report = corpus_topics(opened, topics=topics, words=words)
    if as_json:
        emit_json(report)
        return
    table = Table()
    table.add_column("share", justify="right")
    table.add_column("words", overflow="fold")
    for topic in report.topics:
        table.add_row(f"{topic.share:.1%}", printable(" ".join(word for word, _ in topic.words)))
    console().print(table)
