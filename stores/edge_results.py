"""Requests to the engine, and its points as ``qdrant_client.models``."""

from __future__ import annotations

from typing import Any, TypeVar

import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client import models

from stores import edge_translation as translate

M = TypeVar("M", bound=BaseModel)


def selection(wanted: Any) -> Any:
    """True, False, or a list of names."""
    return wanted if isinstance(wanted, bool) else list(wanted)


def query_request(request: models.QueryRequest, depth: int) -> edge.QueryRequest:
    """The request in the engine's words, for its best ``depth`` from the first on."""
    return edge.QueryRequest(
        limit=depth,
        offset=0,
        query=translate.query_of(request.query, request.using) if request.query is not None else None,
        prefetches=translate.prefetches_of(request.prefetch),
        with_vector=selection(request.with_vector or False),
        with_payload=selection(request.with_payload or False),
        filter=translate.filter_of(request.filter),
        score_threshold=request.score_threshold,
        params=translate.params_of(request.params),
    )


def record(found: Any) -> models.Record:
    """A retrieved point as the server's client gives it."""
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


def scored(found: Any) -> models.ScoredPoint:
    """A hit as the server's client gives it."""
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
