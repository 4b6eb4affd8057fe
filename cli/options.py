"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from schemas.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

store_option: Decorator = click.option(
    "--store",
    "store",
    metavar="FOLDER|URL",
    envvar="XUNYI_STORE",
    show_envvar=True,
    help="Where corpora live: a folder (embedded engine) or the URL of a Qdrant server.",
)

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")

where_option: Decorator = click.option(
    "--where", multiple=True, metavar="FIELD=VALUE", help="Filter: FIELD=V, =A|B, !=V, >=N, <N, ~words. Repeatable."
)


def corpus_option(required: bool = True) -> Decorator:
    """``--corpus NAME``."""
    return click.option("--corpus", "corpus", metavar="NAME", required=required, help="The corpus's name.")


def rerank_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--rerank``, ``--rerank-top`` and ``--diversity``."""
    for option in (
        click.option(
            "--diversity", type=float, metavar="D", help="Spread the hits by MMR, from 0 (not) to 1; 1 - D is lambda."
        ),
        click.option("--rerank-top", type=int, default=50, show_default=True, metavar="N", help="Hits to judge again."),
        click.option(
            "--rerank",
            metavar="JUDGE",
            help="Judge the first hits again: colbert, cross-encoder[:MODEL] (sentence-transformers) or "
            "flag-reranker[:MODEL] (FlagEmbedding); MODEL is a folder or a hub id.",
        ),
    ):
        command = option(command)
    return command


def fusion_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--fusion``, ``--rrf-k`` and ``--weights``."""
    for option in (
        click.option(
            "--weights",
            callback=space_weights,
            metavar="SPACE=W,…",
            help="Weights of the spaces; tfidf:document is that of whole documents in tfidf, tfidf:coverage that of "
            "how much of the query's words a hit holds.",
        ),
        click.option("--rrf-k", type=int, metavar="K", help="The constant of --fusion rrf [default: 60]."),
        click.option(
            "--fusion",
            type=click.Choice(["zscore", "convex", "rrf", "dbsf"]),
            help="How spaces are put together [default: as tuned, else zscore].",
        ),
    ):
        command = option(command)
    return command


def spelling_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--spelling/--no-spelling``."""
    return click.option(
        "--spelling/--no-spelling",
        default=True,
        help="Take words that the corpus does not know as ones that it knows, or ask for them as written.",
    )(command)


def comma_list(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """``a,b`` as a tuple; None where the option was not given."""
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())


def space_weights(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, float] | None:
    """``dense=2,tfidf=1`` as numbers by space; None where the option was not given."""
    parts = comma_list(ctx, param, value)
    if parts is None:
        return None
    weights = {}
    for part in parts:
        space, sign, number = part.partition("=")
        try:
            weights[space.strip()] = float(number)
        except ValueError:
            sign = ""
        if not sign:
            raise UsageError(f"--weights {part!r}: write SPACE=NUMBER, for example dense=2.")
    return weights
