"""A corpus as one manifest describes it: what encodes queries, and what answers them. It never changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property

from qdrant_client import models

from encoders.learned import LearnedEncoders
from encoders.lexical import LexicalEncoder
from encoders.spelling import Spelled
from schemas.errors import UsageError
from schemas.ids import document_point_of, point_number, point_text
from schemas.ingest import LEXICAL_SPACES
from schemas.manifest import CorpusManifest
from schemas.payload_paths import META
from schemas.search import SearchResponse, Took
from schemas.spaces import Shelf, VectorBatch
from search.answering import Answerer
from search.ask import Ask
from search.coverage import COVERAGE, QueryWords, query_words
from search.filters import parse_where
from search.ranked_list import RRF_K, FusionMethod
from search.request import Request, check_fusion, check_page, check_query, chosen_spaces
from search.second_stage import COLBERT
from search.text_match import MOST_VALUES
from search.weights import chosen_weights, search_weights, without_documents
from stores.base import Store, collection_name
from stores.lookup import StoreTermLookup

DEFAULT_FUSION: FusionMethod = "zscore"


class CorpusView:
    """One corpus at one manifest; a question that stays with one view is answered by one generation, whole.

    Several threads may ask one view.
    """

    def __init__(self, store: Store, manifest: CorpusManifest, mark: Hashable) -> None:
        """``mark`` is what ``Store.manifest_mark`` said before the manifest was read."""
        self.store = store
        self.name = manifest.corpus
        self.manifest = manifest
        self.mark = mark
        self._making = threading.Lock()
        self._encoder: LearnedEncoders | None = None

    def next(self, manifest: CorpusManifest, mark: Hashable) -> CorpusView:
        """The view of a later manifest; a model that is loaded stays so where it made that one's vectors too."""
        later = CorpusView(self.store, manifest, mark)
        if _models_of(manifest) == _models_of(self.manifest):
            later._encoder = self._encoder
        return later

    # -- what encodes --------------------------------------------------------------------------
    @property
    def encoder(self) -> LearnedEncoders | None:
        """What made the corpus's learned spaces, loaded when they are asked; None where it has lexical ones only."""
        with self._making:
            if self._encoder is None and self.manifest.encoders:
                self._encoder = LearnedEncoders(self.manifest)
            return self._encoder

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

    def spelled(self, queries: Sequence[str], *, spelling: bool = True) -> list[Spelled]:
        """The queries with words that the corpus does not know taken as ones that it knows; or as they are written."""
        if not (spelling and self.manifest.counts.terms):
            return [Spelled(query, {}) for query in queries]
        return self.lexical.speller.spelled(queries)

    def encode(
        self, queries: Sequence[str], spaces: Sequence[str], spelled: Sequence[Spelled] | None = None
    ) -> dict[str, VectorBatch]:
        """Query vectors for each of ``spaces``, one row a query.

        Lexical ones are of the queries as they are ``spelled``; models of meaning read what is misspelt in their way.
        """
        vectors: dict[str, VectorBatch] = {}
        if any(space in LEXICAL_SPACES for space in spaces):
            spelled = self.spelled(queries) if spelled is None else spelled
            vectors.update(self.lexical.encode_queries([one.text for one in spelled]))
        if self.encoder is not None and any(space in self.encoder.spaces for space in spaces):
            vectors.update(self.encoder.encode_queries(queries, spaces))
        return {space: vectors[space] for space in spaces}

    # -- questions -----------------------------------------------------------------------------
    def search_many(self, queries: Sequence[str], request: Request) -> list[SearchResponse]:
        """Answer several queries in one round to the store, hits best first."""
        started = time.perf_counter()
        page, rerank = request.page, request.rerank
        check_page(page.limit, page.offset)
        texts = [check_query(query) for query in queries]
        rerank.check(self.manifest)
        names = chosen_spaces(self.manifest, request.spaces, without=COLBERT if rerank.by == COLBERT else None)
        # Made before encoding: a bad filter or weight need not wait for a model to load.
        ask = self.ask(names, request)
        lexical = any(name in LEXICAL_SPACES for name in names)
        spelled = self.spelled(texts, spelling=lexical and request.spelling)
        vectors = self.encode(texts, names, spelled)
        words = self.words(texts, spelled)
        encoded = time.perf_counter()
        answered = self.answerer.answer(vectors, ask, page, words, rerank, texts)
        encode = (encoded - started) * 1e3
        return [
            response.model_copy(
                update={
                    "query": query,
                    "spelled": dict(as_spelled.taken),
                    "took_ms": Took(
                        encode=round(encode, 3),
                        search=response.took_ms.search,
                        total=round(encode + response.took_ms.search, 3),
                    ),
                }
            )
            for query, response, as_spelled in zip(queries, answered, spelled, strict=True)
        ]

    def search_vectors(
        self,
        vectors: Mapping[str, VectorBatch],
        request: Request,
        words: Sequence[QueryWords] | None,
        texts: Sequence[str],
    ) -> list[SearchResponse]:
        """Answer queries that are encoded already, over the spaces that ``vectors`` has."""
        check_page(request.page.limit, request.page.offset)
        ask = self.ask(chosen_spaces(self.manifest, list(vectors)), request)
        return self.answerer.answer(vectors, ask, request.page, words, request.rerank, texts)

    def ask(self, names: Sequence[str], request: Request) -> Ask:
        """What a search over ``names`` asks: as given, else as tuned for this corpus, else the default."""
        method = request.fusion or self.fusion
        check_fusion(request.fusion, method, request.rrf_k)
        used = self.search_weights(names, request.weights, method)
        every = request.page.explain is not False
        k = RRF_K if request.rrf_k is None else request.rrf_k
        return Ask(names, used, method, self.filter(request.where), every=every, rrf_k=k)

    def filter(self, where: Sequence[str]) -> models.Filter | None:
        """The filter that conditions such as ``city=Seattle`` mean in this corpus; None where there are none."""
        return parse_where(where, self.manifest.payload_fields, self._values)

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
        if COVERAGE in (weights or {}):
            raise UsageError(f"--weights: {COVERAGE} is of a query's words, and documents are compared without one.")
        return without_documents(chosen_weights(self.manifest, names, weights))

    def search_weights(
        self, names: Sequence[str], weights: Mapping[str, float] | None = None, method: FusionMethod | None = None
    ) -> dict[str, float]:
        """The weights of a search by ``method``, those of ``tfidf:document`` and ``tfidf:coverage`` among them."""
        method = method or self.fusion
        if method != "zscore" and COVERAGE in (weights or {}):
            raise UsageError(f"--weights: {COVERAGE} counts with --fusion zscore only, and {method} is used.")
        return search_weights(self.manifest, names, chosen_weights(self.manifest, names, weights), method)

    def document_ids(self, passages: Iterable[int]) -> dict[int, str]:
        """The document's own id, for each passage's point id (as a number)."""
        owners = {passage: document_point_of(passage) for passage in passages}
        points = [point_text(owner) for owner in sorted(set(owners.values()))]
        found = self.store.retrieve(self.collection(Shelf.DOCUMENTS), points, payload=["document_id"])
        ids = {point_number(record.id): str((record.payload or {})["document_id"]) for record in found}
        return {passage: ids[owner] for passage, owner in owners.items() if owner in ids}

    def words(self, queries: Sequence[str], spelled: Sequence[Spelled] | None = None) -> list[QueryWords]:
        """The features of each query, as it is ``spelled``, with what they weigh in this corpus."""
        spelled = self.spelled(queries) if spelled is None else spelled
        found = [set(features) for features in self.lexical.query_features([one.text for one in spelled])]
        known = self.terms(set().union(*found)) if self.manifest.counts.terms and found else {}
        fitted = self.manifest.fit.passages
        return [query_words(of, {name: known[name] for name in of if name in known}, fitted) for of in found]


def _models_of(manifest: CorpusManifest) -> tuple[object, ...]:
    spaces = {space: manifest.spaces.get(space) for space in manifest.encoders}
    return manifest.encoders, manifest.encoder_spaces, spaces
