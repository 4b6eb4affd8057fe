"""How much a whole document counts beside its passages, and what a passage holds of the query's words."""

import pytest

from schemas.errors import UsageError
from schemas.manifest import CorpusManifest, Counts
from schemas.spaces import Space, SpaceKind
from search.coverage import COVERAGE
from search.weights import (
    COVERAGE_WEIGHT,
    chosen_weights,
    coverage_weight,
    search_weights,
    with_documents,
    without_documents,
)
from search.whole_documents import DOCUMENT_TFIDF

SPACES = {"tfidf": Space(name="tfidf", kind=SpaceKind.SPARSE)}


def manifest(passages, tuned=None):
    return CorpusManifest(
        corpus="c",
        spaces=SPACES,
        encoders={},
        counts=Counts(documents=100, passages=passages, terms=1),
        search={"weights": tuned} if tuned else {},
    )


@pytest.mark.parametrize(("passages", "each"), [(120, 0.5), (199, 0.5), (200, 1.0), (3000, 1.0)])
def test_a_document_of_few_passages_shares_their_weight_and_one_of_many_has_its_own(passages, each):
    found = with_documents(manifest(passages), {"dense": 1.5, "tfidf": 1.0})
    assert found == {"dense": 1.5, "tfidf": each, DOCUMENT_TFIDF: each}


def test_a_weight_that_was_tuned_is_taken_as_it_is():
    tuned = {"tfidf": 0.2, DOCUMENT_TFIDF: 0.7}
    assert with_documents(manifest(300), tuned) == tuned


def test_without_tfidf_there_is_nothing_to_weigh():
    assert with_documents(manifest(300), {"dense": 1.0}) == {"dense": 1.0}


def test_the_weight_of_whole_documents_can_be_given_where_tfidf_is_searched():
    names = ["dense", "tfidf"]
    given = chosen_weights(manifest(300), names, {DOCUMENT_TFIDF: 3})
    assert given == {"dense": 1.5, "tfidf": 1.0, DOCUMENT_TFIDF: 3.0}
    assert search_weights(manifest(300), names, given, "convex") == given
    with pytest.raises(UsageError, match=r"tfidf:document.*not among the spaces searched, dense"):
        chosen_weights(manifest(300), ["dense"], {DOCUMENT_TFIDF: 1})


def test_weights_that_were_tuned_can_be_typed_again():
    names, tuned = ["dense", "tfidf"], {"dense": 0.1, "tfidf": 0.2, DOCUMENT_TFIDF: 0.7}
    assert chosen_weights(manifest(300, tuned), names) == chosen_weights(manifest(300), names, tuned) == tuned
    # Who weighs tfidf anew weighs its documents with it.
    weighed = chosen_weights(manifest(300, tuned), names, {"tfidf": 0.4})
    assert search_weights(manifest(300), names, weighed, "convex") == {"dense": 0.1, "tfidf": 0.4, DOCUMENT_TFIDF: 0.4}


def test_where_a_passage_is_its_document_that_weight_is_one_of_tfidf():
    weights = {"dense": 1.0, "tfidf": 0.2, DOCUMENT_TFIDF: 0.7}
    assert search_weights(manifest(100), ["dense", "tfidf"], weights, "convex") == pytest.approx(
        {"dense": 1.0, "tfidf": 0.9}
    )
    assert without_documents({"dense": 1.0}) == {"dense": 1.0}
    # Nor are documents a witness beside tfidf alone.
    assert search_weights(manifest(300), ["tfidf"], {"tfidf": 1.0}, "zscore") == {"tfidf": 1.0}


@pytest.mark.parametrize(("passages", "given"), [(100, {}), (120, {}), (300, {}), (300, {"tfidf": 0.5, "dense": 0.0})])
def test_coverage_goes_by_what_tfidf_weighs_however_documents_are_split(passages, given):
    names = ["dense", "tfidf"]
    used = search_weights(manifest(passages), names, chosen_weights(manifest(passages), names, given), "zscore")
    assert used[COVERAGE] == COVERAGE_WEIGHT * given.get("tfidf", 1.0)
    assert used[COVERAGE] == coverage_weight(manifest(passages), used)


def test_coverage_counts_in_a_hybrid_by_zscore_and_as_it_was_given():
    names = ["dense", "tfidf"]
    given = chosen_weights(manifest(300), names, {COVERAGE: 0})
    assert search_weights(manifest(300), names, given, "zscore")[COVERAGE] == 0
    assert COVERAGE not in search_weights(manifest(300), names, given, "rrf")
    assert COVERAGE not in search_weights(manifest(300), ["tfidf"], {"tfidf": 1.0}, "zscore")
    assert COVERAGE not in search_weights(manifest(300), ["dense", "word2vec"], {"dense": 1.0}, "zscore")
