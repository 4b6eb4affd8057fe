"""Snapshots of the embedded store: a corpus comes back as it was, or nothing is touched."""

from __future__ import annotations

import pytest

from schemas.errors import CorpusNotFound, StoreDamaged, StoreError
from schemas.manifest import CorpusManifest, Counts
from stores.edge_snapshots import FOLDER
from stores.embedded import EdgeStore
from stores.server import ServerStore
from stores.snapshots import snapshots_of
from tests.stores.conftest import NAME, SPACES, batch, point_id, sparse, unit


@pytest.fixture
def store(tmp_path):
    """A store with the corpus ``demo`` of two points."""
    with EdgeStore(tmp_path / "store", lock_wait=0.2) as store:
        store.create_collection(NAME, SPACES)
        store.upsert(NAME, batch([1, 2], dense=unit([[1, 0, 0, 0], [0, 1, 0, 0]]), sparse=sparse([{1: 1.0}, {2: 0.5}])))
        manifest = CorpusManifest(corpus="demo", complete=True, spaces={}, encoders={}, counts=Counts(passages=2))
        store.write_manifest(manifest)
        yield store


def current(store) -> list:
    """The points of the corpus's current generation, whole."""
    manifest = store.read_manifest("demo")
    records = store.scroll(f"demo.g{manifest.generation}.passages", vectors=True)
    return [(record.id, record.payload, record.vector) for record in records]


def test_a_restored_corpus_is_what_it_was(store):
    before = current(store)
    made = snapshots_of(store).create("demo")
    store.upsert(NAME, batch([3], dense=unit([[0, 0, 1, 0]])))
    store.delete(NAME, [point_id(1)])
    assert snapshots_of(store).restore("demo", made.name) == made
    assert current(store) == before
    assert store.list_collections() == ["demo.g2.passages"]
    assert store.list_corpora() == ["demo"]


def test_a_deleted_corpus_comes_back_and_its_snapshots_outlive_it(store):
    before = current(store)
    made = snapshots_of(store).create("demo")
    store.delete_corpus("demo")
    assert store.list_corpora() == []
    assert snapshots_of(store).list() == [made]
    snapshots_of(store).restore("demo", made.name)
    assert current(store) == before


def keep(store, *numbers: int, in_use: int) -> None:
    """Give the corpus kept generations of one point each, and one in use of three."""
    first = store.read_manifest("demo")
    for number in (*numbers, in_use):
        name = f"demo.g{number}.passages"
        store.create_collection(name, SPACES)
        ids = [1, 2, 3] if number == in_use else [number]
        store.upsert(name, batch(ids, dense=unit([[1, n, 0, 0] for n in ids])))
    kept = [first.model_copy(update={"generation": number}) for number in numbers]
    store.write_manifest(first.model_copy(update={"generation": in_use, "kept": kept, "newest": in_use + 3}))


def test_kept_generations_are_still_kept_after_a_restore(store):
    before = current(store)
    made = snapshots_of(store).create("demo")
    keep(store, 1, 3, in_use=4)
    store.create_collection("demo.g5.passages", SPACES)  # in the making
    snapshots_of(store).restore("demo", made.name)
    manifest = store.read_manifest("demo")
    # A number that was used once, be it of a generation that was dropped, is used no more.
    assert manifest.generation == 8
    assert [one.generation for one in manifest.kept] == [1, 3]
    assert store.list_collections() == ["demo.g1.passages", "demo.g3.passages", "demo.g8.passages"]
    assert current(store) == before
    assert store.count("demo.g3.passages") == 1
    assert manifest.next_generation == 9
    # A snapshot of a corpus that keeps some is of the one in use alone.
    again = snapshots_of(store).create("demo")
    snapshots_of(store).restore("demo", again.name)
    assert store.list_collections() == ["demo.g1.passages", "demo.g3.passages", "demo.g9.passages"]


def test_without_a_manifest_that_says_which_are_kept_a_restore_replaces_all(store, tmp_path):
    before = current(store)
    made = snapshots_of(store).create("demo")
    keep(store, 1, in_use=2)
    (tmp_path / "store" / "demo" / "manifest.json").write_text("{", encoding="utf-8")
    snapshots_of(store).restore("demo", made.name)
    assert store.list_collections() == ["demo.g3.passages"]
    assert current(store) == before


def test_a_damaged_archive_is_refused_and_the_corpus_stays(store, tmp_path):
    made = snapshots_of(store).create("demo")
    archive = tmp_path / "store" / FOLDER / "demo" / f"{made.name}.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-20] + b"\0" * 20)
    before = current(store)
    with pytest.raises(StoreDamaged, match="checksum"):
        snapshots_of(store).restore("demo", made.name)
    archive.unlink()
    with pytest.raises(StoreDamaged, match="restore another"):
        snapshots_of(store).restore("demo", made.name)
    assert current(store) == before
    assert store.list_collections() == [NAME]


def test_a_restore_cut_off_before_the_manifest_leaves_the_old_corpus_and_works_again(store, monkeypatch):
    made = snapshots_of(store).create("demo")
    store.upsert(NAME, batch([3], dense=unit([[0, 0, 1, 0]])))
    changed = current(store)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("stores.edge_snapshots.replace_text", fail)
        with pytest.raises(StoreError, match="No space left"):
            snapshots_of(store).restore("demo", made.name)
    assert current(store) == changed
    snapshots_of(store).restore("demo", made.name)
    assert len(current(store)) == 2
    assert len(store.list_collections()) == 1


def test_snapshots_are_listed_by_age_and_deleted_by_name(store):
    snapshots = snapshots_of(store)
    first, second = snapshots.create("demo"), snapshots.create("demo")
    assert snapshots.list("demo") == [first, second]
    snapshots.delete("demo", first.name)
    assert snapshots.list() == [second]
    assert snapshots.list("other") == []
    for name in (first.name, "../../demo/manifest"):
        with pytest.raises(StoreError, match="snapshots list demo"):
            snapshots.restore("demo", name)
        with pytest.raises(StoreError, match="snapshots list demo"):
            snapshots.delete("demo", name)


def test_what_cannot_be_copied_is_a_sentence(store):
    with pytest.raises(CorpusNotFound, match="corpora list"):
        snapshots_of(store).create("missing")
    with ServerStore(":memory:") as emulated, pytest.raises(StoreError, match="in memory"):
        snapshots_of(emulated)
