"""The doctor says what is wrong with a store, and mends what can be mended."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import StoreDamaged, StoreError
from schemas.manifest import CorpusManifest, Counts
from schemas.spaces import PointBatch, Shelf, Space, SpaceKind
from stores.base import collection_name
from stores.doctor import check_store
from stores.edge_folder import MARK
from stores.edge_snapshots import FOLDER, EdgeSnapshots
from stores.embedded import EdgeStore

NAME = "shop.g1.passages"
ID = "6f1c8e0a-5f0b-5c56-9a53-3d1f0a6b7c21"


def _make(folder: Path) -> Path:
    with EdgeStore(folder) as store:
        store.create_collection(NAME, [Space(name="dense", kind=SpaceKind.DENSE, dim=4)])
        store.upsert(NAME, PointBatch([ID], [{"a": 1}], {"dense": np.ones((1, 4), np.float32)}))
    return folder / "shop"


def test_a_store_without_a_manifest_is_told_and_its_points_are_counted(tmp_path: Path) -> None:
    _make(tmp_path / "s")
    health = check_store(tmp_path / "s")
    assert health.points == {NAME: 1}
    assert "no manifest" in health.findings[0].problem


def test_leftovers_are_told_and_removed_on_demand(tmp_path: Path) -> None:
    left = _make(tmp_path / "s") / ".making-g2.terms"
    left.mkdir()
    assert not check_store(tmp_path / "s").healthy
    assert left.exists()
    assert check_store(tmp_path / "s", repair=True).findings[0].repaired == "removed"
    assert not left.exists()


def test_a_damaged_log_is_moved_aside_and_what_was_acknowledged_loads(tmp_path: Path) -> None:
    log = _make(tmp_path / "s") / "g1.passages" / "shard" / "wal"
    for path in list(log.iterdir()):
        if path.is_file():
            path.write_bytes(b"\xff" * 64)
    assert check_store(tmp_path / "s").points == {}
    health = check_store(tmp_path / "s", repair=True)
    assert health.points == {NAME: 1}
    assert any("wal.damaged" in (finding.repaired or "") for finding in health.findings)
    with EdgeStore(tmp_path / "s") as store:
        assert store.retrieve(NAME, [ID])[0].payload == {"a": 1}


# -- a whole corpus ------------------------------------------------------------------------------

SPACE = Space(name="dense", kind=SpaceKind.DENSE, dim=4)
IDS = [f"6f1c8e0a-5f0b-5c56-9a53-{n:012x}" for n in range(40)]


def _corpus(folder: Path, complete: bool = True) -> Path:
    """A corpus with a manifest: 40 passages, 40 documents, no words."""
    with EdgeStore(folder) as store:
        for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
            name = collection_name("shop", 1, shelf)
            store.create_collection(name, [SPACE])
            store.create_payload_index(name, "title", "keyword")
            payloads = [{"title": f"t{n}", "position": n} for n in range(40)]
            store.upsert(name, PointBatch(IDS, payloads, {"dense": np.ones((40, 4), np.float32)}))
        counts = Counts(documents=40, passages=40)
        spaces = {"dense": SPACE}
        store.write_manifest(
            CorpusManifest(corpus="shop", spaces=spaces, encoders={}, complete=complete, counts=counts)
        )
    return folder / "shop"


HOLDER = """
import sys
from pathlib import Path
import numpy as np
from schemas.spaces import PointBatch
from stores.embedded import EdgeStore

with EdgeStore(Path(sys.argv[1])) as store:
    store.count("shop.g1.passages")
    print("open", flush=True)
    for line in sys.stdin:
        store.upsert("shop.g1.passages", PointBatch([line.strip()], [{}], {"dense": np.ones((1, 4), np.float32)}))
        print(store.count("shop.g1.passages"), flush=True)
"""


def test_a_corpus_that_another_process_writes_is_left_alone_and_named(tmp_path: Path) -> None:
    _corpus(tmp_path / "s")
    other = tmp_path / "s" / "other.g"
    shutil.copytree(tmp_path / "s" / "shop", other)
    (other / "manifest.json").unlink()
    (other / ".making-g2.terms").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "s")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    for repair in (False, True):
        health = check_store(tmp_path / "s", repair=repair, lock_wait=0.1)
        assert f"process {holder.pid}" in health.in_use["shop"]
        assert not any("shop" in finding.place for finding in health.findings)
        assert any("other.g" in finding.place for finding in health.findings), "the others are looked at"
    holder.stdin.write("6f1c8e0a-5f0b-5c56-9a53-3d1f0a6b7c21\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "41\n", "the writer was not disturbed"
    holder.communicate()
    assert holder.returncode == 0
    shutil.rmtree(other)
    with EdgeStore(tmp_path / "s") as store:
        store.count("shop.g1.passages")
        health = check_store(tmp_path / "s", lock_wait=0.1)
        assert health.in_use
        assert health.healthy


@pytest.mark.parametrize("text", [None, "{", "[]", ""])
def test_a_lost_description_is_found_and_written_anew(tmp_path: Path, text: str | None) -> None:
    path = _corpus(tmp_path / "s") / "g1.passages" / "collection.json"
    before = path.read_text(encoding="utf-8")
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    with EdgeStore(tmp_path / "s") as store, pytest.raises(StoreDamaged, match="doctor --repair"):
        store.count("shop.g1.passages")
    assert "does not say what it holds" in check_store(tmp_path / "s").findings[0].problem
    assert check_store(tmp_path / "s", repair=True).healthy
    assert path.read_text(encoding="utf-8") == before
    with EdgeStore(tmp_path / "s") as store:
        assert store.facet("shop.g1.passages", "title") != {}


def test_a_description_is_not_made_up_where_the_engine_holds_other_spaces(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path / "s")
    (corpus / "g1.passages" / "collection.json").unlink()
    manifest = (corpus / "manifest.json").read_text(encoding="utf-8")
    (corpus / "manifest.json").write_text(manifest.replace('"dim": 4', '"dim": 5'), encoding="utf-8")
    assert not check_store(tmp_path / "s", repair=True).healthy
    assert not (corpus / "g1.passages" / "collection.json").exists()


def _truncate_vectors(corpus: Path) -> None:
    for path in corpus.glob("g1.passages/shard/segments/*/vector_storage-dense/vectors/chunk_0.mmap"):
        os.truncate(path, 20 * 16)


def test_points_that_cannot_be_read_are_found_and_the_others_kept(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path / "s")
    _truncate_vectors(corpus)
    (found,) = check_store(tmp_path / "s").findings
    assert "and 19 others cannot be read" in found.problem
    health = check_store(tmp_path / "s", repair=True)
    assert health.points["shop.g1.passages"] == 20
    assert health.findings[0].repaired == "the other 20 points were kept"
    assert "ingest the same files again" in health.findings[1].problem
    with EdgeStore(tmp_path / "s") as store:
        kept = list(store.scroll("shop.g1.passages", vectors=True))
        numbers = [IDS.index(str(record.id)) for record in kept]
        assert len(numbers) == 20
        assert [record.payload for record in kept] == [{"title": f"t{n}", "position": n} for n in numbers]
        assert all(record.vector == {"dense": [1.0] * 4} for record in kept)
        assert store.facet("shop.g1.passages", "title", limit=50).keys() == {f"t{n}" for n in numbers}
        store.upsert("shop.g1.passages", PointBatch(IDS, [{}] * 40, {"dense": np.ones((40, 4), np.float32)}))
        assert len(list(store.scroll("shop.g1.passages", vectors=True))) == 40
    assert sorted(path.name for path in (corpus / "g1.passages").iterdir()) == ["collection.json", "shard"]


def test_a_replacement_that_was_cut_off_is_brought_to_its_end(tmp_path: Path) -> None:
    shelf = _corpus(tmp_path / "s") / "g1.passages"
    (shelf / "shard").rename(shelf / ".damaged-shard")
    assert not check_store(tmp_path / "s").healthy
    assert check_store(tmp_path / "s", repair=True).healthy
    shutil.copytree(shelf / "shard", shelf / ".damaged-shard")
    assert check_store(tmp_path / "s", repair=True).healthy
    assert not (shelf / ".damaged-shard").exists()


def test_what_a_cut_off_snapshot_left_is_told_and_removed(tmp_path: Path) -> None:
    _corpus(tmp_path / "s")
    with EdgeStore(tmp_path / "s") as store:
        kept = EdgeSnapshots(store).create("shop")
    folder = tmp_path / "s" / FOLDER / "shop"
    left = [folder / ".making-20260101T000000.0Z", folder / "20260101T000000.0Z.tar.gz", folder / ".x.json.123"]

    def leave() -> None:
        for path in left:
            path.write_bytes(b"half")

    leave()
    health = check_store(tmp_path / "s")
    assert {finding.place for finding in health.findings} == {str(path) for path in left}
    assert check_store(tmp_path / "s", repair=True).healthy
    assert not any(path.exists() for path in left)
    leave()
    with EdgeStore(tmp_path / "s") as store:
        EdgeSnapshots(store).create("shop")
        assert not any(path.exists() for path in left)
        assert EdgeSnapshots(store).restore("shop", kept.name) == kept


def test_snapshots_of_a_deleted_corpus_are_looked_after_too(tmp_path: Path) -> None:
    _corpus(tmp_path / "s")
    left = tmp_path / "s" / FOLDER / "gone" / ".making-20260101T000000.0Z"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert not check_store(tmp_path / "s").healthy
    assert check_store(tmp_path / "s", repair=True).healthy
    assert not (tmp_path / "s" / "gone").exists()


def test_beginnings_without_a_manifest_are_removed_on_demand(tmp_path: Path) -> None:
    with EdgeStore(tmp_path / "s") as store:
        for shelf in Shelf:
            store.create_collection(collection_name("shop", 1, shelf), [SPACE])
        store.upsert("shop.g1.passages", PointBatch([ID], [{}], {"dense": np.ones((1, 4), np.float32)}))
    assert "cut off" in check_store(tmp_path / "s").findings[0].problem
    assert check_store(tmp_path / "s", repair=True).healthy
    assert not (tmp_path / "s" / "shop").exists()


def test_a_corpus_that_lost_its_manifest_keeps_its_points_and_is_brought_back(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path / "s")
    with EdgeStore(tmp_path / "s") as store:
        name = EdgeSnapshots(store).create("shop").name
    (corpus / "manifest.json").unlink()
    health = check_store(tmp_path / "s", repair=True)
    assert not health.healthy
    assert "encodes everything again" in health.findings[0].problem
    assert f"xunyi snapshots restore shop {name}" in health.findings[0].problem
    with EdgeStore(tmp_path / "s") as store:
        EdgeSnapshots(store).restore("shop", name)
        assert store.count(collection_name("shop", 2, Shelf.DOCUMENTS)) == 40
    assert check_store(tmp_path / "s").healthy


def test_a_store_without_its_mark_is_known_by_its_corpora(tmp_path: Path) -> None:
    _corpus(tmp_path / "s")
    mark = tmp_path / "s" / MARK
    written = mark.read_bytes()
    mark.unlink()
    assert MARK in check_store(tmp_path / "s").findings[0].place
    assert not mark.exists()
    assert check_store(tmp_path / "s", repair=True).healthy
    assert mark.read_bytes() == written
    mark.unlink()
    with EdgeStore(tmp_path / "s") as store:
        assert store.count("shop.g1.passages") == 40
    assert mark.read_bytes() == written
    mark.unlink()
    (tmp_path / "s" / "shop" / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StoreError, match="other files"):
        EdgeStore(tmp_path / "s")


def test_an_unfinished_ingest_is_said_and_is_no_damage(tmp_path: Path) -> None:
    _corpus(tmp_path / "s", complete=False)
    health = check_store(tmp_path / "s")
    assert health.healthy
    assert "xunyi ingest" in health.notes[0].problem


def test_what_only_looks_like_a_part_is_passed_over(tmp_path: Path) -> None:
    shelf = _corpus(tmp_path) / "g1.passages"
    (shelf / "shard-7").mkdir()
    (shelf / "shard-8").write_text("junk")
    assert check_store(tmp_path).healthy
    with EdgeStore(tmp_path) as store:
        assert store.count(collection_name("shop", 1, Shelf.PASSAGES)) == 40


def test_a_generation_that_was_dropped_is_removed_on_demand_and_a_later_one_never(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path)
    for number in (1, 3):
        shutil.copytree(corpus / "g1.passages", corpus / f"copy{number}")
    for shelf in (Shelf.PASSAGES, Shelf.DOCUMENTS):
        (corpus / f"g1.{shelf}").rename(corpus / f"g2.{shelf}")
    for number in (1, 3):
        (corpus / f"copy{number}").rename(corpus / f"g{number}.passages")
    with EdgeStore(tmp_path) as store:
        store.write_manifest(store.read_manifest("shop").model_copy(update={"generation": 2}))
    told = [found.problem for found in check_store(tmp_path).findings]
    assert told == [
        "belongs to no generation in use (2) or kept; --repair removes it",
        "belongs to no generation in use (2) or kept; the next rebuild or refit removes it",
    ]
    check_store(tmp_path, repair=True)
    assert sorted(path.name for path in corpus.glob("g*.passages")) == ["g2.passages", "g3.passages"]
