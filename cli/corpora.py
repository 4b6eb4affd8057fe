"""``xunyi corpora``."""

from __future__ import annotations

import click
from rich.table import Table

from cli.confirming import confirm
from cli.options import json_option, store_option
from cli.output import console, emit_json

STALE = 0.2
"""Share of unknown terms from which a refit is advised."""


@click.group("corpora")
def command() -> None:
    r"""List, describe, download and delete corpora.

    \b
    Examples:
      xunyi corpora list
      xunyi corpora info hotels --json
      xunyi corpora delete hotels --yes
      xunyi corpora download seattle-hotels
    """


@command.command("list")
@store_option
@json_option
def list_(store: str | None, as_json: bool) -> None:
    """The corpora of a store, with how much each holds."""
    from search.catalog import list_corpora

    damaged: dict[str, str] = {}
    found = list_corpora(store, damaged=lambda name, error: damaged.update({name: str(error)}))
    for name, said in damaged.items():
        click.echo(f"{name}: {said}", err=True)
    if as_json:
        listed = [manifest.model_dump(mode="json") for manifest in found]
        emit_json({"corpora": listed, **({"damaged": damaged} if damaged else {})})
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
    from ingest.staleness import stale_share
    from search.catalog import corpus_info

    found = corpus_info(name, store)
    if as_json:
        documents, share = stale_share(found.manifest.fit)
        stale = {"documents_since": documents, "unknown_share": round(share, 4)}
        emit_json({**found.model_dump(mode="json"), "staleness": stale})
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
    tenfold = found.bytes_at_ten_times
    if tenfold is not None:
        shown = f"{found.bytes_per_passage:,} (ten times as many: about {tenfold / 1e6:,.0f} MB)"
        table.add_row("bytes a passage", shown)
    for name_, space in manifest.spaces.items():
        made = manifest.encoders.get(name_)
        by = f" by {made.name} {made.revision}" if made else ""
        table.add_row(f"space {name_}", f"{space.kind}{f', {space.dim} dimensions' if space.dim else ''}{by}")
    table.add_row("analyser", f"{manifest.analyzer.preset}, {manifest.tfidf.weighting}")
    if manifest.fit.passages:
        documents, share = stale_share(manifest.fit)
        since = f"; {documents:,} documents since, {share:.1%} of their terms unknown" if documents else ""
        table.add_row("fit", f"on {manifest.fit.passages:,} passages{since}")
        if share > STALE:
            table.add_row("", f"stale: xunyi refit {manifest.corpus}")
    table.add_row("passages of", f"at most {manifest.splitter.max_tokens} tokens")
    table.add_row("fields", ", ".join(f"{f} ({k})" for f, k in manifest.payload_fields.items()) or "none")
    table.add_row("made", f"{manifest.created}, last changed {manifest.updated}")
    for kept in reversed(manifest.kept):
        size = found.kept_bytes.get(kept.generation)
        disk = f", {size / 1e6:,.1f} MB" if size is not None else ""
        table.add_row("kept", f"generation {kept.generation} ({kept.counts.documents:,} documents{disk})")
    if manifest.kept:
        table.add_row("", f"bring back or drop: xunyi generations list {manifest.corpus}")
    if manifest.rebuild is not None:
        table.add_row("unfinished", f"xunyi {manifest.rebuild.command}: run it again as it was, or give it up")
        table.add_row("", f"with: xunyi generations drop {manifest.corpus} --unfinished")
    out.print(table)


@command.command("delete")
@click.argument("name")
@store_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(name: str, store: str | None, yes: bool, as_json: bool) -> None:
    """Delete a corpus with all its points."""
    from ingest.corpus import delete_corpus
    from schemas.errors import StoreDamaged
    from search.catalog import corpus_info

    try:
        found = corpus_info(name, store)
        kept = f", with {len(found.manifest.kept)} kept generations" if found.manifest.kept else ""
        shown = f"{name} ({found.manifest.counts.documents:,} documents{kept}) from {found.store}"
    except StoreDamaged:
        shown = f"{name}, whose manifest cannot be read, with all its points"
    if not yes and not as_json:
        confirm(f"Delete {shown}?")
    delete_corpus(name, store)
    if as_json:
        emit_json({"deleted": name})
    else:
        console().print(f"Deleted {name}.")


@command.command("download")
@click.argument("name", metavar="seattle-hotels|journey-to-the-west")
@click.option("--url", metavar="U", help="Another address of the same file [default: its public repository].")
@click.option("--folder", metavar="F", help="Where to put it [default: the user's cache folder].")
@json_option
def download_(name: str, url: str | None, folder: str | None, as_json: bool) -> None:
    r"""Fetch a public data set, checked by its SHA-256; a broken download goes on where it stopped.

    \b
    Example:
      xunyi corpora download seattle-hotels --folder data
    """
    from ingest.download import download

    report = download(name, url=url, folder=folder)
    if as_json:
        emit_json(report)
        return
    how = "was there already" if report.cached else f"{report.bytes:,} bytes from {report.url}"
    console().print(f"{report.path} ({how})", markup=False)
