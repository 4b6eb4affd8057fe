"""Two commands on one embedded corpus: the second waits, and goes on from what the first has made."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingest import CorpusOptions, ingest
from ingest.exchange import export_corpus, import_corpus
from ingest.generations import list_generations
from ingest.rebuild import rebuild
from ingest.refit import refit
from schemas.errors import CorpusError
from search import search
from stores.embedded import EdgeStore

TFIDF = CorpusOptions(spaces=("tfidf",))
WAITING = 0.5
"""Seconds after which the second command has come as far as it does."""


def rows(path, numbers, **more):
    text = "A house by the lake. " * 9
    made = [{"id": str(n), "title": f"Row {n}", "text": text, **more} for n in numbers]
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return path


@pytest.fixture
def beside(tmp_path):
    """Runs the second command, on a store of its own, while ``first`` has the corpus and does its work."""

    def run(first, second):
        with ThreadPoolExecutor(1) as pool:
            with EdgeStore(tmp_path / "store") as store:
                store.hold("c", new=True)
                waiting = pool.submit(second, tmp_path / "store")
                time.sleep(WAITING)
                first(store)
            return waiting.result()

    return run


def test_a_refit_that_waited_for_a_rebuild_is_of_what_that_made(tmp_path, beside):
    ingest(rows(tmp_path / "a.jsonl", range(5)), "c", store=tmp_path / "store", options=TFIDF)
    made = []
    report = beside(
        lambda store: made.append(rebuild("c", CorpusOptions(max_tokens=20), store=store)),
        lambda folder: refit("c", store=folder),
    )
    assert (report.generation, report.passages) == (3, made[0].passages)
    assert search("lake", "c", store=tmp_path / "store").hits


def test_a_refit_that_waited_for_an_ingest_keeps_the_fields_that_came_with_it(tmp_path, beside):
    ingest(rows(tmp_path / "a.jsonl", range(5)), "c", store=tmp_path / "store", options=TFIDF)
    more = rows(tmp_path / "b.jsonl", range(5, 9), price=7)
    report = beside(lambda store: ingest(more, "c", store=store), lambda folder: refit("c", store=folder))
    assert report.documents == 9
    assert len(search("lake", "c", store=tmp_path / "store", where=["price>=7"]).hits) == 4


def test_of_two_imports_to_one_name_the_second_is_told_that_the_corpus_stands(tmp_path, beside):
    for name, count in (("one", 3), ("two", 5)):
        ingest(rows(tmp_path / "a.jsonl", range(count)), name, store=tmp_path / name, options=TFIDF)
        export_corpus(name, tmp_path / f"{name}.parquet", store=tmp_path / name)
    with pytest.raises(CorpusError, match="has a corpus 'c' already"):
        beside(
            lambda store: import_corpus(tmp_path / "one.parquet", name="c", store=store),
            lambda folder: import_corpus(tmp_path / "two.parquet", name="c", store=folder),
        )
    assert len(search("lake", "c", store=tmp_path / "store").hits) == 3


def test_an_ingest_never_takes_a_corpus_that_another_made_meanwhile_for_new(tmp_path, monkeypatch):
    path = rows(tmp_path / "a.jsonl", range(5))
    folder, other = tmp_path / "store", rows(tmp_path / "b.jsonl", range(50, 60))
    read = threading.Event()

    def meanwhile(stage, done, whole):
        if stage == "read" and not read.is_set():
            read.set()
            ingest(other, "c", store=folder, options=TFIDF)

    with pytest.raises(CorpusError, match="Another command has made the corpus 'c' meanwhile; run the same"):
        ingest(path, "c", store=folder, options=TFIDF, progress=meanwhile)
    assert read.is_set()
    assert ingest(path, "c", store=folder).documents == 15


def test_the_generations_are_listed_while_another_command_has_the_corpus(tmp_path):
    folder = tmp_path / "store"
    ingest(rows(tmp_path / "a.jsonl", range(5)), "c", store=folder, options=TFIDF)
    with EdgeStore(folder) as store, EdgeStore(folder, lock_wait=0.0) as other:
        store.hold("c")
        assert [one.state for one in list_generations("c", store=other).generations] == ["in use"]
