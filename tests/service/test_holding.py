"""Which corpora a service keeps open, and when it lets go of them."""

import threading
from pathlib import Path

import pytest

from ingest import ingest
from ingest.corpus import delete_corpus
from schemas.errors import CorpusNotFound, StoreLocked
from schemas.ingest import CorpusOptions
from service.holding import Holder
from stores.opening import open_store


@pytest.fixture
def write(tmp_path):
    def run(*titles):
        rows = "".join(
            f'{{"id": "{n}", "title": "{title}", "text": "A text on {title}."}}\n' for n, title in enumerate(titles)
        )
        (tmp_path / "r.jsonl").write_text(rows, encoding="utf-8")
        options = CorpusOptions(spaces=["tfidf"])
        store = open_store(tmp_path / "store", lock_wait=0.1)
        with store:
            return ingest([tmp_path / "r.jsonl"], "c", store=store, options=options)

    return run


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def holder(tmp_path: Path):
    clock = Clock()
    made = Holder(lambda: open_store(tmp_path / "store", lock_wait=0.1), idle=10, clock=clock)
    made.clock = clock
    yield made
    made.close()


def titles(holder):
    with holder.corpus("c") as corpus:
        return sorted(hit.title for hit in corpus.search("text").hits)


def test_an_ingest_is_kept_out_while_a_corpus_is_in_use_and_let_in_when_it_is_idle(write, holder):
    write("river")
    assert titles(holder) == ["river"]
    with pytest.raises(StoreLocked):
        write("river", "bridge")
    holder.clock.now = 9.9
    holder.close_idle()
    assert holder.open_corpora == 1
    holder.clock.now = 10
    holder.close_idle()
    assert holder.open_corpora == 0
    assert write("river", "bridge").added == 1
    assert titles(holder) == ["bridge", "river"]


def test_a_corpus_in_use_is_not_closed(write, holder):
    write("river")
    with holder.corpus("c") as corpus:
        holder.clock.now = 100
        holder.close_idle()
        assert corpus.search("river").hits
    assert holder.open_corpora == 1


def test_names_that_are_no_corpus_are_not_remembered(write, holder):
    write("river")
    for number in range(20):
        with pytest.raises(CorpusNotFound), holder.corpus(f"made-up-{number}"):
            pass
    assert holder._held == {}


def test_a_corpus_made_anew_is_opened_anew(tmp_path, write, holder):
    write("river")
    assert titles(holder) == ["river"]
    holder.close()
    delete_corpus("c", str(tmp_path / "store"))
    with pytest.raises(CorpusNotFound):
        titles(holder)
    write("lantern")
    assert titles(holder) == ["lantern"]


def test_requests_at_the_same_time_get_the_same_answers(write, holder):
    write("river", "bridge", "lantern")
    found, errors = [], []

    def ask():
        try:
            found.extend(titles(holder) for _ in range(10))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert found == [["bridge", "lantern", "river"]] * 80
    assert holder.open_corpora == 1
