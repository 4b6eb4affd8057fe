"""``xunyi generations``."""

from __future__ import annotations

import re

import click
from rich.table import Table

from cli.options import json_option, store_option
from cli.output import console, emit_json
from schemas.errors import UsageError


def _number(ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """The number of a generation as it was written; None where none was."""
    if value is None:
        return None
    if not re.fullmatch("0*[1-9][0-9]{0,8}", value):
        name = ctx.params.get("name", "NAME")
        raise UsageError(
            f"{value!r} is no number of a generation; `xunyi generations list {name}` shows which there are."
        )
    return int(value)


@click.group("generations")
def command() -> None:
    """List, bring back and drop the generations that a corpus keeps.

    `xunyi rebuild` leaves the generation that it replaces beside the new one; `refit`, `spaces add` and
    `spaces remove` do so with --keep-old. It takes disk, and no part in later ingests, until it is dropped.

    \b
    Examples:
      xunyi generations list hotels
      xunyi generations restore hotels
      xunyi generations drop hotels 1
      xunyi generations drop hotels --unfinished
    """  # noqa: D301


@command.command("list")
@click.argument("name")
@store_option
@json_option
def list_(name: str, store: str | None, as_json: bool) -> None:
    """The generations of the corpus NAME: the one in use, those kept, and one that a stopped run left unfinished."""
    from ingest.generations import list_generations

    report = list_generations(name, store=store)
    if as_json:
        emit_json(report)
        return
    table = Table()
    for column in ("generation", "state", "documents", "passages", "size", "made with"):
        table.add_column(column, justify="right" if column in ("documents", "passages", "size") else "left")
    for one in report.generations:
        size = "" if one.bytes is None else f"{one.bytes / 1e6:,.1f} MB"
        settings = [*one.spaces, *(f"{key}={value}" for key, value in one.storage.items())]
        by = sorted({name.partition(" (")[0] for name in one.encoders.values()})
        if "tfidf" in one.spaces:
            settings.append(f"{one.analyzer} {one.weighting}")
        parts = [", ".join(settings), *([f"by {', '.join(by)}"] if by else []), f"{one.max_tokens} tokens a passage"]
        made = "; ".join(parts)
        table.add_row(str(one.generation), one.state, f"{one.documents:,}", f"{one.passages:,}", size, made)
    console().print(table)


@command.command("restore")
@click.argument("name")
@click.argument("generation", callback=_number, required=False)
@click.option("--force", is_flag=True, help="Also where documents were ingested, changed or removed since.")
@store_option
@json_option
def restore(name: str, generation: int | None, force: bool, store: str | None, as_json: bool) -> None:
    """Bring back a kept GENERATION of NAME [default: the one used last]; the one in use is kept instead.

    All of it comes back in one step: encoders, passages, storage, fit and tuned weights.
    """
    from ingest.generations import restore_generation

    report = restore_generation(name, generation, store=store, force=force)
    if as_json:
        emit_json(report)
        return
    out = console()
    out.print(f"{name}: generation {report.generation} is in use, {report.set_aside} is kept", markup=False)
    if report.missing or report.older or report.removed:
        out.print(
            f"{report.documents:,} documents; behind: {report.missing:,} missing, {report.older:,} of an older "
            f"edition, {report.removed:,} removed since. Ingest the same files again, with --prune."
        )


@command.command("drop")
@click.argument("name")
@click.argument("generation", callback=_number, required=False)
@click.option("--all", "every", is_flag=True, help="Drop all that are kept.")
@click.option("--unfinished", is_flag=True, help="Drop what a stopped rebuild, refit or change of spaces has built.")
@store_option
@json_option
def drop(name: str, generation: int | None, every: bool, unfinished: bool, store: str | None, as_json: bool) -> None:
    """Remove a kept GENERATION of NAME [default: the only one], which frees its disk."""
    from ingest.generations import drop_generations

    if (generation is not None) + every + unfinished > 1:
        raise UsageError("Give the number of a GENERATION, --all or --unfinished, and only one of them.")
    report = drop_generations(name, generation, store=store, every=every, in_the_making=unfinished)
    if as_json:
        emit_json(report)
        return
    size = f", {report.bytes / 1e6:,.1f} MB" if report.bytes is not None else ""
    gone = ", ".join(map(str, report.dropped))
    console().print(f"{name}: dropped generation {gone}{size}" if gone else f"{name}: there is none", markup=False)
