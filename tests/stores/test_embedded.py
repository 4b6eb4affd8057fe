"""The embedded store's own promises: one owner, durable writes, whole files, and sentences for the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from qdrant_client import models

from schemas.errors import StoreDamaged, StoreError, StoreLocked
from schemas.manifest import CorpusManifest
from stores.edge_translation import params_of
from stores.embedded import EdgeStore
from stores.opening import open_store
from tests.stores.conftest import NAME, SPACES, batch, point_id, sparse, unit

ROOT = Path(__file__).resolve().parents[2]

OWNER = """
import sys
from pathlib import Path
from stores.embedded import EdgeStore
store = EdgeStore(Path(sys.argv[1]))
store.count("demo.g1.passages")
print("held", flush=True)
sys.stdin.readline()
"""

WRITER = """
import sys
from pathlib import Path
from uuid import UUID, uuid5
import numpy as np
from schemas.spaces import PointBatch
from stores.embedded import EdgeStore
store = EdgeStore(Path(sys.argv[1]))
row = np.array([[1, 0, 0, 0]], np.float32)
for number in range(10_000):
    point = str(uuid5(UUID(int=7), str(number)))
    store.upsert("demo.g1.passages", PointBatch([point], [{"n": number}], {"dense": row}))
    print(number, flush=True)
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store's folder with one collection, closed."""
    with EdgeStore(tmp_path / "store") as store:
        store.create_collection(NAME, SPACES)
    return tmp_path / "store"


def test_a_second_process_is_told_who_holds_the_corpus_and_gets_it_when_that_one_is_killed(folder):
    with start(OWNER, folder) as owner:
        assert owner.stdout.readline() == "held\n"
        with EdgeStore(folder, lock_wait=0.1) as store:
            with pytest.raises(StoreLocked, match=f"process {owner.pid}"):
                store.count(NAME)
            # Another corpus of the folder is free.
            store.create_collection("other.g1.passages", SPACES)
            assert store.list_collections() == [NAME, "other.g1.passages"]
            owner.send_signal(signal.SIGKILL)
            owner.wait()
            assert store.count(NAME) == 0


def test_every_acknowledged_point_survives_a_kill(folder):
    with start(WRITER, folder) as writer:
        acknowledged = [int(writer.stdout.readline()) for _ in range(30)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
        writer.wait()
    with EdgeStore(folder) as store:
        kept = {record.id for record in store.scroll(NAME)}
    assert {point_id(n) for n in acknowledged} <= kept
    assert len(kept) <= len(acknowledged) + 1


def test_a_corpus_deleted_while_another_waits_leaves_one_owner(folder):
    with EdgeStore(folder, lock_wait=0.1) as first, EdgeStore(folder, lock_wait=0.1) as second:
        first.count(NAME)
        first.delete_corpus("demo")
        second.create_collection(NAME, SPACES)
        with pytest.raises(StoreLocked):
            first.count(NAME)
        assert second.count(NAME) == 0


def test_what_a_crash_left_half_made_is_cleared_and_never_listed(folder):
    for name in (".making-g2.passages", ".going-g1.terms"):
        (folder / "demo" / name / "shard").mkdir(parents=True)
    with EdgeStore(folder) as store:
        assert store.list_collections() == [NAME]
        store.create_collection("demo.g2.passages", SPACES)
        assert store.list_collections() == [NAME, "demo.g2.passages"]
    assert not list((folder / "demo").glob(".*ing-*"))


def test_everything_is_there_after_closing_and_opening(folder):
    with EdgeStore(folder) as store:
        store.create_payload_index(NAME, "n", "integer")
        store.upsert(NAME, batch([1, 2], dense=unit([[1, 0, 0, 0], [0, 1, 0, 0]]), sparse=sparse([{1: 1.0}, {}])))
        store.optimize(NAME)
    with EdgeStore(folder) as store:
        assert store.facet(NAME, "n") == {"1": 1, "2": 1}
        (hits,) = store.query(NAME, [models.QueryRequest(query=[0.0, 1.0, 0.0, 0.0], using="dense", limit=1)])
        assert [hit.id for hit in hits] == [point_id(2)]
        assert store.disk_bytes(NAME) > 0


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="other files"):
        open_store(tmp_path)
    with pytest.raises(StoreError, match="is a file"):
        open_store(tmp_path / "notes.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]


def test_looking_into_a_folder_that_is_not_there_makes_nothing(tmp_path):
    with open_store(tmp_path / "new") as store:
        assert store.list_corpora() == []
        assert store.list_collections() == []
        assert store.read_manifest("demo") is None
        store.delete_corpus("demo")
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_a_folder_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    manifest = CorpusManifest(corpus="demo", spaces={}, encoders={})
    with pytest.raises(StoreError, match="file"):
        open_store(tmp_path / "file" / "below").write_manifest(manifest)


def test_damage_is_a_sentence(folder):
    (folder / "demo" / "manifest.json").write_text('{"corpus": ')
    with EdgeStore(folder) as store, pytest.raises(StoreDamaged, match="manifest"):
        store.read_manifest("demo")
    (folder / "demo" / "g1.passages" / "collection.json").write_text("[]")
    with EdgeStore(folder) as store, pytest.raises(StoreDamaged, match="doctor --repair"):
        store.count(NAME)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_refused_instead_of_hanging(folder):
    with EdgeStore(folder) as store:
        store.count(NAME)
        child = os.fork()
        if child == 0:
            code = 1
            signal.alarm(10)  # a child that uses the engine hangs
            try:
                store.count(NAME)
            except StoreError:
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert store.count(NAME) == 0


def test_exact_search_is_passed_on():
    params = params_of(models.SearchParams(exact=True, hnsw_ef=64))
    assert params is not None
    assert (params.exact, params.hnsw_ef) == (True, 64)


def test_a_question_the_engine_lacks_is_a_sentence(folder):
    recommend = models.RecommendQuery(recommend=models.RecommendInput(positive=[[1.0, 0.0, 0.0, 0.0]]))
    with EdgeStore(folder) as store, pytest.raises(StoreError, match="RecommendQuery"):
        store.query(NAME, [models.QueryRequest(query=recommend, using="dense", limit=1)])
