import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from schemas.errors import UsageError
from search.compare import char_ngrams, compare_in, compare_texts, counts_cosine, joined, pre_split, row_cosine

FIRST, SECOND = "我/不爱/吃/蔬菜/我/喜欢/吃/肉", "我/不爱/吃/肉/我/爱/吃/蔬菜"


def test_words_that_are_split_already_have_the_cosine_of_their_counts():
    assert counts_cosine(pre_split(FIRST), pre_split(SECOND)) == pytest.approx(0.9167, abs=5e-5)


def test_character_trigrams_of_the_same_texts():
    first, second = (char_ngrams(text) for text in ("我不爱吃蔬菜,我喜欢吃肉", "我不爱吃肉,我爱吃蔬菜"))
    assert counts_cosine(first, second) == pytest.approx(0.4216, abs=5e-5)


def test_every_encoder_given_adds_its_cosine():
    encoders = {
        "dense": lambda texts: np.array([[1.0, 0.0], [1.0, 1.0]]),
        "tfidf": lambda texts: csr_array(np.array([[1.0, 0.0], [0.0, 1.0]])),
        "word2vec": lambda texts: np.zeros((2, 4)),
    }
    found = compare_texts(FIRST, SECOND, words=pre_split, encoders=encoders).similarities
    assert list(found) == ["words", "char_3grams", "dense", "tfidf", "word2vec"]
    assert found["dense"] == pytest.approx(0.5**0.5)
    assert found["tfidf"] == 0
    assert found["word2vec"] is None


@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("abc"), min_size=1))
def test_a_cosine_of_counts_is_symmetric_and_one_for_itself(first, second):
    assert counts_cosine(first, second) == pytest.approx(counts_cosine(second, first))
    assert counts_cosine(first, first) == pytest.approx(1.0)


def test_empty_texts_have_no_similarity_and_short_ones_one_ngram():
    assert counts_cosine([], ["a"]) is None
    assert char_ngrams("肉") == ["肉"]
    assert char_ngrams("") == []
    assert row_cosine(np.array([[0.0, 0.0], [1.0, 0.0]])) is None
    with pytest.raises(UsageError):
        char_ngrams("text", 0)


@pytest.mark.parametrize(
    ("split", "written"),
    [
        ("我/不爱/吃", "我不爱吃"),
        ("我 不爱　吃／肉", "我不爱吃肉"),
        ("quiet/hotel  room", "quiet hotel room"),
        ("爱/JSON/file/吗", "爱JSON file吗"),
        ("호텔/방", "호텔 방"),
    ],
)
def test_split_words_are_joined_as_their_script_is_written(split, written):
    assert joined(split) == written


def test_character_ngrams_are_counted_in_one_script_width_and_case():
    found = compare_texts("臺灣的風景 ＡＢＣ", "台湾的风景 abc", words=str.split).similarities
    assert found == {"words": pytest.approx(1), "char_3grams": pytest.approx(1)}


def test_without_a_corpus_words_split_alike_are_alike_in_all_that_needs_none_and_the_rest_says_what_it_needs():
    found = compare_in("我/不爱/吃", "我 不爱 吃", split=True, ngram=2)
    assert list(found.similarities) == ["words", "char_2grams", "tfidf", "word2vec", "dense", "sparse"]
    assert [found.similarities[name] for name in ("words", "char_2grams", "dense")] == pytest.approx([1, 1, 1])
    assert set(found.reasons) == {"tfidf", "word2vec", "sparse"}
    assert all("--corpus" in reason for reason in found.reasons.values())
    assert "bge-m3" in found.reasons["sparse"]
