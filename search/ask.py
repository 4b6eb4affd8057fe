"""What a ranking is asked: spaces, weights, method, filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdrant_client import models

from search.ranked_list import RRF_K, FusionMethod
from search.whole_documents import DOCUMENT_TFIDF

FEEDBACK = 0.5
"""How far the dense query moves towards the best hit (Rocchio 1971); 0 is not at all."""


@dataclass(frozen=True)
class Ask:
    """How to rank: spaces with their weights, the fusion method, the filter, and the feedback's amount.

    ``rrf_k`` is the constant of ``rrf``. A space that weighs nothing moves no hit. It is asked with
    ``every``, or where all others found nothing.
    """

    spaces: Sequence[str]
    weights: Mapping[str, float]
    method: FusionMethod
    query_filter: models.Filter | None = None
    feedback: float = FEEDBACK
    every: bool = False
    rrf_k: int = RRF_K

    @property
    def counting(self) -> list[str]:
        """The spaces that weigh something; ``tfidf`` also by whole documents, whose scores go to what it finds."""
        by_documents = "tfidf" if self.weights.get(DOCUMENT_TFIDF, 0.0) > 0 else None
        return [space for space in self.spaces if space == by_documents or self.weights.get(space, 1.0) > 0]
