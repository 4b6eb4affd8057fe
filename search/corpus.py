"""``Corpus``: one corpus opened for questions. Opening it once and asking often is what is fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from typing import Any, Self
from uuid import UUID

import numpy as np
from qdrant_client import models

from encoders.learned import LearnedEncoders
from encoders.lexical import LexicalEncoder
from schemas.errors import CorpusNotFound, StoreError, UsageError
from schemas.ids import document_point_of, point_text
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name
from schemas.search import Hit, SearchResponse, SpaceScore, Took
from schemas.spaces import Shelf, VectorBatch
from search.filters import parse_where
from search.fusion import WINDOW, Fused, FusionMethod
from search.ranking import DEFAULT_WEIGHTS, DOCUMENT_TFIDF, Ask, Ranker, named
from search.second_stage import COLBERT, Reranking, second_stage
from search.snippets import snippet
from search.text_match import MOST_VALUES
from stores.base import Store, collection_name
from stores.lookup import StoreTermLookup
from stores.opening import open_store

DEFAULT_FUSION: FusionMethod = "zscore"

MAX_REACH = 10_000
"""The deepest hit that can be asked for: ``offset + limit``."""

PASSAGES_SHOWN = 5
"""Passages shown of one document where hits are documents."""

MAX_QUERY = 20_000
"""Characters of a query; more is a document, and is refused rather than cut."""


class Corpus:
    """A corpus to search. Use it as a context manager, or close it.

    ``store`` is a folder, a URL or an open store (default: ``XUNYI_STORE``, else a folder of the
    user's own). Raises ``CorpusNotFound`` with the names that there are.
    """

    def __init__(self, name: str, store: str | Store | None = None) -> None:
        check_corpus_name(name)
        self._stack = ExitStack()
        self.store: Store = (
            self._stack.enter_context(open_store(store)) if store is None or isinstance(store, str) else store
        )
        try:
            manifest = self.store.read_manifest(name)
            if manifest is None:
                there = self.store.list_corpora()
                hint = f"there are {', '.join(there)}" if there else "it holds none yet: make one with `xunyi ingest`"
                raise CorpusNotFound(f"{self.store.location} has no corpus {name!r}; {hint}.")
        except BaseException:
            self._stack.close()
            raise
        self.manifest: CorpusManifest = manifest
        self.name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store, if it was opened here."""
        self._stack.close()

    # -- what encodes --------------------------------------------------------------------------
    @cached_property
    def encoder(self) -> LearnedEncoders | None:
        """What made the corpus's learned spaces, loaded when they are asked; None where it has lexical ones only."""
        return LearnedEncoders(self.manifest) if self.manifest.encoders else None

    @cached_property
    def lexical(self) -> LexicalEncoder:
        """TF-IDF and Word2Vec over the corpus's own vocabulary."""
        return LexicalEncoder(self.manifest, self.terms)

    @cached_property
    def terms(self) -> StoreTermLookup:
        """The vocabulary."""
        return StoreTermLookup(self.store, self.name, self.collection(Shelf.TERMS))

    @cached_property
    def ranker(self) -> Ranker:
        """What ranks passages."""
        return Ranker(self.store, self.manifest)

    @property
    def fusion(self) -> FusionMethod:
        """How spaces are put together: as tuned for this corpus, else the default."""
        method: FusionMethod = self.manifest.search.get("fusion", DEFAULT_FUSION)
        return method

    def collection(self, shelf: Shelf) -> str:
        """The shelf's physical collection."""
        return collection_name(self.name, self.manifest.generation, shelf)

    def encode(self, queries: Sequence[str], spaces: Sequence[str]) -> dict[str, VectorBatch]:
        """Query vectors for each of ``spaces``, one row a query."""
        vectors: dict[str, VectorBatch] = {}
        if any(space in LEXICAL_SPACES for space in spaces):
            vectors.update(self.lexical.encode_queries(queries))
        if self.encoder is not None and any(space in self.encoder.spaces for space in spaces):
            vectors.update(self.encoder.encode_queries(queries, spaces))
        return {space: vectors[space] for space in spaces}

    # -- questions -----------------------------------------------------------------------------
    def search(self, query: str, **options: Any) -> SearchResponse:
        """Answer one query; the options are those of ``search_many``."""
        return self.search_many([query], **options)[0]

    def search_many(
        self,
        queries: Sequence[str],
        *,
        limit: int = 10,
        offset: int = 0,
        spaces: Sequence[str] | None = None,
        where: Sequence[str] = (),
        fusion: FusionMethod | None = None,
        weights: Mapping[str, float] | None = None,
        by_document: bool = False,
        rerank: Reranking | None = None,
    ) -> list[SearchResponse]:
        """Answer several queries in one round to the store, hits best first.

        ``spaces`` default to all of the corpus; ``where`` are conditions such as ``city=Seattle``;
        ``fusion`` is ``zscore`` (default), ``convex``, ``rrf`` or ``dbsf``, with ``weights`` by space. With
        ``by_document`` a hit is a document, shown by its best passage, and holds its other passages
        that were found. ``rerank`` judges the first hits again. The same call gives the same hits in
        the same order, and pages neither repeat nor miss one.

        Raises ``UsageError`` for an empty query, a bad limit, an unknown space or field.
        """
        ask = partial(
            self._search_many,
            queries,
            limit=limit,
            offset=offset,
            spaces=spaces,
            where=where,
            fusion=fusion,
            weights=weights,
            by_document=by_document,
            rerank=rerank or Reranking(),
        )
        try:
            return ask()
        except StoreError:
            if not self.refresh():
                raise
            return ask()

    async def search_async(self, query: str, **options: Any) -> SearchResponse:
        """Answer one query without holding up the event loop: as ``search``, in a thread of its own."""
        return await asyncio.to_thread(self.search, query, **options)

    def refresh(self) -> bool:
        """Turn to the corpus's current generation; True where another has taken the place of the one in use."""
        manifest = self.store.read_manifest(self.name)
        if manifest is None or manifest.generation == self.manifest.generation:
            return False
        self.manifest = manifest
        for made in ("encoder", "lexical", "terms", "ranker"):
            self.__dict__.pop(made, None)
        return True

    def _search_many(
        self,
        queries: Sequence[str],
        *,
        limit: int,
        offset: int,
        spaces: Sequence[str] | None,
        where: Sequence[str],
        fusion: FusionMethod | None,
        weights: Mapping[str, float] | None,
        by_document: bool,
        rerank: Reranking,
    ) -> list[SearchResponse]:
        started = time.perf_counter()
        check_page(limit, offset)
        texts = [_check_query(query) for query in queries]
        rerank.check(self.manifest)
        names = self._check_spaces(spaces, without=COLBERT if rerank.by == COLBERT else None)
        # Made before encoding: a bad filter or weight need not wait for a model to load.
        ask = self._ask(names, fusion, weights, where)
        vectors = self.encode(texts, names)
        features = [self._features(text) for text in texts]
        encoded = time.perf_counter()
        answered = self._answer(vectors, ask, limit, offset, by_document, features, rerank, texts)
        encode = (encoded - started) * 1e3
        return [
            response.model_copy(
                update={
                    "query": query,
                    "took_ms": Took(
                        encode=round(encode, 3),
                        search=response.took_ms.search,
                        total=round(encode + response.took_ms.search, 3),
                    ),
                }
            )
            for query, response in zip(queries, answered, strict=True)
        ]

    def search_vectors(
        self,
        vectors: Mapping[str, VectorBatch],
        *,
        limit: int = 10,
        offset: int = 0,
        where: Sequence[str] = (),
        fusion: FusionMethod | None = None,
        weights: Mapping[str, float] | None = None,
        by_document: bool = False,
        features: Sequence[Mapping[str, float]] | None = None,
        rerank: Reranking = Reranking(),  # noqa: B008 - frozen
        texts: Sequence[str] = (),
    ) -> list[SearchResponse]:
        """Answer queries that are encoded already: for each space one row a query, as ``encode`` gives them.

        ``features`` are each query's terms and their weights, to be marked in the snippets; ``texts``
        the queries as they were asked, for ``rerank``.
        """
        check_page(limit, offset)
        ask = self._ask(self._check_spaces(list(vectors)), fusion, weights, where)
        return self._answer(vectors, ask, limit, offset, by_document, features, rerank, texts)

    def _ask(
        self,
        names: Sequence[str],
        fusion: FusionMethod | None,
        weights: Mapping[str, float] | None,
        where: Sequence[str],
    ) -> Ask:
        return Ask(names, self.weights(names, weights), fusion or self.fusion, self.filter(where))

    def _answer(
        self,
        vectors: Mapping[str, VectorBatch],
        ask: Ask,
        limit: int,
        offset: int,
        by_document: bool,
        features: Sequence[Mapping[str, float]] | None,
        rerank: Reranking,
        texts: Sequence[str],
    ) -> list[SearchResponse]:
        started = time.perf_counter()
        reach = offset + limit
        if by_document:
            pages = [groups[offset:reach] for groups in self._grouped(vectors, ask, reach, rerank, texts)]
        else:
            ranked = self.ranked(vectors, ask, reach, rerank, texts)
            pages = [[[hit] for hit in named(ranking[offset:reach])] for ranking in ranked]
        payloads = self._fetch({hit.id for page in pages for group in page for hit in group})
        alone = len(ask.spaces) == 1 and rerank.by is None
        hits = [
            [
                self._hit(features[row] if features else {}, offset + n, group, payloads, alone)
                for n, group in enumerate(page, 1)
            ]
            for row, page in enumerate(pages)
        ]
        took = round((time.perf_counter() - started) * 1e3, 3)
        return [
            SearchResponse(
                query="",
                corpus=self.name,
                hits=found,
                fusion=ask.method,
                weights=dict(ask.weights),
                rerank=rerank.by,
                diversity=rerank.diversity,
                took_ms=Took(encode=0.0, search=took, total=took),
            )
            for found in hits
        ]

    def ranked(
        self,
        vectors: Mapping[str, VectorBatch],
        ask: Ask,
        reach: int,
        rerank: Reranking = Reranking(),  # noqa: B008 - frozen
        texts: Sequence[str] = (),
    ) -> list[list[Fused[int]]]:
        """The ``reach`` best passages of every query, by the ranker and then by ``rerank``."""
        if not rerank:
            return self.ranker.rank(vectors, ask, reach).rankings
        first = self.ranker.rank(vectors, ask, max(reach, rerank.top)).rankings
        return second_stage(self.store, self.manifest, self.encode, texts, first, rerank)

    def filter(self, where: Sequence[str]) -> models.Filter | None:
        """The filter that conditions such as ``city=Seattle`` mean in this corpus; None where there are none."""
        return parse_where(where, self.manifest.payload_fields, self._values)

    def _values(self, field: str) -> list[str]:
        """The distinct values of an indexed payload key."""
        return list(self.store.facet(self.collection(Shelf.DOCUMENTS), field, limit=MOST_VALUES))

    def _check_spaces(self, spaces: Sequence[str] | None, without: str | None = None) -> list[str]:
        """The spaces to ask, as named or all of them; ``without`` is left out of those that nobody named."""
        there = list(self.manifest.spaces)
        if spaces is None:
            return [space for space in there if space != without] or there
        for space in spaces:
            if space not in there:
                raise UsageError(
                    f"--spaces: the corpus {self.name!r} has no space {space!r}; it has {', '.join(there)}."
                )
        if not spaces:
            raise UsageError(f"--spaces: name at least one of {', '.join(there)}.")
        return list(dict.fromkeys(spaces))

    def weights(self, names: Sequence[str], weights: Mapping[str, float] | None = None) -> dict[str, float]:
        """The weight of each space: as given, else as tuned for this corpus, else the default."""
        for space, weight in (weights or {}).items():
            if space not in names:
                raise UsageError(f"--weights: {space!r} is not among the spaces searched, {', '.join(names)}.")
            if not np.isfinite(weight) or weight < 0:
                raise UsageError(f"--weights: {space}={weight} is not a number of 0 or more.")
        tuned: Mapping[str, float] = self.manifest.search.get("weights", {})
        used = {
            name: float((weights or {}).get(name, tuned.get(name, DEFAULT_WEIGHTS.get(name, 1.0)))) for name in names
        }
        if DOCUMENT_TFIDF in tuned and "tfidf" in names and "tfidf" not in (weights or {}):
            used[DOCUMENT_TFIDF] = float(tuned[DOCUMENT_TFIDF])
        return used

    def _grouped(
        self, vectors: Mapping[str, VectorBatch], ask: Ask, reach: int, rerank: Reranking, texts: Sequence[str]
    ) -> list[list[list[Fused]]]:
        """For each query ``reach`` documents, where there are so many: each its passages found, best first."""
        depth = max(WINDOW, reach * 4)
        while True:
            ranked = self.ranked(vectors, ask, depth, rerank, texts)
            grouped: list[list[list[Fused[int]]]] = []
            for ranking in ranked:
                groups: dict[int, list[Fused[int]]] = {}
                for hit in ranking:
                    groups.setdefault(document_point_of(hit.id), []).append(hit)
                grouped.append(list(groups.values()))
            short = any(
                len(groups) < reach and len(ranking) >= depth for groups, ranking in zip(grouped, ranked, strict=True)
            )
            if not short:
                return [[named(group[:PASSAGES_SHOWN]) for group in groups[:reach]] for groups in grouped]
            depth *= 4

    def document_ids(self, passages: Iterable[int]) -> dict[int, str]:
        """The document's own id, for each passage's point id (as a number)."""
        owners = {passage: document_point_of(passage) for passage in passages}
        points = [point_text(owner) for owner in sorted(set(owners.values()))]
        found = self.store.retrieve(self.collection(Shelf.DOCUMENTS), points, payload=["document_id"])
        ids = {UUID(str(record.id)).int: str((record.payload or {})["document_id"]) for record in found}
        return {passage: ids[owner] for passage, owner in owners.items() if owner in ids}

    def _fetch(self, ids: set[str]) -> dict[str, dict[str, Any]]:
        records = self.store.retrieve(self.collection(Shelf.PASSAGES), sorted(ids)) if ids else []
        return {str(record.id): record.payload or {} for record in records}

    def _features(self, query: str) -> dict[str, float]:
        """The query's features with their idf, to mark them in a text; unknown ones weigh most."""
        found = set(self.lexical.analyzer.features(query))
        known = self.terms(found) if self.manifest.counts.terms else {}
        top = max((term.idf for term in known.values()), default=1.0)
        return {feature: known[feature].idf if feature in known else top for feature in found}

    def _hit(
        self,
        features: Mapping[str, float],
        rank: int,
        group: Sequence[Fused],
        payloads: Mapping[str, Mapping[str, Any]],
        alone: bool,
    ) -> Hit:
        fused, payload = group[0], payloads[group[0].id]
        text = str(payload["text"])
        return Hit(
            rank=rank,
            # Of one space alone its own similarity says more than a score scaled between first and last.
            score=round(next(iter(fused.spaces.values())).score if alone else fused.score, 6),
            document_id=str(payload["document_id"]),
            passage_id=fused.id,
            title=str(payload["title"]),
            chapter=payload.get("chapter"),
            text=text,
            start=int(payload["start"]),
            end=int(payload["end"]),
            payload=dict(payload.get("meta") or {}),
            spaces={
                space: SpaceScore(rank=place, score=round(score, 6), share=round(share, 4))
                for space, (place, score, share) in fused.spaces.items()
            },
            snippet=snippet(text, features, self.lexical.analyzer.matches),
            passages=[self._hit(features, n, [other], payloads, alone) for n, other in enumerate(group, 1)]
            if len(group) > 1
            else [],
        )


def _check_query(query: str) -> str:
    text = query.strip()
    if not text:
        raise UsageError("The query is empty; write some words to look for.")
    if len(text) > MAX_QUERY:
        raise UsageError(f"The query has {len(text):,} characters; at most {MAX_QUERY:,} can be asked.")
    return text


def check_page(limit: int, offset: int) -> None:
    """Refuse a page that cannot be meant, or that lies deeper than ``MAX_REACH``."""
    if limit < 1:
        raise UsageError(f"--limit {limit}: ask for at least 1.")
    if offset < 0:
        raise UsageError(f"--offset {offset}: it counts from 0.")
    if limit + offset > MAX_REACH:
        raise UsageError(f"--limit {limit} with --offset {offset}: at most {MAX_REACH:,} hits deep can be asked.")


def search(query: str, corpus: str, *, store: str | Store | None = None, **options: Any) -> SearchResponse:
    """Ask one query of a corpus; opens and closes it. The options are those of ``Corpus.search_many``."""
    with Corpus(corpus, store) as opened:
        return opened.search(query, **options)


__all__ = ["Corpus", "search"]
