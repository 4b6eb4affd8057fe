"""How far a space is believed for a query: by the query's words that its best hit holds."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from cli.main import cli
from schemas.spaces import Term
from search import Corpus
from search.coverage import POWER, belief, beliefs, coverage, masses_of, query_words
from search.judging import evaluate_corpus, tune_corpus

SHARES = st.floats(0, 1)
KNOWN = {
    "hotel": Term(term="hotel", index=4, df=9, cf=9, idf=1.0),
    "ax": Term(term="ax", index=2, df=3, cf=3, idf=2.0),
    "悟空": Term(term="悟空", index=None, df=1, cf=1, idf=3.0),
}


def test_rare_words_weigh_most_and_unknown_ones_as_much_as_the_rarest_known():
    words = query_words(["hotel", "ax", "hotel", "zebra"], {name: KNOWN[name] for name in ("hotel", "ax")})
    assert words.idf == {"hotel": 1.0, "ax": 2.0, "zebra": 2.0}
    assert words.mass.columns.tolist() == [2, 4]
    assert words.mass.mass.tolist() == [2.0**POWER, 1.0]
    assert words.mass.total == 1 + 2 * 2.0**POWER
    assert coverage(words.mass, [4, 7]) == pytest.approx(1 / (1 + 2 * 2.0**POWER))
    assert coverage(words.mass, [2, 4]) == pytest.approx((1 + 2.0**POWER) / (1 + 2 * 2.0**POWER))


def test_a_word_without_a_column_can_be_held_by_nothing():
    words = query_words(["悟空"], {"悟空": KNOWN["悟空"]})
    assert coverage(words.mass, [0, 1, 2]) == 0
    assert words.mass.total == 3.0**POWER


def test_the_mass_of_query_vectors_is_that_of_their_weights():
    (mass, empty) = masses_of(csr_array(np.array([[0, 3, 4], [0, 0, 0]], dtype=np.float32)))
    assert mass.columns.tolist() == [1, 2]
    assert coverage(mass, [2]) == pytest.approx(4**POWER / (3**POWER + 4**POWER))
    assert coverage(empty, [2]) == 0


@given(SHARES, SHARES)
def test_belief_falls_with_what_the_other_space_s_best_lacks_and_is_never_nothing(lexical, other):
    found = belief(lexical, other)
    assert 0 < found <= 4
    assert belief(lexical, lexical) == pytest.approx(1, abs=1e-3)
    if other < lexical:
        assert found < 1
    if 0 < lexical - other < 1 / 3:
        assert found * belief(other, lexical) == pytest.approx(1, abs=1e-2)


def test_without_lexical_hits_or_words_every_space_is_believed():
    mass = query_words(["hotel"], {"hotel": KNOWN["hotel"]}).mass
    assert beliefs(mass, {"dense": 1}, {}, "tfidf") == {}
    assert beliefs(query_words([], {}).mass, {"dense": 1, "tfidf": 2}, {}, "tfidf") == {}
    found = beliefs(mass, {"dense": 1, "tfidf": 2}, {1: [0], 2: [4]}, "tfidf")
    assert set(found) == {"dense"}
    assert found["dense"] < 1e-6


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Notes on birds in two languages, each with a part number that says nothing."""
    folder = tmp_path_factory.mktemp("coverage")
    notes = [
        "The kingfisher dives for small fish in clear streams.",
        "Swallows build nests of mud under the eaves of barns.",
        "白鹭站在浅水里等鱼游过来。",
        "燕子春天回到屋檐下筑巢。",
        "An owl hunts at night and hears a mouse under snow.",
        "猫头鹰夜里捕鼠，听觉极灵。",
    ]
    rows = [{"_id": str(n), "title": "", "text": f"{text} No. {7301 + 13 * n}"} for n, text in enumerate(notes * 4)]
    (folder / "notes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["ingest", str(folder / "notes.jsonl"), "--corpus", "c", "--spaces", "dense,tfidf"]
    made = CliRunner().invoke(cli, [*arguments, "--store", str(folder / "store")])
    assert made.exit_code == 0, made.output
    return str(folder / "store")


def test_a_number_is_found_by_its_words_and_a_paraphrase_by_its_meaning(place):
    with Corpus("c", place) as corpus:
        for n in (3, 14, 20):
            (hit, *_) = corpus.search(f"please find {7301 + 13 * n} for me").hits
            assert hit.document_id == str(n)
            assert hit.spaces["tfidf"].rank == 1
        # In another language no word of the query is there: the words have nothing to say against the meaning.
        (hit, *_) = corpus.search("夜行性的猛禽怎样捕食").hits
        assert int(hit.document_id) % 6 in (4, 5)
        (hit, *_) = corpus.search("oiseau nocturne qui chasse").hits
        assert int(hit.document_id) % 6 in (4, 5)


def test_other_methods_weigh_as_they_are_told(place):
    with Corpus("c", place) as corpus:
        found = corpus.search("please find 7314 for me", fusion="rrf", weights={"dense": 1, "tfidf": 1})
        given = [(hit.score, hit.spaces["tfidf"]) for hit in found.hits if "tfidf" in hit.spaces]
        assert given
        for score, tfidf in given:
            assert score * tfidf.share == pytest.approx(0.5 / (60 + tfidf.rank), abs=2e-6)


def test_tuning_measures_the_default_that_a_search_uses(place):
    texts = {str(n): f"find number {7301 + 13 * n}" for n in range(12)} | {
        "p": "夜行性的猛禽怎样捕食",
        "q": "mud nests",
    }
    qrels = {str(n): {str(n): 1} for n in range(12)} | {"p": {"4": 1, "5": 1, "10": 1, "11": 1}, "q": {"1": 1, "7": 1}}
    with Corpus("c", place) as corpus:
        report, _ = evaluate_corpus(corpus, texts, qrels, measures=["nDCG@10"])
        tuned = tune_corpus(corpus, texts, qrels, save=False)
    assert tuned.default == pytest.approx(report.means["hybrid"]["nDCG@10"])
    assert (
        report.means["hybrid"]["nDCG@10"] >= max(report.means[space]["nDCG@10"] for space in ("dense", "tfidf")) - 0.05
    )
