"""How a collection of quantized vectors is asked, where a request does not say."""

from __future__ import annotations

from typing import TypeVar

from qdrant_client import models

from schemas.storage import StorageSettings

R = TypeVar("R", models.QueryRequest, models.Prefetch)


def with_rescoring(request: R, storage: StorageSettings) -> R:
    """The request, and its prefetches, with the collection's own rescoring and oversampling."""
    if not storage.quantized:
        return request
    inner = request.prefetch
    if isinstance(inner, models.Prefetch):
        inner = with_rescoring(inner, storage)
    elif inner is not None:
        inner = [with_rescoring(one, storage) for one in inner]
    params = request.params or models.SearchParams()
    if params.quantization is None:
        found = models.QuantizationSearchParams(rescore=storage.rescore, oversampling=storage.oversampling)
        params = params.model_copy(update={"quantization": found})
    return request.model_copy(update={"prefetch": inner, "params": params})
