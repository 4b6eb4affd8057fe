"""``xunyi models``."""

from __future__ import annotations

from typing import Literal

import click
from rich.table import Table

from cli.options import json_option
from cli.output import console, emit_json


@click.group("models")
def command() -> None:
    r"""List, describe and download embedding models.

    \b
    Examples:
      xunyi models list
      xunyi models show bge-m3 --json
      xunyi models download bge-m3 --hub modelscope
    """


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The encoders that have a name, and whether each is on this machine."""
    from encoders.catalog import list_models

    found = list_models()
    if as_json:
        emit_json({"models": [entry.as_dict() for entry in found]})
        return
    table = Table()
    for heading in ("name", "dimensions", "tokens", "spaces", "disk, about", "here"):
        table.add_column(heading, justify="right" if heading in ("dimensions", "tokens", "disk, about") else "left")
    for entry in found:
        table.add_row(
            entry.name,
            str(entry.dim),
            f"{entry.max_length:,}",
            ", ".join(entry.spaces),
            f"{entry.disk_mb:,} MB",
            "yes" if entry.folder else "no",
        )
    console().print(table)


@command.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """What an encoder is and needs; NAME is a name of the list, a hub id or a folder."""
    from encoders.catalog import show_model

    entry = show_model(name).as_dict()
    if as_json:
        emit_json(entry)
        return
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in entry.items():
        if value not in (None, "", []):
            table.add_row(key.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else repr(value))
    console().print(table)


@command.command("download")
@click.argument("name")
@click.option("--hub", type=click.Choice(["huggingface", "modelscope"]), default="huggingface", help="Where from.")
@json_option
def download(name: str, hub: Literal["huggingface", "modelscope"], as_json: bool) -> None:
    """Fetch an encoder's files from a hub."""
    from encoders.catalog import download_model

    folder = download_model(name, hub)
    if as_json:
        emit_json({"name": name, "hub": hub, "folder": str(folder)})
    else:
        console().print(f"{name} is in {folder}", markup=False)
