"""Passages gathered into documents: deeper where that is needed, and no second look at what was judged."""

import numpy as np
import pytest

from schemas.ids import document_point_of
from search.answering import Answerer
from search.ask import Ask
from search.fusion import fuse
from search.grouping import by_document, grouped
from search.request import Page
from search.second_stage import Reranking


def ranking(points):
    return fuse({"dense": [(point, 1 - place / len(points)) for place, point in enumerate(points)]})


def of(document, *positions):
    return [(document << 32) + position for position in positions]


def test_documents_come_in_the_order_of_their_best_passage():
    groups = by_document(ranking([*of(2, 1), *of(1, 1), *of(2, 2)]))
    assert [[hit.id for hit in group] for group in groups] == [of(2, 1, 2), of(1, 1)]


def test_only_queries_with_too_few_documents_are_asked_again():
    whole = {0: of(1, 1, 2, 3, 4, 5, 6) + of(2, 1), 1: of(3, 1) + of(4, 1) + of(5, 1, 2, 3)}
    asked = []

    def deeper(rows, depth):
        asked.append((list(rows), depth))
        return [ranking(whole[row][:depth]) for row in rows]

    found = grouped([ranking(whole[0][:2]), ranking(whole[1][:2])], 2, 2, deeper)
    assert asked == [([0], 8)]
    assert [[document_point_of(group[0].id) >> 32 for group in groups] for groups in found] == [[1, 2], [3, 4]]


def test_a_corpus_of_fewer_documents_than_asked_ends_the_search():
    assert len(grouped([ranking(of(1, 1, 2))], 4, 10, lambda rows, depth: pytest.fail("asked again"))[0]) == 1


def test_the_second_stage_judges_once_however_deep_documents_lie(filled):
    store, made = filled
    big = [row for row, document in enumerate(made.documents) if document == "d0"]
    toward = made.vectors["dense"][big].mean(axis=0, keepdims=True)
    encoded = []

    def encode(texts, spaces):
        encoded.append((list(texts), list(spaces)))
        return {"colbert": [made.vectors["colbert"][0] for _ in texts]}

    answerer = Answerer(store, made.manifest, encode, lambda features: lambda text: [])
    ask = Ask(["dense"], {"dense": 1.0}, "zscore")
    rerank = Reranking(by="colbert", top=20)
    (flat,) = answerer.answer({"dense": toward}, ask, Page(limit=1000), rerank=rerank, texts=["q"])
    encoded.clear()
    (found,) = answerer.answer({"dense": toward}, ask, Page(limit=60, by_document=True), rerank=rerank, texts=["q"])
    assert len(encoded) == 1
    assert [hit.document_id for hit in found.hits] == list(dict.fromkeys(hit.document_id for hit in flat.hits))
    assert [hit.passage_id for hit in found.hits] == [
        next(hit.passage_id for hit in flat.hits if hit.document_id == document)
        for document in dict.fromkeys(hit.document_id for hit in flat.hits)
    ]
    assert len(found.hits) == 60


def test_pages_of_documents_are_cut_from_one_ranking(filled):
    store, made = filled
    answerer = Answerer(store, made.manifest, lambda texts, spaces: {}, lambda features: lambda text: [])
    ask = Ask(["dense", "tfidf"], {"dense": 1.5, "tfidf": 1.0}, "zscore")
    vectors = {"dense": made.vectors["dense"][[3]], "tfidf": made.vectors["tfidf"][[700]]}
    (whole,) = answerer.answer(vectors, ask, Page(limit=60, by_document=True))
    pages = []
    for offset in range(0, 60, 7):
        (page,) = answerer.answer(vectors, ask, Page(limit=7, offset=offset, by_document=True))
        pages.extend(page.hits)
    assert [hit.document_id for hit in pages] == [hit.document_id for hit in whole.hits]
    assert [hit.rank for hit in pages] == list(range(1, 61))
    assert np.unique([hit.document_id for hit in pages]).size == 60
