"""What a generation of a corpus takes on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG

from schemas.spaces import Shelf
from stores.base import Store, collection_name
from stores.disk_room import everything_below
from stores.edge_parts import PART_POINTS


def shelf_bytes(store: Store, corpus: str, generation: int) -> dict[str, int | None]:
    """Bytes of each shelf of a generation: 0 where it does not stand, None where the store does not say."""
    names = {str(shelf): collection_name(corpus, generation, shelf) for shelf in Shelf}
    return {shelf: store.disk_bytes(name) if store.collection_exists(name) else 0 for shelf, name in names.items()}


def total_bytes(sizes: Mapping[str, int | None]) -> int | None:
    """Their sum; None where one is not known."""
    known = [size for size in sizes.values() if size is not None]
    return sum(known) if len(known) == len(sizes) else None


TIMES = 10
"""So many passages more are looked ahead to."""

FIXED = 8192
"""Bytes of a file that are there from the beginning: the engine makes some hundred files a collection, most of which
stay within a block or two."""

LOG = 32 * 1024 * 1024
"""Bytes at which the log of a part of a collection begins anew."""

TERMS_GROWTH = TIMES**0.6
"""How many times as many terms so many times the text has, by Heaps' law with an exponent of 0.6: 0.5 in English, more
where terms are pairs of Chinese characters."""


def bytes_per_further_passage(
    store: Store, corpus: str, generation: int, passages: int, sizes: Mapping[str, int | None]
) -> int | None:
    """What each further passage would take on disk, on average up to ``TIMES`` as many.

    None where the ``sizes`` of the shelves are not known. What a collection takes empty is not multiplied, nor is a log
    that begins anew when it is full.
    """
    if not passages or total_bytes(sizes) is None:
        return None
    more = 0.0
    most = LOG * max(1, TIMES * passages // PART_POINTS)
    for shelf in Shelf:
        folder = Path(store.location) / corpus / f"g{generation}.{shelf}"
        log, grows = _growing(folder)
        times = TERMS_GROWTH if shelf is Shelf.TERMS else TIMES
        more += grows * (times - 1) + max(0, min(log * times, most) - log)
    return round(more / (passages * (TIMES - 1)))


def _growing(folder: Path) -> tuple[int, int]:
    """Bytes of the log, and of what else grows with the points, below a collection's folder."""
    log = grows = 0
    for path, found, size in everything_below(folder):
        if not S_ISREG(found.st_mode):
            continue
        if path.parent.name == "wal":
            log += size
        else:
            grows += max(0, size - FIXED)
    return log, grows
