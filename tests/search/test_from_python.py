"""What a caller may hand over, from a first ingest to a search."""

import pytest

from ingest import CorpusOptions, ingest
from schemas.errors import CorpusNotFound
from search import Corpus, search
from search.catalog import list_corpora
from search.recommend import recommend
from stores.opening import open_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("python")
    (folder / "hotels.csv").write_text("id,title,text,city\n1,Inn,a pool by the sea,Rome\n2,Spa,pool and bar,Oslo\n")
    ingest(folder / "hotels.csv", corpus="hotels", store=folder / "store", options=CorpusOptions(spaces="tfidf"))
    return folder / "store"


def test_a_store_is_a_path_a_string_or_open(folder):
    with open_store(folder) as store:
        found = [search("pool", "hotels", store=store).hits]
        assert [manifest.corpus for manifest in list_corpora(store)] == ["hotels"]
    found += [search("pool", "hotels", store=where).hits for where in (folder, str(folder))]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 2
    with pytest.raises(CorpusNotFound, match="there are hotels"):
        Corpus("motels", folder)


def test_one_name_needs_no_list(folder):
    with Corpus("hotels", folder) as corpus:
        assert list(corpus.manifest.spaces) == ["tfidf"]
        assert len(corpus.search_many("pool")) == 1
        assert [hit.title for hit in corpus.search("pool", spaces="tfidf", where="city=Oslo").hits] == ["Spa"]
        assert [hit.title for hit in recommend(corpus, "Inn", spaces="tfidf").hits] == ["Spa"]
