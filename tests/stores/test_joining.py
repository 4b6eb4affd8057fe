"""Segments get no graphs while a part is filled; they are joined once, in another process where the part is large."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models

from schemas.errors import StoreError, StoreFull
from schemas.spaces import Space, SpaceKind
from schemas.storage import StorageSettings
from stores import edge_config, edge_part, edge_parts, joining
from stores.edge_parts import part_folders
from stores.edge_segments import graph_edges, segments
from stores.embedded import EdgeStore
from tests.stores.conftest import NAME, batch, point_id, sparse, unit

ROOT = Path(__file__).resolve().parents[2]
SPACES = [
    Space(name="dense", kind=SpaceKind.DENSE, dim=256),
    Space(name="sparse", kind=SpaceKind.SPARSE),
    Space(name="colbert", kind=SpaceKind.MULTI, dim=2),
]
GRAPHS = StorageSettings(indexing_threshold_kb=100)
STEP = 250


def written(first, points=STEP):
    """Points from a number on, of a quarter of a MB for 250."""
    rng = np.random.default_rng(first)
    numbers = list(range(first, first + points))
    return batch(
        numbers,
        dense=unit(rng.standard_normal((points, 256))),
        sparse=sparse([{n % 7: 1.0, 8: 0.5} for n in numbers]),
        colbert=[unit(rng.standard_normal((2, 2))) for _ in numbers],
    )


def fill(store, points, storage=GRAPHS, first=0):
    """Write so many points, in steps."""
    if not store.list_collections():
        store.create_collection(NAME, SPACES, storage)
        store.create_payload_index(NAME, "n", "integer")
    for start in range(first, first + points, STEP):
        store.upsert(NAME, written(start))


def parts_of(folder):
    return part_folders(folder / "demo" / "g1.passages")


def edges(folder):
    """Edges a node of all graphs of the dense space, 0 where a segment has none."""
    return set().union(*(graph_edges(part, SPACES) for part in parts_of(folder)))


def answers(store):
    """What can be learned of a collection; its scores are of the whole vectors, whatever the graph is."""
    exact = models.SearchParams(exact=True)
    requests = [
        models.QueryRequest(query=written(start).vectors["dense"][0].tolist(), using="dense", limit=9, params=exact)
        for start in (0, 500, 1000)
    ]
    scrolled = [
        (one.id, one.payload, sorted((name, repr(found)) for name, found in one.vector.items()))
        for one in store.scroll(NAME, vectors=True)
    ]
    return scrolled, [[(one.id, one.score) for one in found] for found in store.query(NAME, requests)]


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch):
    """A thousand points fill a segment."""
    monkeypatch.setattr(edge_config, "PLAIN_SEGMENT_MB", 1)


@pytest.fixture
def apart(monkeypatch):
    """Whatever is joined is joined in a process of its own, a full part with the next access; gives those parts."""
    begun = []

    class Told(joining.Joining):
        def __init__(self, name, part, spaces, storage):
            begun.append(part.name)
            super().__init__(name, part, spaces, storage)

    monkeypatch.setattr(edge_part, "APART_BYTES", 0)
    monkeypatch.setattr(edge_part, "WRITTEN_BYTES", 1)
    monkeypatch.setattr(edge_part, "Joining", Told)
    monkeypatch.setattr(edge_parts, "LINGER", 0)
    return begun


def test_a_new_part_gets_its_graphs_when_it_is_done_and_not_before(tmp_path):
    with EdgeStore(tmp_path) as store:
        fill(store, 3000)
        assert edges(tmp_path) == {0}
        before = answers(store)
        store.optimize(NAME)
        assert edges(tmp_path) == {16}
        assert answers(store) == before


def test_a_part_that_has_graphs_never_loses_them_while_more_is_written(tmp_path):
    with EdgeStore(tmp_path) as store:
        fill(store, 2000)
        store.optimize(NAME)
        for start in range(2000, 6000, STEP):
            store.upsert(NAME, written(start))
            assert edges(tmp_path) == {16}
        assert store.count(NAME) == 6000


def test_filling_goes_on_without_graphs_where_it_was_cut_off(tmp_path):
    for first in (0, 1500, 3000):
        with EdgeStore(tmp_path) as store:
            fill(store, 1500, first=first)
        assert edges(tmp_path) == {0}
    with EdgeStore(tmp_path) as store:
        store.optimize(NAME)
        assert edges(tmp_path) == {16}
        assert store.count(NAME) == 4500


def test_where_no_graph_is_wanted_none_is_made_and_nothing_joined_for_its_sake(tmp_path, apart):
    with EdgeStore(tmp_path) as store:
        fill(store, 2000, StorageSettings(hnsw_m=0, indexing_threshold_kb=100))
        store.optimize(NAME)
    assert edges(tmp_path) == {0}
    apart.clear()
    with EdgeStore(tmp_path) as store:
        store.optimize(NAME)
    assert apart == []


def test_joined_in_a_process_of_its_own_a_part_is_the_same(tmp_path, monkeypatch, request):
    with EdgeStore(tmp_path / "here") as here:
        fill(here, 2000)
        here.optimize(NAME)
        expected, made = answers(here), segments(parts_of(tmp_path / "here")[0])
    begun = request.getfixturevalue("apart")
    with EdgeStore(tmp_path / "apart") as store:
        fill(store, 2000)
        store.optimize(NAME)
        assert begun == ["shard"]
        assert answers(store) == expected
        assert segments(parts_of(tmp_path / "apart")[0]) == made
        assert edges(tmp_path / "apart") == {16}
        store.upsert(NAME, written(0))
        assert answers(store) == expected


def test_full_parts_are_joined_while_the_next_are_filled_and_read_when_they_are_done(tmp_path, apart):
    with EdgeStore(tmp_path / "one") as one:
        fill(one, 3500)
        expected = answers(one)
    apart.clear()
    with EdgeStore(tmp_path / "many", part_points=1000) as many:
        fill(many, 3500)
        assert apart == ["shard", "shard-2", "shard-3"]
        # A point of the part that is just being joined.
        assert many.retrieve(NAME, [point_id(2999)])[0].payload == {"n": 2999}
        many.optimize(NAME)
        assert apart == ["shard", "shard-2", "shard-3", "shard-4"]
        assert edges(tmp_path / "many") == {16}
        assert answers(many) == expected
        many.optimize(NAME)
        assert len(apart) == 4


def test_a_full_part_that_was_changed_is_joined_again(tmp_path, apart):
    with EdgeStore(tmp_path, part_points=1000) as store:
        fill(store, 2500)
        store.optimize(NAME)
        apart.clear()
        store.upsert(NAME, written(1000))
        store.optimize(NAME)
        assert apart == ["shard-2"]
        assert store.count(NAME) == 2500


def test_what_a_store_leaves_when_it_is_closed_amid_a_join_is_joined_next_time(tmp_path, apart):
    with EdgeStore(tmp_path, part_points=1000) as store:
        fill(store, 1250)
        assert apart == ["shard"]
    with EdgeStore(tmp_path, part_points=1000) as store:
        store.optimize(NAME)
        assert edges(tmp_path) == {16}
        assert store.count(NAME) == 1250


def test_reading_joins_no_part_that_an_ingest_left_full(tmp_path, apart):
    with EdgeStore(tmp_path, part_points=1000) as store:
        fill(store, 1000)
    assert apart == []
    with EdgeStore(tmp_path, part_points=1000) as store:
        for number in range(3 * edge_parts.IDLE):
            store.retrieve(NAME, [point_id(3 if number == 0 else 5000)])
    assert apart == []


def test_a_process_that_cannot_start_is_a_sentence_and_loses_nothing(tmp_path, apart, monkeypatch):
    with EdgeStore(tmp_path) as store:
        fill(store, 1500)
        with monkeypatch.context() as patched:
            patched.setattr(joining.sys, "executable", str(tmp_path / "gone"))
            with pytest.raises(StoreError, match="shard could not be indexed: No such file or directory"):
                store.optimize(NAME)
        assert store.count(NAME) == 1500
        store.upsert(NAME, written(1500))
        store.optimize(NAME)
        assert edges(tmp_path) == {16}
        assert store.count(NAME) == 1750


def test_a_part_that_finds_no_room_to_be_opened_again_says_so_and_opens_when_there_is(tmp_path, apart, monkeypatch):
    with EdgeStore(tmp_path) as store:
        fill(store, 1500)

    def without_room(patched):
        with EdgeStore(tmp_path) as store:
            store.upsert(NAME, written(1500))
            patched.setattr(edge_part, "filled_by_reading", lambda files: 1 << 60)
            # The store is closed after that, and nothing else is to be said of it.
            store.optimize(NAME)

    with monkeypatch.context() as patched, pytest.raises(StoreFull, match="disk is full"):
        without_room(patched)
    with EdgeStore(tmp_path) as store:
        store.upsert(NAME, written(1750))
        with monkeypatch.context() as patched:
            patched.setattr(edge_part, "filled_by_reading", lambda files: 1 << 60)
            with pytest.raises(StoreFull, match="disk is full"):
                store.optimize(NAME)
        assert store.count(NAME) == 2000
        store.optimize(NAME)
        assert edges(tmp_path) == {16}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_process_that_is_killed_is_a_sentence_where_the_part_is_next_wanted(tmp_path, apart, monkeypatch):
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    with EdgeStore(tmp_path / "store", part_points=1000) as store:
        with monkeypatch.context() as patched:
            patched.setattr(joining.sys, "executable", str(killed))
            fill(store, 1250)
            with pytest.raises(StoreError, match="shard could not be indexed: its process ended with -9; free memory"):
                store.retrieve(NAME, [point_id(3)])
        assert store.retrieve(NAME, [point_id(3)])[0].payload == {"n": 3}
        store.optimize(NAME)
        assert edges(tmp_path / "store") == {16}
        assert store.count(NAME) == 1250


def test_a_join_that_waits_for_its_turn_can_be_given_up(tmp_path):
    with joining._TURN:
        waiting = joining.Joining(NAME, tmp_path, SPACES, GRAPHS)
        # It would wait for ever.
        waiting.stop()


JOINER = """
import sys
from pathlib import Path
from stores import edge_config, edge_part
from stores.embedded import EdgeStore
from tests.stores.conftest import NAME
from tests.stores.test_joining import fill
edge_part.APART_BYTES, edge_part.WRITTEN_BYTES, edge_config.PLAIN_SEGMENT_MB = 0, 1, 1
def begun(*arguments, make=edge_part.Joining):
    found = make(*arguments)
    while found._child is None:
        pass
    print("joining", flush=True)
    return found
edge_part.Joining = begun
with EdgeStore(Path(sys.argv[1]), part_points=500) as store:
    fill(store, 1750)
    store.optimize(NAME)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_ended_amid_joins_nothing_is_lost_and_the_next_process_goes_on(tmp_path, sent):
    for joins in (1, 2, 4):
        command = [sys.executable, "-c", JOINER, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
            for _ in range(joins):
                assert writer.stdout.readline() == "joining\n"
            writer.send_signal(sent)
            assert "Error" not in writer.stderr.read()
        assert writer.returncode == -sent
    with EdgeStore(tmp_path, part_points=500) as store:
        there = sorted(record.payload["n"] for record in store.scroll(NAME))
        assert there == list(range(len(there)))
        assert len(there) > 1250
        fill(store, 1750)
        store.optimize(NAME)
        assert edges(tmp_path) == {16}
        assert sorted(record.payload["n"] for record in store.scroll(NAME)) == list(range(1750))
