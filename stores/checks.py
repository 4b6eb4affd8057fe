"""What no store is ever handed: the embedded engine trusts its caller, and some of these damage it for good."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError
from qdrant_client import models

from schemas.errors import InvalidPoint, StoreError
from schemas.manifest import CorpusManifest
from schemas.spaces import PointBatch, Space, SpaceKind, VectorBatch
from schemas.storage import StorageSettings
from schemas.surrogates import is_torn
from stores.nearest import Nearest

MAX_REACH = 2**31 - 1
"""The largest limit or offset of a request."""

MAX_DEPTH = 32
"""Levels of nesting in a payload or a filter; the engine crashes the process at some depth beyond 64."""

_MAX_INDEX = 2**32 - 1
_MAX_FLOAT = float(np.finfo(np.float32).max)
_MAX_HALF = float(np.finfo(np.float16).max)
_MAX_INTEGER = 2**63


def check_batch(
    batch: PointBatch, spaces: Mapping[str, Space], storage: StorageSettings, *, payloads: bool = True
) -> None:
    """Refuse the whole batch if any point of it must not be written.

    Raises ``InvalidPoint`` naming the point and what is wrong: an id that is no UUID, an unknown
    space, a wrong dimension, NaN or infinity, sparse indices out of order, twice or out of range,
    ragged multi-vectors, a payload that is not JSON or nested deeper than ``MAX_DEPTH``.
    """
    for point in batch.ids:
        check_id(point)
    check_names(batch.vectors, spaces)
    for name, vectors in batch.vectors.items():
        half = storage.datatype == "float16" and spaces[name].kind is not SpaceKind.SPARSE
        _check_vectors(batch, spaces[name], vectors, _MAX_HALF if half else _MAX_FLOAT)
    if payloads:
        if len(batch.payloads) != len(batch.ids):
            raise InvalidPoint(f"{len(batch.payloads)} payloads came for {len(batch.ids)} points; give one each.")
        for point, payload in zip(batch.ids, batch.payloads, strict=True):
            check_payload(payload, f"point {point}")


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def require_same_spaces(name: str, standing: Mapping[str, Space], wanted: Mapping[str, Space]) -> None:
    """Refuse to make a collection anew where it stands with other spaces."""
    if dict(standing) != dict(wanted):
        raise StoreError(
            f"The collection {name} stands with the spaces {', '.join(standing) or 'none'}, not "
            f"{', '.join(wanted) or 'none'}; drop it first."
        )


def manifest_text(manifest: CorpusManifest) -> str:
    """The manifest as it is written; raises ``StoreError`` for one that could not be read again."""
    text = manifest.model_dump_json(indent=2)
    try:
        CorpusManifest.model_validate_json(text)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise StoreError(f"The manifest of {manifest.corpus!r} would not be readable: {place} is wrong.") from error
    return text


def check_id(point: str) -> None:
    """Refuse an id that is not a UUID in its usual spelling: stores give it back in that one only."""
    if not isinstance(point, str) or _UUID.fullmatch(point) is None:
        raise InvalidPoint(f"{point!r} is no point id: give a UUID, as schemas.ids derives them.")


def _check_vectors(batch: PointBatch, space: Space, vectors: VectorBatch, most: float) -> None:
    if not isinstance(vectors, list) and not hasattr(vectors, "shape"):
        raise InvalidPoint(f"Space {space.name!r} takes arrays, one row a point; got {type(vectors).__name__}.")
    count = len(vectors) if isinstance(vectors, list) else vectors.shape[0]
    if count != len(batch.ids):
        raise InvalidPoint(f"Space {space.name!r}: {count} vectors came for {len(batch.ids)} points; give one each.")
    if space.kind is SpaceKind.DENSE:
        _check_dense(batch, space, vectors, most)
    elif space.kind is SpaceKind.SPARSE:
        _check_sparse(batch, space, vectors)
    else:
        _check_multi(batch, space, vectors, most)


def _check_dense(batch: PointBatch, space: Space, vectors: Any, most: float) -> None:
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.shape[1] != space.dim:
        shape = getattr(vectors, "shape", "a list")
        raise InvalidPoint(f"Space {space.name!r} takes vectors of {space.dim} dimensions; got {shape}.")
    bad = ~_fits(vectors, space, most).all(axis=1)
    if bad.any():
        point = batch.ids[int(np.argmax(bad))]
        raise InvalidPoint(
            f"Point {point}, space {space.name!r}: the vector holds NaN or infinity{_as(most)}; encode it again."
        )


def _check_sparse(batch: PointBatch, space: Space, vectors: Any) -> None:
    if isinstance(vectors, np.ndarray | list) or getattr(vectors, "format", "") != "csr":
        raise InvalidPoint(f"Space {space.name!r} takes sparse rows (CSR); got {type(vectors).__name__}.")
    if len(vectors.indices) != len(vectors.data):
        raise InvalidPoint(
            f"Space {space.name!r}: {len(vectors.indices)} indices came with {len(vectors.data)} values; give as many."
        )
    pointers = vectors.indptr
    if pointers[0] != 0 or pointers[-1] != len(vectors.indices) or (np.diff(pointers) < 0).any():
        raise InvalidPoint(f"Space {space.name!r}: the rows' bounds do not cover the indices; build the rows anew.")
    fits = _fits(vectors.data, space, _MAX_FLOAT)
    if not fits.all():
        row = int(np.searchsorted(vectors.indptr, np.argmin(fits), side="right")) - 1
        raise InvalidPoint(f"Point {batch.ids[row]}, space {space.name!r}: a weight is NaN or infinite.")
    if len(vectors.indices) == 0:
        return
    if vectors.indices.min() < 0 or vectors.indices.max() > _MAX_INDEX:
        raise InvalidPoint(f"Space {space.name!r}: an index lies outside 0 to {_MAX_INDEX}.")
    rising = np.diff(vectors.indices.astype(np.int64)) > 0
    starts = vectors.indptr[1:-1]
    starts = starts[(starts > 0) & (starts < len(vectors.indices))]
    rising[starts - 1] = True
    if not rising.all():
        row = int(np.searchsorted(vectors.indptr, np.argmin(rising), side="right")) - 1
        raise InvalidPoint(
            f"Point {batch.ids[row]}, space {space.name!r}: indices must rise, each once; sum duplicates and sort them."
        )


def _check_multi(batch: PointBatch, space: Space, vectors: Any, most: float) -> None:
    if not isinstance(vectors, list):
        raise InvalidPoint(f"Space {space.name!r} takes a list of (tokens, {space.dim}) arrays.")
    for point, rows in zip(batch.ids, vectors, strict=True):
        if not isinstance(rows, np.ndarray) or rows.ndim != 2 or (len(rows) and rows.shape[1] != space.dim):
            shape = getattr(rows, "shape", "a list")
            raise InvalidPoint(f"Point {point}, space {space.name!r}: takes (tokens, {space.dim}) arrays; got {shape}.")
        if not _fits(rows, space, most).all():
            raise InvalidPoint(f"Point {point}, space {space.name!r}: the vectors hold NaN or infinity{_as(most)}.")


def _as(most: float) -> str:
    return " as float16" if most == _MAX_HALF else ""


def _fits(numbers: Any, space: Space, most: float) -> Any:
    """Where the numbers are finite as what the engine keeps, float32 or float16, of which ``most`` is the largest."""
    if numbers.dtype.kind not in "fiu":
        raise InvalidPoint(f"Space {space.name!r} takes numbers; got {numbers.dtype}.")
    # In half precision the bound itself would be infinite.
    return np.abs(numbers.astype(np.float32) if numbers.dtype == np.float16 else numbers) <= most


def check_payload(value: Any, where: str, depth: int = 0) -> None:
    """Refuse what JSON cannot say, or what is nested deeper than ``MAX_DEPTH``."""
    if depth == 0 and not isinstance(value, Mapping):
        raise InvalidPoint(f"The payload of {where} is a {type(value).__name__}; give fields with values.")
    if depth > MAX_DEPTH:
        raise InvalidPoint(f"The payload of {where} is nested deeper than {MAX_DEPTH} levels; flatten it.")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidPoint(f"The payload of {where} has the key {key!r}; keys are text.")
            if (wrong := _wrong_scalar(key)) is not None:
                raise InvalidPoint(f"A key in the payload of {where} holds {wrong}.")
            check_payload(item, where, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            check_payload(item, where, depth + 1)
    elif (wrong := _wrong_scalar(value)) is not None:
        raise InvalidPoint(f"The payload of {where} holds {wrong}.")


def _wrong_scalar(value: Any) -> str | None:
    if isinstance(value, str):
        if is_torn(value):
            return "half a character (a lone surrogate); remove it"
    elif isinstance(value, float):
        if not math.isfinite(value):
            return f"{value}, which JSON cannot say; leave it out"
    elif isinstance(value, int):
        if not -_MAX_INTEGER <= value < _MAX_INTEGER:
            return f"{value}, beyond 64 bits; write it as text"
    elif value is not None:
        return f"a {type(value).__name__}; write it as text or a number"
    return None


def check_filter(value: Any, depth: int = 0) -> None:
    """Refuse what is no filter, or holds what JSON cannot say, and one nested deeper than ``MAX_DEPTH``."""
    if depth > MAX_DEPTH:
        raise InvalidPoint(f"The filter is nested deeper than {MAX_DEPTH} levels; flatten it.")
    if value is None:
        return
    if depth == 0 and not isinstance(value, models.Filter):
        raise InvalidPoint(f"A filter is a models.Filter of qdrant_client; got {type(value).__name__}.")
    if isinstance(value, models.NestedCondition):
        _check_name(value.nested.key)
        value = value.nested.filter
    if not isinstance(value, models.Filter):
        _check_condition(value)
        return
    for part in (value.must, value.should, value.must_not, value.min_should and value.min_should.conditions):
        for condition in part if isinstance(part, list) else [part]:
            check_filter(condition, depth + 1)


def _check_condition(condition: Any) -> None:
    if isinstance(condition, models.FieldCondition):
        _check_field(condition)
    elif isinstance(condition, models.HasIdCondition):
        for point in condition.has_id:
            check_id(str(point))
    elif isinstance(condition, models.IsEmptyCondition):
        _check_name(condition.is_empty.key)
    elif isinstance(condition, models.IsNullCondition):
        _check_name(condition.is_null.key)
    elif isinstance(condition, models.HasVectorCondition):
        _check_name(condition.has_vector)


def _check_name(name: str) -> None:
    if (wrong := _wrong_scalar(name)) is not None:
        raise InvalidPoint(f"A name in the filter holds {wrong}.")


def _check_field(condition: models.FieldCondition) -> None:
    found: list[Any] = [condition.key]
    if condition.match is not None:
        for value in vars(condition.match).values():
            found.extend(value if isinstance(value, list) else [value])
    if isinstance(condition.range, models.Range):
        found.extend(vars(condition.range).values())
    for value in found:
        if (wrong := _wrong_scalar(value)) is not None:
            raise InvalidPoint(f"The filter on {condition.key!r} holds {wrong}.")


def check_request(request: Any, spaces: Mapping[str, Space], depth: int = 0) -> None:
    """Refuse a ``QueryRequest`` or one of its prefetches that the engine must not see.

    Raises ``InvalidPoint`` for a query vector that ``check_query`` refuses, a filter or prefetches
    nested deeper than ``MAX_DEPTH``, a limit or offset out of range, and vectors wanted of an
    unknown space.
    """
    if depth > MAX_DEPTH:
        raise InvalidPoint(f"The prefetches are nested deeper than {MAX_DEPTH} levels; flatten them.")
    for name, least in (("limit", 1), ("offset", 0)):
        number = getattr(request, name, None)
        if number is not None and not least <= number <= MAX_REACH:
            raise InvalidPoint(f"A {name} of {number} was asked for; give {least} to {MAX_REACH}.")
    check_filter(request.filter)
    query = request.query
    query = getattr(query, "nearest", query)
    if isinstance(query, list | np.ndarray) or hasattr(query, "indices"):
        check_query(query, spaces.get(request.using or ""), request.using)
    wanted = getattr(request, "with_vector", None)
    if isinstance(wanted, list):
        check_names(wanted, spaces)
    inner = request.prefetch or []
    for prefetch in inner if isinstance(inner, list) else [inner]:
        check_request(prefetch, spaces, depth + 1)


def check_nearest(question: Nearest, spaces: Mapping[str, Space]) -> None:
    """Refuse a question that the engine must not see, as ``check_request`` does."""
    if not 1 <= question.limit <= MAX_REACH:
        raise InvalidPoint(f"A limit of {question.limit} was asked for; give 1 to {MAX_REACH}.")
    check_filter(question.query_filter)
    check_query(question.vector, spaces.get(question.space), question.space)


def check_names(names: Iterable[str], spaces: Mapping[str, Space]) -> None:
    """Refuse names of spaces that the collection does not have."""
    for name in names:
        if name not in spaces:
            raise InvalidPoint(f"There is no space {name!r} here; the collection has {', '.join(spaces) or 'none'}.")


def check_query(vector: Any, space: Space | None, using: str | None) -> None:
    """Refuse a query vector of another dimension or with NaN, or an unknown space."""
    if space is None:
        raise InvalidPoint(f"There is no space {using!r} in this collection.")
    values = vector if isinstance(vector, np.ndarray) else getattr(vector, "values", vector)
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError):
        raise InvalidPoint(f"The query of space {using!r} is no vector: its rows differ in length.") from None
    if not (np.abs(numbers) <= _MAX_FLOAT).all():
        raise InvalidPoint(f"The query of space {using!r} holds NaN or infinity.")
    if space.kind is SpaceKind.SPARSE:
        indices = getattr(vector, "indices", None)
        indices = indices.tolist() if isinstance(indices, np.ndarray) else indices
        if indices is None or len(indices) != len(values) or len(set(indices)) != len(indices):
            raise InvalidPoint(f"The query of space {using!r} needs indices and values, as many, each index once.")
        if any(not 0 <= index <= _MAX_INDEX for index in indices):
            raise InvalidPoint(f"The query of space {using!r} has an index outside 0 to {_MAX_INDEX}.")
        return
    if hasattr(vector, "indices"):
        raise InvalidPoint(f"The query of space {using!r} is sparse; it takes {space.dim} numbers.")
    if numbers.ndim != 1 and not (numbers.ndim == 2 and space.kind is SpaceKind.MULTI):
        raise InvalidPoint(f"The query of space {using!r} is no vector of {space.dim} numbers.")
    if numbers.size == 0 or numbers.shape[-1] != space.dim:
        raise InvalidPoint(f"The query of space {using!r} has {numbers.shape[-1:]} dimensions; it takes {space.dim}.")
