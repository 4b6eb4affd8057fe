"""``xunyi words``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.table import Table

from cli.options import corpus_option, json_option, store_option
from cli.output import console, emit_json, printable

if TYPE_CHECKING:
    from search.words import WordScore

_limit = click.option("--limit", type=int, default=10, show_default=True, metavar="N", help="Words to show.")


@click.group("words")
def command() -> None:
    r"""Explore the words of a corpus by their Word2Vec vectors.

    \b
    Examples:
      xunyi words similar 孙悟空 --corpus novel
      xunyi words similarity 孙悟空 行者 --corpus novel
      xunyi words analogy 唐僧 师父 孙悟空 --corpus novel
    """


@command.command("similar")
@click.argument("word")
@corpus_option()
@store_option
@_limit
@json_option
def similar(word: str, corpus: str, store: str | None, limit: int, as_json: bool) -> None:
    """The words nearest to WORD."""
    from search import Corpus
    from search import words as model

    with Corpus(corpus, store) as opened:
        found = model.similar(opened, word, limit)
    _show({"word": word, "corpus": corpus}, found, as_json)


@command.command("similarity")
@click.argument("first")
@click.argument("second")
@corpus_option()
@store_option
@json_option
def similarity(first: str, second: str, corpus: str, store: str | None, as_json: bool) -> None:
    """The cosine similarity of two words."""
    from search import Corpus
    from search import words as model

    with Corpus(corpus, store) as opened:
        score = round(model.similarity(opened, first, second), 6)
    if as_json:
        emit_json({"corpus": corpus, "first": first, "second": second, "score": score})
    else:
        console().print(f"{printable(first)} ~ {printable(second)}: {score:.4f}", markup=False)


@command.command("analogy")
@click.argument("a")
@click.argument("b")
@click.argument("c")
@corpus_option()
@store_option
@_limit
@json_option
def analogy(a: str, b: str, c: str, corpus: str, store: str | None, limit: int, as_json: bool) -> None:
    """Find what C is to, as A is to B."""
    from search import Corpus
    from search import words as model

    with Corpus(corpus, store) as opened:
        found = model.analogy(opened, [b, c], [a], limit)
    _show({"a": a, "b": b, "c": c, "corpus": corpus}, found, as_json)


def _show(asked: dict[str, str], found: Sequence[WordScore], as_json: bool) -> None:
    if as_json:
        emit_json({**asked, "words": [word.model_dump() for word in found]})
        return
    table = Table()
    table.add_column("word")
    table.add_column("similarity", justify="right")
    table.add_column("occurrences", justify="right")
    for word in found:
        table.add_row(printable(word.word), f"{word.score:.4f}", f"{word.count:,}")
    console().print(table)
