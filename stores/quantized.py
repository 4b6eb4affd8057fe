"""How a collection of quantized vectors is asked, where a request does not say."""

from __future__ import annotations

from typing import TypeVar

from qdrant_client import models

from schemas.storage import StorageSettings

R = TypeVar("R", models.QueryRequest, models.Prefetch)


def rescoring(storage: StorageSettings) -> models.SearchParams | None:
    """The collection's own rescoring and oversampling; None where nothing is quantized."""
    if not storage.quantized:
        return None
    found = models.QuantizationSearchParams(rescore=storage.rescore, oversampling=storage.oversampling)
    return models.SearchParams(quantization=found)


def with_rescoring(request: R, storage: StorageSettings) -> R:
    """The request, and its prefetches, with the collection's own rescoring and oversampling."""
    own = rescoring(storage)
    if own is None:
        return request
    inner = request.prefetch
    if isinstance(inner, models.Prefetch):
        inner = with_rescoring(inner, storage)
    elif inner is not None:
        inner = [with_rescoring(one, storage) for one in inner]
    params = request.params or own
    if params.quantization is None:
        params = params.model_copy(update={"quantization": own.quantization})
    return request.model_copy(update={"prefetch": inner, "params": params})
