"""``xunyi models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from cli.options import json_option
from cli.output import console, emit_json

if TYPE_CHECKING:
    from encoders.catalog import ModelEntry


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
    table = Table(box=SIMPLE)
    for heading in ("name", "dim", "tokens", "MB on disk", "spaces", "here"):
        right = heading in ("dim", "tokens", "MB on disk")
        # A name is there to be copied: the other columns give way.
        table.add_column(
            heading, justify="right" if right else "left", no_wrap=heading in ("name", "here"), overflow="fold"
        )
    for entry in found:
        numbers = (str(entry.dim), f"{entry.max_length:,}", f"{entry.disk_mb:,}")
        table.add_row(entry.name, *numbers, ", ".join(entry.spaces), _where(entry))
    console().print(table)
    if any(entry.hub == "modelscope" for entry in found):
        console().print("Those in ModelScope's cache are loaded with: --hub modelscope", markup=False)


def _where(entry: ModelEntry) -> str:
    if entry.hub == "modelscope":
        return "modelscope"
    return "yes" if entry.here else "no"


@command.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """What an encoder is and needs; NAME is a name of the list, a hub id, or a folder.

    Of a folder, and of a hub id without a preset whose files are here, dimension, tokens, pooling and
    prompts are those that its own files state; the model is not loaded, and no code of its own runs.
    Memory is an estimate in float32, about half of that in bfloat16.

    \b
    Examples:
      xunyi models show qwen3-embedding-0.6b
      xunyi models show ./my-model --json
    """  # noqa: D301
    from encoders.catalog import show_model

    entry = show_model(name).as_dict()
    if as_json:
        emit_json(entry)
        return
    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in entry.items():
        if value not in (None, "", [], 0) or value is False:
            table.add_row(Text(_LABELS.get(key, key.replace("_", " "))), Text(_shown(key, value)))
    console().print(table)


_LABELS = {
    "dim": "dimensions", "max_length": "tokens", "disk_mb": "MB on disk", "memory_mb": "MB of memory",
    "here": "on this machine", "matryoshka": "shorter sizes", "smallest": "any size from", "remote_code": "own code",
}  # fmt: skip


def _shown(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    # A prompt's blanks and line breaks are part of it.
    return repr(value) if key.endswith("_prompt") else str(value)


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
