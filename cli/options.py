"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

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


def corpus_option(required: bool = True) -> Decorator:
    """``--corpus NAME``."""
    return click.option("--corpus", "corpus", metavar="NAME", required=required, help="The corpus's name.")


def comma_list(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """``a,b`` as a tuple; None where the option was not given."""
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())
