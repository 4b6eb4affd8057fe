"""Answers of a server that are lost, clients that are quicker, and manifests that outlive a node."""

from __future__ import annotations

import pytest

from schemas.errors import StoreDamaged, StoreError
from schemas.ids import corpus_namespace
from schemas.manifest import CorpusManifest
from schemas.spaces import Space, SpaceKind
from schemas.storage import StorageSettings
from stores.opening import open_store
from stores.server_manifest_collection import COPIES, MANIFESTS
from stores.server_snapshots import ServerSnapshots, _point
from tests.stores.conftest import NAME, SPACES
from tests.stores.fake_qdrant import fake_qdrant

AT = f"/collections/{NAME}"
MANIFESTS_AT = f"/collections/{MANIFESTS}"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("stores.server_connection.FIRST_PAUSE", 0.001)


def manifest(**storage):
    return CorpusManifest(corpus="demo", spaces={}, encoders={}, storage=StorageSettings(**storage))


# -- lost answers ------------------------------------------------------------------------------


def test_a_collection_whose_creation_was_not_confirmed_is_made_all_the_same():
    with fake_qdrant(losing={("PUT", AT)}) as server, open_store(server.url) as store:
        store.create_collection(NAME, SPACES)
        assert len(server.bodies("PUT", AT)) == 2
        store.create_collection(NAME, SPACES)


def test_a_collection_that_another_client_made_meanwhile_with_other_spaces_is_refused():
    with fake_qdrant(losing={("PUT", AT)}) as server, open_store(server.url) as store:

        def quicker(method, path, body, answer=server.answer):
            if (method, path) == ("PUT", AT):
                server.collections.setdefault(NAME, {"vectors": {"other": {"size": 3, "distance": "Dot"}}})
            return answer(method, path, body)

        server.answer = quicker
        with pytest.raises(StoreError, match="other"):
            store.create_collection(NAME, [Space(name="dense", kind=SpaceKind.DENSE, dim=4)])


def test_a_creation_that_the_server_refuses_is_an_error():
    with fake_qdrant() as server, open_store(server.url) as store:
        server.answer = lambda method, path, body: (200, {"exists": False}) if method == "GET" else (400, "no")
        with pytest.raises(StoreError, match="refuses the request: no"):
            store.create_collection(NAME, SPACES)


def test_a_collection_whose_removal_was_not_confirmed_is_gone_all_the_same():
    with fake_qdrant(losing={("DELETE", AT)}) as server, open_store(server.url) as store:
        store.create_collection(NAME, SPACES)
        store.drop_collection(NAME)
        assert NAME not in server.collections
        assert len(server.bodies("DELETE", AT)) == 2


def test_a_first_manifest_is_written_where_its_collection_was_not_confirmed():
    with fake_qdrant(losing={("PUT", MANIFESTS_AT)}) as server, open_store(server.url) as store:
        store.write_manifest(manifest())
        assert list(server.points[MANIFESTS]) == [str(corpus_namespace("demo"))]


@pytest.mark.parametrize("lost", [True, False])
def test_a_snapshot_is_removed_where_the_answer_is_lost_or_its_file_is_gone(lost):
    made = {"corpus": "demo", "name": "S", "generation": 1, "documents": 1, "passages": 1}
    record = {"snapshot_of": "demo", "snapshot": made, "manifest": "", "files": {NAME: "s1"}}
    with fake_qdrant(
        collections={NAME: {}, MANIFESTS: {}},
        snapshots={NAME: ["s1"] if lost else []},
        points={MANIFESTS: {_point("demo", "S"): record}},
        losing={("DELETE", f"{AT}/snapshots/s1")} if lost else set(),
    ) as server:
        with open_store(server.url) as store:
            assert ServerSnapshots(store).delete("demo", "S").name == "S"
        assert server.snapshots == {NAME: []}
        assert server.points[MANIFESTS] == {}


def test_a_snapshot_is_restored_over_a_manifest_that_cannot_be_read(monkeypatch):
    monkeypatch.setattr("stores.server.ServerStore.recover", lambda *_: None)
    made = {"corpus": "demo", "name": "S", "generation": 1, "documents": 1, "passages": 1}
    record = {"snapshot_of": "demo", "snapshot": made, "manifest": manifest().model_dump_json(), "files": {NAME: "s1"}}
    spoilt = {"corpus": "demo", "manifest": "{"}
    points = {MANIFESTS: {_point("demo", "S"): record, str(corpus_namespace("demo")): spoilt}}
    with fake_qdrant(collections={NAME: {}, MANIFESTS: {}}, points=points) as server, open_store(server.url) as store:
        with pytest.raises(StoreDamaged):
            store.read_manifest("demo")
        ServerSnapshots(store).restore("demo", "S")
        assert store.read_manifest("demo") == manifest()


# -- manifests in a cluster --------------------------------------------------------------------


def written(server, **storage):
    with open_store(server.url) as store:
        store.write_manifest(manifest(**storage))


def test_manifests_lie_in_one_shard_on_every_node_of_a_small_cluster():
    with fake_qdrant(peers=(1, 2, 3)) as server:
        written(server, shard_number=3, replication_factor=2, write_consistency_factor=2)
        assert server.replicas[MANIFESTS] == {0: [1, 2, 3]}
        assert server.collections[MANIFESTS]["write_consistency_factor"] == 2


def test_manifests_have_as_many_copies_as_any_corpus_asked_for():
    peers = tuple(range(1, COPIES + 4))
    with fake_qdrant(peers=peers) as server:
        written(server)
        assert server.replicas[MANIFESTS] == {0: list(peers[:COPIES])}
        written(server, replication_factor=COPIES + 2)
        assert server.replicas[MANIFESTS] == {0: list(peers[: COPIES + 2])}
        assert server.collections[MANIFESTS]["replication_factor"] == COPIES + 2
        written(server)
        assert server.replicas[MANIFESTS] == {0: list(peers[: COPIES + 2])}


def test_manifests_that_stand_on_one_node_are_copied_to_the_others_with_the_next_one_written():
    with fake_qdrant(
        peers=(1, 2, 3),
        collections={MANIFESTS: {"shard_number": 3, "replication_factor": 1}},
        replicas={MANIFESTS: {0: [1], 1: [2], 2: [3]}},
    ) as server:
        written(server, replication_factor=2)
        assert {shard: sorted(held) for shard, held in server.replicas[MANIFESTS].items()} == {
            0: [1, 2, 3],
            1: [1, 2, 3],
            2: [1, 2, 3],
        }


def test_manifests_of_one_server_are_one_copy_and_are_not_looked_after_again():
    with fake_qdrant() as server, open_store(server.url) as store:
        for _ in range(3):
            store.write_manifest(manifest())
        assert server.collections[MANIFESTS]["replication_factor"] == 1
        assert len(server.bodies("GET", "/cluster")) == 1
        assert not server.bodies("PATCH", MANIFESTS_AT)


def test_a_server_that_does_not_tell_of_its_cluster_is_asked_for_as_many_copies_as_the_corpus_has():
    with fake_qdrant(peers=(1, 2, 3)) as server:

        def silent(method, path, body, answer=server.answer):
            return (403, "forbidden") if path == "/cluster" else answer(method, path, body)

        server.answer = silent
        written(server, replication_factor=2)
        assert server.replicas[MANIFESTS] == {0: [1, 2]}
