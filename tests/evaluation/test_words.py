"""``xunyi words``: the same as gensim on the same vectors, and a sentence for what is not known."""

import json
import random

import numpy as np
import pytest
from click.testing import CliRunner
from gensim.models import KeyedVectors

from cli.main import cli
from schemas.errors import CorpusError, UsageError
from schemas.spaces import Shelf
from search import Corpus
from search.words import analogy, similar, similarity

GROUPS = (["猫咪", "狗狗", "小鸟", "金鱼", "白马"], ["red", "blue", "green", "grey", "pink"], ["唐僧", "悟空", "八戒"])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    choose = random.Random(7)
    rows = []
    for n in range(150):
        group = GROUPS[n % 3]
        rows.append({"_id": str(n), "title": "", "text": "，".join(choose.choices(group, k=8))})
    rows.append({"_id": "rare", "title": "", "text": "violet violet crimson"})
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (folder / "names.txt").write_text("\n".join(GROUPS[0] + GROUPS[2]), encoding="utf-8")
    arguments = ["ingest", path, "--corpus", "c", "--spaces", "tfidf,word2vec", "--user-dict", folder / "names.txt"]
    arguments += ["--word2vec", "epochs=5", "--word2vec", "dim=12", "--store", folder / "store"]
    made = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture
def corpus(place):
    with Corpus("c", str(place / "store")) as corpus:
        yield corpus


@pytest.fixture
def gensim_s(corpus):
    keyed = KeyedVectors(12)
    terms = corpus.store.scroll(corpus.collection(Shelf.TERMS), payload=["term"], vectors=["word2vec"])
    known = [(r.payload["term"], r.vector["word2vec"]) for r in terms if "word2vec" in (r.vector or {})]
    keyed.add_vectors([word for word, _ in known], np.array([vector for _, vector in known], dtype=np.float32))
    return keyed


def same(found, expected):
    assert [word.word for word in found] == [word for word, _ in expected]
    assert [word.score for word in found] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_similar_words_and_scores_are_gensims(corpus, gensim_s):
    for word in ("悟空", "red", "金鱼"):
        same(similar(corpus, word, 10), gensim_s.most_similar(word, topn=10))


def test_analogies_are_gensims(corpus, gensim_s):
    expected = gensim_s.most_similar(positive=["悟空", "red"], negative=["唐僧"], topn=10)
    same(analogy(corpus, ["悟空", "red"], ["唐僧"], 10), expected)
    assert similarity(corpus, "red", "blue") == pytest.approx(gensim_s.similarity("red", "blue"), abs=1e-5)


def test_a_word_is_known_in_any_script_width_and_case(corpus):
    assert similar(corpus, "ＲＥＤ") == similar(corpus, "red")
    assert similar(corpus, "金魚") == similar(corpus, "金鱼")


@pytest.mark.parametrize(("word", "near"), [("reed", "red"), ("悟净", "悟空"), ("zzz", "try another")])
def test_an_unknown_word_is_a_sentence_with_near_spellings(corpus, word, near):
    with pytest.raises(UsageError, match=near) as caught:
        similar(corpus, word)
    assert "\n" not in str(caught.value)


def test_a_rare_word_says_how_often_it_stands_and_how_often_it_must(corpus):
    for word, times in (("crimson", "once"), ("Violet", "2 times")):
        with pytest.raises(UsageError, match=f"stands {times} in the corpus 'c', and only words that stand 3 times"):
            similar(corpus, word)


@pytest.mark.parametrize("word", ["", " ", "　"])
def test_an_empty_word_is_said_to_be_empty(corpus, word):
    for ask in (lambda: similar(corpus, word), lambda: similarity(corpus, "red", word)):
        with pytest.raises(UsageError, match="empty"):
            ask()


def test_an_analogy_is_three_words_or_any_number_added_and_taken_away(place, corpus):
    def run(*arguments):
        return CliRunner().invoke(
            cli, ["words", "analogy", *arguments, "--corpus", "c", "--store", str(place / "store"), "--json"]
        )

    corpus.close()
    three = json.loads(run("唐僧", "悟空", "red").stdout)
    named = json.loads(run("--positive", "悟空", "--positive", "red", "--negative", "唐僧").stdout)
    assert three["words"] == named["words"]
    assert (three["a"], three["b"], three["c"]) == ("唐僧", "悟空", "red")
    assert (named["positive"], named["negative"]) == (["悟空", "red"], ["唐僧"])
    assert run("--positive", "悟空").exit_code == 0
    for wrong in ((), ("red",), ("red", "blue", "grey", "pink"), ("red", "blue", "grey", "--positive", "pink")):
        assert isinstance(run(*wrong).exception, UsageError)


def test_the_commands_say_the_same_as_json(place, corpus):
    def run(*arguments):
        found = CliRunner().invoke(
            cli, ["words", *arguments, "--corpus", "c", "--store", str(place / "store"), "--json"]
        )
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    corpus.close()
    found = run("similar", "red", "--limit", "3")
    assert len(found["words"]) == 3
    assert run("analogy", "唐僧", "悟空", "red")["words"][0]["score"] <= 1
    assert -1 <= run("similarity", "red", "blue")["score"] <= 1


def test_a_corpus_without_word_vectors_says_so(place):
    path = place / "corpus.jsonl"
    arguments = ["ingest", path, "--corpus", "plain", "--spaces", "tfidf", "--store", place / "store"]
    assert CliRunner().invoke(cli, [str(argument) for argument in arguments]).exit_code == 0
    with (
        Corpus("plain", str(place / "store")) as corpus,
        pytest.raises(CorpusError, match="xunyi rebuild plain --spaces tfidf,word2vec"),
    ):
        similar(corpus, "red")


def test_of_several_words_or_of_one_with_signs_none_is_answered_for(corpus):
    # Folded, a word is itself; cut in pieces, it is another.
    assert similar(corpus, " RED ", 3) == similar(corpus, "red", 3)
    assert similar(corpus, "《悟空》", 3) == similar(corpus, "悟空", 3)
    for unknown in ("悟空唐僧", "red blue", "red++", "red#"):
        with pytest.raises(UsageError, match="does not know the word"):
            similar(corpus, unknown)
    assert analogy(corpus, "悟空", "red", 3) == analogy(corpus, ["悟空"], ["red"], 3)
