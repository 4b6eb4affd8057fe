"""The second stage: the first hits of a ranking, judged again by something slower and better, or made diverse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from qdrant_client import models
from scipy.sparse import csr_array

from schemas.errors import CorpusError, UsageError
from schemas.ids import point_number, point_text
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf, SpaceKind, VectorBatch
from search.fusion import Fused, Standing
from search.query_vectors import query_vector
from search.rerank import CrossEncoderReranker, mmr
from stores.base import Store, collection_name
from stores.nearest import Nearest

TOP = 50
"""Hits of the first stage that are judged again: a cross-encoder reads each of them with the query."""

DEFAULT_RERANKER = "BAAI/bge-reranker-v2-m3"
"""The cross-encoder where none is named: multilingual, of BGE-M3's own authors."""

LIBRARIES: Mapping[str, str] = {"cross-encoder": "sentence-transformers", "flag-reranker": "FlagEmbedding"}
"""What loads a cross-encoder, by the word before the colon."""

COLBERT = "colbert"

Encode = Callable[[Sequence[str], Sequence[str]], Mapping[str, VectorBatch]]
"""Encodes query texts in some spaces, as ``Corpus.encode`` does."""


@dataclass(frozen=True)
class Reranking:
    """How the first ``top`` hits are looked at again; later hits follow in their first order.

    ``by``: ``colbert`` (MaxSim of the corpus's token vectors, in the engine: Khattab & Zaharia, SIGIR
    2020), ``cross-encoder[:MODEL]`` (sentence-transformers) or ``flag-reranker[:MODEL]``
    (FlagEmbedding), MODEL a folder or a hub id; None leaves the order. ``diversity`` from 0 to 1 then
    spreads the hits by maximal marginal relevance (lambda is 1 - diversity); None does not.
    """

    by: str | None = None
    diversity: float | None = None
    top: int = TOP

    def __bool__(self) -> bool:
        return self.by is not None or self.diversity is not None

    @property
    def name(self) -> str:
        """The judge without its model, ``cross-encoder``; also the name of its score in a hit."""
        return (self.by or "").partition(":")[0]

    def check(self, manifest: CorpusManifest) -> None:
        """Refuse what cannot be done with a corpus, before anything is loaded."""
        if self.top < 1:
            raise UsageError(f"--rerank-top {self.top}: judge at least 1 hit again.")
        if self.diversity is not None and not 0 <= self.diversity <= 1:
            raise UsageError(f"--diversity {self.diversity}: give a number from 0 (none) to 1.")
        if self.by is None:
            return
        if self.name not in (COLBERT, *LIBRARIES) or self.by.startswith(f"{COLBERT}:"):
            raise UsageError(f"--rerank {self.by!r}: choose colbert, cross-encoder[:MODEL] or flag-reranker[:MODEL].")
        if self.name == COLBERT and COLBERT not in manifest.spaces:
            raise CorpusError(
                f"The corpus {manifest.corpus!r} has no space {COLBERT}; add it with: xunyi spaces add "
                f"{manifest.corpus} bge-m3 --spaces {COLBERT}, or rerank by a cross-encoder."
            )


def second_stage(
    store: Store,
    manifest: CorpusManifest,
    encode: Encode,
    queries: Sequence[str],
    rankings: Sequence[list[Fused[int]]],
    stage: Reranking,
) -> list[list[Fused[int]]]:
    """Judge the first ``stage.top`` hits of each query's ranking again, and order them by that.

    A reranked hit scores what its judge says, shown in ``spaces`` under the judge's name with the
    whole share; what it scored before stays there with none. Hits that the judge says nothing of
    come after those it judged. The order does not depend on the page asked for.

    Raises as :meth:`Reranking.check`, and :class:`EncoderError` where a model is missing or fails.
    """
    stage.check(manifest)
    collection = collection_name(manifest.corpus, manifest.generation, Shelf.PASSAGES)
    heads = [ranking[: stage.top] for ranking in rankings]
    if stage.name == COLBERT:
        heads = _by(COLBERT, heads, _colbert(store, collection, encode, queries, heads))
    elif stage.by is not None:
        heads = _by(stage.name, heads, _cross_encoder(store, manifest, collection, queries, heads, stage.by))
    if stage.diversity is not None:
        space = _compared(manifest)
        heads = [_diverse(store, collection, space, head, stage.diversity) for head in heads]
    return [[*head, *ranking[stage.top :]] for head, ranking in zip(heads, rankings, strict=True)]


def _by(judge: str, heads: Sequence[list[Fused[int]]], scores: Sequence[Mapping[int, float]]) -> list[list[Fused[int]]]:
    reordered = []
    for head, given in zip(heads, scores, strict=True):
        place = {hit.id: rank for rank, hit in enumerate(head)}
        order = sorted((hit for hit in head if hit.id in given), key=lambda hit: (-given[hit.id], place[hit.id]))
        judged = []
        for rank, hit in enumerate(order, 1):
            before = {space: standing._replace(share=0.0) for space, standing in hit.spaces.items()}
            spaces = {**before, judge: Standing(rank, given[hit.id], 1.0)}
            judged.append(Fused(hit.id, given[hit.id], spaces))
        reordered.append([*judged, *(hit for hit in head if hit.id not in given)])
    return reordered


def _colbert(
    store: Store, collection: str, encode: Encode, queries: Sequence[str], heads: Sequence[list[Fused[int]]]
) -> list[Mapping[int, float]]:
    """MaxSim of every head's passages, by id: one round to the engine."""
    vectors = encode(queries, [COLBERT])[COLBERT]
    asked, questions = [], []
    for row, head in enumerate(heads):
        query = query_vector(vectors, row)
        if query is not None and head:
            among = models.HasIdCondition(has_id=[point_text(hit.id) for hit in head])
            asked.append(row)
            questions.append(Nearest(query, COLBERT, len(head), models.Filter(must=[among])))
    scores: list[Mapping[int, float]] = [{} for _ in heads]
    for row, points in zip(asked, store.nearest(collection, questions), strict=True):
        scores[row] = dict(points)
    return scores


def _cross_encoder(
    store: Store,
    manifest: CorpusManifest,
    collection: str,
    queries: Sequence[str],
    heads: Sequence[list[Fused[int]]],
    by: str,
) -> list[Mapping[int, float]]:
    kind, _, model = by.partition(":")
    reranker = _loaded(model or DEFAULT_RERANKER, LIBRARIES[kind])
    wanted = [point_text(point) for point in sorted({hit.id for head in heads for hit in head})]
    texts: dict[int, str] = {}
    for record in store.retrieve(collection, wanted, payload=["title", "text"]) if wanted else []:
        payload: dict[str, Any] = record.payload or {}
        title = str(payload["title"]) if manifest.titles else ""
        texts[point_number(record.id)] = f"{title}\n{payload['text']}" if title else str(payload["text"])
    scores: list[Mapping[int, float]] = []
    for query, head in zip(queries, heads, strict=True):
        known = [hit.id for hit in head if hit.id in texts]
        found = reranker.scores(query, [texts[point] for point in known])
        # A model that answers NaN for a pair has said nothing of it.
        scores.append({point: float(score) for point, score in zip(known, found, strict=True) if np.isfinite(score)})
    return scores


@lru_cache(maxsize=2)
def _loaded(model: str, library: str) -> CrossEncoderReranker:
    return CrossEncoderReranker(model, library=library)


def _compared(manifest: CorpusManifest) -> str:
    """The space by which MMR tells passages apart: the first dense one, else the first sparse one."""
    for kind in (SpaceKind.DENSE, SpaceKind.SPARSE):
        for name, space in manifest.spaces.items():
            if space.kind is kind:
                return name
    raise CorpusError(f"The corpus {manifest.corpus!r} has no dense or sparse space to compare passages by.")


def _diverse(store: Store, collection: str, space: str, head: list[Fused[int]], diversity: float) -> list[Fused[int]]:
    if len(head) < 2:
        return head
    ids = [point_text(hit.id) for hit in head]
    found = {
        str(record.id): record.vector.get(space)
        for record in store.retrieve(collection, ids, payload=False, vectors=[space])
        if isinstance(record.vector, dict)
    }
    # Standing order is what the judge said, whatever its scores' scale: hits it left out are worth its least.
    scores = np.minimum.accumulate([hit.score for hit in head])
    return [head[row] for row in mmr(scores, _matrix([found.get(point) for point in ids]), diversity=diversity)]


def _matrix(vectors: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Vectors as rows; a missing one is a zero row. Of sparse ones only the columns in use are kept."""
    if any(isinstance(vector, models.SparseVector) for vector in vectors):
        rows = [vector if isinstance(vector, models.SparseVector) else None for vector in vectors]
        indices = np.concatenate([np.asarray(row.indices, dtype=np.int64) for row in rows if row is not None])
        values = np.concatenate([np.asarray(row.values, dtype=np.float64) for row in rows if row is not None])
        used, columns = np.unique(indices, return_inverse=True)
        ends = np.cumsum([0, *(0 if row is None else len(row.indices) for row in rows)])
        return np.asarray(csr_array((values, columns, ends), shape=(len(rows), len(used))).toarray())
    dim = max((len(vector) for vector in vectors if vector is not None), default=1)
    return np.array([np.zeros(dim) if vector is None else vector for vector in vectors], dtype=np.float64)
