"""What a search refuses, and how it is asked from an event loop."""

import asyncio
from importlib import import_module

import numpy as np
import pytest

from schemas.errors import UsageError
from schemas.spaces import Shelf
from search import Corpus
from search.recommend import recommend
from stores.embedded import EdgeStore
from tests.search.conftest import TERMS, fill


def test_an_unknown_method_is_refused_also_where_one_space_alone_is_asked(filled):
    store, made = filled
    for spaces in (["dense"], ["dense", "tfidf"]):
        with pytest.raises(UsageError, match="choose one of zscore"):
            Corpus("demo", store).search_vectors({s: made.vectors[s][[0]] for s in spaces}, fusion="borda")


def test_many_searches_at_once_answer_as_one_by_one(filled):
    store, made = filled
    corpus = Corpus("demo", store)

    def ask(row):
        return corpus.search_vectors({"dense": made.vectors["dense"][[row]]}, limit=5)[0].hits

    async def all_at_once():
        return await asyncio.gather(*(asyncio.to_thread(ask, row) for row in range(12)))

    together = asyncio.run(all_at_once())
    assert [[hit.passage_id for hit in hits] for hits in together] == [
        [hit.passage_id for hit in ask(row)] for row in range(12)
    ]


@pytest.mark.parametrize(("like", "why"), [([""], "no name"), (["  "], "no name"), ([], "at least one"), (["d"], "'d")])
def test_a_recommendation_needs_documents_that_are_there(filled, like, why):
    with pytest.raises(UsageError, match=why):
        recommend(Corpus("demo", filled[0]), like)


def test_nothing_is_recommended_that_was_named(filled):
    found = recommend(Corpus("demo", filled[0]), ["D1", "d2"], ["d3"], limit=100)
    assert len(found.hits) == 57
    assert {"d1", "d2", "d3"}.isdisjoint(hit.document_id for hit in found.hits)


def test_a_recommendation_says_its_similarity_in_every_space_however_deep_it_lies_there(filled, monkeypatch):
    store, _ = filled
    corpus = Corpus("demo", store)
    monkeypatch.setattr(import_module("search.recommend"), "WINDOW", 5)
    vectors = {
        record.payload["document_id"]: record.vector
        for record in store.scroll(corpus.collection(Shelf.DOCUMENTS), vectors=True)
    }
    wide = {document: np.zeros(TERMS) for document in vectors}
    for document, held in vectors.items():
        wide[document][held["tfidf"].indices] = held["tfidf"].values
    found = recommend(corpus, ["d1"], limit=20)
    assert any(standing.rank is None for hit in found.hits for standing in hit.spaces.values())
    for hit in found.hits:
        assert set(hit.spaces) == {"dense", "tfidf"}
        cosine = {
            "dense": np.dot(vectors["d1"]["dense"], vectors[hit.document_id]["dense"]),
            "tfidf": wide["d1"] @ wide[hit.document_id],
        }
        assert {space: told.score for space, told in hit.spaces.items()} == pytest.approx(cosine, abs=1e-5)


def test_words_are_not_looked_for_in_a_field_of_more_values_than_can_be_looked_through(tmp_path, monkeypatch):
    monkeypatch.setattr("search.view.MOST_VALUES", 2)
    with EdgeStore(tmp_path / "store") as store:
        fill(store, [1] * 3)
        corpus = Corpus("demo", store)
        assert corpus.filter(["title=a"]) is not None
        with pytest.raises(UsageError, match="title has more than 2 different values"):
            corpus.filter(["title~a"])
