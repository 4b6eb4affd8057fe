"""What spaces weigh in a recommendation, how a document is named, and what a person is shown."""

import json

import pytest
from click.testing import CliRunner

from cli.main import cli
from ingest import CorpusOptions, ingest
from schemas.errors import UsageError
from schemas.manifest import Word2VecSettings
from search import Corpus
from search.named_document import suggestions
from search.recommend import recommend

LONG = "The hotel lies by the airport and has a shuttle that takes its guests there and back, day and night, summer "
LONG += "and winter, weekday and holiday, for nothing whatsoever, extraordinarily conveniently and in silence"
ROWS = [
    ("json.load", "load", "Read a document of a file."),
    ("json.loads", "loads", "Read a document of a text, not of a file."),
    ("json.dump", "dump", "Write an object to a file. It is the other way round. Nothing else is done."),
    ("airport", "Hilton Seattle Airport & Conference Center", LONG),
    ("inn", "Hampton Inn Seattle-Airport", "A hotel by the airport with a shuttle and a pool."),
    ("home", "Home2 Suites by Hilton Seattle Airport", "Suites by the airport, pool and shuttle."),
    ("spa", "Spa", "A spa with a pool and a shuttle to the airport, and no file to read."),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recommending")
    rows = [{"_id": name, "title": title, "text": text} for name, title, text in ROWS]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = CorpusOptions(spaces=["tfidf", "word2vec"], word2vec=Word2VecSettings(min_count=1, dim=8))
    ingest(folder / "c.jsonl", "c", store=folder / "store", options=options)
    return folder / "store"


@pytest.fixture
def corpus(place):
    with Corpus("c", place) as corpus:
        yield corpus


def shares(found):
    return {space: max(hit.spaces[space].share for hit in found.hits if space in hit.spaces) for space in found.weights}


def test_spaces_that_are_named_count_alike_unless_weights_are_given(corpus):
    found = recommend(corpus, "inn", spaces=["tfidf", "word2vec"])
    assert found.weights == {"tfidf": 1.0, "word2vec": 1.0}
    assert min(shares(found).values()) > 0
    found = recommend(corpus, "inn", spaces=["tfidf", "word2vec"], weights={"word2vec": 0.25})
    assert found.weights == {"tfidf": 1.0, "word2vec": 0.25}
    assert list(recommend(corpus, "inn").weights) == ["tfidf"]


def test_a_space_that_is_given_a_weight_is_asked(corpus):
    found = recommend(corpus, "inn", weights={"word2vec": 0.5})
    assert found.weights == {"tfidf": 1.0, "word2vec": 0.5}
    assert min(shares(found).values()) > 0
    with pytest.raises(UsageError, match="'dense' is not among the spaces"):
        recommend(corpus, "inn", weights={"dense": 1})


def test_a_document_cannot_be_both_like_and_unlike_by_whatever_name(corpus):
    for unlike in ("spa", "Spa", "ＳＰＡ"):
        with pytest.raises(UsageError, match="'spa' is to be both like and unlike"):
            recommend(corpus, ["inn", "spa"], unlike)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("hilton seattle airport", "Hilton Seattle Airport & Conference Center"),
        ("seattle airport inn", "Hampton Inn Seattle-Airport"),
        ("json.lods", "json.loads"),
        ("json.du", "json.dump"),
        ("JSON.Loades", "json.loads"),
    ],
)
def test_a_name_that_no_document_has_suggests_ids_and_titles_that_hold_it_before_near_spellings(corpus, name, first):
    with pytest.raises(UsageError, match=f"did you mean '{first}'"):
        recommend(corpus, name)


def test_suggestions_are_few_and_each_is_said_once():
    known = {name.lower(): [name] for name in ("Inn", "Inn A", "Inn B", "The Inn", "Airport")}
    assert suggestions("inn", known) == ["Inn", "Inn A", "Inn B"]
    assert suggestions("airport the", known) == ["Airport"]
    assert suggestions("zzz", known) == []


def test_a_snippet_is_a_sentence_or_two_and_cuts_no_word(corpus):
    texts = {hit.document_id: hit.snippet.text for hit in recommend(corpus, "spa", limit=10).hits}
    assert texts["json.dump"] == "Write an object to a file. It is the other way round."
    assert LONG.startswith(texts["airport"])
    assert not LONG[len(texts["airport"])].isalnum()


def test_the_command_says_scores_in_four_decimals_and_why(place):
    def run(*more):
        found = CliRunner().invoke(cli, ["recommend", "c", "--like", "spa", "--store", str(place), *more])
        assert found.exit_code == 0, found.output
        return found.stdout

    hits = json.loads(run("--weights", "tfidf=1,word2vec=2", "--json"))["hits"]
    shown = run("--weights", "tfidf=1,word2vec=2", "--explain")
    assert f" {hits[1]['score']:.4f} " in shown
    assert f"share {hits[0]['spaces']['word2vec']['share']:.0%}" in " ".join(shown.replace("│", " ").split())
    assert "…" in run()
