"""What every store does, shown on the embedded engine and on the server's client over its own emulation."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
import pytest
from qdrant_client import models
from scipy.sparse import csr_array

from schemas.errors import InvalidPoint, StoreDamaged, StoreError, StoreLocked
from schemas.spaces import PointBatch, Space, SpaceKind
from stores.base import Store
from stores.embedded import EdgeStore
from stores.server import ServerStore

NAME = "shop.g1.passages"
SPACES = [
    Space(name="dense", kind=SpaceKind.DENSE, dim=4),
    Space(name="sparse", kind=SpaceKind.SPARSE),
    Space(name="multi", kind=SpaceKind.MULTI, dim=3),
]


def _id(number: int) -> str:
    return str(uuid5(UUID(int=1), str(number)))


@pytest.fixture(params=["embedded", "server emulation"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = EdgeStore(tmp_path / "s") if request.param == "embedded" else ServerStore(":memory:")
    with opened:
        opened.create_collection(NAME, SPACES)
        yield opened


def _fill(store: Store, count: int = 40) -> PointBatch:
    numbers = np.random.default_rng(3)
    dense = numbers.normal(size=(count, 4)).astype(np.float32)
    sparse = csr_array(np.abs(numbers.normal(size=(count, 6))).astype(np.float32))
    multi = [numbers.normal(size=(1 + row % 3, 3)).astype(np.float32) for row in range(count)]
    payloads = [{"n": row, "even": row % 2 == 0, "tag": "abc"[row % 3]} for row in range(count)]
    batch = PointBatch([_id(row) for row in range(count)], payloads, {"dense": dense, "sparse": sparse, "multi": multi})
    store.upsert(NAME, batch)
    return batch


def _where(**condition: object) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(**condition)])  # type: ignore[arg-type]


def test_points_come_back_with_the_very_same_vectors_and_payload(store: Store) -> None:
    batch = _fill(store)
    dense, sparse, multi = (batch.vectors[name] for name in ("dense", "sparse", "multi"))
    for row, record in enumerate(store.retrieve(NAME, batch.ids, vectors=True)):
        assert record.id == batch.ids[row]
        assert record.payload == batch.payloads[row]
        assert isinstance(record.vector, dict)
        assert np.array_equal(np.asarray(record.vector["dense"], np.float32), dense[row])
        assert np.array_equal(np.asarray(record.vector["multi"], np.float32), multi[row])
        assert np.array_equal(np.asarray(record.vector["sparse"].values, np.float32), sparse[[row]].data)


def test_a_collection_is_made_once_and_refuses_other_spaces(store: Store) -> None:
    store.create_collection(NAME, SPACES)
    with pytest.raises(StoreError, match="drop it first"):
        store.create_collection(NAME, SPACES[:1])
    assert store.list_collections() == [NAME]
    store.drop_collection(NAME)
    assert not store.collection_exists(NAME)


def test_updates_of_vectors_and_payloads_leave_the_rest(store: Store) -> None:
    batch = _fill(store)
    store.update_vectors(NAME, PointBatch([_id(1), _id(999)], [{}, {}], {"dense": np.ones((2, 4), np.float32)}))
    store.set_payload(NAME, {"tag": "new"}, [_id(1)])
    record = store.retrieve(NAME, [_id(1)], vectors=True)[0]
    assert record.payload == {**batch.payloads[1], "tag": "new"}
    assert isinstance(record.vector, dict)
    assert list(record.vector["dense"]) == [1.0] * 4
    assert np.array_equal(np.asarray(record.vector["multi"], np.float32), batch.vectors["multi"][1])
    assert store.count(NAME) == 40


def test_filters_choose_the_same_points_everywhere(store: Store) -> None:
    _fill(store)
    assert store.count(NAME, _where(key="even", match=models.MatchValue(value=True))) == 20
    assert store.count(NAME, _where(key="tag", match=models.MatchAny(any=["a", "b"]))) == 27
    assert store.count(NAME, _where(key="tag", match=models.MatchExcept(**{"except": ["a"]}))) == 26
    assert store.count(NAME, _where(key="n", range=models.Range(gte=10, lt=15))) == 5
    assert store.count(NAME, models.Filter(must=[models.HasIdCondition(has_id=[_id(1), _id(77)])])) == 1
    found = [r.id for r in store.scroll(NAME, query_filter=_where(key="n", range=models.Range(lt=9)), batch_size=2)]
    assert found == sorted(_id(n) for n in range(9))
    store.delete(NAME, _where(key="even", match=models.MatchValue(value=True)))
    store.delete(NAME, [_id(1)])
    assert store.count(NAME) == 19


def test_equals_come_by_id_and_pages_are_stable(store: Store) -> None:
    ids = [_id(row) for row in range(200)]
    store.upsert(NAME, PointBatch(ids, [{} for _ in ids], {"dense": np.ones((200, 4), np.float32)}))
    seen = []
    for offset in range(0, 200, 30):
        request = models.QueryRequest(query=[1.0] * 4, using="dense", limit=30, offset=offset)
        seen += [str(point.id) for point in store.query(NAME, [request])[0]]
    assert seen == sorted(ids)


POISONS = {
    "nan": {"dense": np.full((1, 4), np.nan, np.float32)},
    "infinity": {"dense": np.full((1, 4), np.inf, np.float32)},
    "too large for float32": {"dense": np.full((1, 4), 1e300)},
    "wrong dimension": {"dense": np.ones((1, 5), np.float32)},
    "unknown space": {"nope": np.ones((1, 4), np.float32)},
    "ragged multi": {"multi": [np.ones((2, 2), np.float32)]},
    "duplicate index": {
        "sparse": csr_array((np.ones(2, np.float32), np.array([3, 3]), np.array([0, 2])), shape=(1, 6))
    },
}


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_vector_is_refused_and_everything_acknowledged_stays(tmp_path: Path, poison: str) -> None:
    with EdgeStore(tmp_path / "s") as store:
        store.create_collection(NAME, SPACES)
        _fill(store)
        with pytest.raises(InvalidPoint):
            store.upsert(NAME, PointBatch([_id(500)], [{}], POISONS[poison]))
    with EdgeStore(tmp_path / "s") as again:
        assert again.count(NAME) == 40


def _deep(levels: int) -> object:
    return [_deep(levels - 1)] if levels else 1


@pytest.mark.parametrize("value", [_deep(70), {1, 2}, UUID(int=3), b"x", float("nan"), 2**70, "\ud800"], ids=repr)
def test_a_poisoned_payload_is_refused(store: Store, value: object) -> None:
    _fill(store)
    with pytest.raises(InvalidPoint):
        store.upsert(NAME, PointBatch([_id(500)], [{"a": value}], {}))
    with pytest.raises(InvalidPoint):
        store.set_payload(NAME, {"a": value}, [_id(1)])
    assert store.count(NAME) == 40


def test_poisoned_queries_are_refused_in_prefetches_too(store: Store) -> None:
    _fill(store)
    deep = models.Filter(must=[])
    for _ in range(70):
        deep = models.Filter(must=[deep])
    bad = [
        models.Prefetch(query=[float("nan")] * 4, using="dense"),
        models.Prefetch(query=[1.0] * 3, using="dense"),
        models.Prefetch(query=[1.0] * 4, using="nope"),
        models.Prefetch(query=[1.0] * 4, using="dense", filter=deep),
    ]
    for prefetch in bad:
        with pytest.raises(InvalidPoint):
            store.query(NAME, [models.QueryRequest(prefetch=prefetch, query=models.FusionQuery(fusion="rrf"))])


CHILD = textwrap.dedent(
    f"""
    import sys, time; import numpy as np
    from pathlib import Path
    from schemas.spaces import PointBatch, Space
    from stores.embedded import EdgeStore
    store = EdgeStore(Path(sys.argv[1]))
    store.create_collection({NAME!r}, [Space(name="dense", kind="dense", dim=4)])
    store.upsert({NAME!r}, PointBatch([{_id(1)!r}], [{{"a": 1}}], {{"dense": np.ones((1, 4), np.float32)}}))
    print("written", flush=True); time.sleep(60)
    """
)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_the_second_process_is_told_who_holds_the_folder_and_kill_9_loses_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "s")], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        with EdgeStore(tmp_path / "s", lock_wait=0.1) as second, pytest.raises(StoreLocked, match=f"{child.pid}"):
            second.count(NAME)
        child.send_signal(signal.SIGKILL)
    with EdgeStore(tmp_path / "s") as after:
        assert after.count(NAME) == 1


def test_damage_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is a file"):
        EdgeStore(tmp_path / "file")
    with pytest.raises(StoreError, match="other files"):
        EdgeStore(tmp_path)
    with EdgeStore(tmp_path / "s") as store:
        store.create_collection(NAME, SPACES)
    for text in ("{", "[]", '{"spaces": []}'):
        (tmp_path / "s" / "shop" / "g1.passages" / "collection.json").write_text(text)
        with EdgeStore(tmp_path / "s") as store, pytest.raises(StoreDamaged, match="does not say what it holds"):
            store.count(NAME)
    (tmp_path / "s" / "shop" / "manifest.json").write_text("{")
    with EdgeStore(tmp_path / "s") as store, pytest.raises(StoreDamaged, match="no manifest"):
        store.read_manifest("shop")


def test_what_a_kill_left_does_not_make_the_folder_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / ".xunyi-store.json.123").write_text("")
    with EdgeStore(tmp_path / "s") as store:
        store.create_collection(NAME, SPACES)
        (tmp_path / "s" / "shop" / ".going-g0.terms").mkdir()
    with EdgeStore(tmp_path / "s") as store:
        assert store.count(NAME) == 0
        assert not (tmp_path / "s" / "shop" / ".going-g0.terms").exists()
        store.delete_corpus("shop")
        assert not (tmp_path / "s" / "shop").exists()
