from __future__ import annotations

import random

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from encoders.bags import bags_of
from encoders.lsa import SEED, EvenSample, encode_lsa, fit_lsa
from encoders.vocabulary import VocabularyBuilder
from schemas.manifest import TfidfSettings

PLAIN = TfidfSettings()


def texts(n: int = 40) -> list[list[str]]:
    choose = random.Random(2)
    halves = (["猫", "狗", "鸟", "鱼", "马"], ["red", "blue", "green", "grey", "pink"])
    return [choose.choices(halves[i % 2], k=6) for i in range(n)]


def fitted(lists, settings=PLAIN, **options):
    builder = VocabularyBuilder()
    builder.add(lists)
    vocabulary = builder.build(settings)
    names, rows = fit_lsa([bags_of(lists)], vocabulary, settings, vocabulary.stats, **options)
    vocabulary.set_lsa(names, rows)
    return vocabulary, dict(zip(names, rows, strict=True))


def encoded(lists, vocabulary, settings=PLAIN, **options):
    return encode_lsa(bags_of(lists), vocabulary, settings, vocabulary.stats, **options)


@pytest.mark.parametrize("sublinear", [False, True])
def test_vectors_are_scikit_learns_truncated_svd_of_tfidf_at_unit_length(sublinear):
    lists, settings = texts(), TfidfSettings(sublinear_tf=sublinear)
    vocabulary, _ = fitted(lists, settings, dim=3)
    vectors = encoded(lists, vocabulary, settings, dim=3)
    rows = TfidfVectorizer(analyzer=lambda words: words, sublinear_tf=sublinear).fit_transform(lists)
    expected = TruncatedSVD(n_components=3, random_state=SEED).fit_transform(rows)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-5)


def test_texts_of_a_kind_are_near_though_they_share_no_word():
    lists = [*texts(), ["猫"], ["狗", "鱼"], ["grey"]]
    vocabulary, _ = fitted(lists, dim=2)
    cat, dog, grey = encoded(lists[-3:], vocabulary, dim=2)
    assert cat @ dog > 0.9 > 0.2 > cat @ grey


def test_the_same_texts_give_the_same_rows_and_bm25_changes_nothing():
    _, once = fitted(texts(), dim=4)
    _, again = fitted(texts(), dim=4)
    _, bm25 = fitted(texts(), TfidfSettings(weighting="bm25"), dim=4)
    for other in (again, bm25):
        assert once.keys() == other.keys()
        assert all(np.array_equal(once[name], other[name]) for name in once)


def test_a_small_corpus_has_fewer_components_and_the_rest_is_zero():
    vocabulary, _ = fitted(texts(4), dim=50)
    vectors = encoded(texts(4), vocabulary, dim=50)
    assert vectors.shape == (4, 50)
    assert not vectors[:, 4:].any()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("lists", [[], [["once"]], [["a", "a"], ["b"]]])
def test_too_little_text_gives_no_rows_and_zero_vectors(lists):
    vocabulary, components = fitted(lists)
    assert components == {}
    assert not encoded([["once"], []], vocabulary).any()


def test_only_the_most_frequent_features_get_rows():
    lists = [["a", "b"], ["a", "b"], ["a", "c"], ["a", "c"], ["d", "a"]]
    _, components = fitted(lists, dim=2)
    assert set(components) == {"a", "b", "c"}
    _, few = fitted(lists, dim=2, max_features=2)
    assert set(few) == {"a", "b"}


def test_a_term_s_row_is_all_that_encoding_needs_wherever_it_is_kept():
    vocabulary, _ = fitted(texts(), dim=3)
    direct = encoded(texts(), vocabulary, dim=3)
    # A plain look-up gives terms one by one, as the terms shelf does.
    assert np.allclose(encode_lsa(bags_of(texts()), vocabulary.lookup, PLAIN, vocabulary.stats, dim=3), direct)


def test_the_sample_is_bounded_even_and_the_same_in_whatever_batches_it_came():
    def kept(batch):
        sample = EvenSample(10)
        lists = [[str(n)] for n in range(75)]
        for start in range(0, 75, batch):
            sample.add(bags_of(lists[start : start + batch]))
        return [int(bags.terms[column]) for bags in sample for column in bags.counts.indices]

    assert kept(1) == kept(7) == kept(75) == list(range(0, 75, 8))
