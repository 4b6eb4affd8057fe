"""``xunyi topics``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from cli.options import json_option, store_option
from cli.output import console, emit_json, printable

if TYPE_CHECKING:
    from search.topics import TopicDocument


@click.command("topics")
@click.argument("corpus")
@click.option(
    "--topics", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="How many topics."
)
@click.option("--words", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="Words of each.")
@click.option(
    "--documents",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Show the N documents that belong most to each, and which share of each is the topic's.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=20130116,
    show_default=True,
    metavar="N",
    help="Where chance begins.",
)
@store_option
@json_option
def command(corpus: str, topics: int, words: int, documents: int, seed: int, store: str | None, as_json: bool) -> None:
    r"""Topics of a corpus by latent Dirichlet allocation.

    \b
    Examples:
      xunyi topics hotels --topics 5
      xunyi topics hotels --topics 5 --documents 3
    """
    from search import Corpus
    from search.topics import corpus_topics

    with Corpus(corpus, store) as opened:
        report = corpus_topics(opened, topics=topics, words=words, documents=documents, seed=seed)
    if as_json:
        emit_json(report)
        return
    table = Table(show_lines=documents > 0)
    for column in ("topic", "share"):
        table.add_column(column, justify="right")
    table.add_column("words", overflow="fold")
    if documents:
        table.add_column("documents", overflow="fold")
    for topic in report.topics:
        row = [str(topic.number), f"{topic.share:.1%}", printable(" ".join(word for word, _ in topic.words))]
        if documents:
            row.append("\n".join(f"{found.share:.0%} {printable(_named(found))}" for found in topic.documents))
        # As text: a title may hold what would be taken for markup.
        table.add_row(*map(Text, row))
    out = console()
    out.print(table)
    if len(report.topics) < topics:
        out.print(f"{report.documents:,} documents tell {len(report.topics)} topics apart, not {topics:,}.")


def _named(document: TopicDocument) -> str:
    return f"{document.title} ({document.document_id})" if document.title else document.document_id
