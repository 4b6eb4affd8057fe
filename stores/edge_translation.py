"""``qdrant_client.models`` to ``qdrant_edge`` and back: the same words for both stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

from schemas.errors import StoreError
from schemas.spaces import PointBatch
from stores import base
from stores.nearest import QueryRow, SparseRow


def points_of(batch: PointBatch, rows: Sequence[int]) -> list[edge.Point]:
    """The batch's rows as the engine's points."""
    return [edge.Point(batch.ids[row], vectors_of(batch, row), dict(batch.payloads[row])) for row in rows]


def vectors_of(batch: PointBatch, row: int) -> dict[str, Any]:
    """One point's vectors as the engine takes them: dense ones as arrays, which cost less than lists."""
    return base.vectors_of(batch, row, edge.SparseVector, lambda vector: vector)


def filter_of(found: models.Filter | None) -> edge.Filter | None:
    """The filter in the engine's words."""
    if found is None:
        return None
    minimum = None
    if found.min_should is not None:
        minimum = edge.MinShould(
            conditions=[_condition(c) for c in found.min_should.conditions], min_count=found.min_should.min_count
        )
    return edge.Filter(
        must=_conditions(found.must),
        should=_conditions(found.should),
        must_not=_conditions(found.must_not),
        min_should=minimum,
    )


def _conditions(found: Any) -> list[Any] | None:
    if found is None:
        return None
    return [_condition(condition) for condition in (found if isinstance(found, list) else [found])]


def _condition(found: Any) -> Any:
    if isinstance(found, models.Filter):
        return filter_of(found)
    if isinstance(found, models.IsEmptyCondition):
        return edge.IsEmptyCondition(found.is_empty.key)
    if isinstance(found, models.IsNullCondition):
        return edge.IsNullCondition(found.is_null.key)
    if isinstance(found, models.HasIdCondition):
        return edge.HasIdCondition({point if isinstance(point, int) else str(point) for point in found.has_id})
    if isinstance(found, models.HasVectorCondition):
        return edge.HasVectorCondition(found.has_vector)
    if isinstance(found, models.NestedCondition):
        return edge.NestedCondition(found.nested.key, filter_of(found.nested.filter) or edge.Filter())
    if isinstance(found, models.FieldCondition):
        return _field(found)
    raise StoreError(f"The embedded engine has no condition {type(found).__name__}; use a server for it.")


def _field(found: models.FieldCondition) -> edge.FieldCondition:
    if found.match is not None:
        return edge.FieldCondition(found.key, match=_match(found.match))
    if isinstance(found.range, models.DatetimeRange):
        ends = {
            name: value.isoformat() if hasattr(value, "isoformat") else str(value)
            for name in ("gte", "gt", "lte", "lt")
            if (value := getattr(found.range, name)) is not None
        }
        return edge.FieldCondition(found.key, range=edge.RangeDateTime(**ends))
    if found.range is not None:
        numbers = {name: getattr(found.range, name) for name in ("gte", "gt", "lte", "lt")}
        return edge.FieldCondition(found.key, range=edge.RangeFloat(**numbers))
    if found.values_count is not None:
        counts = {name: getattr(found.values_count, name) for name in ("gte", "gt", "lte", "lt")}
        return edge.FieldCondition(found.key, values_count=edge.ValuesCount(**counts))
    if found.is_empty is not None or found.is_null is not None:
        return edge.FieldCondition(found.key, is_empty=found.is_empty, is_null=found.is_null)
    raise StoreError(f"The embedded engine cannot filter {found.key!r} in that way; use a server for it.")


def _match(found: Any) -> Any:
    if isinstance(found, models.MatchValue):
        # The engine takes Python's bool for a number, which matches nothing.
        value: Any = np.bool_(found.value) if isinstance(found.value, bool) else found.value
        return edge.MatchValue(value)
    if isinstance(found, models.MatchText):
        return edge.MatchText(found.text)
    if isinstance(found, models.MatchTextAny):
        return edge.MatchTextAny(found.text_any)
    if isinstance(found, models.MatchPhrase):
        return edge.MatchPhrase(found.phrase)
    if isinstance(found, models.MatchAny):
        among: Any = list(found.any)
        return edge.MatchAny(among)
    if isinstance(found, models.MatchExcept):
        apart: Any = list(found.except_)
        return edge.MatchExcept(apart)
    raise StoreError(f"The embedded engine has no match {type(found).__name__}; use a server for it.")


def query_of(query: Any, using: str | None) -> Any:
    """A request's query in the engine's words: a vector, fusion, diversity, or an order."""
    if isinstance(query, models.NearestQuery):
        if query.mmr is not None:
            diversity = 0.5 if query.mmr.diversity is None else query.mmr.diversity
            return edge.Mmr(
                vector=vector_of(query.nearest),
                lambda_=1.0 - diversity,
                candidates_limit=query.mmr.candidates_limit or 100,
                using=using,
            )
        query = query.nearest
    if isinstance(query, models.FusionQuery):
        return edge.Fusion.Dbsf() if query.fusion is models.Fusion.DBSF else edge.Fusion.Rrf(k=2)
    if isinstance(query, models.RrfQuery):
        return edge.Fusion.Rrf(k=query.rrf.k or 2, weights=query.rrf.weights)
    if isinstance(query, models.OrderByQuery):
        order = query.order_by
        if isinstance(order, str):
            return edge.OrderBy(order)
        down = order.direction is models.Direction.DESC
        return edge.OrderBy(order.key, direction=edge.Direction.Desc if down else edge.Direction.Asc)
    if isinstance(query, models.SampleQuery):
        return edge.Sample.Random
    if not isinstance(query, models.SparseVector | list | np.ndarray):
        raise StoreError(f"The embedded engine cannot be asked a {type(query).__name__} here; use a server for it.")
    return edge.Query.Nearest(vector_of(query), using=using)


def nearest_of(vector: QueryRow, using: str) -> edge.Query:
    """The query for what is nearest to a row."""
    if isinstance(vector, SparseRow):
        found = edge.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
        return edge.Query.Nearest(found, using=using)
    # The engine reads lists five times as fast as arrays.
    return edge.Query.Nearest(vector.tolist(), using=using)


def params_of(found: models.SearchParams | None) -> edge.SearchParams | None:
    """How to search: exactly, how widely in the graph, and with what of quantization."""
    if found is None:
        return None
    quantization = None
    if found.quantization is not None:
        quantization = edge.QuantizationSearchParams(
            ignore=bool(found.quantization.ignore),
            rescore=found.quantization.rescore,
            oversampling=found.quantization.oversampling,
        )
    return edge.SearchParams(
        hnsw_ef=found.hnsw_ef,
        exact=bool(found.exact),
        quantization=quantization,
        indexed_only=bool(found.indexed_only),
    )


def vector_of(vector: Any) -> Any:
    """A query vector, which may be sparse."""
    if isinstance(vector, models.SparseVector):
        return edge.SparseVector(indices=vector.indices, values=vector.values)
    return vector


def prefetches_of(found: Any) -> list[edge.Prefetch] | None:
    """The prefetches of a request, nested ones too."""
    if found is None:
        return None
    return [
        edge.Prefetch(
            limit=one.limit or 10,
            query=query_of(one.query, one.using) if one.query is not None else None,
            prefetches=prefetches_of(one.prefetch),
            filter=filter_of(one.filter),
            score_threshold=one.score_threshold,
            params=params_of(one.params),
        )
        for one in (found if isinstance(found, list) else [found])
    ]


def vector_result(found: Any) -> Any:
    """A point's vectors as the server's client gives them."""
    if not isinstance(found, dict):
        return found
    return {
        name: models.SparseVector(indices=list(value.indices), values=list(value.values))
        if isinstance(value, edge.SparseVector)
        else value
        for name, value in found.items()
    }
