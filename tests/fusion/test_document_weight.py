"""How much a whole document counts beside its passages."""

import pytest

from schemas.manifest import CorpusManifest, Counts
from schemas.spaces import Space, SpaceKind
from search.whole_documents import DOCUMENT_TFIDF, with_documents

SPACES = {"tfidf": Space(name="tfidf", kind=SpaceKind.SPARSE)}


def manifest(passages):
    return CorpusManifest(
        corpus="c", spaces=SPACES, encoders={}, counts=Counts(documents=100, passages=passages, terms=1)
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
