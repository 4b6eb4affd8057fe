"""Which corpora a service keeps open, and when it lets go of them."""

import threading
from pathlib import Path

import pytest

from ingest import ingest
from ingest.corpus import delete_corpus
from schemas.errors import CorpusNotFound, StoreLocked, StoreUnavailable
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


def test_who_waits_while_a_corpus_is_found_locked_is_told_so_at_once(tmp_path, write, holder):
    write("river")
    entered = []

    def ask(turn):
        with turn as corpus:
            entered.append(corpus)
            return corpus.search("river").hits

    waiting = [holder.corpus("c") for _ in range(20)]
    with open_store(tmp_path / "store") as other:
        other.count("c.g1.passages")
        for turn in waiting:
            with pytest.raises(StoreLocked, match="is in use"):
                ask(turn)
        assert len(entered) == 1
        with pytest.raises(StoreLocked):
            ask(holder.corpus("c"))
        assert len(entered) == 2
    assert ask(holder.corpus("c"))


def test_who_waits_while_a_server_does_not_answer_is_told_so_at_once():
    opened = []

    def open_():
        opened.append(open_store("http://127.0.0.1:1", timeout=0.1))
        return opened[-1]

    holder = Holder(open_, idle=10)
    for coming in (lambda: holder.corpus("c"), holder.whole):
        opened.clear()
        waiting = [coming() for _ in range(20)]
        for turn in waiting:
            with pytest.raises(StoreUnavailable, match="does not answer"), turn as store:
                store.list_corpora()
        assert len(opened) == 1
        with pytest.raises(StoreUnavailable), coming() as store:
            store.list_corpora()
        assert len(opened) == 2
    assert holder._held == {}


def test_a_failure_told_to_those_who_wait_is_no_failure_of_theirs_to_tell(tmp_path, write, holder):
    write("river")
    early, late = holder.corpus("c"), []

    def ask():
        with holder.corpus("c") as corpus:
            late.append(holder.corpus("c"))
            corpus.search("river")

    with open_store(tmp_path / "store") as other:
        other.count("c.g1.passages")
        with pytest.raises(StoreLocked):
            ask()
        after = holder.corpus("c")
        for turn in (early, *late):
            with pytest.raises(StoreLocked), turn:
                raise AssertionError("it waited while the attempt failed")
    with after as corpus:
        assert corpus.search("river").hits


def test_a_corpus_that_is_deleted_is_not_closed_under_who_asks_it(write, holder):
    write("river")
    told = []

    def ask(first=lambda corpus: None):
        try:
            with holder.corpus("c") as corpus:
                first(corpus)
                corpus.search("river")
        except CorpusNotFound as error:
            told.append(error)

    other = threading.Thread(target=ask)

    def delete(corpus):
        corpus.store.delete_corpus("c")
        other.start()
        other.join(0.2)

    ask(delete)
    other.join()
    assert len(told) == 2
    assert holder._held == {}


def test_a_corpus_that_is_being_closed_holds_up_no_other(tmp_path, write):
    write("river")
    closing, go_on = threading.Event(), threading.Event()

    def open_():
        store = open_store(tmp_path / "store", lock_wait=0.1)
        close = store.close

        def slowly():
            closing.set()
            go_on.wait(30)
            close()

        store.close = slowly
        return store

    holder = Holder(open_, idle=10)
    titles(holder)
    closer = threading.Thread(target=holder.close)
    closer.start()
    assert closing.wait(30)
    assert holder.open_corpora == 0
    turn = threading.Thread(target=titles, args=[holder])
    turn.start()
    go_on.set()
    turn.join()
    closer.join()
    assert holder.open_corpora == 1
    holder.close()
