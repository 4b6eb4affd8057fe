"""What no store is ever handed: the embedded engine trusts its caller, and some of these damage it for good."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np

from schemas.errors import InvalidPoint
from schemas.spaces import PointBatch, Space, SpaceKind, VectorBatch

MAX_DEPTH = 32
"""Levels of nesting in a payload or a filter; the engine crashes the process at some depth beyond 64."""

_MAX_INDEX = 2**32 - 1
_MAX_INTEGER = 2**63


def check_batch(batch: PointBatch, spaces: Mapping[str, Space], *, payloads: bool = True) -> None:
    """Refuse the whole batch if any point of it must not be written.

    Raises ``InvalidPoint`` naming the point and what is wrong: an id that is no UUID, an unknown
    space, a wrong dimension, NaN or infinity, sparse indices out of order, twice or out of range,
    ragged multi-vectors, a payload that is not JSON or nested deeper than ``MAX_DEPTH``.
    """
    for point in batch.ids:
        check_id(point)
    for name, vectors in batch.vectors.items():
        if name not in spaces:
            raise InvalidPoint(f"There is no space {name!r} here; the collection has {', '.join(spaces) or 'none'}.")
        _check_vectors(batch, spaces[name], vectors)
    if payloads:
        if len(batch.payloads) != len(batch.ids):
            raise InvalidPoint(f"{len(batch.payloads)} payloads came for {len(batch.ids)} points; give one each.")
        for point, payload in zip(batch.ids, batch.payloads, strict=True):
            check_payload(payload, f"point {point}")


def check_id(point: str) -> None:
    """Refuse an id that is not a UUID in text."""
    try:
        UUID(point)
    except (ValueError, AttributeError, TypeError):
        raise InvalidPoint(f"{point!r} is no point id: give a UUID, as schemas.ids derives them.") from None


def _check_vectors(batch: PointBatch, space: Space, vectors: VectorBatch) -> None:
    count = len(vectors) if isinstance(vectors, list) else vectors.shape[0]
    if count != len(batch.ids):
        raise InvalidPoint(f"Space {space.name!r}: {count} vectors came for {len(batch.ids)} points; give one each.")
    if space.kind is SpaceKind.DENSE:
        _check_dense(batch, space, vectors)
    elif space.kind is SpaceKind.SPARSE:
        _check_sparse(batch, space, vectors)
    else:
        _check_multi(batch, space, vectors)


def _check_dense(batch: PointBatch, space: Space, vectors: Any) -> None:
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.shape[1] != space.dim:
        shape = getattr(vectors, "shape", "a list")
        raise InvalidPoint(f"Space {space.name!r} takes vectors of {space.dim} dimensions; got {shape}.")
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        point = batch.ids[int(np.argmax(bad))]
        raise InvalidPoint(f"Point {point}, space {space.name!r}: the vector holds NaN or infinity; encode it again.")


def _check_sparse(batch: PointBatch, space: Space, vectors: Any) -> None:
    if isinstance(vectors, np.ndarray | list):
        raise InvalidPoint(f"Space {space.name!r} takes sparse rows (CSR); got {type(vectors).__name__}.")
    if len(vectors.indices) != len(vectors.data):
        raise InvalidPoint(
            f"Space {space.name!r}: {len(vectors.indices)} indices came with {len(vectors.data)} values; give as many."
        )
    if not np.isfinite(vectors.data).all():
        row = int(np.searchsorted(vectors.indptr, np.argmin(np.isfinite(vectors.data)), side="right")) - 1
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


def _check_multi(batch: PointBatch, space: Space, vectors: Any) -> None:
    if not isinstance(vectors, list):
        raise InvalidPoint(f"Space {space.name!r} takes a list of (tokens, {space.dim}) arrays.")
    for point, rows in zip(batch.ids, vectors, strict=True):
        if not isinstance(rows, np.ndarray) or rows.ndim != 2 or (len(rows) and rows.shape[1] != space.dim):
            shape = getattr(rows, "shape", "a list")
            raise InvalidPoint(f"Point {point}, space {space.name!r}: takes (tokens, {space.dim}) arrays; got {shape}.")
        if not np.isfinite(rows).all():
            raise InvalidPoint(f"Point {point}, space {space.name!r}: the vectors hold NaN or infinity.")


def check_payload(value: Any, where: str, depth: int = 0) -> None:
    """Refuse what JSON cannot say, or what is nested deeper than ``MAX_DEPTH``."""
    if depth > MAX_DEPTH:
        raise InvalidPoint(f"The payload of {where} is nested deeper than {MAX_DEPTH} levels; flatten it.")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidPoint(f"The payload of {where} has the key {key!r}; keys are text.")
            check_payload(item, where, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            check_payload(item, where, depth + 1)
    elif (wrong := _wrong_scalar(value)) is not None:
        raise InvalidPoint(f"The payload of {where} holds {wrong}.")


def _wrong_scalar(value: Any) -> str | None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
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
    """Refuse a filter nested deeper than ``MAX_DEPTH``."""
    if depth > MAX_DEPTH:
        raise InvalidPoint(f"The filter is nested deeper than {MAX_DEPTH} levels; flatten it.")
    if value is None:
        return
    for part in ("must", "should", "must_not"):
        conditions = getattr(value, part, None)
        for condition in conditions if isinstance(conditions, list) else [conditions]:
            if condition is not None:
                check_filter(getattr(getattr(condition, "nested", None), "filter", condition), depth + 1)


def check_query(vector: Any, space: Space | None, using: str | None) -> None:
    """Refuse a query vector of another dimension or with NaN, or an unknown space."""
    if space is None:
        raise InvalidPoint(f"There is no space {using!r} in this collection.")
    values = getattr(vector, "values", vector)
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError):
        raise InvalidPoint(f"The query of space {using!r} is no vector: its rows differ in length.") from None
    if not np.isfinite(numbers).all():
        raise InvalidPoint(f"The query of space {using!r} holds NaN or infinity.")
    if space.kind is SpaceKind.SPARSE:
        indices = getattr(vector, "indices", None)
        if indices is None or len(indices) != len(values) or len(set(indices)) != len(indices):
            raise InvalidPoint(f"The query of space {using!r} needs indices and values, as many, each index once.")
    elif numbers.size == 0 or numbers.shape[-1] != space.dim:
        raise InvalidPoint(f"The query of space {using!r} has {numbers.shape[-1:]} dimensions; it takes {space.dim}.")
