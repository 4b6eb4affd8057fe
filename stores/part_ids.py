"""Which ids a full part of a collection holds, in a file beside it: it need not be open to be passed over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stores.files import replace_bytes

Keys = npt.NDArray[np.uint64]


def keys_of(ids: Sequence[str]) -> Keys:
    """The first 64 bits of each id, a UUID in its usual spelling; shape ``(len(ids),)``."""
    return np.fromiter((int(point[:8] + point[9:13] + point[14:18], 16) for point in ids), np.uint64, len(ids))


class PartIds:
    """The ids that a part held when it was full, by their first 64 bits; sorted, and read from the disk.

    It never changes. An id that the part does not hold any more, or never did and has those bits in
    common with one, only leads there: whatever is led there once always is, so that no point comes to
    stand in two parts.
    """

    def __init__(self, path: Path) -> None:
        """Raises ``ValueError`` or ``OSError`` where ``path`` is not what ``write`` made."""
        found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.dtype != np.uint64 or found.ndim != 1:
            raise ValueError(f"{path} holds no ids")
        self._sorted: Keys = found

    def among(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Which of ``keys`` lead to this part."""
        if not len(self._sorted):
            return np.zeros(len(keys), dtype=bool)
        places = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        return np.asarray(self._sorted[places] == keys)

    @staticmethod
    def write(path: Path, pages: Iterable[Sequence[str]]) -> None:
        """Make the file of the ids in ``pages``, whole or not at all."""
        keys = np.concatenate([np.zeros(0, dtype=np.uint64), *(keys_of(page) for page in pages)])
        with replace_bytes(path) as file:
            np.save(file, np.unique(keys), allow_pickle=False)
