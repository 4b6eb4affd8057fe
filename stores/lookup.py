"""The vocabulary of a corpus, fetched term by term from its ``terms`` shelf."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from threading import Lock

import numpy as np

from schemas.ids import term_point_id
from schemas.spaces import Term
from stores.base import Store

CACHED_TERMS = 200_000
"""Terms kept, the unknown ones too; about 100 MB with vectors of 100 dimensions."""


class StoreTermLookup:
    """A ``TermLookup`` over the terms shelf that remembers what it fetched (least recently used leaves)."""

    def __init__(self, store: Store, corpus: str, collection: str, cached: int = CACHED_TERMS) -> None:
        self._store = store
        self._corpus = corpus
        self._collection = collection
        self._cached = cached
        self._cache: OrderedDict[str, Term | None] = OrderedDict()
        self._lock = Lock()

    def __call__(self, terms: Collection[str]) -> Mapping[str, Term]:
        """The known ones of ``terms``, by term."""
        wanted = set(terms)
        with self._lock:
            # One by one: a difference of sets would go through all that is kept.
            missing = sorted(term for term in wanted if term not in self._cache)
            if missing:
                self._fetch(missing)
            found = {}
            for term in wanted:
                self._cache.move_to_end(term)
                entry = self._cache[term]
                if entry is not None:
                    found[term] = entry
            while len(self._cache) > self._cached:
                self._cache.popitem(last=False)
            return found

    def glance(self, terms: Collection[str]) -> Mapping[str, Term]:
        """The known ones of ``terms`` without their vectors; none is remembered, since most are guesses."""
        return self._fetched(sorted(set(terms)), vectors=False)

    def _fetch(self, missing: list[str]) -> None:
        fetched = self._fetched(missing, vectors=True)
        for term in missing:
            self._cache[term] = fetched.get(term)

    def _fetched(self, terms: list[str], *, vectors: bool) -> dict[str, Term]:
        ids = [term_point_id(self._corpus, term) for term in terms]
        fetched: dict[str, Term] = {}
        for record in self._store.retrieve(self._collection, ids, payload=True, vectors=vectors):
            payload = record.payload or {}
            rows = record.vector if isinstance(record.vector, dict) else {}
            vector, lsa = rows.get("word2vec"), rows.get("lsa")
            fetched[str(payload["term"])] = Term(
                term=str(payload["term"]),
                index=payload["index"],
                df=int(payload["df"]),
                cf=int(payload["cf"]),
                idf=float(payload["idf"]),
                vector=None if vector is None else np.asarray(vector, dtype=np.float32),
                lsa=None if lsa is None else np.asarray(lsa, dtype=np.float32),
            )
        return fetched
