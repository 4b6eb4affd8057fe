"""Batches of queries, shared out among forked processes."""

import os
import signal
import sys
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageError
from schemas.ids import point_text
from schemas.search import Hit, Snippet
from search import Corpus
from search.sharing import SHARE, _shares, shared_out
from stores.embedded import EdgeStore
from stores.nearest import Nearest
from tests.search.conftest import fill, sparse_rows

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="batches are shared out on Linux only")
MANY = 6 * SHARE
READ = ["demo.g1.passages"]


@pytest.fixture
def store(tmp_path):
    with EdgeStore(tmp_path / "store") as opened:
        fill(opened, [4, 1, 7, 2, 9])
        yield opened


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    """The processes that a test forks, of three processors; other tests may have left threads, which are idle."""
    pids, fork = [], os.fork

    def told():
        pid = fork()
        if pid:
            pids.append(pid)
        return pid

    monkeypatch.setattr("search.sharing.available_processors", lambda: 3)
    monkeypatch.setattr("search.sharing._alone", lambda: True)
    monkeypatch.setattr("os.fork", told)
    return pids


def said(row):
    """An answer to this query, that tells which process gave it."""
    fields = {"score": 1.0, "title": "", "chapter": None, "text": "", "start": 0, "end": 0, "payload": {}, "spaces": {}}
    return [Hit(rank=1, document_id=str(row), passage_id=str(os.getpid()), snippet=Snippet(text=""), **fields)]


def answer(rows):
    time.sleep(0.05)  # so that each process comes to have some
    return [said(row) for row in rows]


def processes(answers):
    """Those that gave the answers."""
    return {hits[0].passage_id for hits in answers}


def nothing_is_left(forked):
    assert len(forked) == 2
    for pid in forked:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_every_query_is_answered_once_in_order_by_several_processes(store, forked):
    found = shared_out(store, READ, MANY, answer)
    assert [hits[0].document_id for hits in found] == [str(row) for row in range(MANY)]
    assert len(processes(found)) == 3
    nothing_is_left(forked)


@pytest.mark.parametrize("options", [{}, {"by_document": True}, {"explain": True}, {"offset": 3, "limit": 2}])
def test_a_shared_batch_gives_what_single_queries_give(store, options):
    rng = np.random.default_rng(1)
    corpus = Corpus("demo", store)
    dense = rng.standard_normal((MANY, 8)).astype(np.float32)
    asked = {"dense": dense, "tfidf": sparse_rows(rng, MANY, 3)}
    single = [corpus.search_vectors({n: v[[row]] for n, v in asked.items()}, **options)[0] for row in range(MANY)]
    shared = corpus.search_vectors(asked, **options)
    assert [response.hits for response in shared] == [response.hits for response in single]
    # The store is as usable as before.
    fill(store, [4, 1, 7, 2, 9, 3])
    assert corpus.search_vectors({"dense": dense[:1]})[0].hits


def test_the_engine_answers_in_forked_processes_also_where_nothing_was_open_before(store):
    store.close()
    rng = np.random.default_rng(1)
    dense = rng.standard_normal(8).astype(np.float32)

    def asks(rows):
        found = store.nearest("demo.g1.passages", [Nearest(dense, "dense", 5)])
        assert [point for point, _ in found[0]]
        assert store.retrieve("demo.g1.passages", [point_text(point) for point, _ in found[0]], vectors=True)
        return answer(rows)

    assert len(processes(shared_out(store, READ, MANY, asks))) == 3


def test_a_share_whose_process_dies_is_answered_here(store, forked):
    here = os.getpid()

    def dies(rows):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer(rows)

    assert processes(shared_out(store, READ, MANY, dies)) == {str(here)}
    nothing_is_left(forked)


def test_a_share_that_never_comes_is_answered_here(store, forked, monkeypatch):
    monkeypatch.setattr("search.sharing.PATIENCE", 0.5)
    here = os.getpid()

    def hangs(rows):
        if os.getpid() != here:
            time.sleep(600)
        return answer(rows)

    assert processes(shared_out(store, READ, MANY, hangs)) == {str(here)}
    nothing_is_left(forked)


def test_an_error_in_a_share_is_raised_as_it_is(store, forked):
    def refuses(rows):
        if MANY - 1 in rows:
            raise UsageError("The last one cannot be meant.")
        return answer(rows)

    with pytest.raises(UsageError, match="last one"):
        shared_out(store, READ, MANY, refuses)
    nothing_is_left(forked)


def test_a_forked_process_opens_nothing(store):
    here = os.getpid()
    store.close()

    def reads(rows):
        store.count("demo.g1.documents")
        return answer(rows)

    assert processes(shared_out(store, READ, MANY, reads)) == {str(here)}


def test_few_queries_and_those_beside_other_threads_stay_in_one_process(store, monkeypatch):
    assert len(processes(shared_out(store, READ, SHARE, answer))) == 1
    monkeypatch.undo()
    monkeypatch.setattr("search.sharing.available_processors", lambda: 3)
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert len(processes(shared_out(store, READ, MANY, answer))) == 1
    finally:
        done.set()
        other.join()


def test_an_engine_that_searches_in_threads_of_its_own_is_not_forked(store, monkeypatch):
    monkeypatch.setattr("stores.edge_part.EdgePart.threaded", True)
    store.count("demo.g1.passages")
    assert len(processes(shared_out(store, READ, MANY, answer))) == 1


@given(queries=st.integers(1, 200_000), processes=st.integers(2, 128))
def test_shares_hold_every_query_once_and_end_with_small_ones(queries, processes):
    shares = _shares(queries, processes)
    assert [row for share in shares for row in share] == list(range(queries))
    assert len(shares) < 2**15, "a pipe holds the numbers of so many"
    assert all(len(a) >= len(b) for a, b in pairwise(shares))


def test_answers_longer_than_a_pipe_holds_arrive(store):
    def long(rows):
        return [[hit.model_copy(update={"text": "长" * 100_000}) for hit in hits] for hits in answer(rows)]

    found = shared_out(store, READ, MANY, long)
    assert {len(hits[0].text) for hits in found} == {100_000}
    assert len(processes(found)) == 3
