"""What the rows of an exported file without a checksum of them, an earlier version's, must agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ingest.exchange_rows import shelves_of
from ingest.payloads import passage_hash
from schemas.ids import point_number
from schemas.manifest import CorpusManifest
from schemas.spaces import PointBatch, Shelf, SpaceKind

ROUNDED = 0.01
"""How far from 1 the length of a unit vector may be: float16 and float32 round it."""


class Agreement:
    """Looks at points as they pass, in memory that does not grow with them but for a byte a term."""

    def __init__(self, manifest: CorpusManifest) -> None:
        self._manifest = manifest
        terms = Shelf.TERMS in shelves_of(manifest)
        self._taken = np.zeros(manifest.fit.features if terms else 0, dtype=np.bool_)
        self._missing = 0

    def add(self, shelf: Shelf, batch: PointBatch) -> None:
        """Raise ``ValueError`` for a point that was altered, or does not go with those before it."""
        if shelf is Shelf.TERMS:
            self._terms(batch)
            return
        self._lengths(shelf, batch)
        for point, payload in zip(batch.ids, batch.payloads, strict=True):
            if shelf is Shelf.PASSAGES:
                self._missing -= point_number(point)
                if payload["hash"] != passage_hash(payload["title"], payload["text"]):
                    raise ValueError(f"the text of point {point} is not that of its hash")
            else:
                self._missing += _passages_of(point_number(point), payload)

    def finish(self) -> None:
        """Raise ``ValueError`` where documents have other passages than they say; of an unfinished corpus they may."""
        if self._manifest.complete and self._missing:
            raise ValueError("its documents have other passages than they say")

    def _terms(self, batch: PointBatch) -> None:
        for payload in batch.payloads:
            index = payload["index"]
            if index is not None:
                if self._taken[index]:
                    raise ValueError(f"two terms have the index {index}")
                self._taken[index] = True

    def _lengths(self, shelf: Shelf, batch: PointBatch) -> None:
        for name, vectors in batch.vectors.items():
            if self._manifest.spaces[name].kind is not SpaceKind.DENSE:
                continue
            lengths = np.linalg.norm(np.asarray(vectors, dtype=np.float64), axis=1)
            # A text may have no word that is known; every encoder says something of every passage.
            may_lack = shelf is Shelf.DOCUMENTS or name not in self._manifest.encoders
            # Of what is no number at all stores say so.
            odd = (np.abs(lengths - 1) > ROUNDED) & ~((lengths == 0) & may_lack) & np.isfinite(lengths)
            if odd.any():
                row = int(np.argmax(odd))
                what = f"a vector of length {lengths[row]:.3g}, not 1," if lengths[row] else "no vector"
                raise ValueError(f"point {batch.ids[row]} has {what} in the space {name!r}")


def _passages_of(document: int, payload: Mapping[str, Any]) -> int:
    """The sum of the ids of a document's passages: its own with 1, 2, 3, … in the last digits."""
    count = int(payload["passages"])
    return count * document + count * (count + 1) // 2
