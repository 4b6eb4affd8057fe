"""Answers while the store changes under them."""

import gc

import pytest

from schemas.errors import UsageError
from schemas.spaces import Shelf
from search import Corpus
from search.answering import Answerer
from search.ask import Ask
from search.request import Page
from stores.base import collection_name
from stores.embedded import EdgeStore
from tests.search.conftest import fill


class Vanishing(EdgeStore):
    """A store from which another process takes a passage after it was ranked and before it is read."""

    gone: str | None = None

    def retrieve(self, name, ids, **options):
        if self.gone is not None and self.gone in ids:
            self.delete(name, [self.gone])
        return super().retrieve(name, ids, **options)


def test_a_passage_that_was_removed_meanwhile_is_left_out(tmp_path):
    with Vanishing(tmp_path / "store") as store:
        made = fill(store, [2, 2, 2])
        answerer = Answerer(store, made.manifest, lambda texts, spaces: {}, lambda features: lambda text: [])
        query = {"dense": made.vectors["dense"][[1]]}
        ask = Ask(["dense"], {"dense": 1.0}, "zscore")
        (whole,) = answerer.answer(query, ask, Page(limit=6))
        assert store.count(collection_name("demo", 1, Shelf.PASSAGES)) == 6
        store.gone = whole.hits[0].passage_id
        (left,) = answerer.answer(query, ask, Page(limit=6))
        assert [hit.passage_id for hit in left.hits] == [hit.passage_id for hit in whole.hits[1:]]


def test_a_batch_leaves_the_collector_as_it_was(filled):
    store, made = filled
    corpus = Corpus("demo", store)
    for wanted in (True, False):
        (gc.enable if wanted else gc.disable)()
        try:
            corpus.search_vectors({"dense": made.vectors["dense"][[0, 1]]}, limit=2)
            with pytest.raises(UsageError):
                corpus.search_vectors({"dense": made.vectors["dense"][[0, 1]]}, weights={"dense": -1})
            assert gc.isenabled() is wanted
        finally:
            gc.enable()
