"""A search says as what it took the words that the corpus does not know, and asks as written where it is told to."""

import json

import pytest

from ingest import CorpusOptions, ingest
from search import Corpus
from search.request import Request

ROWS = [
    {"id": "1", "title": "Airport Inn", "text": "A quiet inn near the airport, with a shuttle to each terminal." * 5},
    {"id": "2", "title": "西湖酒店", "text": "酒店在西湖边，早餐丰富，附近有 terminal 咖啡馆。"},
    {"id": "3", "title": "Lodge", "text": "Lodge in the mountains, hot spring and health club included."},
]


def make(folder, spaces):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    ingest(folder / "rows.jsonl", corpus="c", store=folder / "store", options=CorpusOptions(spaces=spaces))
    return Corpus("c", folder / "store")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    with make(tmp_path_factory.mktemp("misspelt"), ["tfidf", "word2vec"]) as corpus:
        yield corpus


def test_a_misspelt_word_finds_what_the_right_one_finds_and_says_so(corpus):
    right, wrong = corpus.search_many(["a healthclub in the mountains", "a helth club in the mountians"])
    assert right.spelled == {"healthclub": "health club"}
    assert wrong.spelled == {"helth": "health", "mountians": "mountains"}
    assert wrong.query == "a helth club in the mountians"
    assert [(hit.document_id, hit.score) for hit in wrong.hits] == [(hit.document_id, hit.score) for hit in right.hits]
    snippet = wrong.hits[0].snippet
    assert "health" in {snippet.text[start:end] for start, end in snippet.highlights}


def test_chinese_around_a_misspelt_word_is_no_matter(corpus):
    found = corpus.search("西湖边的temrinal咖啡馆")
    assert found.spelled == {"temrinal": "terminal"}
    assert found.hits[0].document_id == "2"


def test_what_is_asked_as_written_is_not_taken_as_anything(corpus):
    found = corpus.search("helth", spelling=False)
    assert (found.spelled, found.hits) == ({}, [])
    assert corpus.search("helth").hits


def test_nothing_is_said_where_nothing_is_taken(corpus):
    assert corpus.search("health club").spelled == {}


@pytest.mark.parametrize("space", ["tfidf", "word2vec"])
def test_each_lexical_space_is_asked_by_the_words_it_knows(corpus, space):
    found = corpus.search("temrinal", spaces=[space])
    assert found.spelled == {"temrinal": "terminal"}
    assert {hit.document_id for hit in found.hits[:2]} == {"1", "2"}


@pytest.mark.parametrize("spaces", [["word2vec"], ["dense"], ["dense", "tfidf"]])
def test_a_corpus_of_any_spaces_answers(tmp_path, spaces):
    with make(tmp_path, spaces) as corpus:
        found = corpus.search("temrinal")
        assert found.spelled == ({"temrinal": "terminal"} if spaces != ["dense"] else {})
        assert found.hits


def test_a_space_of_meaning_alone_reads_the_query_as_written(tmp_path):
    with make(tmp_path, ["dense", "tfidf"]) as corpus:
        assert corpus.search("airprot shutle", spaces=["dense"]).spelled == {}
        view = corpus.now()
        vectors = view.encode(["airprot shutle"], ["dense", "tfidf"])
        assert (vectors["dense"] == view.encode(["airprot shutle"], ["dense"])["dense"]).all()
        assert vectors["tfidf"].nnz == 2
        assert view.search_many(["airprot"], Request(spelling=False))[0].spelled == {}
