"""Questions to a server, whose answers come in the same order every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qdrant_client import models

from schemas.spaces import Space
from schemas.storage import StorageSettings
from stores.checks import check_request
from stores.quantized import with_rescoring
from stores.server_connection import Connection
from stores.ties import MARGIN, by_score, cut


def answered(
    connection: Connection,
    name: str,
    requests: Sequence[models.QueryRequest],
    spaces: Mapping[str, Space],
    storage: StorageSettings,
) -> list[list[models.ScoredPoint]]:
    """The answers of the collection ``name``, which has ``spaces`` and ``storage``, best first and equals by id."""
    for request in requests:
        check_request(request, spaces)
    if not requests:
        return []
    if not connection.emulated:  # which quantizes nothing, and warns of being told how to search
        requests = [with_rescoring(request, storage) for request in requests]
    asked = [(request.offset or 0) + (request.limit or 10) + MARGIN for request in requests]
    deeper = [_deeper(request, depth) for request, depth in zip(requests, asked, strict=True)]
    answers = connection.call(lambda c: c.query_batch_points(name, deeper))
    results = []
    for request, depth, answer in zip(requests, asked, answers, strict=True):

        def ask(more: int, request: models.QueryRequest = request) -> list[models.ScoredPoint]:
            found = connection.call(lambda c: c.query_batch_points(name, [_deeper(request, more)]))
            return list(found[0].points)

        offset, limit = request.offset or 0, request.limit or 10
        points = list(answer.points)
        ranked = by_score(request.query)
        results.append(cut(ask, points, depth, offset, limit) if ranked else points[offset : offset + limit])
    return results


def _deeper(request: models.QueryRequest, depth: int) -> models.QueryRequest:
    return request.model_copy(update={"limit": depth, "offset": 0})
