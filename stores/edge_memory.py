"""Giving memory back to the system: the C library and mapped files keep more than is needed."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

_DONTNEED = 4  # MADV_DONTNEED


@lru_cache(maxsize=1)
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def give_back(folder: Path) -> None:
    """Let go of freed memory, and of the pages of files below ``folder`` that this process has mapped.

    glibc keeps what was freed in small pieces, which an engine's index in the making is full of. Pages
    of shared file mappings count as the process's memory though the system has them cached anyway: what
    is dropped here comes back from that cache when it is next touched. Does nothing but on Linux.
    """
    libc = _libc()
    if libc is None:
        return
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(ctypes.c_size_t(0))
    below = f"{folder.resolve()}/"
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in maps:
        parts = line.split(maxsplit=5)
        # Shared ones only: dropping a private page would lose what was written to it.
        if len(parts) == 6 and parts[1].endswith("s") and parts[5].startswith(below):
            start, end = (int(address, 16) for address in parts[0].split("-"))
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)
