"""The two public corpora go in and answer as a reader would expect."""

import pytest

from ingest import CorpusOptions, ingest
from search import Corpus

pytestmark = pytest.mark.corpora


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return str(tmp_path_factory.mktemp("store"))


def test_hotels_near_the_airport_with_a_shuttle(corpora, store):
    ingest([corpora / "seattle_hotels.csv"], "hotels", store=store)
    with Corpus("hotels", store) as corpus:
        hits = corpus.search("hotel near the airport with a free shuttle", limit=3).hits
    assert all("airport" in hit.text.lower() for hit in hits)
    assert all("shuttle" in hit.text.lower() for hit in hits[:2])


def test_the_chapter_of_the_white_bone_demon(corpora, store):
    # The bundled model takes minutes for a whole novel on two cores, so here the lexical spaces answer.
    options = CorpusOptions(spaces=("tfidf", "word2vec"))
    report = ingest([corpora / "journey_to_the_west.gb18030.txt"], "journey", store=store, options=options)
    assert report.documents == 101
    with Corpus("journey", store) as corpus:
        hits = corpus.search("孙悟空三打白骨精", limit=3).hits
    assert "第二十七回" in {hit.chapter for hit in hits}
