"""``xunyi words``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from cli.options import corpus_option, json_option, store_option
from cli.output import console, emit_json, printable
from schemas.errors import UsageError

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
@click.argument("words", nargs=-1, metavar="[A B C]")
@click.option("--positive", multiple=True, metavar="WORD", help="A word to be near to. Repeatable.")
@click.option("--negative", multiple=True, metavar="WORD", help="A word to be away from. Repeatable.")
@corpus_option()
@store_option
@_limit
@json_option
def analogy(
    words: tuple[str, ...],
    positive: tuple[str, ...],
    negative: tuple[str, ...],
    corpus: str,
    store: str | None,
    limit: int,
    as_json: bool,
) -> None:
    r"""The words that are to C what B is to A: those near to B - A + C.

    With man, king and woman that is queen, if the corpus is about kings and queens. Instead of A B C,
    any number of words can be added up with --positive and taken away with --negative.

    \b
    Examples:
      xunyi words analogy man king woman --corpus novels
      xunyi words analogy --positive king --positive woman --negative man --corpus novels
    """
    from search import Corpus
    from search import words as model

    if bool(words) == bool(positive or negative) or len(words) not in (0, 3):
        raise UsageError("Give three words, A B C, or --positive and --negative ones, and not both.")
    asked: dict[str, Any] = {"positive": list(positive), "negative": list(negative)}
    if words:
        a, b, c = words
        asked, positive, negative = {"a": a, "b": b, "c": c}, (b, c), (a,)
    with Corpus(corpus, store) as opened:
        found = model.analogy(opened, positive, negative, limit)
    _show({**asked, "corpus": corpus}, found, as_json)


def _show(asked: dict[str, Any], found: Sequence[WordScore], as_json: bool) -> None:
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
