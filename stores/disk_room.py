"""Room on the disk, looked at before the engine writes.

The engine writes into mapped files. Where a disk fills up under one, the system ends the process
instead of reporting an error, so that the only time to say so is before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from schemas.errors import StoreFull

RESERVE = 32_000_000
"""Bytes that stay free: what the engine writes besides the points, and what other programs write meanwhile."""

COPIES = 4
"""How often the engine may write a byte: in its log, in the segment being filled, in an index, in a longer file."""


SMALL_RESERVE = 4_000_000
"""Bytes that stay free where little is written: removing points must be possible on a disk that is nearly full."""


def require_room(folder: Path, size: int = 0, reserve: int = RESERVE) -> None:
    """Raise ``StoreFull`` where the disk of ``folder`` has not room for ``size`` bytes more, and the reserve."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free < size + reserve:
        raise StoreFull(
            f"The disk is full: {folder} has {free / 1e6:,.0f} MB free and this wants {(size + reserve) / 1e6:,.0f}; "
            f"free some and run the same command again."
        )


def filled_by_reading(files: Iterable[Path]) -> int:
    """Bytes that these files take when they are mapped and read: their holes, on a disk in memory.

    Such a file system (tmpfs) gives a page to every hole that is read, others do when one is written.
    """
    total = 0
    for path in files:
        found = path.stat()
        if not _in_memory(found.st_dev):
            return 0
        total += max(0, found.st_size - found.st_blocks * 512)
    return total


@lru_cache(maxsize=16)
def _in_memory(device: int) -> bool:
    wanted = f"{os.major(device)}:{os.minor(device)}" if hasattr(os, "major") else ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    of = [line.split() for line in mounts]
    return any(fields[2] == wanted and fields[fields.index("-") + 1] in ("tmpfs", "ramfs") for fields in of)


def allocated(folder: Path) -> int:
    """Bytes that the files below ``folder`` take, holes of sparse files not counted."""
    # Folders take some too.
    return sum(size for _, _, size in everything_below(folder))


def everything_below(folder: Path) -> Iterator[tuple[Path, os.stat_result, int]]:
    """What lies below ``folder``, what the system says of it, and the bytes that it takes on the disk."""
    for path in folder.rglob("*"):
        try:
            found = path.stat()
        except OSError:  # gone meanwhile
            continue
        # Windows has no blocks.
        yield path, found, found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size
