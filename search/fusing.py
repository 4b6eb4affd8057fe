"""The lists of several queries fused at once, and again where one of them has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from schemas.manifest import CorpusManifest
from search.ask import Ask
from search.coverage import COVERAGE, COVERED, QueryMass, coverage_part
from search.fusion import Fused, Fusion
from search.ranked_list import WINDOW, Part, Ranks, ScoredList, part
from search.whole_documents import DOCUMENT_TFIDF, sparse_minima, spread

Lists: TypeAlias = dict[str, ScoredList[int]]
"""What each space found: ids (as numbers) with scores, best first."""

Places: TypeAlias = Mapping[str, Mapping[int, tuple[int, float]]]
"""Rank and score of each id in each space's list, by the query as it was asked; under ``DOCUMENT_TFIDF`` by the ids
of documents."""

Columns: TypeAlias = Callable[[set[int]], Mapping[int, Sequence[int]]]
"""What passages hold in ``tfidf``, by their ids."""


class Fusing:
    """Fuses ``lists``, one mapping a query.

    ``scores`` are those of whole documents by the id of their point, best first, one mapping a query, or none;
    passages share them, in each query's list ``DOCUMENT_TFIDF``. ``beliefs`` are each query's
    factors of the weights; where there is none it is 1. Where coverage weighs, the best passages are looked at again
    for what they hold of ``masses``, each query's words, by ``columns``.
    """

    def __init__(
        self,
        manifest: CorpusManifest,
        ask: Ask,
        beliefs: Sequence[Mapping[str, float]],
        lists: Sequence[Lists],
        scores: Sequence[Mapping[int, float]],
        masses: Sequence[QueryMass],
        columns: Columns,
    ) -> None:
        self._ask = ask
        self._masses, self._columns = masses, columns
        self._later = [COVERAGE] if ask.weights.get(COVERAGE, 0.0) > 0 else []
        self._weights = [{s: w * believed.get(s, 1.0) for s, w in ask.weights.items()} for believed in beliefs]
        self._lists, self._scores = lists, scores
        self._minima = sparse_minima(manifest, (*ask.spaces, DOCUMENT_TFIDF))
        self._parts: list[dict[str, Part[int]]] = [{} for _ in lists]

    def rankings(self, changed: Sequence[str], reach: int) -> list[list[Fused[int]]]:
        """The best ``reach`` of every query; ``changed`` are the spaces whose lists are other ones than before."""
        counting = self._ask.counting
        for found, by_document in zip(self._lists, self._scores, strict=False):
            found.pop(DOCUMENT_TFIDF, None)
            # Only what counts in a list: what lies deeper must not move what stands before it.
            windows = [found[space][:WINDOW] for space in counting if space in found]
            found[DOCUMENT_TFIDF] = spread(by_document, windows)
        method, k = self._ask.method, self._ask.rrf_k
        for found, ready in zip(self._lists, self._parts, strict=True):
            for space in (*changed, DOCUMENT_TFIDF):
                if space in found:
                    minimum = self._minima.get(space)
                    ready[space] = part(found[space], method=method, k=k, minimum=minimum, ranked=True)
        fusions = [self._fusion(ready, used) for ready, used in zip(self._parts, self._weights, strict=True)]
        if self._later:
            self._cover(fusions)
        return [fusion.ranking(reach) for fusion in fusions]

    def _fusion(self, parts: Mapping[str, Part[int]], used: Mapping[str, float]) -> Fusion[int]:
        weights = {space: used.get(space, 1.0) for space in (*parts, *self._later)}
        # Where the spaces that found something weigh nothing together, all count alike.
        if not any(weights[space] > 0 for space, found in parts.items() if found.ranks):
            return Fusion(parts, method=self._ask.method)
        return Fusion(parts, method=self._ask.method, weights=weights, later=self._later)

    def _cover(self, fusions: Sequence[Fusion[int]]) -> None:
        """Add to each what its best passages hold of the query; what stands below stays below.

        Who holds all of it is given as much as the best of ``tfidf``, who stands out the more the fewer match.
        """
        blocks = [fusion.first(COVERED) for fusion in fusions]
        columns = self._columns({passage for block in blocks for passage in block})
        for fusion, mass, block, parts in zip(fusions, self._masses, blocks, self._parts, strict=True):
            if fusion.awaits(COVERAGE) and "tfidf" in parts:
                most = max(parts["tfidf"].given, default=0.0)
                fusion.add(COVERAGE, coverage_part(mass, block, columns, most))

    def places(self) -> list[Places]:
        """Where everything stands in the lists as they were last fused."""
        found: list[Places] = [
            {space: ready[space].ranks for space in self._ask.spaces if space in ready} for ready in self._parts
        ]
        if not self._scores:
            return found
        return [
            {**by_space, DOCUMENT_TFIDF: Ranks(list(by_document.items()))}
            for by_space, by_document in zip(found, self._scores, strict=True)
        ]
