"""Query vectors to ranked passages: two rounds to the store, and what each space gave every hit.

The first round asks every space, and the documents shelf for whole texts. The second asks the
dense space once more, moved towards the best hit so far: pseudo-relevance feedback with vectors
(Li et al., TOIS 2023), by which one space learns from the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from schemas.ids import document_point_id
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf, SpaceKind, VectorBatch
from search.fusion import WINDOW, Fused, FusionMethod, fuse
from search.rerank import feedback_query
from stores.base import Store, collection_name

DEFAULT_WEIGHTS: Mapping[str, float] = {"word2vec": 0.0}
"""Weights other than 1. Word2Vec's means of words hurt a hybrid wherever they were tried; alone they can be asked."""

FEEDBACK = 0.5
"""How far the dense query moves towards the best hit (Rocchio 1971); 0 is not at all."""

DOCUMENT_TFIDF = "tfidf:document"
"""The name under which a hit shows what its whole document scored in ``tfidf``."""

SPLIT_DOCUMENTS = 2.0
"""Passages a document, on average, from which whole documents are asked too: below, they are their passages."""

Lists: TypeAlias = dict[str, list[tuple[str, float]]]
"""What each space found: ids with scores, best first."""


@dataclass(frozen=True)
class Ask:
    """How to rank: spaces with their weights, the fusion method, the filter, and the feedback's amount."""

    spaces: Sequence[str]
    weights: Mapping[str, float]
    method: FusionMethod
    query_filter: models.Filter | None = None
    feedback: float = FEEDBACK
    payload: Sequence[str] = ()


@dataclass
class Ranked:
    """Rankings, one a query, what was fused to make each, and the payload keys asked for, by passage id."""

    rankings: list[list[Fused]]
    payloads: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    lists: list[Lists] = field(default_factory=list)


def rank(store: Store, manifest: CorpusManifest, vectors: Mapping[str, VectorBatch], ask: Ask, reach: int) -> Ranked:
    """Rank the ``reach`` best passages of every query, where there are so many.

    ``vectors`` hold one row a query and space. The order does not depend on ``reach``.
    """
    queries = max((rows_of(batch) for batch in vectors.values()), default=0)
    depth = max(WINDOW, reach)
    whole = _asks_documents(manifest, ask)
    keys = sorted({*ask.payload, "document_id"} if whole else set(ask.payload))
    passages = collection_name(manifest.corpus, manifest.generation, Shelf.PASSAGES)
    rows = [(q, space) for space in ask.spaces for q in range(queries)]
    lists: list[Lists] = [{} for _ in range(queries)]
    payloads: dict[str, Mapping[str, Any]] = {}
    _collect(store, passages, vectors, rows, depth, ask.query_filter, keys, lists, payloads)
    scores = _document_scores(store, manifest, vectors["tfidf"], queries, ask.query_filter) if whole else []
    minima = sparse_minima(manifest, (*ask.spaces, DOCUMENT_TFIDF))

    def fused() -> list[list[Fused]]:
        for found, by_document in zip(lists, scores, strict=False):
            found.pop(DOCUMENT_TFIDF, None)
            found[DOCUMENT_TFIDF] = _spread(manifest.corpus, by_document, found, payloads)
        return [_fuse(found, ask, minima, reach) for found in lists]

    rankings = fused()
    if ask.feedback > 0 and _has_feedback(manifest, ask):
        best = [ranking[0].id if ranking else None for ranking in rankings]
        moved = _moved(store, passages, vectors["dense"], best, ask.feedback)
        again = [(q, "dense") for q in range(queries) if best[q] is not None]
        _collect(store, passages, {"dense": moved}, again, depth, ask.query_filter, keys, lists, payloads)
        rankings = fused()
    return Ranked(rankings, payloads, lists)


def _collect(
    store: Store,
    collection: str,
    vectors: Mapping[str, VectorBatch],
    rows: Sequence[tuple[int, str]],
    depth: int,
    query_filter: models.Filter | None,
    keys: Sequence[str],
    lists: list[Lists],
    payloads: dict[str, Mapping[str, Any]],
) -> None:
    asked: list[tuple[int, str]] = []
    requests: list[models.QueryRequest] = []
    for q, space in rows:
        vector = query_vector(vectors[space], q)
        if vector is not None:
            asked.append((q, space))
            requests.append(request_of(vector, space, depth, query_filter, keys))
    answers = store.query(collection, requests) if requests else []
    for (q, space), points in zip(asked, answers, strict=True):
        lists[q][space] = [(str(point.id), float(point.score)) for point in points]
        if keys:
            payloads.update((str(point.id), point.payload or {}) for point in points)


def request_of(
    vector: Any, space: str, depth: int, query_filter: models.Filter | None, keys: Sequence[str]
) -> models.QueryRequest:
    """One nearest-neighbour request."""
    return models.QueryRequest(
        query=vector,
        using=space,
        filter=query_filter,
        limit=depth,
        with_payload=list(keys) or False,
        with_vector=False,
    )


def _asks_documents(manifest: CorpusManifest, ask: Ask) -> bool:
    counts = manifest.counts
    several = counts.passages >= SPLIT_DOCUMENTS * max(counts.documents, 1)
    return several and len(ask.spaces) > 1 and ask.weights.get("tfidf", 0.0) > 0


def _has_feedback(manifest: CorpusManifest, ask: Ask) -> bool:
    dense = "dense" in ask.spaces and manifest.spaces["dense"].kind is SpaceKind.DENSE
    others = any(ask.weights.get(space, 0.0) > 0 for space in ask.spaces if space != "dense")
    return dense and others and ask.weights.get("dense", 0.0) > 0


def _document_scores(
    store: Store, manifest: CorpusManifest, vectors: VectorBatch, queries: int, query_filter: models.Filter | None
) -> list[dict[str, float]]:
    """What the best whole documents score in ``tfidf``, by the id of their point; one mapping a query."""
    documents = collection_name(manifest.corpus, manifest.generation, Shelf.DOCUMENTS)
    found: list[Lists] = [{} for _ in range(queries)]
    rows = [(q, "tfidf") for q in range(queries)]
    _collect(store, documents, {"tfidf": vectors}, rows, WINDOW, query_filter, (), found, {})
    return [dict(answered.get("tfidf", [])) for answered in found]


def _spread(
    corpus: str, scores: Mapping[str, float], found: Lists, payloads: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, float]]:
    """Each passage found with its whole document's score, best first.

    A document's point id derives from its own id, so nothing has to be fetched to match them.
    """
    passages = {passage for entries in found.values() for passage, _ in entries}
    spread = []
    for passage in passages:
        score = scores.get(document_point_id(corpus, str(payloads[passage]["document_id"])))
        if score is not None:
            spread.append((passage, score))
    return sorted(spread, key=lambda entry: (-entry[1], entry[0]))


def _fuse(found: Lists, ask: Ask, minima: Mapping[str, float], reach: int) -> list[Fused]:
    if not found:
        return []
    weights = {space: ask.weights.get(space, 1.0) for space in found}
    if DOCUMENT_TFIDF in found:
        weights[DOCUMENT_TFIDF] = ask.weights.get(DOCUMENT_TFIDF, ask.weights.get("tfidf", 1.0))
    # Where the spaces that answered weigh nothing together, all count alike.
    chosen = weights if sum(weights.values()) > 0 else None
    return fuse(found, method=ask.method, weights=chosen, minima=minima, limit=reach)


def _moved(
    store: Store, passages: str, queries: VectorBatch, best: Sequence[str | None], amount: float
) -> npt.NDArray[np.float32]:
    """The dense queries, each moved towards its best hit."""
    wanted = list(dict.fromkeys(point for point in best if point is not None))
    stored = {
        str(record.id): record.vector["dense"]
        for record in store.retrieve(passages, wanted, payload=False, vectors=["dense"])
        if isinstance(record.vector, dict) and "dense" in record.vector
    }
    moved = np.array(queries, dtype=np.float32)
    for q, point in enumerate(best):
        if point is not None and point in stored:
            moved[q] = feedback_query(moved[q], np.asarray([stored[point]], dtype=np.float32), amount=amount)
    return moved


def query_vector(batch: VectorBatch, row: int) -> Any | None:
    """One row as the query that Qdrant takes; None where it is empty, since nothing can be near it."""
    if isinstance(batch, np.ndarray):
        vector = batch[row]
        return vector.tolist() if vector.any() else None
    if isinstance(batch, list):
        return batch[row].tolist() if len(batch[row]) else None
    start, end = batch.indptr[row], batch.indptr[row + 1]
    if start == end:
        return None
    return models.SparseVector(indices=batch.indices[start:end].tolist(), values=batch.data[start:end].tolist())


def rows_of(batch: VectorBatch) -> int:
    """How many queries a batch holds."""
    return len(batch) if isinstance(batch, list) else int(batch.shape[0])


def sparse_minima(manifest: CorpusManifest, names: Iterable[str]) -> dict[str, float]:
    """The lowest score that can be, for those of ``names`` that have one: 0 where spaces are sparse."""
    return {name: 0.0 for name in names if name == DOCUMENT_TFIDF or manifest.spaces[name].kind is SpaceKind.SPARSE}
