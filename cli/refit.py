"""``xunyi refit``."""

from __future__ import annotations

from typing import Any

import click

from cli.ingest import Bars
from cli.logs import log_option
from cli.options import json_option, store_option
from cli.output import console, emit_json, stage_seconds
from cli.worker_options import worker_options


@click.command("refit")
@click.argument("name")
@store_option
@click.option("--keep-old", is_flag=True, help="Keep the old generation until it is dropped.")
@worker_options(encodes=False)
@log_option
@json_option
def command(
    name: str, store: str | None, keep_old: bool, working: dict[str, Any], log_format: str | None, as_json: bool
) -> None:
    r"""Fit TF-IDF and Word2Vec again over what a corpus holds now.

    Learned vectors stay as they are. Searches see the old model or the new one whole. With --keep-old
    `xunyi generations restore` brings the old one back.

    \b
    Example:
      xunyi refit hotels
    """
    from ingest.refit import refit

    bars = Bars(quiet=as_json or log_format is not None)
    with bars.context():
        report = refit(name, store=store, keep_old=keep_old, progress=bars, **working)
    if as_json:
        emit_json(report)
        return
    out = console()
    out.print(
        f"{report.corpus}: fitted on {report.passages:,} passages of {report.documents:,} documents, "
        f"{report.terms:,} terms (before {report.terms_before:,}), generation {report.generation}",
        markup=False,
    )
    out.print(stage_seconds(report.seconds))
