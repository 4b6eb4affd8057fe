"""``Corpus``: one corpus opened for questions. Opening it once and asking often is what is fast."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self, TypeVar

from qdrant_client import models

from encoders.learned import LearnedEncoders
from encoders.lexical import LexicalEncoder
from schemas.errors import CorpusNotFound, StoreLocked, StoreUnavailable, UsageError, XunyiError
from schemas.manifest import CorpusManifest
from schemas.names import check_corpus_name, several
from schemas.search import SearchResponse
from schemas.spaces import Shelf, VectorBatch
from search.coverage import QueryWords
from search.ranked_list import FusionMethod
from search.request import Page, Request
from search.second_stage import Reranking
from search.standings import Explain
from search.view import DEFAULT_FUSION, CorpusView
from stores.base import Store
from stores.lookup import StoreTermLookup
from stores.opening import StoreLike, as_store

T = TypeVar("T")


class Corpus:
    """A corpus to search. Use it as a context manager, or close it.

    ``store`` is a folder, a URL or an open store (default: ``XUNYI_STORE``, else a folder of the
    user's own). It follows the corpus: what is ingested, refitted, rebuilt or tuned meanwhile is seen by
    the next question, on a server that others write to within a second. Several threads may ask at once.

    Raises ``CorpusNotFound`` with the names that there are, and ``UsageError`` where it was closed.
    """

    def __init__(self, name: str, store: StoreLike = None) -> None:
        check_corpus_name(name)
        self.name = name
        self._stack = ExitStack()
        self._closed = False
        self._turning = threading.Lock()
        self.store: Store = self._stack.enter_context(as_store(store))
        try:
            mark = self.store.manifest_mark(name)
            self._view = CorpusView(self.store, self._read(), mark)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store, if it was opened here. Closing twice is harmless."""
        self._closed = True
        self._stack.close()

    # -- which ---------------------------------------------------------------------------------
    def now(self, *, fresh: bool = False) -> CorpusView:
        """The corpus as it is now. ``fresh`` asks a server even where it was asked within the last second."""
        if self._closed:
            raise UsageError(f"The corpus {self.name!r} was closed; open it again with Corpus({self.name!r}).")
        mark = self.store.manifest_mark(self.name, fresh=fresh)
        if mark != self._view.mark:
            with self._turning:
                if mark != self._view.mark:
                    self._view = self._view.next(self._read(), mark)
        return self._view

    def ask(self, question: Callable[[CorpusView], T]) -> T:
        """What ``question`` answers of the corpus as it is now.

        Asked again where it failed because another generation took this one's place meanwhile.
        """
        view = self.now()
        try:
            return question(view)
        except (StoreUnavailable, StoreLocked):
            # It says nothing of the corpus, and to ask such a store again takes as long again.
            raise
        except XunyiError:
            later = self.now(fresh=True)
            if later is view:
                raise
            return question(later)

    def _read(self) -> CorpusManifest:
        manifest = self.store.read_manifest(self.name)
        if manifest is None:
            there = self.store.list_corpora()
            hint = f"there are {', '.join(there)}" if there else "it holds none yet: make one with `xunyi ingest`"
            raise CorpusNotFound(f"{self.store.location} has no corpus {self.name!r}; {hint}.")
        return manifest

    @property
    def manifest(self) -> CorpusManifest:
        """What made the corpus."""
        return self.now().manifest

    @property
    def encoder(self) -> LearnedEncoders | None:
        """What made the corpus's learned spaces, loaded when they are asked; None where it has lexical ones only."""
        return self.now().encoder

    @property
    def lexical(self) -> LexicalEncoder:
        """TF-IDF and Word2Vec over the corpus's own vocabulary."""
        return self.now().lexical

    @property
    def terms(self) -> StoreTermLookup:
        """The vocabulary."""
        return self.now().terms

    @property
    def fusion(self) -> FusionMethod:
        """How spaces are put together: as tuned for this corpus, else the default."""
        return self.now().fusion

    def collection(self, shelf: Shelf) -> str:
        """The shelf's physical collection."""
        return self.now().collection(shelf)

    # -- questions -----------------------------------------------------------------------------
    def search(self, query: str, **options: Any) -> SearchResponse:
        """Answer one query; the options are those of ``search_many``."""
        return self.search_many([query], **options)[0]

    def search_many(
        self,
        queries: str | Iterable[str],
        *,
        limit: int = 10,
        offset: int = 0,
        spaces: str | Iterable[str] | None = None,
        where: str | Iterable[str] = (),
        fusion: FusionMethod | None = None,
        weights: Mapping[str, float] | None = None,
        rrf_k: int | None = None,
        by_document: bool = False,
        rerank: str | Reranking | None = None,
        explain: Explain = False,
        spelling: bool = True,
    ) -> list[SearchResponse]:
        """Answer several queries in one round to the store, hits best first.

        ``spaces`` default to all of the corpus; ``where`` are conditions such as ``city=Seattle``;
        ``fusion`` is ``zscore`` (default), ``convex``, ``rrf`` (of constant ``rrf_k``, default 60) or ``dbsf``,
        with ``weights`` by space, by ``tfidf:document`` for what whole documents score in ``tfidf``, and by
        ``tfidf:coverage`` for how much of the query's words a hit holds. With
        ``by_document`` a hit is a document, shown by its best passage, and lists those of its passages that were
        found, best first. ``rerank`` judges the first hits again. A hit says its rank and score in the lists that
        were fused; with ``explain="scores"`` its score in every space by the query as it was asked, and with True
        its rank there too, among the best 10,000. Words of the query that the corpus does not know are taken in lexical
        spaces as ones that it knows, and the answer says as which; not so with ``spelling=False``.
        The same call gives the same hits in the same order, and pages neither repeat nor miss one.

        Raises ``UsageError`` for an empty query, a bad limit, an unknown space or field.
        """
        page = Page(limit, offset, by_document, explain)
        asked, conditions = several(queries), several(where)
        named = None if spaces is None else several(spaces)
        judge = Reranking(rerank) if isinstance(rerank, str) else rerank or Reranking()
        request = Request(page, named, conditions, fusion, weights, rrf_k, judge, spelling)
        return self.ask(lambda view: view.search_many(asked, request))

    async def search_async(self, query: str, **options: Any) -> SearchResponse:
        """Answer one query without holding up the event loop: as ``search``, in a thread of its own."""
        return await asyncio.to_thread(self.search, query, **options)

    def search_vectors(
        self,
        vectors: Mapping[str, VectorBatch],
        *,
        limit: int = 10,
        offset: int = 0,
        where: str | Iterable[str] = (),
        fusion: FusionMethod | None = None,
        weights: Mapping[str, float] | None = None,
        rrf_k: int | None = None,
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
        page = Page(limit, offset, by_document, explain)
        request = Request(page, where=several(where), fusion=fusion, weights=weights, rrf_k=rrf_k, rerank=rerank)
        return self.ask(lambda view: view.search_vectors(vectors, request, words, texts))

    # -- their parts ---------------------------------------------------------------------------
    def encode(self, queries: str | Iterable[str], spaces: str | Iterable[str]) -> dict[str, VectorBatch]:
        """Query vectors for each of ``spaces``, one row a query."""
        asked, named = several(queries), several(spaces)
        return self.ask(lambda view: view.encode(asked, named))

    def words(self, queries: str | Iterable[str]) -> list[QueryWords]:
        """The features of each query, with what they weigh in this corpus."""
        asked = several(queries)
        return self.ask(lambda view: view.words(asked))

    def filter(self, where: str | Iterable[str]) -> models.Filter | None:
        """The filter that conditions such as ``city=Seattle`` mean in this corpus; None where there are none."""
        conditions = several(where)
        return self.ask(lambda view: view.filter(conditions))

    def weights(self, names: Sequence[str], weights: Mapping[str, float] | None = None) -> dict[str, float]:
        """The weight of each space: as given, else as tuned for this corpus, else the default."""
        return self.now().weights(names, weights)

    def document_ids(self, passages: Iterable[int]) -> dict[int, str]:
        """The document's own id, for each passage's point id (as a number)."""
        wanted = list(passages)
        return self.ask(lambda view: view.document_ids(wanted))


def search(query: str, corpus: str, *, store: StoreLike = None, **options: Any) -> SearchResponse:
    """Ask one query of a corpus; opens and closes it. The options are those of ``Corpus.search_many``."""
    with Corpus(corpus, store) as opened:
        return opened.search(query, **options)


__all__ = ["DEFAULT_FUSION", "Corpus", "search"]
