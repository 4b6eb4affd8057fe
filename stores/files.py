"""Files that are replaced whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def replace_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 so that a reader, or a crash, sees the old file or the new one."""
    with replace_bytes(path) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def replace_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of ``path`` when all is written and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a removal in the folder survive a power cut, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_unfinished(path: Path) -> bool:
    """Whether a crash left this: a folder in the making or going, or a file that was to replace another."""
    name = path.name
    return name.startswith((".making-", ".going-")) or (
        name.startswith(".") and name.rpartition(".")[2].isdigit() and (".json." in name or ".npy." in name)
    )


def leftovers(folder: Path) -> list[Path]:
    """What crashes left in a corpus's folder, sorted; the caller holds the corpus."""
    found = [path for path in (*folder.glob(".*"), *folder.glob("*.*/.*")) if is_unfinished(path)]
    return sorted(found)


def remove(path: Path) -> None:
    """Remove a file or a folder; harmless where it is gone already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
