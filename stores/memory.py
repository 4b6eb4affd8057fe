"""Giving memory back to the system: the C library and mapped files keep more than is needed."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

_DONTNEED = 4  # MADV_DONTNEED
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD

LARGE_BYTES = 256 * 1024
"""From here on a piece of memory is one of the system's own (``large_pieces_apart``): twice glibc's first choice."""


@lru_cache(maxsize=1)
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def large_pieces_apart() -> None:
    """Have the C library ask the system for every large piece of memory, and return it as soon as it is freed.

    glibc does so only until the first are freed, and then keeps pieces of up to 32 MB in its heap, where small ones
    that live on come to lie between them: an ingest, whose arrays and indexes of some MB come and go, grows on that
    account alone. For the whole process, from the first call on; not where the environment says otherwise, and
    nothing but with glibc.
    """
    chosen = "MALLOC_MMAP_THRESHOLD_" in os.environ or "mmap_threshold" in os.environ.get("GLIBC_TUNABLES", "")
    libc = _libc()
    if libc is not None and hasattr(libc, "mallopt") and not chosen:
        libc.mallopt(_MMAP_THRESHOLD, LARGE_BYTES)


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
