"""An open corpus follows what is done to it: nobody is answered by what is gone, or by half of two generations."""

import json
import threading

import pytest

from ingest import ingest
from ingest.corpus import delete_corpus
from ingest.refit import refit
from schemas.errors import CorpusNotFound, StoreUnavailable, UsageError
from schemas.ingest import CorpusOptions
from search import Corpus
from search.recommend import recommend
from search.topics import corpus_topics
from search.words import similar


def write(store, folder, *texts, spaces=("tfidf",), **columns):
    """Ingest these texts into the corpus ``c``, with the same value of other columns in each."""
    rows = [{"id": str(n), "title": f"T{n}", "text": text, **columns} for n, text in enumerate(texts)]
    (folder / "r.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return ingest(folder / "r.jsonl", "c", store=store, options=CorpusOptions(spaces=spaces))


def texts(corpus, query):
    return [hit.text for hit in corpus.search(query).hits]


def test_a_corpus_deleted_and_made_anew_is_searched_with_its_own_vocabulary(store, tmp_path):
    write(store, tmp_path, "zebra lake tea", "kettle lake tea")
    with Corpus("c", store) as corpus:
        assert texts(corpus, "zebra") == ["zebra lake tea"]
        delete_corpus("c", store)
        with pytest.raises(CorpusNotFound):
            corpus.search("zebra")
        write(store, tmp_path, "apple pool violin", "pool engine", "zebra violin")
        assert texts(corpus, "zebra") == ["zebra violin"]
        assert texts(corpus, "engine") == ["pool engine"]


def test_what_is_ingested_meanwhile_can_be_filtered_and_counted(store, tmp_path):
    write(store, tmp_path, "zebra lake")
    with Corpus("c", store) as corpus:
        corpus.search("lake")
        write(store, tmp_path, "zebra lake", "river lake", colour="red")
        assert [hit.title for hit in corpus.search("lake", where="colour=red").hits] == ["T1", "T0"]
        assert corpus.manifest.counts.documents == 2


def test_weights_that_are_tuned_meanwhile_are_used(store, tmp_path):
    write(store, tmp_path, "zebra lake", "river lake")
    with Corpus("c", store) as corpus:
        assert corpus.search("lake").fusion == "zscore"
        manifest = store.read_manifest("c")
        store.write_manifest(manifest.model_copy(update={"search": {"fusion": "rrf"}}))
        assert corpus.search("lake").fusion == "rrf"


def test_every_question_follows_a_refit(store, tmp_path):
    write(store, tmp_path, *["zebra lake tea", "kettle lake tea", "zebra tea"] * 9, spaces=("tfidf", "word2vec"))
    with Corpus("c", store) as corpus:
        query = corpus.encode(["zebra"], ["tfidf"])
        for ask in (
            lambda: recommend(corpus, "T0").hits,
            lambda: similar(corpus, "zebra"),
            lambda: corpus_topics(corpus, topics=1).topics,
            lambda: corpus.words("zebra"),
            lambda: corpus.search_vectors(query),
            lambda: corpus.search("zebra").hits,
        ):
            refit("c", store=store)
            assert ask()


def test_threads_that_search_while_a_corpus_is_refitted_never_fail(tmp_path):
    from stores.embedded import EdgeStore

    with EdgeStore(tmp_path / "s") as store:
        write(store, tmp_path, "zebra lake tea", "kettle lake tea")
        errors, stop, asked = [], threading.Event(), []
        with Corpus("c", store) as corpus:

            def ask():
                while not stop.is_set():
                    try:
                        asked.append(texts(corpus, "zebra"))
                    except BaseException as error:
                        errors.append(error)
                        return

            threads = [threading.Thread(target=ask) for _ in range(5)]
            for thread in threads:
                thread.start()
            for _ in range(4):
                refit("c", store=store)
            stop.set()
            for thread in threads:
                thread.join()
        assert not errors
        assert {tuple(found) for found in asked} == {("zebra lake tea",)}


def test_a_store_that_does_not_answer_is_not_asked_again(store, tmp_path):
    write(store, tmp_path, "zebra lake tea")
    asked = []

    def question(view):
        asked.append(view)
        store.write_manifest(view.manifest.model_copy(update={"updated": "later"}))
        raise StoreUnavailable("silent")

    with Corpus("c", store) as corpus:
        with pytest.raises(StoreUnavailable):
            corpus.ask(question)
        assert len(asked) == 1


def test_a_closed_corpus_says_so_and_holds_nothing(tmp_path):
    from stores.embedded import EdgeStore

    with EdgeStore(tmp_path / "s") as store:
        write(store, tmp_path, "zebra lake tea")
    corpus = Corpus("c", tmp_path / "s")
    corpus.search("zebra")
    corpus.close()
    for ask in (lambda: corpus.search("zebra"), lambda: corpus.manifest, lambda: similar(corpus, "zebra")):
        with pytest.raises(UsageError, match="was closed"):
            ask()
    corpus.close()
    with EdgeStore(tmp_path / "s", lock_wait=0.1) as store:
        assert store.count("c.g1.documents") == 1


def test_threads_that_need_a_model_at_once_load_it_once(tmp_path, monkeypatch):
    from encoders import learned

    loaded, make = [], learned.encoder_from_identity

    def counted(*arguments, **options):
        loaded.append(arguments)
        return make(*arguments, **options)

    monkeypatch.setattr(learned, "encoder_from_identity", counted)
    write(tmp_path / "s", tmp_path, "zebra lake tea", spaces=("dense",))
    with Corpus("c", tmp_path / "s") as corpus:
        threads = [threading.Thread(target=corpus.search, args=("zebra",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # What is ingested meanwhile needs no other model.
        write(corpus.store, tmp_path, "zebra lake tea", "kettle", spaces=("dense",))
        corpus.search("kettle")
    assert len(loaded) == 2  # the searches, and the second ingest its own
