"""From query vectors to answers: rank, look again, cut the page, and make its hits."""

from __future__ import annotations

import gc
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from schemas.manifest import CorpusManifest
from schemas.search import Hit, SearchResponse, Took
from schemas.spaces import Shelf, VectorBatch
from search.ask import Ask
from search.coverage import QueryMass, QueryWords
from search.fusing import Places
from search.fusion import Fused
from search.grouping import PASSAGES_SHOWN, Group, grouped
from search.hits import HitMaker
from search.query_vectors import rows_of, take
from search.ranked_list import WINDOW
from search.ranking import Ranker, named
from search.request import Page
from search.second_stage import Encode, Reranking, second_stage
from search.sharing import shared_out
from search.snippets import Finder, Snippets
from search.standings import in_every_space
from stores.base import Store, collection_name


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of reference cycles, of which a search makes none.

    It would walk the tuples that queries hold, a hundred thousand in a batch, again and again, for a fifth of
    the time outside of the engine.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Answerer:
    """Answers queries that are encoded, over one generation of a corpus.

    ``encode`` gives query vectors for a second stage; ``finder`` makes what finds
    features in a text, for snippets (``Analyzer.finder``).
    """

    def __init__(self, store: Store, manifest: CorpusManifest, encode: Encode, finder: Finder) -> None:
        self.ranker = Ranker(store, manifest)
        self._store, self._manifest = store, manifest
        self._encode, self._finder = encode, finder

    def answer(
        self,
        vectors: Mapping[str, VectorBatch],
        ask: Ask,
        page: Page,
        words: Sequence[QueryWords] | None = None,
        rerank: Reranking = Reranking(),  # noqa: B008 - frozen
        texts: Sequence[str] = (),
    ) -> list[SearchResponse]:
        """One response a query; ``words`` are each query's features, ``texts`` what was asked."""
        started = time.perf_counter()
        queries = max((rows_of(batch) for batch in vectors.values()), default=0)

        def some(rows: Sequence[int]) -> list[list[Hit]]:
            if len(rows) == queries:
                return self._hits(vectors, ask, page, words, rerank, texts)
            asked = {space: take(batch, rows) for space, batch in vectors.items()}
            return self._hits(asked, ask, page, None if words is None else [words[row] for row in rows], rerank, ())

        with _uncollected():
            # The model that judges may keep threads of its own, for which a forked process would wait.
            if rerank:
                answers = some(range(queries))
            else:
                answers = shared_out(self._store, self.ranker.collections(ask), queries, some)
        took = round((time.perf_counter() - started) * 1e3, 3)
        return [
            SearchResponse(
                query="",
                corpus=self._manifest.corpus,
                hits=found,
                fusion=ask.method,
                weights=dict(ask.weights),
                rerank=rerank.by,
                diversity=rerank.diversity,
                took_ms=Took(encode=0.0, search=took, total=took),
            )
            for found in answers
        ]

    def _hits(
        self,
        vectors: Mapping[str, VectorBatch],
        ask: Ask,
        page: Page,
        words: Sequence[QueryWords] | None,
        rerank: Reranking,
        texts: Sequence[str],
    ) -> list[list[Hit]]:
        masses = None if words is None else [of.mass for of in words]
        groups, places = self._page(vectors, ask, page, masses, rerank, texts)
        groups = in_every_space(self._store, self._manifest, vectors, ask, groups, places, explain=page.explain)
        named_groups = [[named(group) for group in found] for found in groups]
        payloads = self._payloads({hit.id for found in named_groups for group in found for hit in group})
        # An ingest may have taken a passage away since it was ranked.
        standing = [[[hit for hit in group if hit.id in payloads] for group in found] for found in named_groups]
        shown = [[group for group in found if group] for found in standing]
        maker = HitMaker(payloads, len(ask.spaces) == 1 and rerank.by is None, page.by_document)
        hits: list[list[Hit]] = []
        for row, found in enumerate(shown):
            features = words[row].idf if words else {}
            snippets = Snippets(features, self._finder(features))
            hits.append([maker.hit(snippets, page.offset + n, group) for n, group in enumerate(found, 1)])
        return hits

    def ranked(
        self,
        vectors: Mapping[str, VectorBatch],
        ask: Ask,
        reach: int,
        masses: Sequence[QueryMass] | None = None,
        rerank: Reranking = Reranking(),  # noqa: B008 - frozen
        texts: Sequence[str] = (),
    ) -> tuple[list[list[Fused[int]]], list[Places]]:
        """The ``reach`` best passages of every query, by the ranker and then by ``rerank``; and the spaces' lists."""
        if not rerank:
            first = self.ranker.rank(vectors, ask, reach, masses)
            return first.rankings, first.places
        first = self.ranker.rank(vectors, ask, max(reach, rerank.top), masses)
        found = second_stage(self._store, self._manifest, self._encode, texts, first.rankings, rerank)
        return found, first.places

    def _page(
        self,
        vectors: Mapping[str, VectorBatch],
        ask: Ask,
        page: Page,
        masses: Sequence[QueryMass] | None,
        rerank: Reranking,
        texts: Sequence[str],
    ) -> tuple[list[list[Group]], list[Places]]:
        """For each query the page's hits, each its passages, best first."""
        if not page.by_document:
            rankings, places = self.ranked(vectors, ask, page.reach, masses, rerank, texts)
            return [[[hit] for hit in ranking[page.offset : page.reach]] for ranking in rankings], places
        depth = max(WINDOW, page.reach * 4, rerank.top)
        rankings, places = self.ranked(vectors, ask, depth, masses, rerank, texts)
        judged = rerank.top if rerank else 0

        def deeper(rows: Sequence[int], depth: int) -> list[list[Fused[int]]]:
            short = {space: take(batch, rows) for space, batch in vectors.items()}
            first = self.ranker.rank(short, ask, depth, None if masses is None else [masses[row] for row in rows])
            for row, found in zip(rows, first.places, strict=True):
                places[row] = found
            # The second stage has judged all that it judges; the rest follows in its first order.
            return [
                [*rankings[row][:judged], *ranking[judged:]] for row, ranking in zip(rows, first.rankings, strict=True)
            ]

        found = grouped(rankings, depth, page.reach, deeper)
        return [[group[:PASSAGES_SHOWN] for group in groups[page.offset :]] for groups in found], places

    def _payloads(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        manifest = self._manifest
        passages = collection_name(manifest.corpus, manifest.generation, Shelf.PASSAGES)
        records = self._store.retrieve(passages, sorted(ids)) if ids else []
        return {str(record.id): record.payload or {} for record in records}
