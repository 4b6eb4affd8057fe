import numpy as np
import pytest
from scipy.sparse import csr_array

from schemas.errors import UsageError
from search.topics import Lsa, count_features, lda_topics

HOTEL, TALE = ["room", "pool", "shuttle", "breakfast"], ["monk", "demon", "monkey", "mountain"]
TEXTS = [[word for word in words for _ in range(5)] + ["the"] for words in [HOTEL, TALE] * 15]


def test_lda_tells_two_kinds_of_text_apart():
    report = lda_topics(count_features(iter(TEXTS)), topics=2, words=4)
    found = [{word for word, _ in topic.words} for topic in report.topics]
    assert set(HOTEL) in found
    assert set(TALE) in found
    assert sum(topic.share for topic in report.topics) == pytest.approx(1)
    assert report.documents == 30
    assert report == lda_topics(count_features(iter(TEXTS)), topics=2, words=4)


def test_words_of_every_document_or_of_one_are_left_out_unless_nothing_else_is_there():
    assert "the" not in count_features(TEXTS).features
    assert count_features([["only"]]).features == ["only"]
    assert len(count_features(TEXTS, max_features=3).features) == 3


def test_a_corpus_without_words_is_refused():
    with pytest.raises(UsageError, match="no words"):
        lda_topics(count_features([[], []]))


def test_lsa_gives_unit_vectors_in_which_texts_of_a_kind_are_near():
    rows = csr_array(count_features(TEXTS).counts.astype(np.float32))
    vectors = Lsa(2).fit(rows).transform(rows)
    assert vectors.shape == (30, 2)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(30), abs=1e-5)
    assert vectors[0] @ vectors[2] > 0.99 > 0.5 > vectors[0] @ vectors[1]


def test_lsa_lowers_its_dimension_to_what_there_is_and_needs_a_fit():
    rows = csr_array(count_features(TEXTS).counts.astype(np.float32))
    assert Lsa(500).fit(rows).transform(rows).shape == (30, 7)
    with pytest.raises(UsageError, match="fitted"):
        Lsa(2).transform(rows)
    with pytest.raises(UsageError, match="at least two"):
        Lsa(2).fit(csr_array((1, 5), dtype=np.float32))
