"""A vocabulary is fetched term by term, each once; what is kept does not make the next question slower."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from ingest import ingest
from schemas.ingest import CorpusOptions
from schemas.spaces import Shelf
from stores.base import collection_name
from stores.embedded import EdgeStore
from stores.lookup import StoreTermLookup

TERMS = collection_name("c", 1, Shelf.TERMS)


@pytest.fixture
def store(tmp_path):
    source = tmp_path / "harbours.txt"
    source.write_text("Seals rest on the harbour wall.", encoding="utf-8")
    with EdgeStore(tmp_path / "store") as store:
        ingest(source, "c", store=store, options=CorpusOptions(spaces=["tfidf"]))
        yield store


class Counting(OrderedDict):
    """Counts how often somebody goes through all of it."""

    def __init__(self):
        super().__init__()
        self.passes = 0

    def keys(self):
        self.passes += 1
        return super().keys()

    def __iter__(self):
        self.passes += 1
        return super().__iter__()


def test_known_and_unknown_terms_are_fetched_once(store, monkeypatch):
    lookup, fetched, retrieve = StoreTermLookup(store, "c", TERMS), [], store.retrieve
    monkeypatch.setattr(
        store, "retrieve", lambda name, ids, **rest: fetched.append(len(ids)) or retrieve(name, ids, **rest)
    )
    assert set(lookup(["seal", "walrus"])) == {"seal"}
    assert set(lookup(["seal", "walrus", "wall"])) == {"seal", "wall"}
    assert fetched == [2, 1]


def test_a_question_does_not_go_through_all_that_is_kept(store):
    """It did: with 200,000 terms kept each question waited 100 ms more, on a busy machine."""
    lookup = StoreTermLookup(store, "c", TERMS)
    lookup._cache = Counting()
    lookup(["seal", "walrus"])
    assert set(lookup(["seal", "wall"])) == {"seal", "wall"}
    assert lookup._cache.passes == 0


def test_no_more_terms_are_kept_than_may_be(store):
    lookup = StoreTermLookup(store, "c", TERMS, cached=2)
    assert set(lookup(["seal", "wall", "rest"])) == {"seal", "wall", "rest"}
    assert len(lookup._cache) == 2
