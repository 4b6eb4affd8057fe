"""The interface of both stores. It speaks ``qdrant_client.models``, the field's own words.

A *collection* here is a physical one, named by ``collection_name(corpus, generation, shelf)``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeAlias

import numpy as np
from qdrant_client import models

from schemas.manifest import CorpusManifest
from schemas.spaces import PointBatch, Shelf, Space
from schemas.storage import StorageSettings
from stores.nearest import Nearest, Scored


def collection_name(corpus: str, generation: int, shelf: Shelf) -> str:
    """The physical collection of a corpus's shelf in one generation, ``hotels.g1.passages``."""
    return f"{corpus}.g{generation}.{shelf}"


PayloadChange: TypeAlias = tuple[Mapping[str, Any], Sequence[str]]
"""Payload keys with their values, and the ids of the points that they are set on."""

PayloadIndexType = Literal["keyword", "integer", "float", "bool", "datetime", "text"]


def rows_without(batch: PointBatch) -> dict[str, list[int]]:
    """For each space of the batch the rows that have no vector there: zero or empty ones."""
    found: dict[str, list[int]] = {}
    for name, vectors in batch.vectors.items():
        if isinstance(vectors, np.ndarray):
            empty = ~vectors.any(axis=1)
        elif isinstance(vectors, list):
            empty = np.array([len(tokens) == 0 for tokens in vectors], dtype=bool)
        else:
            empty = np.diff(vectors.indptr) == 0
        if empty.any():
            found[name] = [int(row) for row in np.flatnonzero(empty)]
    return found


def vectors_of(batch: PointBatch, row: int, sparse: Callable[..., Any], dense: Callable[[Any], Any]) -> dict[str, Any]:
    """One point's vectors by space, those left out that are zero or empty.

    ``sparse`` makes an engine's sparse vector of ``indices`` and ``values``, ``dense`` what it takes
    as a dense one.
    """
    found: dict[str, Any] = {}
    for name, vectors in batch.vectors.items():
        if isinstance(vectors, np.ndarray):
            if vectors[row].any():
                found[name] = dense(vectors[row])
        elif isinstance(vectors, list):
            if len(vectors[row]):
                found[name] = vectors[row].tolist()
        else:
            start, end = vectors.indptr[row], vectors.indptr[row + 1]
            if end > start:
                found[name] = sparse(
                    indices=vectors.indices[start:end].tolist(), values=vectors.data[start:end].tolist()
                )
    return found


class Store(Protocol):
    """Collections of named vectors, and the manifests of the corpora they make up.

    Every method raises ``schemas.errors.StoreError`` or one of its kinds, never an engine's own
    exception. Results of equal score come in the order of their ids.
    """

    @property
    def location(self) -> str:
        """The folder or URL, as a person would write it; never with a key in it."""
        ...

    # -- corpora ---------------------------------------------------------------------------
    def list_corpora(self) -> list[str]:
        """The names of all corpora that have a manifest, sorted."""
        ...

    def hold(self, corpus: str, *, new: bool = False) -> None:
        """Have the corpus to oneself, where a store has owners (embedded), before its manifest is read to be changed.

        Nothing happens where nothing stands under the name, unless it is to be a ``new`` corpus.
        """
        ...

    def read_manifest(self, corpus: str) -> CorpusManifest | None:
        """The manifest of the corpus's current generation, or None where there is no such corpus."""
        ...

    def manifest_mark(self, corpus: str, *, fresh: bool = False) -> Hashable:
        """What changes whenever the corpus's manifest does, by whomever; quick enough to be asked before each question.

        On a server it may be a second old, of others' changes; ``fresh`` asks it now.
        """
        ...

    def write_manifest(self, manifest: CorpusManifest) -> None:
        """Make ``manifest`` (and its generation) the corpus's current one, in one atomic step."""
        ...

    def delete_corpus(self, corpus: str) -> None:
        """Remove the corpus: its manifest first, then every generation's collections."""
        ...

    # -- collections -----------------------------------------------------------------------
    def check_storage(self, storage: StorageSettings) -> None:
        """Refuse settings that this store does not have, before anything is made with them."""
        ...

    def create_collection(self, name: str, spaces: Sequence[Space], storage: StorageSettings | None = None) -> None:
        """Create an empty collection; nothing happens where it stands already with these spaces."""
        ...

    def collection_exists(self, name: str) -> bool:
        """Whether the collection stands."""
        ...

    def list_collections(self) -> list[str]:
        """All physical collections, sorted."""
        ...

    def drop_collection(self, name: str) -> None:
        """Remove the collection if it stands."""
        ...

    def create_payload_index(self, name: str, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field for filters; nothing happens where it is indexed already."""
        ...

    # -- points ----------------------------------------------------------------------------
    def upsert(self, name: str, batch: PointBatch) -> None:
        """Write points whole (vectors and payload), durable when this returns."""
        ...

    def update_vectors(self, name: str, batch: PointBatch) -> None:
        """Write the batch's spaces of points that stand; other spaces and payloads stay (payloads ignored).

        A zero or empty row takes the point out of that space.
        """
        ...

    def set_payload(self, name: str, payload: Mapping[str, Any], ids: Sequence[str]) -> None:
        """Set these payload keys on the points, leaving other keys."""
        ...

    def set_payloads(self, name: str, changes: Sequence[PayloadChange]) -> None:
        """The same of several payloads, in as few writes as the engine allows."""
        ...

    def delete(
        self, name: str, points: Sequence[str] | models.Filter, *, documents: Sequence[str] | None = None
    ) -> None:
        """Remove points by id or by filter.

        ``documents`` are the point ids of the documents whose passages a filter names, where it names no others: what
        is known to hold none of theirs need not be looked through.
        """
        ...

    def retrieve(
        self,
        name: str,
        ids: Sequence[str],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[models.Record]:
        """The points that stand among ``ids``, in the order of ``ids``."""
        ...

    def columns(self, name: str, points: Collection[int], space: str) -> dict[int, Sequence[int]]:
        """Which columns points hold in a sparse space, by their ids (``UUID.int``); those without any are left out."""
        ...

    def scroll(
        self,
        name: str,
        *,
        query_filter: models.Filter | None = None,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
        batch_size: int = 256,
    ) -> Iterator[models.Record]:
        """Every point, in the order of ids."""
        ...

    def count(self, name: str, query_filter: models.Filter | None = None) -> int:
        """Exactly how many points match."""
        ...

    def facet(
        self, name: str, field: str, query_filter: models.Filter | None = None, limit: int = 10
    ) -> dict[str, int]:
        """How many points hold each value of an indexed keyword, integer or bool field."""
        ...

    # -- questions -------------------------------------------------------------------------
    def query(self, name: str, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """Answer the requests in one round, one list of hits each, best first."""
        ...

    def nearest(self, name: str, questions: Sequence[Nearest]) -> list[list[Scored]]:
        """Answer the questions in one round, best first and equals by id: all that a ranking needs."""
        ...

    # -- care ------------------------------------------------------------------------------
    def optimize(self, name: str) -> None:
        """Build indexes now, where the engine leaves that to its caller."""
        ...

    def disk_bytes(self, name: str) -> int | None:
        """Bytes on disk, or None where a server does not say."""
        ...

    def forkable(self, names: Sequence[str]) -> bool:
        """Open these collections, and say whether a process forked from this one could read them while it waits."""
        ...

    def forked(self) -> None:
        """To be called in such a process, which reads what was open and opens nothing."""
        ...

    def close(self) -> None:
        """Flush and let go; closing twice is harmless."""
        ...

    def __enter__(self) -> Self:
        """The store itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        ...
