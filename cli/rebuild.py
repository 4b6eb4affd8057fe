"""``xunyi rebuild``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.encoder_options import encoder_options as encoder_settings
from cli.ingest import Bars
from cli.lexical_options import lexical_options
from cli.logs import log_option
from cli.options import comma_list, json_option, store_option
from cli.output import console, emit_json, stage_seconds
from cli.storage_options import storage_options
from cli.worker_options import worker_options

if TYPE_CHECKING:
    from schemas.storage import StorageSettings


@click.command("rebuild")
@click.argument("name")
@click.option(
    "--spaces", callback=comma_list, metavar="A,B", help="All spaces it is to have [default: those that it has]."
)
@click.option("--encoder", metavar="E", help="What fills the learned spaces instead, as for `xunyi ingest --encoder`.")
@encoder_settings
@lexical_options(change=True)
@storage_options
@click.option("--reset-storage", is_flag=True, help="Take the store's defaults where no storage option is given.")
@click.option("--drop-old", is_flag=True, help="Drop the old generation at once, which frees its disk.")
@worker_options()
@store_option
@log_option
@json_option
def command(
    name: str,
    spaces: tuple[str, ...] | None,
    encoder: str | None,
    encoder_options: dict[str, Any],
    lexical: dict[str, Any],
    reset_storage: bool,
    drop_old: bool,
    store: str | None,
    log_format: str | None,
    as_json: bool,
    storage: StorageSettings | None,
    working: dict[str, Any],
) -> None:
    r"""Make the corpus NAME anew from what it holds, with what is named changed and all else as it is.

    What does not change is copied. Searches use the corpus as it was until the new generation is whole;
    then it takes its place in one step, and the old one can be brought back until it is dropped. Stopped or
    killed, the same command goes on where it was.

    \b
    Examples:
      xunyi rebuild hotels --encoder bge-m3
      xunyi rebuild hotels --max-tokens 128
      xunyi rebuild hotels --quantization scalar --on-disk --drop-old
      xunyi rebuild tale --user-dict names.txt --weighting bm25
      xunyi generations restore hotels
    """
    from ingest import CorpusOptions
    from ingest.rebuild import rebuild

    options = CorpusOptions(spaces=spaces, encoder=encoder, encoder_options=encoder_options, storage=storage, **lexical)
    bars = Bars(quiet=as_json or log_format is not None)
    with bars.context():
        report = rebuild(
            name,
            options,
            store=store,
            reset_storage=reset_storage,
            drop_old=drop_old,
            progress=bars,
            **working,
        )
    if as_json:
        emit_json(report)
        return
    out = console()
    out.print(f"{name}: {'; '.join(report.changed)}", markup=False)
    for done, what in (("encoded", report.encoded), ("fitted again", report.refitted), ("copied", report.copied)):
        if what:
            out.print(f"{done}: {', '.join(what)}", markup=False)
    cut = f" (before {report.passages_before:,}, cut anew)" if report.resplit else ""
    resumed = f", {report.taken_over:,} of them from the run that was stopped" if report.taken_over else ""
    out.print(f"{report.documents:,} documents, {report.passages:,} passages{cut}{resumed}")
    if report.tokens_sent:
        out.print(f"{report.tokens_sent:,} tokens sent to the embeddings API")
    if report.tuned:
        out.print("Its weights were tuned for the old generation: xunyi tune")
    kept = f"`xunyi generations restore {name}` brings it back, `drop` frees its disk" if report.kept_old else "dropped"
    out.print(f"generation {report.generation} is in use; {report.old_generation}: {kept}", markup=False)
    out.print(stage_seconds(report.seconds))
