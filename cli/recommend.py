"""``xunyi recommend``."""

from __future__ import annotations

import click

from cli.options import comma_list, json_option, space_weights, store_option, where_option
from cli.output import emit_json


@click.command("recommend")
@click.argument("corpus")
@click.option("--like", multiple=True, required=True, metavar="ID_OR_TITLE", help="A document to be like. Repeatable.")
@click.option("--unlike", multiple=True, metavar="ID_OR_TITLE", help="A document to be unlike. Repeatable.")
@store_option
@click.option(
    "--spaces",
    callback=comma_list,
    metavar="A,B",
    help="Vector spaces to ask, alike [default: all but word2vec, weighed as in a search].",
)
@click.option("--weights", callback=space_weights, metavar="SPACE=W,…", help="Weights of the spaces.")
@where_option
@click.option("--limit", type=int, default=10, show_default=True, metavar="N", help="Documents to show.")
@click.option("--explain", is_flag=True, help="Show each document's rank, score and share in every space.")
@json_option
def command(
    corpus: str,
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    store: str | None,
    spaces: tuple[str, ...] | None,
    weights: dict[str, float] | None,
    where: tuple[str, ...],
    limit: int,
    explain: bool,
    as_json: bool,
) -> None:
    r"""Whole documents like some and unlike others.

    \b
    Examples:
      xunyi recommend hotels --like "Harbour Lantern Inn" --spaces tfidf
      xunyi recommend hotels --like "Harbour Lantern Inn" --weights dense=1,word2vec=0.5 --explain
    """
    from cli.search import show_response
    from search import Corpus
    from search.recommend import recommend

    with Corpus(corpus, store) as opened:
        response = recommend(opened, like, unlike, spaces=spaces, where=where, limit=limit, weights=weights)
    if as_json:
        emit_json(response)
    else:
        show_response(response, explain)
