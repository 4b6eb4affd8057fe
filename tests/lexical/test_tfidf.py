from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import linear_kernel

from encoders.tfidf import encode_features
from encoders.vocabulary import VocabularyBuilder
from schemas.manifest import TfidfSettings

TEXTS = st.lists(st.lists(st.sampled_from("abcdefg甲乙"), max_size=12), min_size=2, max_size=9)


def fitted(texts, tfidf: TfidfSettings, limit: int = 3_000_000):
    builder = VocabularyBuilder(limit)
    builder.add(texts)
    return builder.build(tfidf)


@given(TEXTS, st.sampled_from([1, 2, 0.3]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_vectors_and_similarities_are_scikit_learns(texts, min_df, sublinear):
    ours = TfidfSettings(min_df=min_df, sublinear_tf=sublinear)
    theirs = TfidfVectorizer(analyzer=lambda words: words, min_df=min_df, sublinear_tf=sublinear)
    try:
        expected = theirs.fit_transform(texts)
    except ValueError:
        assert fitted(texts, ours).stats.features == 0
        return
    vocabulary = fitted(texts, ours)
    matrix = encode_features(texts, vocabulary.lookup, ours, vocabulary.stats, query=False)
    assert [t.term for t in vocabulary] == theirs.get_feature_names_out().tolist()
    assert np.allclose(matrix.toarray(), expected.toarray(), atol=1e-6)
    assert np.allclose((matrix @ matrix.T).toarray(), linear_kernel(expected, expected), atol=1e-6)


@given(TEXTS, st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_workers_spills_and_order_change_nothing(texts, limit):
    whole = list(fitted(texts, TfidfSettings()))
    left, right = VocabularyBuilder(limit), VocabularyBuilder(limit)
    left.add(texts[::2])
    right.add(texts[1::2][::-1])
    right.merge(left)
    assert list(right.build(TfidfSettings())) == whole


def test_max_df_and_max_features_are_scikit_learns():
    texts = [["a", "a", "b"], ["a", "b", "c"], ["a", "d", "d", "d"]]
    assert [t.term for t in fitted(texts, TfidfSettings(max_df=0.9))] == ["b", "c", "d"]
    assert [t.term for t in fitted(texts, TfidfSettings(max_df=2))] == ["b", "c", "d"]
    assert [t.term for t in fitted(texts, TfidfSettings(max_features=2))] == ["a", "d"]


def test_a_bm25_dot_product_is_the_textbook_score():
    texts = [["a", "a", "b"], ["b", "c"], ["c", "c", "c", "c"]]
    bm25 = TfidfSettings(weighting="bm25")
    vocabulary = fitted(texts, bm25)
    passages = encode_features(texts, vocabulary.lookup, bm25, vocabulary.stats, query=False)
    query = encode_features([["a", "nobody"]], vocabulary.lookup, bm25, vocabulary.stats, query=True)
    idf = np.log(1 + (3 - 1 + 0.5) / 1.5)
    tf = 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 3))
    assert (query @ passages.T).toarray().tolist() == [[pytest.approx(idf * tf), 0, 0]]


@pytest.mark.parametrize("weighting", ["tfidf", "bm25"])
def test_nothing_known_is_an_empty_row_and_nothing_fitted_an_empty_matrix(weighting):
    chosen = TfidfSettings(weighting=weighting)
    for texts in ([["a"]], []):
        vocabulary = fitted(texts, chosen)
        for query in (True, False):
            matrix = encode_features([[], ["z"]], vocabulary.lookup, chosen, vocabulary.stats, query=query)
            assert matrix.shape == (2, vocabulary.stats.features)
            assert matrix.nnz == 0
