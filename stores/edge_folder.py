"""The folder of an embedded store: how it is told from others."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from schemas.errors import StoreError
from schemas.manifest import CorpusManifest
from stores.files import is_unfinished, replace_text

MARK = "xunyi-store.json"


def require_ours(folder: Path) -> None:
    """Raise ``StoreError`` where ``folder`` is something else than a store, or an empty or new folder."""
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file, not a folder; give --store a folder or a URL.")
    if (
        folder.is_dir()
        and not (folder / MARK).exists()
        and any(not is_unfinished(path) for path in folder.iterdir())
        and not _holds_a_corpus(folder)
    ):
        raise StoreError(f"{folder} holds other files and no corpora; give --store a folder of its own.")


def write_mark(folder: Path) -> None:
    """Mark the folder as a store."""
    replace_text(folder / MARK, json.dumps({"format": 1}))


def _holds_a_corpus(folder: Path) -> bool:
    """Whether one of ours stands in the folder, which then only lost its mark."""
    for path in folder.glob("*/manifest.json"):
        if path.with_name("lock").is_file():
            with suppress(OSError, ValueError):
                CorpusManifest.model_validate_json(path.read_bytes())
                return True
    return False
