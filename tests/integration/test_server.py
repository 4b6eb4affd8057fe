"""A real Qdrant that goes away during an ingest: the same command again makes the undisturbed corpus."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from ingest import CorpusOptions, ingest
from schemas.errors import StoreUnavailable
from schemas.storage import StorageSettings
from search import Corpus
from stores.opening import open_store
from stores.server_manifest_collection import MANIFESTS
from stores.snapshots import snapshots_of
from tests.integration.conftest import points, wait_until_ready

pytestmark = pytest.mark.docker

OPTIONS = CorpusOptions(spaces=("tfidf", "word2vec"))


def disturb(after: float, action) -> threading.Thread:
    def act() -> None:
        time.sleep(after)
        action()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_server_paused_during_an_ingest_is_waited_for(server, records):
    url, container = server
    ingest([records], "calm", store=url, options=OPTIONS)

    def pause() -> None:
        container.pause()
        time.sleep(3)
        container.unpause()

    thread = disturb(1.0, pause)
    ingest([records], "paused", store=url, options=OPTIONS)
    thread.join()
    calm, paused = points(url, "calm"), points(url, "paused")
    assert [len(paused[shelf]) for shelf in paused] == [len(calm[shelf]) for shelf in calm]


def test_after_a_restart_in_the_middle_the_same_command_makes_the_undisturbed_corpus(server, records):
    url, container = server
    ingest([records], "demo", store=url, options=OPTIONS)
    undisturbed = points(url, "demo")
    with open_store(url) as store:
        store.delete_corpus("demo")
    thread = disturb(1.0, lambda: container.restart(timeout=0))
    with suppress(StoreUnavailable):  # or its retries outlast the restart
        ingest([records], "demo", store=url, options=OPTIONS)
    thread.join()
    wait_until_ready(url)
    ingest([records], "demo", store=url, options=OPTIONS)
    assert points(url, "demo") == undisturbed


def test_a_snapshot_of_a_server_brings_the_corpus_back(server, records):
    url, _ = server
    ingest([records], "demo", store=url, options=OPTIONS)
    before = points(url, "demo")
    with open_store(url) as store:
        made = snapshots_of(store).create("demo")
        assert snapshots_of(store).list("demo") == [made]
        store.delete("demo.g1.passages", [before["passages"][0][0]])
        snapshots_of(store).restore("demo", made.name)
        assert points(url, "demo") == before
        snapshots_of(store).delete("demo", made.name)
        assert snapshots_of(store).list() == []


def test_storage_settings_are_what_the_server_reports(server, records):
    url, _ = server
    storage = StorageSettings(quantization="scalar", oversampling=3.0, datatype="float16", on_disk=True, hnsw_m=8)
    ingest([records], "demo", store=url, options=CorpusOptions(spaces=("tfidf", "word2vec"), storage=storage))
    with open_store(url) as store:
        config = store.call(lambda c: c.get_collection("demo.g1.passages")).config
        dense = config.params.vectors["word2vec"]
        assert (dense.on_disk, dense.datatype.value, dense.hnsw_config.m) == (True, "float16", 8)
        assert dense.quantization_config.scalar is not None
        assert Corpus("demo", store).search("word7 sentence").hits


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_corpus_with_two_copies_is_read_and_searched_with_any_one_of_three_nodes_gone(cluster, records, gone):
    urls, containers = cluster
    storage = StorageSettings(shard_number=3, replication_factor=2, write_consistency_factor=1, ordering="medium")
    options = CorpusOptions(spaces=("tfidf", "word2vec"), storage=storage)
    ingest([records], "demo", store=urls[0], options=options)
    whole = points(urls[0], "demo")
    with open_store(urls[0]) as store:
        expected = [hit.passage_id for hit in Corpus("demo", store).search("word7 sentence").hits]
    containers[gone].kill()
    left = urls[(gone + 1) % 3]
    with open_store(left) as store:
        assert store.list_corpora() == ["demo"]
        assert [hit.passage_id for hit in Corpus("demo", store).search("word7 sentence").hits] == expected
    assert points(left, "demo") == whole


def test_manifests_on_one_node_are_copied_to_the_others_with_the_next_one_written(cluster, records):
    urls, _ = cluster
    with open_store(urls[0]) as store:
        store.call(lambda c: c.create_collection(MANIFESTS, vectors_config={}, shard_number=1, replication_factor=1))
    ingest([records], "demo", store=urls[0], options=OPTIONS)
    give_up = time.monotonic() + 30
    with open_store(urls[0]) as store:
        while True:
            found = store.call(lambda c: c.collection_cluster_info(MANIFESTS))
            states = [shard.state.value for shard in (*found.local_shards, *found.remote_shards)]
            if states == ["Active"] * 3 or time.monotonic() > give_up:
                break
            time.sleep(0.2)
    assert states == ["Active"] * 3
