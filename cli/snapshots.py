"""``xunyi snapshots``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table

from cli.confirming import confirm
from cli.options import json_option, store_option
from cli.output import console, emit_json
from schemas.errors import StoreDamaged
from schemas.snapshots import Snapshot

if TYPE_CHECKING:
    from stores.base import Store


@click.group("snapshots")
def command() -> None:
    r"""Copy a corpus as it is now, and bring such a copy back.

    \b
    Examples:
      xunyi snapshots create hotels
      xunyi snapshots list hotels
      xunyi snapshots restore hotels 20260131T120000.000000Z
      xunyi snapshots delete hotels 20260131T120000.000000Z
    """


@command.command("create")
@click.argument("corpus")
@store_option
@json_option
def create(corpus: str, store: str | None, as_json: bool) -> None:
    """Copy a corpus as it is now."""
    from stores.opening import open_store
    from stores.snapshots import snapshots_of

    with open_store(store) as opened:
        _say("Made", snapshots_of(opened).create(corpus), as_json)


@command.command("list")
@click.argument("corpus", required=False)
@store_option
@json_option
def list_(corpus: str | None, store: str | None, as_json: bool) -> None:
    """The snapshots of a corpus, or of all."""
    from stores.opening import open_store
    from stores.snapshots import snapshots_of

    with open_store(store) as opened:
        found = snapshots_of(opened).list(corpus)
    if as_json:
        emit_json({"snapshots": [snapshot.model_dump(mode="json") for snapshot in found]})
        return
    if not found:
        console().print("No snapshots yet; make one with: xunyi snapshots create CORPUS")
        return
    table = Table()
    for column in ("corpus", "snapshot", "documents", "passages", "MB"):
        table.add_column(column, justify="left" if column in ("corpus", "snapshot") else "right")
    for one in found:
        size = "" if one.bytes is None else f"{one.bytes / 1e6:,.1f}"
        table.add_row(one.corpus, one.name, f"{one.documents:,}", f"{one.passages:,}", size)
    console().print(table)


@command.command("restore")
@click.argument("corpus")
@click.argument("name")
@store_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def restore(corpus: str, name: str, store: str | None, yes: bool, as_json: bool) -> None:
    """Make a corpus what it was; what it holds now is lost.

    The generations that it keeps (`xunyi generations list`) stay; on a server not the one that the snapshot is of.
    """
    from stores.opening import open_store
    from stores.snapshots import snapshots_of

    with open_store(store) as opened:
        if not yes and not as_json and (question := _question(opened, corpus, name)):
            confirm(question)
        restored = snapshots_of(opened).restore(corpus, name)
        manifest = opened.read_manifest(corpus)
    kept = [one.generation for one in manifest.kept] if manifest is not None else []
    if as_json:
        emit_json({**restored.model_dump(mode="json"), "kept": kept})
        return
    _say("Restored", restored, as_json)
    if kept:
        console().print(f"{_generations(kept)} still kept: xunyi generations list {corpus}", markup=False)


def _question(store: Store, corpus: str, name: str) -> str | None:
    """What is asked before a corpus is restored; None where none stands."""
    try:
        manifest = store.read_manifest(corpus)
    except StoreDamaged:
        return f"Replace {corpus}, whose manifest cannot be read, with all its generations by its snapshot {name}?"
    return None if manifest is None else f"Replace {corpus} as it is now by its snapshot {name}?"


def _generations(numbers: list[int]) -> str:
    return f"generation {numbers[0]} is" if len(numbers) == 1 else f"generations {', '.join(map(str, numbers))} are"


@command.command("delete")
@click.argument("corpus")
@click.argument("name")
@store_option
@json_option
def delete(corpus: str, name: str, store: str | None, as_json: bool) -> None:
    """Remove a snapshot."""
    from stores.opening import open_store
    from stores.snapshots import snapshots_of

    with open_store(store) as opened:
        _say("Removed", snapshots_of(opened).delete(corpus, name), as_json)


def _say(done: str, snapshot: Snapshot, as_json: bool) -> None:
    if as_json:
        emit_json(snapshot)
        return
    text = f"{done} {snapshot.corpus} {snapshot.name}: {snapshot.documents:,} documents, {snapshot.passages:,} passages"
    console().print(text, markup=False)
