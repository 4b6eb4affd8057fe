"""Points as rows of an exported file and back: its columns, and what a row must hold to be a point of the corpus."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qdrant_client import models
from scipy.sparse import csr_array

from ingest.exchange_seals import RowDigest
from ingest.payload_shapes import check_shape
from ingest.slices import MULTI_BATCH
from schemas.ids import document_point_id, passage_point_id, term_point_id
from schemas.manifest import CorpusManifest
from schemas.spaces import PointBatch, Shelf, Space, SpaceKind, VectorBatch
from stores.checks import check_payload

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 512
"""Points in a row group: what is in memory at once."""

MAX_DIM = 65_536
"""Dimensions that an engine takes."""


def shelves_of(manifest: CorpusManifest) -> dict[Shelf, list[str]]:
    """The shelves that a corpus has, and the spaces of each."""
    names = list(manifest.spaces)
    shelves = {
        Shelf.PASSAGES: names,
        Shelf.DOCUMENTS: [space.name for space in manifest.document_spaces],
    }
    if "tfidf" in names or "word2vec" in names:
        shelves[Shelf.TERMS] = [space.name for space in manifest.term_spaces]
    return shelves


def rows_at_once(spaces: Iterable[Space]) -> int:
    """Points held together where they have vectors in ``spaces``: fewer where one has a vector for each token."""
    return MULTI_BATCH if any(space.kind is SpaceKind.MULTI for space in spaces) else ROWS


def columns_of(spaces: Iterable[Space]) -> list[pa.Field]:
    """The columns of a file, in their order."""
    import pyarrow as pa

    fields = [pa.field("shelf", pa.string()), pa.field("id", pa.string()), pa.field("payload", pa.string())]
    for space in spaces:
        if space.kind is SpaceKind.SPARSE:
            fields.append(pa.field(f"vector.{space.name}.indices", pa.list_(pa.uint32())))
            fields.append(pa.field(f"vector.{space.name}.values", pa.list_(pa.float32())))
        elif space.kind is SpaceKind.MULTI:
            fields.append(pa.field(f"vector.{space.name}", pa.list_(pa.list_(pa.float32()))))
        else:
            fields.append(pa.field(f"vector.{space.name}", pa.list_(pa.float32())))
    return fields


def table_of(shelf: Shelf, records: list[models.Record], spaces: Mapping[str, Space], schema: pa.Schema) -> pa.Table:
    """One shelf's points as rows."""
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


def check_columns(schema: pa.Schema, spaces: Mapping[str, Space]) -> None:
    """Raise ``ValueError`` where the columns are not those of the spaces that the manifest names."""
    for name, space in spaces.items():
        dim = space.dim or 0
        if space.name != name or (0 < dim <= MAX_DIM) == (space.kind is SpaceKind.SPARSE):
            raise ValueError(f"its manifest has a space {name!r} that no corpus can have")
    wanted = {field.name: field.type for field in columns_of(spaces.values())}
    odd = [name for name in wanted if schema.names.count(name) != 1 or schema.field(name).type != wanted[name]]
    odd += [name for name in schema.names if name not in wanted]
    if odd:
        raise ValueError(f"the column {odd[0]} does not go with the spaces of its manifest")


def points_of(
    source: Any, original: CorpusManifest, manifest: CorpusManifest, digest: RowDigest
) -> Iterator[tuple[Shelf, PointBatch]]:
    """The points of a ``ParquetFile``, one shelf at a time, ids checked and derived for the name in ``manifest``.

    ``digest`` takes in the rows. Raises what a spoilt file makes the libraries raise, and ``ValueError`` or
    ``InvalidPoint`` for a row that cannot be a point of the corpus.
    """
    import pyarrow as pa

    shelves = shelves_of(manifest)
    for group in range(source.num_row_groups):
        there = {_shelf(name) for name in source.read_row_group(group, columns=["shelf"]).column("shelf").to_pylist()}
        size = min((rows_at_once(manifest.spaces[name] for name in shelves.get(s, [])) for s in there), default=ROWS)
        for batch in source.iter_batches(batch_size=size, row_groups=[group]):
            digest.add(batch)
            rows_by_shelf: dict[Shelf, list[int]] = {}
            for row, shelf in enumerate(batch.column("shelf").to_pylist()):
                rows_by_shelf.setdefault(_shelf(shelf), []).append(row)
            for shelf, rows in rows_by_shelf.items():
                if shelf not in shelves:
                    raise ValueError(f"the corpus has no {shelf}")
                part = batch if len(rows) == len(batch) else batch.take(pa.array(rows))
                yield shelf, _points(part, shelf, shelves[shelf], original.corpus, manifest)


def _points(
    part: pa.RecordBatch, shelf: Shelf, spaces: Sequence[str], original: str, manifest: CorpusManifest
) -> PointBatch:
    said, texts = part.column("id").to_pylist(), part.column("payload").to_pylist()
    payloads = [_payload(shelf, text, str(point), manifest) for text, point in zip(texts, said, strict=True)]
    for point, payload in zip(said, payloads, strict=True):
        if point != _derived_id(original, shelf, payload):
            raise ValueError(f"the id {point} is not that of its payload")
    ids = [_derived_id(manifest.corpus, shelf, payload) for payload in payloads]
    vectors: dict[str, VectorBatch] = {}
    for name, space in manifest.spaces.items():
        if name in spaces:
            vectors[name] = _vectors(part, space, manifest.fit.features if name == "tfidf" else None)
        elif any(part.column(field.name).null_count < len(part) for field in columns_of([space])[3:]):
            raise ValueError(f"the {shelf} have vectors in the space {name!r}, which is not theirs")
    return PointBatch(ids, payloads, vectors)


def _shelf(name: str | None) -> Shelf:
    try:
        return Shelf(name or "")
    except ValueError:
        raise ValueError(f"there is no shelf {name!r}") from None


def _payload(shelf: Shelf, text: str | None, point: str, manifest: CorpusManifest) -> dict[str, Any]:
    where = f"point {point}"
    try:
        payload = json.loads(text or "")
    except (ValueError, RecursionError):
        raise ValueError(f"the payload of {where} is no JSON that can be read") from None
    check_payload(payload, where)
    check_shape(shelf, payload, where)
    index = payload["index"] if shelf is Shelf.TERMS else None
    if index is not None and index >= manifest.fit.features:
        raise ValueError(f"the index of {where} is beyond the {manifest.fit.features:,} terms")
    return dict(payload)


def _derived_id(corpus: str, shelf: Shelf, payload: Mapping[str, Any]) -> str:
    if shelf is Shelf.PASSAGES:
        return passage_point_id(corpus, payload["document_id"], payload["position"])
    if shelf is Shelf.DOCUMENTS:
        return document_point_id(corpus, payload["document_id"])
    return term_point_id(corpus, payload["term"])


def _vectors(part: pa.RecordBatch, space: Space, width: int | None) -> VectorBatch:
    """The rows' vectors in one space, as stores take them; ``width`` is how many indices a sparse one has."""
    column = f"vector.{space.name}"
    if space.kind is SpaceKind.SPARSE:
        return _sparse(part.column(f"{column}.indices"), part.column(f"{column}.values"), space, width)
    lists = part.column(column)
    lengths = _lengths(lists)
    if space.kind is SpaceKind.MULTI:
        tokens = _matrix(lists.flatten(), space)
        return np.split(tokens, np.cumsum(lengths)[:-1])
    matrix = np.zeros((len(part), space.dim or 0), dtype=np.float32)
    # A row may have no vector, but not an empty one.
    matrix[lists.is_valid().to_numpy(zero_copy_only=False)] = _matrix(lists.drop_null(), space)
    return matrix


def _matrix(lists: pa.ListArray, space: Space) -> np.ndarray[Any, Any]:
    dim = space.dim or 0
    if lists.null_count or (_lengths(lists) != dim).any():
        raise ValueError(f"a vector in the space {space.name!r} has not the {dim} dimensions of its space")
    return _numbers(lists, space).reshape(-1, dim)


def _sparse(indices: pa.ListArray, values: pa.ListArray, space: Space, width: int | None) -> csr_array:
    lengths = _lengths(indices)
    if (lengths != _lengths(values)).any() or not indices.is_valid().equals(values.is_valid()):
        raise ValueError(f"a vector in the space {space.name!r} has not as many values as indices")
    columns = _numbers(indices, space).astype(np.int64)
    beyond = int(columns.max()) + 1 if len(columns) else 1
    if width is not None and len(columns) and beyond > width:
        raise ValueError(f"a vector in the space {space.name!r} has an index beyond the {width:,} terms")
    ends = np.concatenate([[0], np.cumsum(lengths)])
    # A copy, since sorting goes on in place.
    rows = csr_array((_numbers(values, space).copy(), columns, ends), shape=(len(indices), beyond))
    rows.sort_indices()
    return rows


def _lengths(lists: pa.ListArray) -> np.ndarray[Any, Any]:
    """How many items each row has; 0 where it has no list."""
    from pyarrow import compute

    return np.asarray(compute.fill_null(compute.list_value_length(lists), 0), dtype=np.int64)


def _numbers(lists: pa.ListArray, space: Space) -> np.ndarray[Any, Any]:
    """The rows' numbers one after another, where Arrow has them."""
    flat = lists.flatten()
    if flat.null_count:
        raise ValueError(f"a vector in the space {space.name!r} lacks a number")
    return np.asarray(flat.to_numpy(zero_copy_only=False))
