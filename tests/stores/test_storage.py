"""Storage settings reach the engine on both stores, and wrong ones are refused with a sentence."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import qdrant_edge as edge
from qdrant_client import models

from schemas.errors import UsageError
from schemas.manifest import CorpusSettings
from schemas.spaces import Space, SpaceKind
from schemas.storage import StorageSettings
from stores import edge_part
from stores.base import PayloadIndexType
from stores.embedded import EdgeStore
from stores.memory import give_back
from stores.server import ServerStore
from stores.server_config import index_of
from tests.stores.conftest import NAME, batch, point_id, sparse, unit

SPACE = Space(name="dense", kind=SpaceKind.DENSE, dim=64)
PASSAGES = [SPACE, Space(name="sparse", kind=SpaceKind.SPARSE)]
ROWS = unit(np.random.default_rng(3).standard_normal((300, 64)))


def fill(store, storage: StorageSettings, spaces=(SPACE,), **more) -> None:
    store.create_collection(NAME, list(spaces), storage)
    store.upsert(NAME, batch(list(range(300)), dense=ROWS, **more))
    store.optimize(NAME)


def best(store, row: int, limit: int = 5, params: models.SearchParams | None = None) -> list[models.ScoredPoint]:
    request = models.QueryRequest(query=ROWS[row].tolist(), using="dense", limit=limit, params=params)
    return store.query(NAME, [request])[0]


@pytest.fixture(params=["embedded", "emulated"])
def empty(request, tmp_path):
    """A store with nothing in it."""
    with ServerStore(":memory:") if request.param == "emulated" else EdgeStore(tmp_path / "store") as store:
        yield store


@pytest.mark.parametrize("quantization", ["scalar", "binary", "product"])
def test_quantized_vectors_rescored_give_the_scores_of_the_whole_ones(empty, quantization):
    fill(empty, StorageSettings(quantization=quantization, oversampling=20.0, indexing_threshold_kb=1))
    for row in range(0, 300, 50):
        found = best(empty, row)
        exact = np.sort(ROWS @ ROWS[row])[::-1][:5]
        assert found[0].id == point_id(row)
        assert [hit.score for hit in found] == pytest.approx(exact.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("dim", "settings", "kept"),
    [
        (256, {}, "int8"),
        (255, {}, None),
        (256, {"on_disk": True}, None),
        (256, {"quantization": "none"}, None),
        (255, {"quantization": "scalar"}, "int8"),
    ],
)
def test_the_embedded_store_compares_long_vectors_by_one_byte_a_number_unless_told_otherwise(
    tmp_path, dim, settings, kept
):
    rows = unit(np.random.default_rng(4).standard_normal((300, dim)))
    storage = StorageSettings(indexing_threshold_kb=1, **settings)
    with EdgeStore(tmp_path / "store") as store:
        store.create_collection(NAME, [Space(name="dense", kind=SpaceKind.DENSE, dim=dim)], storage)
        store.upsert(NAME, batch(list(range(300)), dense=rows))
        store.optimize(NAME)
        found = store.query(NAME, [models.QueryRequest(query=rows[7].tolist(), using="dense", limit=5)])[0]
        assert found[0].id == point_id(7)
        # The score is of the whole vectors, however they were found.
        assert [hit.score for hit in found] == pytest.approx(np.sort(rows @ rows[7])[::-1][:5].tolist(), abs=1e-5)
    shard = tmp_path / "store" / "demo" / "g1.passages" / "shard"
    quantized = json.loads((shard / "edge_config.json").read_text())["vectors"]["dense"].get("quantization_config")
    assert (quantized["scalar"]["type"] if quantized else None) == kept


def test_without_rescoring_the_embedded_engine_gives_the_quantized_scores(tmp_path):
    with EdgeStore(tmp_path / "store") as store:
        fill(store, StorageSettings(quantization="scalar", rescore=False, indexing_threshold_kb=1))
        rough = [hit.score for hit in best(store, 7)]
        whole = models.SearchParams(quantization=models.QuantizationSearchParams(ignore=True))
        assert rough != [hit.score for hit in best(store, 7, params=whole)]


def test_float16_halves_vectors_and_rounds_them(tmp_path):
    with EdgeStore(tmp_path / "store") as store:
        fill(store, StorageSettings(datatype="float16"))
        (record,) = store.retrieve(NAME, [point_id(3)], vectors=True)
        assert record.vector["dense"] == pytest.approx(ROWS[3].tolist(), abs=1e-3)
        assert np.array_equal(
            np.array(record.vector["dense"], np.float32), ROWS[3].astype(np.float16).astype(np.float32)
        )


def test_sparse_weights_stay_exact_whatever_the_datatype(tmp_path):
    weights = np.random.default_rng(5).random(300).astype(np.float32) + np.float32(0.1)
    rows = sparse([{n % 50: float(weight)} for n, weight in enumerate(weights)])
    with EdgeStore(tmp_path / "store") as store:
        fill(store, StorageSettings(datatype="float16", on_disk=True, indexing_threshold_kb=1), PASSAGES, sparse=rows)
        found = store.retrieve(NAME, [point_id(n) for n in range(300)], vectors=["sparse"])
    assert [np.float32(record.vector["sparse"].values[0]) for record in found] == weights.tolist()


def test_settings_are_the_engines_own_after_opening_again(tmp_path):
    chosen = StorageSettings(quantization="scalar", hnsw_m=8, hnsw_ef_construct=32, on_disk=True, max_segment_mb=5)
    with EdgeStore(tmp_path / "store") as store:
        fill(store, chosen)
    with EdgeStore(tmp_path / "store") as store:
        assert best(store, 9)[0].id == point_id(9)
    shard = tmp_path / "store" / "demo" / "g1.passages" / "shard"
    found = json.loads((shard / "edge_config.json").read_text())
    dense = found["vectors"]["dense"]
    assert (dense["hnsw_config"]["m"], dense["hnsw_config"]["ef_construct"]) == (8, 32)
    assert dense["quantization_config"]["scalar"]["type"] == "int8"
    assert found["optimizers"]["max_segment_size"] == 5000


def test_a_server_is_told_every_setting_and_remembers_them():
    storage = StorageSettings(
        on_disk=True,
        datatype="float16",
        quantization="product",
        oversampling=3.0,
        hnsw_m=8,
        hnsw_ef_construct=32,
        shard_number=3,
        replication_factor=2,
        write_consistency_factor=2,
        ordering="strong",
    )
    with ServerStore(":memory:") as store:
        fill(store, storage)
        assert store._collections.described(NAME)[1] == storage
        dense = store.call(lambda c: c.get_collection(NAME)).config.params.vectors["dense"]
        assert (dense.on_disk, dense.datatype) == (True, models.Datatype.FLOAT16)
        assert (dense.hnsw_config.m, dense.hnsw_config.ef_construct) == (8, 32)
        assert dense.quantization_config.product.compression is models.CompressionRatio.X16
        assert store._ordering(NAME) is models.WriteOrdering.STRONG
        store.check_storage(storage)


def test_the_embedded_store_names_what_only_a_server_has(tmp_path):
    with EdgeStore(tmp_path / "store") as store, pytest.raises(UsageError, match="--shards, --ordering"):
        store.check_storage(StorageSettings(shard_number=2, ordering="weak"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"oversampling": 2.0}, "--quantization"),
        ({"rescore": False}, "--quantization"),
        ({"quantization": "scalar", "rescore": False, "oversampling": 2.0}, "--no-rescore"),
        ({"write_consistency_factor": 2}, "--replicas"),
        ({"hnsw_m": 0, "hnsw_ef_construct": 10}, "--hnsw-m 0"),
    ],
)
def test_settings_that_contradict_each_other_are_a_sentence(wrong, said):
    with pytest.raises(UsageError, match=said):
        StorageSettings(**wrong)


def test_a_long_ingest_leaves_segments_of_bounded_size_without_being_told_to_optimize(tmp_path):
    rng = np.random.default_rng(1)
    with EdgeStore(tmp_path / "store") as store:
        store.create_collection(NAME, [SPACE], StorageSettings(max_segment_mb=1))
        for start in range(0, 12_000, 1000):
            rows = unit(rng.standard_normal((1000, 64)))
            store.upsert(NAME, batch(list(range(start, start + 1000)), dense=rows))
        assert store.count(NAME) == 12_000
    shard = edge.EdgeShard.load(str(tmp_path / "store" / "demo" / "g1.passages" / "shard"))
    assert shard.info().segments_count >= 3
    shard.close()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is given back on Linux only")
def test_pages_given_back_come_again_with_what_was_written_to_them(tmp_path, monkeypatch):
    monkeypatch.setattr(edge_part, "MAPPED_BYTES", 1)
    with EdgeStore(tmp_path / "store") as store:
        fill(store, StorageSettings())
        give_back(tmp_path)
        store.upsert(NAME, batch([300, 301], dense=ROWS[:2] * -1))
        give_back(tmp_path)
        found = store.retrieve(NAME, [point_id(n) for n in range(302)], vectors=True)
        written = np.array([record.vector["dense"] for record in found], np.float32)
        assert np.array_equal(written, np.concatenate([ROWS, ROWS[:2] * -1]))
    # And what is on the disk is the same, seen by another process's mapping.
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    shard = edge.EdgeShard.load(str(Path(tmp_path) / "copy" / "demo" / "g1.passages" / "shard"))
    assert shard.count(edge.CountRequest(exact=True)) == 302
    shard.close()


@pytest.mark.parametrize("kind", get_args(PayloadIndexType))
def test_a_server_keeps_the_indexes_of_fields_on_disk_where_the_vectors_are(kind):
    assert index_of(kind, StorageSettings(on_disk=True)).on_disk is True
    index = index_of(kind, StorageSettings())
    assert index.on_disk is None
    assert index.type.value == kind


@pytest.mark.parametrize(
    "asked", [{"oversampling": 2.0}, {"rescore": False}, {"on_disk": True, "hnsw_m": 8, "hnsw_ef_construct": 32}]
)
def test_the_vocabulary_is_kept_whole_and_without_a_graph_whatever_the_corpus_is(asked):
    settings = CorpusSettings(spaces={}, encoders={}, storage=StorageSettings(quantization="scalar", **asked))
    kept = StorageSettings.model_validate(settings.term_storage.model_dump())
    assert (kept.hnsw_m, kept.quantized) == (0, False)
    assert kept.on_disk == settings.storage.on_disk
