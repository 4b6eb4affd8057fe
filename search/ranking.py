"""Query vectors to ranked passages: two rounds to the store, and what each space gave every hit.

The first round asks every space that weighs something, and the documents shelf for whole texts; how
far a space is believed then depends on the query's words in its best hit (``search.coverage``). The
second asks the dense space once more, moved towards the best hit so far: pseudo-relevance feedback with
vectors (Li et al., TOIS 2023), by which one space learns from the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from schemas.ids import document_point_of, point_text
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf, SpaceKind, VectorBatch
from search.coverage import QueryMass, masses_of
from search.coverage import beliefs as query_beliefs
from search.fusion import Fused, fuse_parts
from search.query_vectors import query_vector, rows_of
from search.ranked_list import WINDOW, FusionMethod, Part, Ranks, ScoredList, part
from search.rerank import feedback_query
from stores.base import Store, collection_name
from stores.nearest import Nearest

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

Places: TypeAlias = Mapping[str, Mapping[int, tuple[int, float]]]
"""Rank and score of each id in each space's list, by the query as it was asked; under ``DOCUMENT_TFIDF`` by the ids
of documents."""


@dataclass(frozen=True)
class Ask:
    """How to rank: spaces with their weights, the fusion method, the filter, and the feedback's amount.

    A space that weighs nothing moves no hit. It is asked with ``every``, or where all others found nothing.
    """

    spaces: Sequence[str]
    weights: Mapping[str, float]
    method: FusionMethod
    query_filter: models.Filter | None = None
    feedback: float = FEEDBACK
    every: bool = False

    @property
    def counting(self) -> list[str]:
        """The spaces that weigh something."""
        return [space for space in self.spaces if self.weights.get(space, 1.0) > 0]


@dataclass
class Ranked:
    """Rankings, one a query, and what was fused to make each; ids are numbers (see ``named``).

    ``lists`` were fused in the end, the dense one by the moved query; ``places`` are those of the query as it was.
    ``beliefs`` are each query's factors of the weights, by space; where there is none it is 1.
    """

    rankings: list[list[Fused[int]]]
    lists: list[Lists]
    places: list[Places]
    beliefs: list[Mapping[str, float]]


class Ranker:
    """Ranks the passages of one generation of a corpus."""

    def __init__(self, store: Store, manifest: CorpusManifest) -> None:
        self._store, self._manifest = store, manifest
        self._passages = collection_name(manifest.corpus, manifest.generation, Shelf.PASSAGES)
        self._documents = collection_name(manifest.corpus, manifest.generation, Shelf.DOCUMENTS)

    def rank(
        self, vectors: Mapping[str, VectorBatch], ask: Ask, reach: int, masses: Sequence[QueryMass] | None = None
    ) -> Ranked:
        """Rank the ``reach`` best passages of every query, where there are so many.

        ``vectors`` hold one row a query and space; ``masses`` are the queries' words, which the TF-IDF
        vectors tell but for unknown ones. The order does not depend on ``reach``.
        """
        queries = max((rows_of(batch) for batch in vectors.values()), default=0)
        depth = max(WINDOW, reach)
        lists: list[Lists] = [{} for _ in range(queries)]
        asked = ask.spaces if ask.every else ask.counting
        rows = [(q, space) for space in asked for q in range(queries)]
        self._collect(self._passages, vectors, rows, depth, ask.query_filter, lists)
        rest = [space for space in ask.spaces if space not in asked]
        rows = [(q, space) for space in rest for q in range(queries) if not any(lists[q].values())]
        if rows:
            self._collect(self._passages, vectors, rows, depth, ask.query_filter, lists)
        whole = _asks_documents(self._manifest, ask)
        scores = self._document_scores(vectors["tfidf"], queries, ask.query_filter) if whole else []
        minima = sparse_minima(self._manifest, (*ask.spaces, DOCUMENT_TFIDF))
        ask = replace(ask, weights=with_documents(self._manifest, ask.weights) if whole else ask.weights)
        counting = ask.counting

        best = self._best(ask, lists)
        beliefs: list[Mapping[str, float]] = [{} for _ in range(queries)]
        if best:
            columns = self._columns(best)
            masses = masses_of(vectors["tfidf"]) if masses is None else masses
            beliefs = [query_beliefs(mass, tops, columns, "tfidf") for mass, tops in zip(masses, best, strict=True)]
        weights = [{s: w * believed.get(s, 1.0) for s, w in ask.weights.items()} for believed in beliefs]
        parts: list[dict[str, Part[int]]] = [{} for _ in range(queries)]

        def fused(changed: Sequence[str], reach: int) -> list[list[Fused[int]]]:
            for found, by_document in zip(lists, scores, strict=False):
                found.pop(DOCUMENT_TFIDF, None)
                # Only what counts in a list: what lies deeper must not move what stands before it.
                found[DOCUMENT_TFIDF] = _spread(by_document, [found[s][:WINDOW] for s in counting if s in found])
            for found, ready in zip(lists, parts, strict=True):
                for space in (*changed, DOCUMENT_TFIDF):
                    if space in found:
                        ready[space] = part(found[space], method=ask.method, minimum=minima.get(space), ranked=True)
            return [_fuse(ready, used, ask.method, reach) for ready, used in zip(parts, weights, strict=True)]

        feedback = ask.feedback > 0 and _has_feedback(self._manifest, ask)
        rankings = fused(ask.spaces, 1 if feedback else reach)
        places: list[Places] = [{s: ready[s].ranks for s in ask.spaces if s in ready} for ready in parts]
        if scores:
            places = [
                {**found, DOCUMENT_TFIDF: Ranks(list(by.items()))} for found, by in zip(places, scores, strict=True)
            ]
        if feedback:
            firsts = [ranking[0].id if ranking else None for ranking in rankings]
            moved = self._moved(vectors["dense"], firsts, ask.feedback)
            again = [(q, "dense") for q in range(queries) if firsts[q] is not None]
            self._collect(self._passages, {"dense": moved}, again, depth, ask.query_filter, lists)
            rankings = fused(["dense"], reach)
        return Ranked(rankings, lists, places, beliefs)

    def _best(self, ask: Ask, lists: Sequence[Lists]) -> list[dict[str, int]]:
        """Each query's best hit in every space that counts; nothing where words do not count.

        The other methods than ``zscore`` weigh as they were told, whatever the query.
        """
        counting = ask.counting
        if ask.method != "zscore" or "tfidf" not in counting or len(counting) < 2:
            return []
        return [{space: found[space][0][0] for space in counting if found.get(space)} for found in lists]

    def _columns(self, best: Sequence[Mapping[str, int]]) -> dict[int, Sequence[int]]:
        """What the best hits hold in ``tfidf``. A query whose spaces all name one hit has no quarrel to settle."""
        wanted = {point for tops in best if len(set(tops.values())) > 1 for point in tops.values()}
        return {point: vector.indices for point, vector in self._vectors(wanted, "tfidf").items()}

    def _vectors(self, points: Collection[int], space: str) -> dict[int, Any]:
        """The vectors that are stored of points in a space, by id."""
        found = self._store.retrieve(
            self._passages, [point_text(point) for point in sorted(points)], payload=False, vectors=[space]
        )
        vectors = {UUID(str(record.id)).int: record.vector for record in found}
        return {point: held[space] for point, held in vectors.items() if isinstance(held, dict) and space in held}

    def _moved(
        self,
        queries: VectorBatch,
        firsts: Sequence[int | None],
        amount: float,
    ) -> npt.NDArray[np.float32]:
        """The dense queries, each moved towards its best hit."""
        known = self._vectors({point for point in firsts if point is not None}, "dense")
        moved = np.array(queries, dtype=np.float32)
        for q, point in enumerate(firsts):
            if point in known:
                toward = np.asarray([known[point]], dtype=np.float32)
                moved[q] = feedback_query(moved[q], toward, amount=amount)
        return moved

    def _collect(
        self,
        collection: str,
        vectors: Mapping[str, VectorBatch],
        rows: Sequence[tuple[int, str]],
        depth: int,
        query_filter: models.Filter | None,
        lists: list[Lists],
    ) -> None:
        """Ask for each of ``rows``, a query and a space, and put the answers into ``lists``.

        A graph searched more widely may find other neighbours. So every list is the best ``WINDOW``, then what
        of the best four times as many is new, and so on until ``depth`` is reached: all pages are cut from one
        list, however deep they lie.
        """
        asked = [(q, space, vector) for q, space in rows if (vector := query_vector(vectors[space], q)) is not None]
        for q, space, _ in asked:
            lists[q][space] = []
        step = WINDOW
        while asked:
            questions = [Nearest(vector, space, step, query_filter) for _, space, vector in asked]
            full = []
            for row, points in zip(asked, self._store.nearest(collection, questions), strict=True):
                if before := lists[row[0]][row[1]]:
                    held = {point for point, _ in before}
                    lists[row[0]][row[1]] = [*before, *(found for found in points if found[0] not in held)]
                else:
                    lists[row[0]][row[1]] = points
                if len(points) >= step:
                    full.append(row)
            if step >= depth:
                break
            asked, step = full, 4 * step

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
    """Each passage of the lists with its whole document's score; both best first, equals by id."""
    of: dict[int, list[int]] = {}
    for passage in {passage for entries in lists for passage, _ in entries}:
        owner = document_point_of(passage)
        if owner in scores:
            of.setdefault(owner, []).append(passage)
    return [(passage, score) for owner, score in scores.items() if owner in of for passage in sorted(of[owner])]


def _fuse(
    parts: Mapping[str, Part[int]], used: Mapping[str, float], method: FusionMethod, reach: int
) -> list[Fused[int]]:
    if not parts:
        return []
    weights = {space: used.get(space, 1.0) for space in parts}
    # Where the spaces that found something weigh nothing together, all count alike.
    chosen = weights if any(weights[space] > 0 for space, found in parts.items() if found.ranks) else None
    return fuse_parts(parts, method=method, weights=chosen, limit=reach)


def sparse_minima(manifest: CorpusManifest, names: Iterable[str]) -> dict[str, float]:
    """The lowest score that can be, for those of ``names`` that have one: 0 where spaces are sparse."""
    return {name: 0.0 for name in names if is_sparse(manifest, name)}


def is_sparse(manifest: CorpusManifest, name: str) -> bool:
    """Whether a list is of sparse scores: of a sparse space, or of whole documents in ``tfidf``."""
    return name == DOCUMENT_TFIDF or manifest.spaces[name].kind is SpaceKind.SPARSE
