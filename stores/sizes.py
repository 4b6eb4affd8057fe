"""What a generation of a corpus takes on disk."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.spaces import Shelf
from stores.base import Store, collection_name


def shelf_bytes(store: Store, corpus: str, generation: int) -> dict[str, int | None]:
    """Bytes of each shelf of a generation: 0 where it does not stand, None where the store does not say."""
    names = {str(shelf): collection_name(corpus, generation, shelf) for shelf in Shelf}
    return {shelf: store.disk_bytes(name) if store.collection_exists(name) else 0 for shelf, name in names.items()}


def total_bytes(sizes: Mapping[str, int | None]) -> int | None:
    """Their sum; None where one is not known."""
    known = [size for size in sizes.values() if size is not None]
    return sum(known) if len(known) == len(sizes) else None
