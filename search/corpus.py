"""``Corpus``: one corpus opened for questions. Opening it once and asking often is what is fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property, partial
from typing import Any, Self
from uuid import UUID

from qdrant_client import models

from encoders.learned import LearnedEncoders
from encoders.lexical import LexicalEncoder
from schemas.errors import CorpusNotFound, StoreError, UsageError
from schemas.ids import document_point_of, point_text
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name, several
from schemas.search import SearchResponse, Took
from schemas.spaces import Shelf, VectorBatch
from search.answering import Answerer, Page
from search.ask import Ask
from search.coverage import QueryWords, query_words
from search.filters import META, parse_where
from search.ranked_list import FusionMethod
from search.request import check_fusion, check_page, check_query, chosen_spaces, chosen_weights
from search.second_stage import COLBERT, Reranking
from search.standings import Explain
from search.text_match import MOST_VALUES
from stores.base import Store, collection_name
from stores.lookup import StoreTermLookup
from stores.opening import StoreLike, as_store

DEFAULT_FUSION: FusionMethod = "zscore"


class Corpus:
    """A corpus to search. Use it as a context manager, or close it.

    ``store`` is a folder, a URL or an open store (default: ``XUNYI_STORE``, else a folder of the
    user's own). Raises ``CorpusNotFound`` with the names that there are.
    """

    def __init__(self, name: str, store: StoreLike = None) -> None:
        check_corpus_name(name)
        self._stack = ExitStack()
        self.store: Store = self._stack.enter_context(as_store(store))
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
    def answerer(self) -> Answerer:
        """What ranks passages and makes hits of them."""
        return Answerer(self.store, self.manifest, self.encode, self.lexical.analyzer.finder)

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
        explain: Explain = False,
    ) -> list[SearchResponse]:
        """Answer several queries in one round to the store, hits best first.

        ``spaces`` default to all of the corpus; ``where`` are conditions such as ``city=Seattle``;
        ``fusion`` is ``zscore`` (default), ``convex``, ``rrf`` or ``dbsf``, with ``weights`` by space. With
        ``by_document`` a hit is a document, shown by its best passage, and holds its other passages
        that were found. ``rerank`` judges the first hits again. A hit says its rank and
        score in the lists that were fused; with ``explain="scores"`` its score in every space by the query as
        it was asked, and with True its rank there too, among the best 10,000.
        The same call gives the same hits in the same order, and pages neither repeat nor miss one.

        Raises ``UsageError`` for an empty query, a bad limit, an unknown space or field.
        """
        ask = partial(
            self._search_many,
            several(queries),
            Page(limit, offset, by_document, explain),
            spaces=spaces,
            where=where,
            fusion=fusion,
            weights=weights,
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
        for made in ("encoder", "lexical", "terms", "answerer"):
            self.__dict__.pop(made, None)
        return True

    def _search_many(
        self,
        queries: Sequence[str],
        page: Page,
        *,
        spaces: Sequence[str] | None,
        where: Sequence[str],
        fusion: FusionMethod | None,
        weights: Mapping[str, float] | None,
        rerank: Reranking,
    ) -> list[SearchResponse]:
        started = time.perf_counter()
        check_page(page.limit, page.offset)
        texts = [check_query(query) for query in queries]
        rerank.check(self.manifest)
        names = chosen_spaces(self.manifest, spaces, without=COLBERT if rerank.by == COLBERT else None)
        # Made before encoding: a bad filter or weight need not wait for a model to load.
        ask = self._ask(names, fusion, weights, where, page.explain)
        vectors = self.encode(texts, names)
        words = self.words(texts)
        encoded = time.perf_counter()
        answered = self.answerer.answer(vectors, ask, page, words, rerank, texts)
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
        words: Sequence[QueryWords] | None = None,
        rerank: Reranking = Reranking(),  # noqa: B008 - frozen
        texts: Sequence[str] = (),
        explain: Explain = False,
    ) -> list[SearchResponse]:
        """Answer queries that are encoded already: for each space one row a query, as ``encode`` gives them.

        ``words`` are each query's own, as ``Corpus.words`` gives them, to be marked in the snippets and
        to tell how far a space is believed; ``texts`` the queries as they were asked, for ``rerank``.
        """
        check_page(limit, offset)
        ask = self._ask(chosen_spaces(self.manifest, list(vectors)), fusion, weights, where, explain)
        page = Page(limit, offset, by_document, explain)
        return self.answerer.answer(vectors, ask, page, words, rerank, texts)

    def _ask(
        self,
        names: Sequence[str],
        fusion: FusionMethod | None,
        weights: Mapping[str, float] | None,
        where: Sequence[str],
        explain: Explain,
    ) -> Ask:
        check_fusion(fusion)
        used = self.weights(names, weights)
        return Ask(names, used, fusion or self.fusion, self.filter(where), every=explain is not False)

    def filter(self, where: Sequence[str]) -> models.Filter | None:
        """The filter that conditions such as ``city=Seattle`` mean in this corpus; None where there are none."""
        return parse_where(several(where), self.manifest.payload_fields, self._values)

    def _values(self, field: str) -> list[str]:
        """The distinct values of an indexed payload key; raises ``UsageError`` for more than ``MOST_VALUES``."""
        found = list(self.store.facet(self.collection(Shelf.DOCUMENTS), field, limit=MOST_VALUES + 1))
        if len(found) > MOST_VALUES:
            raise UsageError(
                f"{field.removeprefix(META + '.')} has more than {MOST_VALUES:,} different values, too many to look "
                f"through; compare it with =."
            )
        return found

    def weights(self, names: Sequence[str], weights: Mapping[str, float] | None = None) -> dict[str, float]:
        """The weight of each space: as given, else as tuned for this corpus, else the default."""
        return chosen_weights(self.manifest, names, weights)

    def document_ids(self, passages: Iterable[int]) -> dict[int, str]:
        """The document's own id, for each passage's point id (as a number)."""
        owners = {passage: document_point_of(passage) for passage in passages}
        points = [point_text(owner) for owner in sorted(set(owners.values()))]
        found = self.store.retrieve(self.collection(Shelf.DOCUMENTS), points, payload=["document_id"])
        ids = {UUID(str(record.id)).int: str((record.payload or {})["document_id"]) for record in found}
        return {passage: ids[owner] for passage, owner in owners.items() if owner in ids}

    def words(self, queries: Sequence[str]) -> list[QueryWords]:
        """The features of each query, with what they weigh in this corpus."""
        found = [set(features) for features in self.lexical.query_features(queries)]
        known = self.terms(set().union(*found)) if self.manifest.counts.terms and found else {}
        return [query_words(of, {name: known[name] for name in of if name in known}) for of in found]


def search(query: str, corpus: str, *, store: StoreLike = None, **options: Any) -> SearchResponse:
    """Ask one query of a corpus; opens and closes it. The options are those of ``Corpus.search_many``."""
    with Corpus(corpus, store) as opened:
        return opened.search(query, **options)


__all__ = ["Corpus", "search"]
