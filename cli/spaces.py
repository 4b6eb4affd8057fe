"""``xunyi spaces``."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from cli.encoder_options import encoder_options as encoder_settings
from cli.ingest import Bars
from cli.logs import log_option
from cli.options import comma_list, json_option, store_option
from cli.output import console, emit_json, stage_seconds
from cli.worker_options import worker_options
from schemas.errors import UsageError


@click.group("spaces")
def command() -> None:
    """List, add and remove the vector spaces of a corpus.

    \b
    Examples:
      xunyi spaces list hotels
      xunyi spaces add hotels bge-m3
      xunyi spaces add hotels bge-m3 --spaces colbert
      xunyi spaces remove hotels dense-bge-m3
    """  # noqa: D301


@command.command("list")
@click.argument("name")
@store_option
@json_option
def list_(name: str, store: str | None, as_json: bool) -> None:
    """The spaces of the corpus NAME, and what made each."""
    from encoders.identity import describe
    from search.catalog import corpus_info

    manifest = corpus_info(name, store).manifest
    rows = []
    for space in manifest.spaces.values():
        made = manifest.encoders.get(space.name)
        rows.append(
            {
                "space": space.name,
                "kind": str(space.kind),
                "dimensions": space.dim,
                "encoder": made.name if made else "fitted to the corpus",
                "encoder_space": manifest.encoder_spaces.get(space.name, space.name) if made else None,
                "revision": made.revision if made else None,
                "precision": made.precision if made else None,
                "prompts": {key: text for key, text in made.prompts.items() if text} if made else {},
                "options": made.options if made else {},
            }
        )
    pending = sorted(manifest.rebuild.spaces.keys() ^ manifest.spaces.keys()) if manifest.rebuild else []
    if as_json:
        emit_json({"corpus": name, "spaces": rows, "unfinished": pending})
        return
    table = Table(show_lines=True)
    for heading in ("space", "kind", "made by"):
        table.add_column(heading, overflow="fold")
    for space in manifest.spaces.values():
        made = manifest.encoders.get(space.name)
        kind = f"{space.kind}, {space.dim}" if space.dim else str(space.kind)
        table.add_row(space.name, kind, describe(made) if made else "fitted to the corpus")
    out = console()
    out.print(table)
    if pending:
        out.print(f"Unfinished: {', '.join(pending)}; run the same command again, or `spaces remove --unfinished`.")


@command.command("add")
@click.argument("name")
@click.argument("encoder")
@click.option("--spaces", callback=comma_list, metavar="A,B", help="Which of the encoder's [default: its usual ones].")
@click.option(
    "--as",
    "names",
    multiple=True,
    metavar="SPACE=NAME",
    help="What the corpus is to call a space [default: its own name, with the encoder's where that is taken].",
)
@encoder_settings
@worker_options(splits=False)
@click.option("--keep-old", is_flag=True, help="Keep the old generation until it is dropped.")
@store_option
@log_option
@json_option
def add(
    name: str,
    encoder: str,
    spaces: tuple[str, ...] | None,
    names: tuple[str, ...],
    encoder_options: dict[str, Any],
    working: dict[str, Any],
    keep_old: bool,
    store: str | None,
    log_format: str | None,
    as_json: bool,
) -> None:
    """Encode the corpus NAME with another ENCODER and add its spaces; the others stay to the bit.

    ENCODER is as for `xunyi ingest --encoder`. Searches use the corpus as it was until the new spaces are
    whole. Stopped or killed, the same command goes on where it was.

    \b
    Examples:
      xunyi spaces add hotels bge-m3
      xunyi spaces add hotels bge-m3 --spaces colbert --precision float32
      xunyi spaces add hotels openai:text-embedding-3-small --dimensions 512 --as dense=dense-openai
    """  # noqa: D301
    from ingest.spaces import add_spaces

    bars = Bars(quiet=as_json or log_format is not None)
    with bars.context():
        report = add_spaces(
            name,
            encoder,
            store=store,
            spaces=spaces,
            names=_names(names),
            options=encoder_options,
            keep_old=keep_old,
            progress=bars,
            **working,
        )
    if as_json:
        emit_json(report)
        return
    out = console()
    if not report.added:
        out.print(f"Nothing changed: {', '.join(report.stood)} of {name} stand already.", markup=False)
        return
    for space, own in report.added.items():
        called = "" if space == own else f", its {own}"
        out.print(f"{name}: added {space} by {report.encoder}{called}", markup=False)
    resumed = f", {report.taken_over:,} of them from the run that was stopped" if report.taken_over else ""
    out.print(f"{report.passages:,} passages{resumed}; generation {report.generation}")
    if report.tokens_sent:
        out.print(f"{report.tokens_sent:,} tokens sent to the embeddings API")
    if report.tuned:
        out.print("The corpus's tuned weights know nothing of it yet: xunyi tune")
    out.print(stage_seconds(report.seconds))


@command.command("remove")
@click.argument("name")
@click.argument("spaces", nargs=-1)
@click.option("--unfinished", is_flag=True, help="Drop what an interrupted `spaces add` or `remove` has built.")
@click.option("--keep-old", is_flag=True, help="Keep the old generation until it is dropped.")
@store_option
@json_option
def remove(
    name: str, spaces: tuple[str, ...], unfinished: bool, keep_old: bool, store: str | None, as_json: bool
) -> None:
    """Take learned SPACES out of the corpus NAME; unless --keep-old, their disk is free afterwards.

    \b
    Examples:
      xunyi spaces remove hotels dense-bge-m3
      xunyi spaces remove hotels --unfinished
    """  # noqa: D301
    from ingest.spaces import give_up, remove_spaces

    if bool(spaces) == unfinished:
        raise UsageError("Name the SPACES to remove, or give --unfinished, and not both.")
    report = give_up(name, store=store) if unfinished else remove_spaces(name, spaces, store=store, keep_old=keep_old)
    if as_json:
        emit_json(report)
    else:
        console().print(f"{name}: removed {', '.join(report.removed) or 'nothing'}", markup=False)


def _names(values: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for value in values:
        own, sign, name = value.partition("=")
        if not sign or not own.strip() or not name.strip():
            raise UsageError(f"--as {value!r}: write SPACE=NAME, for example dense=dense-m3.")
        found[own.strip()] = name.strip()
    return found
