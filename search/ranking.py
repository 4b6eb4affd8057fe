"""Query vectors to ranked passages: two rounds to the store, and what each space gave every hit.

The first round asks every space, and the documents shelf for whole texts. The second asks the
dense space once more, moved towards the best hit so far: pseudo-relevance feedback with vectors
(Li et al., TOIS 2023), by which one space learns from the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from schemas.ids import document_point_of, point_text
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf, SpaceKind, VectorBatch
from search.fusion import WINDOW, Fused, FusionMethod, Part, ScoredList, fuse_parts, part
from search.rerank import feedback_query
from stores.base import Store, collection_name

DEFAULT_WEIGHTS: Mapping[str, float] = {"dense": 1.5, "word2vec": 0.0, "lsa": 0.0}
"""Weights other than 1. The best of a sparse list stand further out in standard scores than those of a dense
one, right or wrong: over ten collections of known answers, each left out in turn, the weight that tells best
which of two disagreeing spaces is right was 1.3 to 1.7 for dense. Word2Vec's means of words hurt a hybrid
wherever they were tried, and LSA added nothing to dense and TF-IDF together; alone they can be asked."""

FEEDBACK = 0.5
"""How far the dense query moves towards the best hit (Rocchio 1971); 0 is not at all."""

DOCUMENT_TFIDF = "tfidf:document"
"""The name under which a hit shows what its whole document scored in ``tfidf``."""

SPLIT_DOCUMENTS = 2.0
"""Passages a document, on average, from which a passage and its whole document count as two witnesses: below,
they say nearly the same, and share the weight of one."""

Lists: TypeAlias = dict[str, ScoredList[int]]
"""What each space found: ids (as numbers) with scores, best first."""


@dataclass(frozen=True)
class Ask:
    """How to rank: spaces with their weights, the fusion method, the filter, and the feedback's amount."""

    spaces: Sequence[str]
    weights: Mapping[str, float]
    method: FusionMethod
    query_filter: models.Filter | None = None
    feedback: float = FEEDBACK


@dataclass
class Ranked:
    """Rankings, one a query, and what was fused to make each; ids are numbers (see ``named``)."""

    rankings: list[list[Fused[int]]]
    lists: list[Lists] = field(default_factory=list)


class Ranker:
    """Ranks the passages of one generation of a corpus."""

    def __init__(self, store: Store, manifest: CorpusManifest) -> None:
        self._store, self._manifest = store, manifest
        self._passages = collection_name(manifest.corpus, manifest.generation, Shelf.PASSAGES)
        self._documents = collection_name(manifest.corpus, manifest.generation, Shelf.DOCUMENTS)

    def rank(self, vectors: Mapping[str, VectorBatch], ask: Ask, reach: int) -> Ranked:
        """Rank the ``reach`` best passages of every query, where there are so many.

        ``vectors`` hold one row a query and space. The order does not depend on ``reach``.
        """
        queries = max((rows_of(batch) for batch in vectors.values()), default=0)
        depth = max(WINDOW, reach)
        lists: list[Lists] = [{} for _ in range(queries)]
        rows = [(q, space) for space in ask.spaces for q in range(queries)]
        self._collect(self._passages, vectors, rows, depth, ask.query_filter, lists)
        whole = _asks_documents(self._manifest, ask)
        scores = self._document_scores(vectors["tfidf"], queries, ask.query_filter) if whole else []
        minima = sparse_minima(self._manifest, (*ask.spaces, DOCUMENT_TFIDF))
        ask = replace(ask, weights=with_documents(self._manifest, ask.weights) if whole else ask.weights)
        counting = [space for space in ask.spaces if ask.weights.get(space, 1.0) > 0]

        parts: list[dict[str, Part[int]]] = [{} for _ in range(queries)]

        def fused(changed: Sequence[str], reach: int) -> list[list[Fused[int]]]:
            for found, by_document in zip(lists, scores, strict=False):
                found.pop(DOCUMENT_TFIDF, None)
                found[DOCUMENT_TFIDF] = _spread(by_document, [found[s] for s in counting if s in found])
            for found, ready in zip(lists, parts, strict=True):
                for space in (*changed, DOCUMENT_TFIDF):
                    if space in found:
                        ready[space] = part(found[space], method=ask.method, minimum=minima.get(space))
            return [_fuse(ready, ask, reach) for ready in parts]

        if ask.feedback > 0 and _has_feedback(self._manifest, ask):
            best = [ranking[0].id if ranking else None for ranking in fused(ask.spaces, 1)]
            moved = _moved(self._store, self._passages, vectors["dense"], best, ask.feedback)
            again = [(q, "dense") for q in range(queries) if best[q] is not None]
            self._collect(self._passages, {"dense": moved}, again, depth, ask.query_filter, lists)
            return Ranked(fused(["dense"], reach), lists)
        return Ranked(fused(ask.spaces, reach), lists)

    def _collect(
        self,
        collection: str,
        vectors: Mapping[str, VectorBatch],
        rows: Sequence[tuple[int, str]],
        depth: int,
        query_filter: models.Filter | None,
        lists: list[Lists],
    ) -> None:
        """Ask for each of ``rows``, a query and a space, and put the answers into ``lists``."""
        asked: list[tuple[int, str]] = []
        requests: list[models.QueryRequest] = []
        for q, space in rows:
            vector = query_vector(vectors[space], q)
            if vector is not None:
                asked.append((q, space))
                requests.append(request_of(vector, space, depth, query_filter))
        answers = self._store.scores(collection, requests) if requests else []
        for (q, space), points in zip(asked, answers, strict=True):
            lists[q][space] = points

    def _document_scores(
        self, vectors: VectorBatch, queries: int, query_filter: models.Filter | None
    ) -> list[dict[int, float]]:
        """What the best whole documents score in ``tfidf``, by the id of their point; one mapping a query."""
        found: list[Lists] = [{} for _ in range(queries)]
        rows = [(q, "tfidf") for q in range(queries)]
        self._collect(self._documents, {"tfidf": vectors}, rows, WINDOW, query_filter, found)
        return [dict(answered.get("tfidf", ())) for answered in found]


def named(ranking: Iterable[Fused[int]]) -> list[Fused]:
    """The same hits by the text of their ids. Numbers rank cheaper; a page is all that is written out."""
    return [Fused(point_text(hit.id), hit.score, hit.spaces) for hit in ranking]


def request_of(vector: Any, space: str, depth: int, query_filter: models.Filter | None) -> models.QueryRequest:
    """One nearest-neighbour request."""
    return models.QueryRequest(
        query=vector,
        using=space,
        filter=query_filter,
        limit=depth,
        with_payload=False,
        with_vector=False,
    )


def _asks_documents(manifest: CorpusManifest, ask: Ask) -> bool:
    weighs = ask.weights.get("tfidf", 0.0) > 0 or ask.weights.get(DOCUMENT_TFIDF, 0.0) > 0
    split = manifest.counts.passages > manifest.counts.documents
    return split and "tfidf" in ask.spaces and len(ask.spaces) > 1 and weighs


def with_documents(manifest: CorpusManifest, weights: Mapping[str, float]) -> dict[str, float]:
    """The weights with that of whole documents: as given, else made of the weight of ``tfidf``."""
    if DOCUMENT_TFIDF in weights or "tfidf" not in weights:
        return dict(weights)
    apart = manifest.counts.passages >= SPLIT_DOCUMENTS * max(manifest.counts.documents, 1)
    each = weights["tfidf"] * (1.0 if apart else 0.5)
    return {**weights, "tfidf": each, DOCUMENT_TFIDF: each}


def _has_feedback(manifest: CorpusManifest, ask: Ask) -> bool:
    dense = "dense" in ask.spaces and manifest.spaces["dense"].kind is SpaceKind.DENSE
    others = any(ask.weights.get(space, 0.0) > 0 for space in ask.spaces if space != "dense")
    return dense and others and ask.weights.get("dense", 0.0) > 0


def _spread(scores: Mapping[int, float], lists: Sequence[ScoredList[int]]) -> list[tuple[int, float]]:
    """Each passage of the lists with its whole document's score, best first."""
    owners = {passage: document_point_of(passage) for entries in lists for passage, _ in entries}
    spread = [(passage, scores[owner]) for passage, owner in owners.items() if owner in scores]
    return sorted(spread, key=lambda entry: (-entry[1], entry[0]))


def _fuse(parts: Mapping[str, Part[int]], ask: Ask, reach: int) -> list[Fused[int]]:
    if not parts:
        return []
    weights = {space: ask.weights.get(space, 1.0) for space in parts}
    # Where the spaces that answered weigh nothing together, all count alike.
    chosen = weights if sum(weights.values()) > 0 else None
    return fuse_parts(parts, method=ask.method, weights=chosen, limit=reach)


def _moved(
    store: Store, passages: str, queries: VectorBatch, best: Sequence[int | None], amount: float
) -> npt.NDArray[np.float32]:
    """The dense queries, each moved towards its best hit."""
    wanted = [point_text(point) for point in dict.fromkeys(best) if point is not None]
    stored = {
        UUID(str(record.id)).int: record.vector["dense"]
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
