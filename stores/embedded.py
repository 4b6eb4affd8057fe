"""The embedded store: Qdrant Edge, one folder a store (``stores/edge_folder.py``), nothing to start."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from qdrant_client import models

from schemas.errors import StoreError, UsageError
from schemas.ids import point_text
from schemas.manifest import CorpusManifest
from schemas.spaces import PointBatch, Space
from schemas.storage import StorageSettings
from stores.base import PayloadChange, PayloadIndexType
from stores.checks import MAX_REACH, check_filter, check_id, check_payload, require_same_spaces
from stores.disk_room import allocated
from stores.edge_collection import Cursor, EdgeCollection
from stores.edge_errors import engine
from stores.edge_folder import EdgeFolder
from stores.edge_parts import PART_POINTS
from stores.files import sync_folder
from stores.nearest import Nearest, Scored


class EdgeStore:
    """Corpora in a folder. A corpus is locked for this process when it is first touched, until ``close``."""

    def __init__(self, folder: Path, *, lock_wait: float = 10.0, part_points: int = PART_POINTS) -> None:
        """Collections get another part with every ``part_points`` points, of which one at a time is written to."""
        self._folder = EdgeFolder(folder, lock_wait)
        self._guard = self._folder.guard
        self._part_points = part_points
        self._open: dict[str, EdgeCollection] = {}
        self._process = os.getpid()
        self._may_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._folder.root)

    # -- corpora ---------------------------------------------------------------------------
    def list_corpora(self) -> list[str]:
        """The names of all corpora that have a manifest, sorted."""
        return self._folder.corpora()

    def hold(self, corpus: str, *, new: bool = False) -> None:
        """Lock the corpus until ``close``; raises ``StoreLocked`` where another process keeps it for long."""
        with self._guard:
            if new or self._folder.corpus(corpus).is_dir():
                self._folder.lock(corpus)

    def read_manifest(self, corpus: str) -> CorpusManifest | None:
        """The current manifest; needs no lock, since it is replaced in one step."""
        return self._folder.read_manifest(corpus)

    def manifest_mark(self, corpus: str, *, fresh: bool = False) -> Hashable:
        """What changes whenever the corpus's manifest does, by whomever: of the file that each one replaces."""
        return self._folder.manifest_mark(corpus)

    def write_manifest(self, manifest: CorpusManifest) -> None:
        """Make the manifest the corpus's current one, in one atomic step."""
        self._folder.write_manifest(manifest)

    def delete_corpus(self, corpus: str) -> None:
        """Remove the corpus: its manifest first, then its collections."""
        with self._guard:
            if self._folder.remove_manifest(corpus):
                self._close_corpus(corpus)
                self._folder.remove(corpus)

    # -- collections -----------------------------------------------------------------------
    def check_storage(self, storage: StorageSettings) -> None:
        """Refuse settings that only a server has."""
        if storage.server_only:
            given = ", ".join(storage.server_only)
            raise UsageError(f"The embedded store has no {given}; leave it out, or give --store the URL of a server.")

    def create_collection(self, name: str, spaces: Sequence[Space], storage: StorageSettings | None = None) -> None:
        """Create an empty collection; nothing happens where it stands already with these spaces.

        Settings of ``storage`` that only a server has are passed over.
        """
        with self._guard:
            folder = self._folder.collection(name)
            wanted = {space.name: space for space in spaces}
            if folder.is_dir():
                require_same_spaces(name, self._collection(name).spaces, wanted)
                return
            self._folder.lock(name.rsplit(".", 2)[0])
            # Made under another name first: a folder under its own name is always whole.
            making = folder.with_name(f".making-{folder.name}")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            EdgeCollection.create(name, making, wanted, storage or StorageSettings())
            making.rename(folder)
            sync_folder(folder.parent)

    def collection_exists(self, name: str) -> bool:
        """Whether the collection stands."""
        return self._folder.collection(name).is_dir()

    def list_collections(self) -> list[str]:
        """All collections, sorted."""
        return self._folder.collections()

    def drop_collection(self, name: str) -> None:
        """Remove the collection if it stands."""
        with self._guard:
            folder = self._folder.collection(name)
            if not folder.is_dir():
                return
            self._folder.lock(name.rsplit(".", 2)[0])
            self._close_shard(name)
            # Renamed first: a crash between must not leave half a collection under its own name.
            going = folder.with_name(f".going-{folder.name}")
            shutil.rmtree(going, ignore_errors=True)
            folder.rename(going)
            shutil.rmtree(going)

    def create_payload_index(self, name: str, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field; nothing happens where it is indexed already so."""
        with self._inside(name) as collection:
            collection.create_payload_index(field, kind)

    # -- points ----------------------------------------------------------------------------
    def upsert(self, name: str, batch: PointBatch) -> None:
        """Write points whole, durable when this returns."""
        with self._inside(name) as collection:
            collection.upsert(batch)

    def update_vectors(self, name: str, batch: PointBatch) -> None:
        """Write the batch's spaces of points that stand; the rest of them stays."""
        with self._inside(name) as collection:
            collection.update_vectors(batch)

    def set_payload(self, name: str, payload: Mapping[str, Any], ids: Sequence[str]) -> None:
        """Set these payload keys on the points, leaving other keys."""
        self.set_payloads(name, [(payload, ids)])

    def set_payloads(self, name: str, changes: Sequence[PayloadChange]) -> None:
        """The same of several payloads, flushed once."""
        for payload, ids in changes:
            check_payload(payload, "the update")
            for point in ids:
                check_id(point)
        if any(ids for _, ids in changes):
            with self._inside(name) as collection:
                collection.set_payloads(changes)

    def delete(
        self, name: str, points: Sequence[str] | models.Filter, *, documents: Sequence[str] | None = None
    ) -> None:
        """Remove points by id or by filter, of ``documents`` alone where they are given."""
        for point in documents or ():
            check_id(point)
        if isinstance(points, models.Filter):
            check_filter(points)
        else:
            for point in points:
                check_id(point)
        with self._inside(name) as collection:
            collection.delete(points, documents)

    def retrieve(
        self,
        name: str,
        ids: Sequence[str],
        *,
        payload: bool | Sequence[str] = True,
        vectors: bool | Sequence[str] = False,
    ) -> list[models.Record]:
        """The points that stand among ``ids``, in the order of ``ids``."""
        for point in ids:
            check_id(point)
        if not ids:
            return []
        with self._inside(name) as collection:
            return collection.retrieve(ids, payload, vectors)

    def columns(self, name: str, points: Collection[int], space: str) -> dict[int, Sequence[int]]:
        """Which columns points hold in a sparse space, by their ids (``UUID.int``); those without any are left out."""
        with self._inside(name) as collection:
            return collection.columns([point_text(point) for point in points], space) if points else {}

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
        check_filter(query_filter)
        if not 1 <= batch_size <= MAX_REACH:
            raise StoreError(f"Pages of {batch_size} points were asked for; give 1 to {MAX_REACH}.")
        cursor = Cursor()
        while True:
            with self._inside(name) as collection:
                page = collection.scroll(cursor, batch_size, query_filter, payload, vectors)
            if not page:
                return
            yield from page

    def count(self, name: str, query_filter: models.Filter | None = None) -> int:
        """Exactly how many points match."""
        check_filter(query_filter)
        with self._inside(name) as collection:
            return collection.count(query_filter)

    def facet(
        self, name: str, field: str, query_filter: models.Filter | None = None, limit: int = 10
    ) -> dict[str, int]:
        """How many points hold each value of an indexed field."""
        check_filter(query_filter)
        with self._inside(name) as collection:
            return collection.facet(field, query_filter, limit)

    def query(self, name: str, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """Answer the requests in one round, best first and equals by id."""
        with self._inside(name) as collection:
            return collection.query(requests)

    def nearest(self, name: str, questions: Sequence[Nearest]) -> list[list[Scored]]:
        """Answer the questions in one round, best first and equals by id."""
        with self._inside(name) as collection:
            return collection.nearest(questions)

    # -- care ------------------------------------------------------------------------------
    def optimize(self, name: str) -> None:
        """Build the engine's indexes now; what was written before in large amounts has them already."""
        with self._inside(name) as collection:
            collection.optimize()

    def disk_bytes(self, name: str) -> int | None:
        """Bytes on disk, holes of sparse files not counted."""
        return allocated(self._folder.collection(name))

    def forkable(self, names: Sequence[str]) -> bool:
        """Open these, and say whether the engine searches all in the asking thread, the only one that a fork copies."""
        if sys.platform != "linux":
            return False
        with self._guard:
            for name in names:
                self._collection(name).open()
            return not any(collection.threaded for collection in self._open.values())

    def forked(self) -> None:
        """Let this process, forked a moment ago, read what was open then."""
        self._process, self._may_open = os.getpid(), False
        for collection in self._open.values():
            collection.forked()

    def close(self) -> None:
        """Flush and let go; closing twice is harmless."""
        with self._guard:
            for name in list(self._open):
                self._close_shard(name)
            self._folder.release()

    @contextmanager
    def closed(self, corpus: str) -> Iterator[Path]:
        """The corpus's folder, held by this process and with all its files closed."""
        with self._guard:
            folder = self._folder.lock(corpus)
            self._close_corpus(corpus)
            yield folder

    # -- inside ----------------------------------------------------------------------------
    @contextmanager
    def _inside(self, name: str) -> Iterator[EdgeCollection]:
        """The collection, for this thread alone; what its engine refuses on the way is a ``StoreError``."""
        with self._guard, engine(name):
            yield self._collection(name)

    def _collection(self, name: str) -> EdgeCollection:
        if os.getpid() != self._process:
            raise StoreError(f"{self._folder.root} was opened before this process was forked; spawn it and open there.")
        if name not in self._open:
            if not self._may_open:
                raise StoreError(f"{name} was not open when this process was forked.")
            folder = self._folder.collection(name)
            if not folder.is_dir():
                raise StoreError(f"{self._folder.root} has no collection {name}; ingest the corpus first.")
            self._folder.lock(name.rsplit(".", 2)[0])
            self._open[name] = EdgeCollection.load(name, folder, self._part_points)
        return self._open[name]

    def _close_corpus(self, corpus: str) -> None:
        for name in [name for name in self._open if name.startswith(f"{corpus}.g")]:
            self._close_shard(name)

    def _close_shard(self, name: str) -> None:
        collection = self._open.pop(name, None)
        if collection is not None:
            collection.close()
