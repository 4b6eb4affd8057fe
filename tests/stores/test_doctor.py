"""The doctor says what is wrong with a store, and mends what can be mended."""

from pathlib import Path

import numpy as np

from schemas.spaces import PointBatch, Space, SpaceKind
from stores.doctor import check_store
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
