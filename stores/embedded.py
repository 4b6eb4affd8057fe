"""The embedded store: Qdrant Edge, one folder a store, nothing to start.

Layout, all of it below the store's folder::

    xunyi-store.json            marks the folder as ours
    CORPUS/manifest.json        the corpus's manifest, replaced in one step
    CORPUS/lock                 held by the process that has the corpus open
    CORPUS/g1.passages/shard/   a collection: the engine's own files
    CORPUS/g1.passages/collection.json  its spaces and payload indexes
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import qdrant_edge as edge
from pydantic import BaseModel, ValidationError
from qdrant_client import models

from schemas.errors import InvalidPoint, StoreDamaged, StoreError, StoreLocked, XunyiError
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from schemas.spaces import PointBatch, Space
from stores import edge_translation as translate
from stores.base import PayloadIndexType, rows_without
from stores.checks import check_batch, check_filter, check_id, check_names, check_payload, check_request
from stores.files import is_unfinished, leftovers, remove, replace_text, sync_folder
from stores.locking import FolderLock
from stores.ties import MARGIN, by_score, cut

MARK = "xunyi-store.json"
UPSERT_POINTS = 2000
"""Points handed to the engine in one operation; each operation is written to its log whole."""

_SCHEMAS = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "bool": edge.PayloadSchemaType.Bool,
    "datetime": edge.PayloadSchemaType.Datetime,
}


M = TypeVar("M", bound=BaseModel)


class _Collection:
    """An open shard with what we know of it."""

    def __init__(self, shard: edge.EdgeShard, spaces: dict[str, Space], indexes: dict[str, str]) -> None:
        self.shard = shard
        self.spaces = spaces
        self.indexes = indexes


class EdgeStore:
    """Corpora in a folder. A corpus is locked for this process when it is first touched, until ``close``."""

    def __init__(self, folder: Path, *, lock_wait: float = 10.0) -> None:
        self._root = folder
        self._lock_wait = lock_wait
        self._open: dict[str, _Collection] = {}
        self._locks: dict[str, FolderLock] = {}
        self._guard = threading.RLock()
        self._process = os.getpid()
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder} is a file, not a folder; give --store a folder or a URL.")
        if (
            folder.is_dir()
            and not (folder / MARK).exists()
            and any(not is_unfinished(path) for path in folder.iterdir())
        ):
            raise StoreError(f"{folder} holds other files and no corpora; give --store a folder of its own.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._root)

    # -- corpora ---------------------------------------------------------------------------
    def list_corpora(self) -> list[str]:
        """The names of all corpora that have a manifest, sorted."""
        return sorted(path.parent.name for path in self._root.glob("*/manifest.json"))

    def read_manifest(self, corpus: str) -> CorpusManifest | None:
        """The current manifest; needs no lock, since it is replaced in one step."""
        path = self._corpus_folder(corpus) / "manifest.json"
        try:
            return CorpusManifest.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, ValueError) as error:
            raise StoreDamaged(
                f"{path} is no manifest of a corpus; bring it back from a copy, or ingest anew."
            ) from error

    def write_manifest(self, manifest: CorpusManifest) -> None:
        """Make the manifest the corpus's current one, in one atomic step."""
        self._lock(manifest.corpus)
        with _files(self._root):
            replace_text(self._corpus_folder(manifest.corpus) / "manifest.json", manifest.model_dump_json(indent=2))

    def delete_corpus(self, corpus: str) -> None:
        """Remove the corpus: its manifest first, then its collections."""
        with self._guard:
            folder = self._corpus_folder(corpus)
            if not folder.is_dir():
                return
            self._lock(corpus)
            (folder / "manifest.json").unlink(missing_ok=True)
            sync_folder(folder)
            for name in [name for name in self._open if name.startswith(f"{corpus}.g")]:
                self._close_shard(name)
            lock = self._locks.pop(corpus)
            try:
                # The lock's own file goes last, so that nobody finds half a corpus unlocked.
                for path in folder.iterdir():
                    if path.name != "lock":
                        remove(path)
                (folder / "lock").unlink(missing_ok=True)
            finally:
                lock.release()
            with suppress(OSError):  # somebody waited for the lock and makes the corpus anew
                folder.rmdir()

    # -- collections -----------------------------------------------------------------------
    def create_collection(self, name: str, spaces: Sequence[Space]) -> None:
        """Create an empty collection; nothing happens where it stands already with these spaces."""
        with self._guard:
            folder = self._collection_folder(name)
            wanted = {space.name: space for space in spaces}
            if folder.is_dir():
                standing = self._collection(name).spaces
                if standing != wanted:
                    raise StoreError(
                        f"The collection {name} stands with the spaces {', '.join(standing) or 'none'}, not "
                        f"{', '.join(wanted) or 'none'}; drop it first."
                    )
                return
            self._lock(name.rsplit(".", 2)[0])
            # Made under another name first: a folder under its own name is always whole.
            making = folder.with_name(f".making-{folder.name}")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            with _engine(name):
                edge.EdgeShard.create(str(making / "shard"), translate.config_of(spaces, _threads())).close()
            self._write_description(making, wanted, {})
            making.rename(folder)
            sync_folder(folder.parent)

    def collection_exists(self, name: str) -> bool:
        """Whether the collection stands."""
        return self._collection_folder(name).is_dir()

    def list_collections(self) -> list[str]:
        """All collections, sorted."""
        return sorted(
            f"{path.parent.parent.name}.{path.parent.name}" for path in self._root.glob("*/g*/collection.json")
        )

    def drop_collection(self, name: str) -> None:
        """Remove the collection if it stands."""
        with self._guard:
            folder = self._collection_folder(name)
            if not folder.is_dir():
                return
            self._lock(name.rsplit(".", 2)[0])
            self._close_shard(name)
            # Renamed first: a crash between must not leave half a collection under its own name.
            going = folder.with_name(f".going-{folder.name}")
            shutil.rmtree(going, ignore_errors=True)
            folder.rename(going)
            shutil.rmtree(going)

    def create_payload_index(self, name: str, field: str, kind: PayloadIndexType) -> None:
        """Index a payload field; nothing happens where it is indexed already so."""
        with self._guard:
            collection = self._collection(name)
            if collection.indexes.get(field) == kind:
                return
            schema: Any = _SCHEMAS.get(kind)
            if kind == "text":
                schema = edge.TextIndexParams(tokenizer=edge.TokenizerType.Multilingual, lowercase=True)
            with _engine(name):
                collection.shard.update(edge.UpdateOperation.create_field_index(field, schema))
                collection.shard.flush()
            collection.indexes[field] = kind
            self._write_description(self._collection_folder(name), collection.spaces, collection.indexes)

    # -- points ----------------------------------------------------------------------------
    def upsert(self, name: str, batch: PointBatch) -> None:
        """Write points whole, durable when this returns."""
        with self._guard:
            collection = self._collection(name)
            check_batch(batch, collection.spaces)
            with _engine(name):
                for start in range(0, len(batch), UPSERT_POINTS):
                    rows = range(start, min(start + UPSERT_POINTS, len(batch)))
                    collection.shard.update(edge.UpdateOperation.upsert_points(translate.points_of(batch, rows)))
                collection.shard.flush()

    def update_vectors(self, name: str, batch: PointBatch) -> None:
        """Write the batch's spaces of points that stand; the rest of them stays."""
        with self._guard:
            collection = self._collection(name)
            check_batch(batch, collection.spaces, payloads=False)
            with _engine(name):
                present = {str(r.id) for r in collection.shard.retrieve(list(batch.ids), False, False)}
                vectors = [
                    edge.PointVectors(batch.ids[row], found)
                    for row in range(len(batch))
                    if batch.ids[row] in present and (found := translate.vectors_of(batch, row))
                ]
                for start in range(0, len(vectors), UPSERT_POINTS):
                    collection.shard.update(edge.UpdateOperation.update_vectors(vectors[start : start + UPSERT_POINTS]))
                for space, left_out in rows_without(batch).items():
                    gone: list[Any] = [batch.ids[row] for row in left_out if batch.ids[row] in present]
                    if gone:
                        collection.shard.update(edge.UpdateOperation.delete_vectors(gone, [space]))
                collection.shard.flush()

    def set_payload(self, name: str, payload: Mapping[str, Any], ids: Sequence[str]) -> None:
        """Set these payload keys on the points, leaving other keys."""
        check_payload(payload, "the update")
        for point in ids:
            check_id(point)
        if not ids:
            return
        with self._guard, _engine(name):
            shard = self._collection(name).shard
            shard.update(edge.UpdateOperation.set_payload(list(ids), dict(payload)))
            shard.flush()

    def delete(self, name: str, points: Sequence[str] | models.Filter) -> None:
        """Remove points by id or by filter."""
        with self._guard:
            shard = self._collection(name).shard
            if isinstance(points, models.Filter):
                check_filter(points)
                operation = edge.UpdateOperation.delete_points_by_filter(translate.filter_of(points) or edge.Filter())
            else:
                for point in points:
                    check_id(point)
                operation = edge.UpdateOperation.delete_points(list(points))
            with _engine(name):
                shard.update(operation)
                shard.flush()

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
        with self._guard, _engine(name):
            if not isinstance(vectors, bool):
                check_names(vectors, self._collection(name).spaces)
            found = self._collection(name).shard.retrieve(list(dict.fromkeys(ids)), _which(payload), _which(vectors))
        by_id = {str(record.id): _record(record) for record in found}
        return [by_id[point] for point in ids if point in by_id]

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
        if batch_size < 1:
            raise StoreError(f"Pages of {batch_size} points were asked for; give 1 or more.")
        offset = None
        while True:
            request = edge.ScrollRequest(
                offset=offset,
                limit=batch_size,
                filter=translate.filter_of(query_filter),
                with_payload=_which(payload),
                with_vector=_which(vectors),
            )
            with self._guard, _engine(name):
                records, offset = self._collection(name).shard.scroll(request)
            yield from map(_record, records)
            if offset is None:
                return

    def count(self, name: str, query_filter: models.Filter | None = None) -> int:
        """Exactly how many points match."""
        check_filter(query_filter)
        with self._guard, _engine(name):
            request = edge.CountRequest(exact=True, filter=translate.filter_of(query_filter))
            return int(self._collection(name).shard.count(request))

    def facet(
        self, name: str, field: str, query_filter: models.Filter | None = None, limit: int = 10
    ) -> dict[str, int]:
        """How many points hold each value of an indexed field."""
        check_filter(query_filter)
        with self._guard, _engine(name):
            request = edge.FacetRequest(field, limit=limit, exact=True, filter=translate.filter_of(query_filter))
            return {str(hit.value): int(hit.count) for hit in self._collection(name).shard.facet(request).hits}

    # -- questions -------------------------------------------------------------------------
    def query(self, name: str, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """Answer the requests in one round, best first and equals by id."""
        with self._guard:
            collection = self._collection(name)
            for request in requests:
                self._check_request(collection, request)
            asked = [(request.offset or 0) + (request.limit or 10) + MARGIN for request in requests]
            with _engine(name):
                batch = [_request(request, depth) for request, depth in zip(requests, asked, strict=True)]
                answers = collection.shard.query_batch(edge.QueryBatchRequest(batch)) if batch else []
                results = []
                for request, depth, points in zip(requests, asked, answers, strict=True):

                    def ask(more: int, request: models.QueryRequest = request) -> list[models.ScoredPoint]:
                        return [_scored(point) for point in collection.shard.query(_request(request, more))]

                    offset, limit = request.offset or 0, request.limit or 10
                    found = [_scored(point) for point in points]
                    ranked = by_score(request.query)
                    results.append(cut(ask, found, depth, offset, limit) if ranked else found[offset : offset + limit])
                return results

    def _check_request(self, collection: _Collection, request: models.QueryRequest) -> None:
        check_request(request, collection.spaces)
        if isinstance(getattr(request.query, "nearest", request.query), str | int | UUID):
            raise StoreError("Ask with a point's vector, which retrieve gives, instead of its id.")

    # -- care ------------------------------------------------------------------------------
    def optimize(self, name: str) -> None:
        """Build the engine's indexes now."""
        with self._guard, _engine(name):
            shard = self._collection(name).shard
            shard.optimize()
            shard.flush()

    def disk_bytes(self, name: str) -> int | None:
        """Bytes on disk, holes of sparse files not counted."""
        files = (path for path in self._collection_folder(name).rglob("*") if path.is_file())
        return sum(path.stat().st_blocks * 512 for path in files)

    def close(self) -> None:
        """Flush and let go; closing twice is harmless."""
        with self._guard:
            for name in list(self._open):
                self._close_shard(name)
            for lock in self._locks.values():
                lock.release()
            self._locks.clear()

    # -- inside ----------------------------------------------------------------------------
    def _corpus_folder(self, corpus: str) -> Path:
        return self._root / check_corpus_name(corpus)

    def _collection_folder(self, name: str) -> Path:
        corpus, generation, shelf = [*name.rsplit(".", 2), "", ""][:3]
        if not generation or not shelf:
            raise StoreError(f"{name!r} is no collection's name; it is CORPUS.gN.SHELF.")
        return self._corpus_folder(corpus) / f"{generation}.{shelf}"

    def _lock(self, corpus: str) -> None:
        with self._guard:
            if corpus in self._locks:
                return
            folder = self._corpus_folder(corpus)
            # Marked first: a crash must not leave corpora in a folder that then counts as somebody else's.
            if not (self._root / MARK).exists():
                with _files(self._root):
                    replace_text(self._root / MARK, json.dumps({"format": 1}))
            lock = FolderLock(folder / "lock", self._lock_wait)
            with _files(self._root):
                lock.acquire()
            self._locks[corpus] = lock
            for left in leftovers(folder):
                remove(left)

    def _collection(self, name: str) -> _Collection:
        if os.getpid() != self._process:
            raise StoreError(f"{self._root} was opened before this process was forked; spawn it and open there.")
        if name in self._open:
            return self._open[name]
        folder = self._collection_folder(name)
        if not folder.is_dir():
            raise StoreError(f"{self._root} has no collection {name}; ingest the corpus first.")
        self._lock(name.rsplit(".", 2)[0])
        try:
            described = json.loads((folder / "collection.json").read_text(encoding="utf-8"))
            indexes = dict(described["indexes"])
            spaces = {space["name"]: Space.model_validate(space) for space in described["spaces"]}
            indexes = {str(field): str(kind) for field, kind in described["indexes"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreDamaged(f"{folder} does not say what it holds; remove it and ingest again.") from error
        with _engine(name, opening=folder):
            shard = edge.EdgeShard.load(str(folder / "shard"), translate.config_of(list(spaces.values()), _threads()))
        self._open[name] = _Collection(shard, spaces, indexes)
        return self._open[name]

    def _close_shard(self, name: str) -> None:
        collection = self._open.pop(name, None)
        if collection is not None:
            with _engine(name):
                collection.shard.flush()
                collection.shard.close()

    @staticmethod
    def _write_description(folder: Path, spaces: Mapping[str, Space], indexes: Mapping[str, str]) -> None:
        described = {"spaces": [space.model_dump(mode="json") for space in spaces.values()], "indexes": dict(indexes)}
        replace_text(folder / "collection.json", json.dumps(described, ensure_ascii=False))


def _threads() -> int:
    return min(4, os.cpu_count() or 1)


def _which(selection: Any) -> Any:
    return selection if isinstance(selection, bool) else list(selection)


def _request(request: models.QueryRequest, depth: int) -> edge.QueryRequest:
    return edge.QueryRequest(
        limit=depth,
        offset=0,
        query=translate.query_of(request.query, request.using) if request.query is not None else None,
        prefetches=translate.prefetches_of(request.prefetch),
        with_vector=_which(request.with_vector or False),
        with_payload=_which(request.with_payload or False),
        filter=translate.filter_of(request.filter),
        score_threshold=request.score_threshold,
        params=translate.params_of(request.params),
    )


def _record(found: Any) -> models.Record:
    return _built(
        models.Record,
        {
            "id": str(found.id),
            "payload": found.payload,
            "vector": translate.vector_result(found.vector),
            "shard_key": None,
            "order_value": None,
        },
    )


def _scored(found: Any) -> models.ScoredPoint:
    return _built(
        models.ScoredPoint,
        {
            "id": str(found.id),
            "version": found.version,
            "score": found.score,
            "payload": found.payload,
            "vector": translate.vector_result(found.vector),
            "shard_key": None,
            "order_value": None,
        },
    )


def _built(kind: type[M], values: dict[str, Any]) -> M:
    """A model of values that need no check. Pydantic's own way costs ten times the search that it reports."""
    made = kind.__new__(kind)
    for slot, value in (
        ("__dict__", values),
        ("__pydantic_fields_set__", values.keys()),
        ("__pydantic_extra__", None),
        ("__pydantic_private__", None),
    ):
        object.__setattr__(made, slot, value)
    return made


@contextmanager
def _files(folder: Path) -> Iterator[None]:
    """The system's own words about files as ours."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        where = error.filename or folder
        raise StoreError(f"{where}: {why}; free the disk, mend the permissions or give another --store.") from error


@contextmanager
def _engine(name: str, opening: Path | None = None) -> Iterator[None]:
    """The engine's own exceptions as ours; a panic is a ``BaseException`` there."""
    try:
        yield
    except (XunyiError, KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit):
        raise
    except BaseException as error:
        text = " ".join(str(error).split())[:300]
        if "WouldBlock" in text:
            raise StoreLocked(f"The collection {name} is in use by another process; wait for it to end.") from error
        if "No space left" in text or "StorageFull" in text:
            raise StoreError(f"The disk is full; free some and run the same command again ({name}).") from error
        if opening is not None:
            raise StoreDamaged(f"{opening} cannot be opened: {text}; remove the corpus and ingest again.") from error
        if isinstance(error, ValueError | TypeError):
            raise InvalidPoint(f"The engine refused a value for {name}: {text}.") from error
        raise StoreError(f"The engine failed on {name}: {text}.") from error
