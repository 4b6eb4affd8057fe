"""Corpora as single Parquet files: all three shelves with their vectors, to be moved between stores."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from qdrant_client import models

from ingest.copying import dense_rows, multi_rows, sparse_rows
from ingest.corpus import create_shelves, drop_beginnings, open_corpus
from ingest.plan import batched
from schemas.errors import CorpusError, InputError, UsageError
from schemas.ids import document_point_id, passage_point_id, term_point_id
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from schemas.spaces import PointBatch, Shelf, Space, SpaceKind, VectorBatch
from stores.base import Store, collection_name
from stores.embedded import EdgeStore
from stores.opening import StoreLike, as_store

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
MANIFEST_KEY, COUNTS_KEY, FORMAT_KEY = b"xunyi.manifest", b"xunyi.counts", b"xunyi.format"
ROWS = 512
"""Points in a row group: what is in memory at once."""


class ExchangeReport(BaseModel):
    """What was written or read: points by shelf, and the size of the file.

    ``unfinished``: the corpus's last ingest was cut off. It is to be run again, here or where the file goes.
    """

    model_config = ConfigDict(frozen=True)

    corpus: str
    store: str
    file: str
    bytes: int
    points: dict[str, int]
    seconds: float
    unfinished: bool = False


def export_corpus(corpus: str, file: str | Path, *, store: StoreLike = None) -> ExchangeReport:
    """Write a corpus to a Parquet file, which appears under its name when it is whole.

    An unfinished corpus of an embedded store goes out as it is, to be finished elsewhere by the same ingest:
    that is how one gets away from a full disk. Of a server's none does, where that ingest may be under way.

    Raises ``CorpusNotFound``, ``CorpusError`` for a changing corpus and an unfinished one of a server, and
    ``UsageError`` for a file that cannot be written.
    """
    import pyarrow.parquet as pq

    started = time.perf_counter()
    path = Path(file)
    with ExitStack() as stack:
        opened, manifest = open_corpus(stack, corpus, store)
        # The end of an ingest is seen by the manifest, its middle is not; an embedded store has one owner.
        if not manifest.complete and not isinstance(opened, EdgeStore):
            raise CorpusError(f"The ingest of {corpus!r} is unfinished; run it again first, then export.")
        shelves = _shelves(manifest)
        counts = {str(shelf): opened.count(_collection(manifest, shelf)) for shelf in shelves}
        schema = _schema(manifest, counts)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        written = dict.fromkeys(counts, 0)
        try:
            with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer:
                for shelf, spaces in shelves.items():
                    records = opened.scroll(_collection(manifest, shelf), vectors=list(spaces))
                    for batch in batched(records, ROWS):
                        writer.write_table(_table(shelf, batch, manifest.spaces, schema))
                        written[str(shelf)] += len(batch)
            if written != counts or opened.read_manifest(corpus) != manifest:
                raise CorpusError(f"The corpus {corpus!r} changed during the export; run it again.")
            temporary.replace(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror or error}); name another file.") from error
        finally:
            temporary.unlink(missing_ok=True)
        return ExchangeReport(
            corpus=corpus,
            store=opened.location,
            file=str(path),
            bytes=path.stat().st_size,
            points=written,
            seconds=round(time.perf_counter() - started, 3),
            unfinished=not manifest.complete,
        )


def import_corpus(file: str | Path, *, name: str | None = None, store: StoreLike = None) -> ExchangeReport:
    """Make a corpus of an exported file, under its own name or as ``name``; its manifest is written last.

    Every point's id must be the one that its payload derives, every page's checksum must fit and every
    point must be there; under another name ids are derived anew. A run that fails removes what it made,
    and one that was killed leaves no corpus, and is made good by running it again.

    Raises ``InputError`` for a file that is no export or is damaged, and ``CorpusError`` where a corpus
    of that name stands.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    started = time.perf_counter()
    path = Path(file)
    if name is not None:
        check_corpus_name(name)
    try:
        source = pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, ArrowException) as error:
        raise InputError(f"{path} is no Parquet file that can be read; give one made by `xunyi export`.") from error
    with source, as_store(store) as opened:
        original, counts = _described(path, source.schema_arrow.metadata or {})
        manifest = original.alone.model_copy(update={"corpus": name or original.corpus, "generation": 1})
        if opened.read_manifest(manifest.corpus) is not None:
            raise CorpusError(
                f"{opened.location} has a corpus {manifest.corpus!r} already; delete it, or import with --as-corpus."
            )
        try:
            held = _fill(opened, source, original, manifest, path)
            if held != counts:
                raise InputError(f"{path} does not hold all points of its corpus; export the corpus again.")
            for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
                opened.optimize(_collection(manifest, shelf))
            opened.write_manifest(manifest)
        except BaseException:
            drop_beginnings(opened, manifest)
            raise
        return ExchangeReport(
            corpus=manifest.corpus,
            store=opened.location,
            file=str(path),
            bytes=path.stat().st_size,
            points=held,
            seconds=round(time.perf_counter() - started, 3),
            unfinished=not manifest.complete,
        )


def _fill(store: Store, source: Any, original: CorpusManifest, manifest: CorpusManifest, path: Path) -> dict[str, int]:
    """Make the shelves and write all points; gives how many each shelf holds then."""
    from pyarrow import ArrowException

    shelves = _shelves(manifest)
    _prepare(store, manifest, shelves)
    try:
        for shelf, batch in _batches(source, original, manifest, path):
            store.upsert(_collection(manifest, shelf), batch)
    except (OSError, ArrowException) as error:
        raise InputError(f"{path} is damaged ({_short(error)}); export the corpus again.") from error
    return {str(shelf): store.count(_collection(manifest, shelf)) for shelf in shelves}


def _collection(manifest: CorpusManifest, shelf: Shelf) -> str:
    return collection_name(manifest.corpus, manifest.generation, shelf)


def _shelves(manifest: CorpusManifest) -> dict[Shelf, list[str]]:
    """The shelves that a corpus has, and the spaces of each."""
    names = list(manifest.spaces)
    shelves = {
        Shelf.PASSAGES: names,
        Shelf.DOCUMENTS: [space.name for space in manifest.document_spaces],
    }
    if "tfidf" in names or "word2vec" in names:
        shelves[Shelf.TERMS] = [space.name for space in manifest.term_spaces]
    return shelves


def _prepare(store: Store, manifest: CorpusManifest, shelves: Mapping[Shelf, list[str]]) -> None:
    # Without a manifest whatever stands under these names is the rest of a run that was cut off.
    for shelf in Shelf:
        store.drop_collection(_collection(manifest, shelf))
    create_shelves(store, manifest)
    if Shelf.TERMS in shelves:
        terms = [manifest.spaces[name] for name in shelves[Shelf.TERMS]]
        store.create_collection(_collection(manifest, Shelf.TERMS), terms, manifest.term_storage)


def _schema(manifest: CorpusManifest, counts: Mapping[str, int]) -> pa.Schema:
    import pyarrow as pa

    fields = [pa.field("shelf", pa.string()), pa.field("id", pa.string()), pa.field("payload", pa.string())]
    for name, space in manifest.spaces.items():
        if space.kind is SpaceKind.SPARSE:
            fields.append(pa.field(f"vector.{name}.indices", pa.list_(pa.uint32())))
            fields.append(pa.field(f"vector.{name}.values", pa.list_(pa.float32())))
        elif space.kind is SpaceKind.MULTI:
            fields.append(pa.field(f"vector.{name}", pa.list_(pa.list_(pa.float32()))))
        else:
            fields.append(pa.field(f"vector.{name}", pa.list_(pa.float32())))
    metadata = {
        FORMAT_KEY: str(FORMAT),
        MANIFEST_KEY: manifest.model_dump_json(),
        COUNTS_KEY: json.dumps(counts),
    }
    return pa.schema(fields, metadata=metadata)


def _table(shelf: Shelf, records: list[models.Record], spaces: Mapping[str, Space], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "shelf": [str(shelf)] * len(records),
        "id": [str(record.id) for record in records],
        "payload": [json.dumps(record.payload or {}, ensure_ascii=False) for record in records],
    }
    for name, space in spaces.items():
        found: list[Any] = [r.vector.get(name) if isinstance(r.vector, dict) else None for r in records]
        if space.kind is SpaceKind.SPARSE:
            columns[f"vector.{name}.indices"] = [None if value is None else value.indices for value in found]
            columns[f"vector.{name}.values"] = [None if value is None else value.values for value in found]
        else:
            columns[f"vector.{name}"] = found
    return pa.table(columns, schema=schema)


def _described(path: Path, metadata: Mapping[bytes, bytes]) -> tuple[CorpusManifest, dict[str, int]]:
    if MANIFEST_KEY not in metadata or COUNTS_KEY not in metadata:
        raise InputError(f"{path} was not made by `xunyi export`; read it with `xunyi ingest` as a table.")
    if metadata.get(FORMAT_KEY) != str(FORMAT).encode():
        raise InputError(f"{path} is of a later format than {FORMAT}; import it with a newer version.")
    try:
        manifest = CorpusManifest.model_validate_json(metadata[MANIFEST_KEY])
        counts = {str(Shelf(shelf)): int(count) for shelf, count in json.loads(metadata[COUNTS_KEY]).items()}
        check_corpus_name(manifest.corpus)
    except (ValidationError, ValueError, AttributeError, TypeError, UsageError) as error:
        raise InputError(f"{path} does not say what corpus it holds; export the corpus again.") from error
    return manifest, counts


def _batches(
    source: Any, original: CorpusManifest, manifest: CorpusManifest, path: Path
) -> Iterator[tuple[Shelf, PointBatch]]:
    """The points of each row group, one shelf at a time, ids checked and derived for the corpus's name."""
    shelves = _shelves(manifest)
    for table in source.iter_batches(batch_size=ROWS):
        columns = table.to_pydict()
        try:
            rows_by_shelf: dict[Shelf, list[int]] = {}
            for row, shelf in enumerate(columns["shelf"]):
                rows_by_shelf.setdefault(Shelf(shelf), []).append(row)
            for shelf, rows in rows_by_shelf.items():
                payloads = [json.loads(columns["payload"][row]) for row in rows]
                for row, payload in zip(rows, payloads, strict=True):
                    if columns["id"][row] != _derived_id(original.corpus, shelf, payload):
                        raise ValueError(f"the id of {columns['id'][row]}")
                ids = [_derived_id(manifest.corpus, shelf, payload) for payload in payloads]
                vectors = {name: _column(columns, rows, manifest.spaces[name]) for name in shelves[shelf]}
                yield shelf, PointBatch(ids, payloads, vectors)
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"{path} is damaged ({_short(error)}); export the corpus again.") from error


def _column(columns: Mapping[str, list[Any]], rows: list[int], space: Space) -> VectorBatch:
    if space.kind is SpaceKind.SPARSE:
        indices, values = columns[f"vector.{space.name}.indices"], columns[f"vector.{space.name}.values"]
        return sparse_rows([None if indices[row] is None else (indices[row], values[row]) for row in rows])
    found = [columns[f"vector.{space.name}"][row] for row in rows]
    if space.kind is SpaceKind.MULTI:
        return multi_rows(found, space.dim or 0)
    return np.asarray(dense_rows(found, space.dim or 0))


def _derived_id(corpus: str, shelf: Shelf, payload: Mapping[str, Any]) -> str:
    if shelf is Shelf.PASSAGES:
        return passage_point_id(corpus, str(payload["document_id"]), int(payload["position"]))
    if shelf is Shelf.DOCUMENTS:
        return document_point_id(corpus, str(payload["document_id"]))
    return term_point_id(corpus, str(payload["term"]))


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
