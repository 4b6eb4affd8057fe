"""What a caller may hand over, from a first ingest to a search."""

import pandas as pd
import pytest

from ingest import CorpusOptions, ingest
from ingest.corpus import delete_corpus
from ingest.rebuild import rebuild
from schemas.errors import CorpusNotFound, StoreDamaged, StoreError, UsageError
from search import Corpus, search
from search.catalog import list_corpora
from search.judging import evaluate_corpus
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
        assert recommend(corpus, "Inn").query == "like Inn"
        assert len(corpus.words("pool")) == len(corpus.encode("pool", "tfidf")["tfidf"].toarray()) == 1
        measured, _ = evaluate_corpus(corpus, {"q": "bar"}, {"q": {"2": 1}}, spaces="tfidf", measures="nDCG@10")
        assert measured.means == {"tfidf": {"nDCG@10": 1.0}}


def test_names_may_come_one_by_one(folder):
    with Corpus("hotels", folder) as corpus:
        found = corpus.search_many(
            (text for text in ("pool", "bar")), spaces=iter(["tfidf"]), where=iter(["city=Oslo"])
        )
        assert [[hit.title for hit in answer.hits] for answer in found] == [["Spa"], ["Spa"]]
        assert recommend(corpus, iter(["Inn"])).query == "like Inn"


WRONG = {
    "no query": lambda corpus: corpus.search(None),
    "a number among queries": lambda corpus: corpus.search_many(["pool", 3]),
    "a mapping of conditions": lambda corpus: corpus.search("pool", where={"city": "Oslo"}),
    "a limit of text": lambda corpus: corpus.search("pool", limit="3"),
    "weights without names": lambda corpus: corpus.search("pool", weights=[1]),
    "weights that overflow": lambda corpus: corpus.search("pool", weights={"tfidf": 1e308}),
    "a weight of text": lambda corpus: corpus.search("pool", weights={"tfidf": "1"}),
    "an unknown judge": lambda corpus: corpus.search("pool", rerank="juror"),
    "no spaces": lambda corpus: corpus.search("pool", spaces=[]),
    "a constant of another method": lambda corpus: corpus.search("pool", rrf_k=10),
    "a constant of nothing": lambda corpus: corpus.search("pool", fusion="rrf", rrf_k=0),
    "options as a dict": lambda corpus: ingest("x.csv", "c", options={"spaces": ["tfidf"]}),
    "options of a rebuild as a dict": lambda corpus: rebuild("hotels", {}, store=corpus.store),
    "a table": lambda corpus: ingest(pd.DataFrame({"id": [1]}), "c"),
    "a number for a path": lambda corpus: ingest([3], "c"),
    "an unknown weighting": lambda corpus: CorpusOptions(weighting="x"),
    "no tokens": lambda corpus: CorpusOptions(max_tokens=0),
    "no spaces to make": lambda corpus: CorpusOptions(spaces=[]),
    "an analyser of numbers": lambda corpus: CorpusOptions(analyzer=3),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_meant_is_a_sentence_before_anything_is_done(folder, wrong):
    with Corpus("hotels", folder) as corpus, pytest.raises(UsageError):
        WRONG[wrong](corpus)


def test_a_manifest_that_could_not_be_read_again_is_not_written(folder):
    with open_store(folder) as store:
        manifest = store.read_manifest("hotels")
        wrong = manifest.tfidf.model_copy(update={"weighting": "x"})
        with pytest.raises(StoreError, match=r"tfidf\.weighting"):
            store.write_manifest(manifest.model_copy(update={"tfidf": wrong}))
        assert store.read_manifest("hotels") == manifest


def test_a_damaged_manifest_hides_no_other_corpus_and_its_corpus_can_be_deleted(tmp_path):
    for name in ("good", "bad"):
        (tmp_path / "r.csv").write_text("id,title,text\n1,Inn,a pool by the sea\n")
        ingest(tmp_path / "r.csv", name, store=tmp_path / "s", options=CorpusOptions(spaces="tfidf"))
    (tmp_path / "s" / "bad" / "manifest.json").write_text("{}")
    with pytest.raises(StoreDamaged):
        list_corpora(tmp_path / "s")
    said = {}
    found = list_corpora(tmp_path / "s", damaged=lambda name, error: said.update({name: str(error)}))
    assert [manifest.corpus for manifest in found] == ["good"]
    assert list(said) == ["bad"]
    delete_corpus("bad", tmp_path / "s")
    assert [manifest.corpus for manifest in list_corpora(tmp_path / "s")] == ["good"]
    with pytest.raises(CorpusNotFound):
        delete_corpus("bad", tmp_path / "s")


def test_a_folder_with_a_name_that_no_corpus_may_have_hides_no_other(tmp_path):
    (tmp_path / "r.csv").write_text("id,title,text\n1,Inn,a pool by the sea\n")
    ingest(tmp_path / "r.csv", "good", store=tmp_path / "s", options=CorpusOptions(spaces="tfidf"))
    (tmp_path / "s" / "no..name").mkdir()
    (tmp_path / "s" / "no..name" / "manifest.json").write_text("{}")
    said = {}
    found = list_corpora(tmp_path / "s", damaged=lambda name, error: said.update({name: str(error)}))
    assert [manifest.corpus for manifest in found] == ["good"]
    assert "cannot name a corpus" in said["no..name"]


def test_the_constant_of_reciprocal_ranks_may_be_chosen(tmp_path):
    (tmp_path / "r.csv").write_text("id,title,text\n1,Inn,a pool by the sea\n2,Spa,pool and bar\n")
    options = CorpusOptions(spaces=["tfidf", "word2vec"])
    ingest(tmp_path / "r.csv", "c", store=tmp_path / "s", options=options)
    with Corpus("c", tmp_path / "s") as corpus:
        for k in (None, 1, 60):
            hits = corpus.search("pool bar", fusion="rrf", rrf_k=k, weights={"tfidf": 1.0}, limit=2).hits
            assert hits[1].score == pytest.approx(1 / ((k or 60) + 2), abs=1e-5)


def test_a_hit_that_is_a_document_lists_its_passages_and_any_other_none(folder):
    with Corpus("hotels", folder) as corpus:
        for hit in corpus.search("pool", by_document=True).hits:
            assert [passage.passage_id for passage in hit.passages] == [hit.passage_id]
        assert [hit.passages for hit in corpus.search("pool").hits] == [[], []]
