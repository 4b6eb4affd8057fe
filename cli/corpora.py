"""``xunyi corpora``."""

from __future__ import annotations

import click
from rich.table import Table

from cli.options import json_option, store_option
from cli.output import console, emit_json


@click.group("corpora")
def command() -> None:
    r"""List, describe and delete corpora.

    \b
    Examples:
      xunyi corpora list
      xunyi corpora info hotels --json
      xunyi corpora delete hotels --yes
    """


@command.command("list")
@store_option
@json_option
def list_(store: str | None, as_json: bool) -> None:
    """The corpora of a store, with how much each holds."""
    from search.catalog import list_corpora

    found = list_corpora(store)
    if as_json:
        emit_json({"corpora": [manifest.model_dump(mode="json") for manifest in found]})
        return
    out = console()
    if not found:
        out.print("No corpora yet; make one with: xunyi ingest FILE --corpus NAME")
        return
    table = Table()
    for column in ("corpus", "documents", "passages", "terms", "spaces", "updated"):
        table.add_column(column, justify="right" if column in ("documents", "passages", "terms") else "left")
    for manifest in found:
        counts = manifest.counts
        table.add_row(
            manifest.corpus,
            f"{counts.documents:,}",
            f"{counts.passages:,}",
            f"{counts.terms:,}",
            ", ".join(manifest.spaces),
            manifest.updated if manifest.complete else f"{manifest.updated} (unfinished)",
        )
    out.print(table)


@command.command("info")
@click.argument("name")
@store_option
@json_option
def info(name: str, store: str | None, as_json: bool) -> None:
    """What made a corpus, and what it holds."""
    from search.catalog import corpus_info

    found = corpus_info(name, store)
    if as_json:
        emit_json(found)
        return
    manifest = found.manifest
    out = console()
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    state = "complete" if manifest.complete else "unfinished: run the same ingest again"
    table.add_row("corpus", f"{manifest.corpus} (generation {manifest.generation}, {state})")
    table.add_row("store", found.store)
    for shelf, count in manifest.counts.model_dump().items():
        size = found.bytes_on_disk.get(shelf)
        table.add_row(shelf, f"{count:,}" + (f" ({size / 1e6:,.1f} MB)" if size is not None else ""))
    if found.bytes_per_passage is not None:
        tenfold = found.bytes_per_passage * manifest.counts.passages * 10 / 1e6
        table.add_row("bytes a passage", f"{found.bytes_per_passage:,} (ten times as many: about {tenfold:,.0f} MB)")
    for name_, space in manifest.spaces.items():
        made = manifest.encoders.get(name_)
        by = f" by {made.name} {made.revision}" if made else ""
        table.add_row(f"space {name_}", f"{space.kind}{f', {space.dim} dimensions' if space.dim else ''}{by}")
    table.add_row("analyser", f"{manifest.analyzer.preset}, {manifest.tfidf.weighting}")
    table.add_row("passages of", f"at most {manifest.splitter.max_tokens} tokens")
    table.add_row("fields", ", ".join(f"{f} ({k})" for f, k in manifest.payload_fields.items()) or "none")
    table.add_row("made", f"{manifest.created}, last changed {manifest.updated}")
    out.print(table)


@command.command("delete")
@click.argument("name")
@store_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(name: str, store: str | None, yes: bool, as_json: bool) -> None:
    """Delete a corpus with all its points."""
    from ingest.corpus import delete_corpus
    from search.catalog import corpus_info

    found = corpus_info(name, store)
    if not yes and not as_json:
        click.confirm(
            f"Delete {name} ({found.manifest.counts.documents:,} documents) from {found.store}?", abort=True, err=True
        )
    delete_corpus(name, store)
    if as_json:
        emit_json({"deleted": name})
    else:
        console().print(f"Deleted {name}.")
