"""Query vectors to ranked passages: two rounds to the store, and what each space gave every hit.

The first round asks every space that weighs something, and the documents shelf for whole texts; how
far a space is believed then depends on the query's words in its best hit (``search.belief``), and the best of all
are looked at again for the words that they hold (``search.coverage``). The
second asks the dense space once more, moved towards the best hit so far: pseudo-relevance feedback with
vectors (Li et al., TOIS 2023), by which one space learns from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from qdrant_client import models

from schemas.ids import point_number, point_text
from schemas.manifest import CorpusManifest
from schemas.spaces import Shelf, SpaceKind, VectorBatch
from search.ask import Ask
from search.belief import beliefs as query_beliefs
from search.coverage import QueryMass, masses_of
from search.fusing import Columns, Fusing, Lists, Places
from search.fusion import Fused
from search.query_vectors import query_vector, rows_of
from search.ranked_list import WINDOW
from search.rerank import feedback_query
from search.weights import asks_documents, search_weights
from stores.base import Store, collection_name
from stores.nearest import Nearest


@dataclass
class Ranked:
    """Rankings, one a query, and what was fused to make each; ids are numbers (see ``named``).

    ``lists`` were fused in the end, the dense one by the moved query; ``asked`` and ``places`` are those of the
    query as it was, which is how a space alone is searched.
    ``beliefs`` are each query's factors of the weights, by space; where there is none it is 1.
    """

    rankings: list[list[Fused[int]]]
    lists: list[Lists]
    asked: list[Lists]
    places: list[Places]
    beliefs: list[Mapping[str, float]]


class Ranker:
    """Ranks the passages of one generation of a corpus."""

    def __init__(self, store: Store, manifest: CorpusManifest) -> None:
        self._store, self._manifest = store, manifest
        self._passages = collection_name(manifest.corpus, manifest.generation, Shelf.PASSAGES)
        self._documents = collection_name(manifest.corpus, manifest.generation, Shelf.DOCUMENTS)

    def collections(self, ask: Ask) -> list[str]:
        """Those that a search reads."""
        return [self._passages, self._documents] if self._asks_documents(ask) else [self._passages]

    def _asks_documents(self, ask: Ask) -> bool:
        return asks_documents(self._manifest, ask.spaces, ask.weights)

    def rank(
        self, vectors: Mapping[str, VectorBatch], ask: Ask, reach: int, masses: Sequence[QueryMass] | None = None
    ) -> Ranked:
        """Rank the ``reach`` best passages of every query, where there are so many.

        ``vectors`` hold one row a query and space; ``masses`` are the queries' words, which the TF-IDF
        vectors tell but for unknown ones. The order does not depend on ``reach``.
        """
        queries = max((rows_of(batch) for batch in vectors.values()), default=0)
        depth = max(WINDOW, reach)
        lists = self._first_round(vectors, ask, queries, depth)
        whole = self._asks_documents(ask)
        scores = self._document_scores(vectors["tfidf"], queries, ask.query_filter) if whole else []
        ask = replace(ask, weights=search_weights(self._manifest, ask.spaces, ask.weights, ask.method))
        if masses is None:
            masses = masses_of(vectors["tfidf"]) if "tfidf" in vectors else []
        columns = _Columns(self.columns)
        beliefs = self._beliefs(ask, lists, masses, columns)
        fusing = Fusing(self._manifest, ask, beliefs, lists, scores, masses, columns)
        if not (ask.feedback > 0 and _has_feedback(self._manifest, ask)):
            rankings = fusing.rankings(ask.spaces, reach)
            return Ranked(rankings, lists, lists, fusing.places(), beliefs)
        firsts = [ranking[0].id if ranking else None for ranking in fusing.rankings(ask.spaces, 1)]
        places = fusing.places()
        asked = [dict(found) for found in lists]
        moved = self._moved(vectors["dense"], firsts, ask.feedback)
        again = [(q, "dense") for q in range(queries) if firsts[q] is not None]
        self._collect(self._passages, {"dense": moved}, again, depth, ask.query_filter, lists)
        return Ranked(fusing.rankings(["dense"], reach), lists, asked, places, beliefs)

    def _first_round(self, vectors: Mapping[str, VectorBatch], ask: Ask, queries: int, depth: int) -> list[Lists]:
        """What every space finds that is to be asked, and the others where those found nothing."""
        lists: list[Lists] = [{} for _ in range(queries)]
        asked = ask.spaces if ask.every else ask.counting
        rows = [(q, space) for space in asked for q in range(queries)]
        self._collect(self._passages, vectors, rows, depth, ask.query_filter, lists)
        rest = [space for space in ask.spaces if space not in asked]
        rows = [(q, space) for space in rest for q in range(queries) if not any(lists[q].values())]
        if rows:
            self._collect(self._passages, vectors, rows, depth, ask.query_filter, lists)
        return lists

    def _beliefs(
        self, ask: Ask, lists: Sequence[Lists], masses: Sequence[QueryMass], columns: Columns
    ) -> list[Mapping[str, float]]:
        """Each query's factors of the weights, by space."""
        best = self._best(ask, lists)
        if not best:
            return [{} for _ in lists]
        # A query whose spaces all name one hit has no quarrel to settle.
        held = columns({point for tops in best if len(set(tops.values())) > 1 for point in tops.values()})
        return [query_beliefs(mass, tops, held, "tfidf") for mass, tops in zip(masses, best, strict=True)]

    def _best(self, ask: Ask, lists: Sequence[Lists]) -> list[dict[str, int]]:
        """Each query's best hit in every space that counts; nothing where words do not count.

        The other methods than ``zscore`` weigh as they were told, whatever the query.
        """
        counting = ask.counting
        if ask.method != "zscore" or "tfidf" not in counting or len(counting) < 2:
            return []
        return [{space: found[space][0][0] for space in counting if found.get(space)} for found in lists]

    def columns(self, points: Collection[int]) -> dict[int, Sequence[int]]:
        """What passages hold in ``tfidf``, by their ids."""
        found = self._store.columns(self._passages, sorted(points), "tfidf")
        return {point: found.get(point, ()) for point in points}

    def _vectors(self, points: Collection[int], space: str) -> dict[int, Any]:
        """The vectors that are stored of points in a space, by id."""
        found = self._store.retrieve(
            self._passages, [point_text(point) for point in sorted(points)], payload=False, vectors=[space]
        )
        vectors = {point_number(record.id): record.vector for record in found}
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


class _Columns:
    """What passages hold, each fetched once."""

    def __init__(self, fetch: Callable[[Collection[int]], Mapping[int, Sequence[int]]]) -> None:
        self._fetch = fetch
        self._known: dict[int, Sequence[int]] = {}

    def __call__(self, points: set[int]) -> Mapping[int, Sequence[int]]:
        """Those of ``points``, and whatever else was fetched before."""
        if lacking := points - self._known.keys():
            self._known.update(self._fetch(lacking))
        return self._known


def named(ranking: Iterable[Fused[int]]) -> list[Fused]:
    """The same hits by the text of their ids. Numbers rank cheaper; a page is all that is written out."""
    return [Fused(point_text(hit.id), hit.score, hit.spaces) for hit in ranking]


def _has_feedback(manifest: CorpusManifest, ask: Ask) -> bool:
    dense = "dense" in ask.spaces and manifest.spaces["dense"].kind is SpaceKind.DENSE
    others = any(ask.weights.get(space, 0.0) > 0 for space in ask.spaces if space != "dense")
    return dense and others and ask.weights.get("dense", 0.0) > 0
