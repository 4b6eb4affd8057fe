import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from schemas.errors import UsageError
from search.compare import char_ngrams, compare_texts, counts_cosine, pre_split, row_cosine

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
