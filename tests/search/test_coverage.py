"""What hits hold of a query's words: how much that counts, and how far it makes a space believed."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from cli.main import cli
from schemas.errors import UsageError
from schemas.spaces import Term
from search import Corpus
from search.belief import belief, beliefs
from search.coverage import COVERAGE, POWER, Coverage, coverage_part, masses_of, query_words
from search.judging import evaluate_corpus, tune_corpus
from search.recommend import recommend

SHARES = st.floats(0, 1)
KNOWN = {
    "hotel": Term(term="hotel", index=4, df=9, cf=9, idf=1.0),
    "ax": Term(term="ax", index=2, df=3, cf=3, idf=2.0),
    "悟空": Term(term="悟空", index=None, df=1, cf=1, idf=3.0),
}


def coverage(mass, columns):
    cover = Coverage(mass)
    return cover.of(cover.held(columns))


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
    # One word tells less than many do.
    assert found["dense"] == pytest.approx(1 / 9, abs=1e-3)
    many = {f"w{n}": Term(term=f"w{n}", index=n, df=9, cf=9, idf=1.0) for n in range(20)}
    found = beliefs(query_words(many, many).mass, {"dense": 1, "tfidf": 2}, {1: [40], 2: range(20)}, "tfidf")
    assert found["dense"] < 0.001


def test_the_less_of_a_query_the_corpus_knows_the_less_its_words_tell():
    known = {"hotel": KNOWN["hotel"]}
    factors = [
        beliefs(query_words(asked, known, 100).mass, {"dense": 1, "tfidf": 2}, {1: [0], 2: [4]}, "tfidf")["dense"]
        for asked in (["hotel"], ["hotel", "zebra"], ["hotel", "zebra", "quagga"])
    ]
    assert factors == sorted(factors)
    assert factors[0] < factors[1] < factors[2] < 1


COLUMNS = st.sets(st.integers(0, 5))


@given(st.lists(st.tuples(COLUMNS, st.integers(1, 3)), min_size=1, max_size=8), st.sets(st.integers(0, 5), min_size=1))
def test_a_passage_is_covered_by_itself_and_by_its_document_s_others(passages, asked):
    terms = {f"w{n}": Term(term=f"w{n}", index=n, df=1, cf=1, idf=1.0 + n) for n in asked}
    cover = Coverage(query_words(terms, terms).mass)
    block = [cover.held(columns) for columns, _ in passages]
    shares = cover.of_block(block, [owner for _, owner in passages])
    for (columns, owner), share in zip(passages, shares, strict=True):
        together = set().union(*(other for other, of in passages if of == owner))
        assert share == pytest.approx(
            (cover.of(frozenset(columns & asked)) + cover.of(frozenset(together & asked))) / 2
        )
        assert 0 <= share <= 1 + 1e-9
        assert (share == 0) == (not together & asked)


def test_the_list_of_what_passages_hold_stands_by_share_then_id_and_gives_little_for_little():
    terms = {name: KNOWN[name] for name in ("hotel", "ax")}
    first, second, third = (n << 32 for n in (1, 2, 3))
    found = coverage_part(query_words(terms, terms).mass, [first, third, second], {first: [4], second: [2], third: [2]})
    assert list(found.ranks.of) == [second, third, first]
    assert found.ranks.scores == pytest.approx([8 / 9, 8 / 9, 1 / 9])
    assert found.given == pytest.approx([share**POWER for share in found.ranks.scores])


def ingested(folder, rows):
    """The store in which the rows are the corpus ``c``."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["ingest", str(folder / "rows.jsonl"), "--corpus", "c", "--spaces", "dense,tfidf"]
    made = CliRunner().invoke(cli, [*arguments, "--store", str(folder / "store")])
    assert made.exit_code == 0, made.output
    return str(folder / "store")


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
    return ingested(folder, rows)


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


@pytest.fixture(scope="module")
def repeating(tmp_path_factory):
    """A document that holds all of three words once, in a long text, among short ones that repeat one of them."""
    folder = tmp_path_factory.mktemp("repeating")
    names = ["heron", "otter", "badger", "weasel", "marten", "beaver"]
    rows = [{"_id": name, "title": "", "text": " ".join([f"The {name} is seen here."] * 3)} for name in names]
    long = " ".join(f"Along the river bend number {n} grow willows and reeds of many kinds." for n in range(3))
    rows += [{"_id": "all", "title": "", "text": f"{long} A heron, an otter and a badger live there."}]
    rows += [{"_id": f"other{n}", "title": "", "text": f"A fox and a hare live on hill {n}."} for n in range(20)]
    return ingested(folder, rows)


def test_who_holds_all_words_stands_before_who_repeats_one(repeating):
    with Corpus("c", repeating) as corpus:
        (hit, *others) = corpus.search("heron otter badger", explain=True).hits
        (alone, *_) = corpus.search("heron otter badger", spaces="tfidf").hits
        (without, *_) = corpus.search("heron otter badger", weights={COVERAGE: 0}).hits
    assert hit.document_id == "all"
    assert (hit.spaces[COVERAGE].rank, hit.spaces[COVERAGE].score) == (1, 1)
    assert 0 < hit.spaces[COVERAGE].share < 1
    assert all(other.spaces[COVERAGE].score < 1 for other in others[:3])
    assert alone.document_id != "all"
    assert without.document_id != "all"
    assert COVERAGE not in without.spaces


def test_coverage_is_refused_where_it_does_not_count(repeating):
    with Corpus("c", repeating) as corpus:
        with pytest.raises(UsageError, match=r"tfidf:coverage counts with --fusion zscore only, and rrf is used"):
            corpus.search("heron", fusion="rrf", weights={COVERAGE: 1})
        with pytest.raises(UsageError, match=r"tfidf:coverage is of a query's words"):
            recommend(corpus, ["all"], weights={COVERAGE: 1})
        with pytest.raises(UsageError, match=r"tfidf:coverage.*not among the spaces searched, dense"):
            corpus.search("heron", spaces="dense", weights={COVERAGE: 1})
