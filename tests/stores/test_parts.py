"""A large embedded collection lies in parts, of which only what is needed is open; nobody can tell from its answers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import models

from ingest import ingest
from schemas.errors import StoreError
from schemas.ids import document_point_id, passage_point_id
from schemas.ingest import CorpusOptions
from schemas.manifest import CorpusManifest, Counts
from search import search
from stores.doctor import check_store
from stores.edge_part import EdgePart
from stores.edge_parts import IDLE, LINGER
from stores.embedded import EdgeStore
from stores.part_ids import PartIds, keys_of
from stores.snapshots import snapshots_of
from tests.kept import PLACES, contents
from tests.stores.conftest import NAME, SPACES, batch, point_id, sparse, unit

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("demo") / "g1.passages"


def written(numbers, factor=1.0):
    """Points of those numbers; many share a score."""
    dense = unit([[1 + n % 3, n % 5, 1, n % 2] for n in numbers])
    return batch(
        list(numbers),
        [{"n": n, "tag": "abc"[n % 3]} for n in numbers],
        dense=dense,
        sparse=sparse([{n % 7: factor, 8: 1.0} for n in numbers]),
    )


def make(folder, count=10, part_points=3):
    """A closed store of so many points, written one by one."""
    with EdgeStore(folder, part_points=part_points) as store:
        store.create_collection(NAME, SPACES)
        store.create_payload_index(NAME, "tag", "keyword")
        for number in range(count):
            store.upsert(NAME, written([number]))
        store.write_manifest(
            CorpusManifest(corpus="demo", complete=True, spaces={}, encoders={}, counts=Counts(passages=count))
        )
    return folder


def open_parts(store):
    """The names of the parts that are open."""
    places = store._collection(NAME)._parts._places
    return [place.folder.name for place in places if place.part is not None]


def test_a_full_part_is_closed_while_others_fill_and_opened_when_it_is_asked(tmp_path):
    make(tmp_path / "s")
    assert sorted(path.name for path in (tmp_path / "s" / FOLDER).iterdir() if path.is_dir()) == [
        "shard",
        "shard-2",
        "shard-3",
        "shard-4",
    ]
    with EdgeStore(tmp_path / "s", part_points=3) as store:
        store.upsert(NAME, written([10]))
        assert open_parts(store) == ["shard-4"]
        assert store.count(NAME) == 11
        assert open_parts(store) == ["shard-4"]
        store.set_payload(NAME, {"tag": "z"}, [point_id(4)])
        assert open_parts(store) == ["shard-2", "shard-4"]
        assert store.facet(NAME, "tag") == {"a": 4, "b": 3, "c": 3, "z": 1}


def test_full_parts_that_a_write_opened_are_closed_when_writes_go_elsewhere(tmp_path):
    """The passages of a document that spans two parts open the full one: an ingest held all of them at its end."""
    with EdgeStore(make(tmp_path / "s"), part_points=3) as store:
        store.upsert(NAME, written([4, 10]))
        assert open_parts(store) == ["shard-2", "shard-4"]
        for number in range(IDLE):
            store.upsert(NAME, written([9 + number % 2]))
        assert open_parts(store) == ["shard-2", "shard-4"]
        store.upsert(NAME, written([9], factor=2.0))
        assert open_parts(store) == ["shard-4"]
        assert store.count(NAME) == 11


def test_a_document_goes_on_in_the_part_that_it_filled_without_that_being_opened_again(tmp_path):
    """To open a part is to read its files: 240 MB, at every hundred thousand passages of an ingest."""
    with EdgeStore(tmp_path / "s", part_points=3) as store:
        store.create_collection(NAME, SPACES)
        for document, positions in [("a", range(3)), ("b", range(2)), ("a", range(3, 5))]:
            points = written(positions)
            ids = [passage_point_id("demo", document, position) for position in positions]
            store.upsert(NAME, type(points)(ids, points.payloads, points.vectors))
            filled = store._collection(NAME)._parts._places[0].part
            assert filled is not None
            assert filled.count() == 3 + (document == "a" and len(positions) == 2) * 2
        for number in range(IDLE + 1):
            assert filled is store._collection(NAME)._parts._places[0].part
            store.upsert(NAME, written([100 + number % 2]))
        assert "shard" not in open_parts(store)
        assert store.count(NAME) == 9


def test_a_part_that_is_full_is_closed_soon(tmp_path):
    with EdgeStore(tmp_path / "s", part_points=3) as store:
        store.create_collection(NAME, SPACES)
        store.upsert(NAME, written(range(3)))
        for _ in range(LINGER):
            store.upsert(NAME, written([3]))
            assert open_parts(store) == ["shard", "shard-2"]
        store.upsert(NAME, written([3]))
        assert open_parts(store) == ["shard-2"]


def test_a_full_part_is_indexed_once_though_its_last_document_goes_on_in_it(tmp_path, monkeypatch):
    indexed = []
    optimize_here = EdgePart.optimize_here

    def told(part):
        indexed.append(part.folder.name)
        optimize_here(part)

    monkeypatch.setattr(EdgePart, "optimize_here", told)
    with EdgeStore(tmp_path / "s", part_points=3) as store:
        store.create_collection(NAME, SPACES)
        for positions in (range(3), range(3, 5)):
            points = written(positions)
            ids = [passage_point_id("demo", "a", position) for position in positions]
            store.upsert(NAME, type(points)(ids, points.payloads, points.vectors))
        assert indexed == []
        for number in range(IDLE + 1):
            store.upsert(NAME, written([100 + number % 2]))
        assert indexed == ["shard"]
        store.optimize(NAME)
        assert indexed == ["shard", "shard-2"]
        assert store.count(NAME) == 7


def test_of_named_documents_passages_are_removed_from_their_own_part_alone(tmp_path):
    """A run that goes on where it was cut off removes by filter with every batch: it opened all parts for that."""
    with EdgeStore(tmp_path / "s", part_points=3) as store:
        store.create_collection(NAME, SPACES)
        store.create_payload_index(NAME, "tag", "keyword")
        for document in "abcd":
            points = written(range(3))
            ids = [passage_point_id("demo", document, position) for position in range(3)]
            store.upsert(NAME, type(points)(ids, [{"tag": document}] * 3, points.vectors))
    with EdgeStore(tmp_path / "s", part_points=3) as store:
        assert open_parts(store) == []
        of_two = models.FieldCondition(key="tag", match=models.MatchAny(any=["b", "c"]))
        owners = [document_point_id("demo", document) for document in "bc"]
        store.delete(NAME, models.Filter(must=[of_two]), documents=owners)
        assert open_parts(store) == ["shard-2", "shard-3"]
        assert [record.payload["tag"] for record in store.scroll(NAME)] in (list("aaaddd"), list("dddaaa"))


def test_a_search_keeps_all_parts_open(tmp_path):
    with EdgeStore(make(tmp_path / "s"), part_points=3) as store:
        for number in range(3 * IDLE):
            store.retrieve(NAME, [point_id(9)])
            if number % IDLE == 0:
                store.facet(NAME, "tag")
        assert open_parts(store) == ["shard", "shard-2", "shard-3", "shard-4"]


def test_a_point_that_is_written_again_stays_where_it_is(tmp_path):
    with EdgeStore(make(tmp_path / "s"), part_points=3) as store:
        store.upsert(NAME, written(range(12), factor=2.0))
        store.delete(NAME, [point_id(2)])
        store.upsert(NAME, written([2], factor=3.0))
        found = {record.payload["n"]: record.vector["sparse"].values for record in store.scroll(NAME, vectors=True)}
        assert sorted(found) == list(range(12))
        assert max(found[2]) == 3.0
        assert all(max(values) == 2.0 for number, values in found.items() if number != 2)


def test_parts_whose_ids_are_lost_or_spoilt_are_gone_through_again(tmp_path):
    folder = make(tmp_path / "s") / FOLDER
    (folder / "shard.ids.npy").unlink()
    (folder / "shard-2.ids.npy").write_bytes(b"no array")
    with EdgeStore(tmp_path / "s", part_points=3) as store:
        store.upsert(NAME, written(range(10), factor=2.0))
        assert store.count(NAME) == 10
        assert sum(1 for _ in store.scroll(NAME)) == 10


def test_an_id_that_only_looks_like_one_of_a_part_leads_to_one_part_for_good(tmp_path):
    with EdgeStore(make(tmp_path / "s", count=3), part_points=3) as store:
        # The first 64 bits in common with a point of the first part, which is full.
        twin = point_id(1)[:-1] + ("0" if point_id(1)[-1] != "0" else "1")
        assert keys_of([twin]) == keys_of([point_id(1)])
        for tag in ("new", "newer"):
            one = written([50])
            store.upsert(NAME, type(one)([twin], [{"tag": tag}], one.vectors))
        assert store.count(NAME) == 4
        assert [record.payload["tag"] for record in store.retrieve(NAME, [twin])] == ["newer"]


def test_ids_of_a_part_are_those_that_were_written(tmp_path):
    path = tmp_path / "part.ids.npy"
    PartIds.write(path, [[point_id(n) for n in range(40)], [], [point_id(n) for n in range(30, 90)]])
    among = PartIds(path).among(keys_of([point_id(n) for n in range(200)]))
    assert among.tolist() == [n < 90 for n in range(200)]
    PartIds.write(path, [])
    assert not PartIds(path).among(keys_of([point_id(0)])).any()


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["upsert", "upsert", "vectors", "payload", "delete", "delete by filter", "optimize", "reopen"]),
        st.lists(st.integers(0, 25), min_size=1, max_size=8, unique=True),
    ),
    min_size=1,
    max_size=12,
)


def changed(store, change, numbers):
    """One of the changes that a store can be asked for."""
    ids = [point_id(n) for n in numbers]
    if change == "upsert":
        store.upsert(NAME, written(numbers))
    elif change == "vectors":
        store.update_vectors(NAME, batch(numbers, [], sparse=sparse([{9: 2.0} for _ in numbers])))
    elif change == "payload":
        store.set_payload(NAME, {"tag": "new"}, [record.id for record in store.retrieve(NAME, ids)])
    elif change == "delete":
        store.delete(NAME, ids)
    elif change == "delete by filter":
        store.delete(NAME, models.Filter(must=[models.FieldCondition(key="n", match=models.MatchAny(any=numbers))]))
    elif change == "optimize":
        store.optimize(NAME)
    else:
        store.close()


def answers(store):
    """What can be learned of a collection."""
    tagged = models.Filter(must=[models.FieldCondition(key="tag", match=models.MatchValue(value="a"))])
    dense = [0.5, 0.5, 0.5, 0.5]
    requests = [
        models.QueryRequest(query=dense, using="dense", limit=5, offset=offset, with_payload=True)
        for offset in (0, 5, 10)
    ]
    requests.append(models.QueryRequest(query=dense, using="dense", limit=50, filter=tagged))
    sparsely = models.SparseVector(indices=[8, 9], values=[1.0, 1.0])
    requests.append(models.QueryRequest(query=sparsely, using="sparse", limit=7))
    requests.append(models.QueryRequest(limit=6))
    return {
        "scroll": [(one.id, one.payload, one.vector) for one in store.scroll(NAME, vectors=True, batch_size=4)],
        "filtered": [one.id for one in store.scroll(NAME, query_filter=tagged, batch_size=2)],
        "counts": (store.count(NAME), store.count(NAME, tagged)),
        "facets": store.facet(NAME, "tag"),
        "retrieved": [one.id for one in store.retrieve(NAME, [point_id(n) for n in range(30, -1, -1)])],
        "found": [[(one.id, one.score, one.payload) for one in found] for found in store.query(NAME, requests)],
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_many_parts_answer_as_one(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("parts")
    with EdgeStore(folder / "one") as one, EdgeStore(folder / "many", part_points=3) as many:
        for store in (one, many):
            store.create_collection(NAME, SPACES)
            store.create_payload_index(NAME, "tag", "keyword")
            for change, numbers in changes:
                changed(store, change, numbers)
        assert answers(many) == answers(one)


WRITER = """
import sys
from pathlib import Path
from stores.embedded import EdgeStore
from tests.stores.conftest import NAME
from tests.stores.test_parts import written
store = EdgeStore(Path(sys.argv[1]), part_points=4)
for number in range(int(sys.argv[2]), 10_000):
    store.upsert(NAME, written([number]))
    print(number, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_killed_while_parts_are_filled_and_made_nothing_is_lost_or_doubled(tmp_path):
    folder = make(tmp_path / "s", count=0, part_points=4)
    first = 0
    for lines in (1, 3, 4, 7):
        command = [sys.executable, "-c", WRITER, str(folder), str(first)]
        with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as writer:
            said = [writer.stdout.readline() for _ in range(lines)]
            writer.send_signal(signal.SIGKILL)
            said += writer.stdout.read().splitlines()
        last = int(said[-1])
        with EdgeStore(folder, part_points=4) as store:
            kept = [record.payload["n"] for record in store.scroll(NAME)]
            # The one that was being written when it ended may be in, though nobody was told.
            assert sorted(kept) in (list(range(last + 1)), list(range(last + 2)))
            assert store.count(NAME) == len(kept)
            # Written again, as the next run does.
            store.upsert(NAME, written(range(last + 1), factor=2.0))
            assert store.count(NAME) == len(kept)
        first = last + 1
    assert not list((folder / FOLDER).glob(".*"))


def test_the_doctor_counts_all_parts_and_mends_the_one_that_is_damaged(tmp_path):
    folder = make(tmp_path / "s")
    assert check_store(folder).points == {NAME: 10}
    for path in (folder / FOLDER / "shard-2" / "wal").iterdir():
        if path.is_file():
            path.write_bytes(b"\xff" * 64)
    sick = check_store(folder)
    assert sick.points == {}
    assert "shard-2" in sick.findings[0].problem
    assert check_store(folder, repair=True).points == {NAME: 10}
    assert check_store(folder).healthy
    with EdgeStore(folder) as store:
        assert len({record.id for record in store.scroll(NAME)}) == 10


def test_a_part_that_is_missing_is_told_by_the_doctor(tmp_path):
    folder = make(tmp_path / "s")
    (folder / FOLDER / "shard-2").rename(tmp_path / "elsewhere")
    assert any("holds 7 points, the manifest says 10" in found.problem for found in check_store(folder).findings)
    with EdgeStore(folder, part_points=3) as store:
        store.upsert(NAME, written(range(20, 30)))
        assert store.count(NAME) == 17


def test_a_snapshot_holds_all_parts(tmp_path):
    with EdgeStore(make(tmp_path / "s"), part_points=3) as store:
        made = snapshots_of(store).create("demo")
        store.delete_corpus("demo")
        snapshots_of(store).restore("demo", made.name)
        assert store.count(NAME) == 10


def test_what_cannot_be_put_together_from_parts_is_a_sentence(tmp_path):
    prefetch = models.Prefetch(query=[1.0] * 4, using="dense", limit=5)
    requests = [
        models.QueryRequest(prefetch=prefetch, query=models.FusionQuery(fusion=models.Fusion.RRF)),
        models.QueryRequest(query=models.OrderByQuery(order_by="n")),
    ]
    with EdgeStore(make(tmp_path / "s"), part_points=3) as store:
        for request in requests:
            with pytest.raises(StoreError, match="in several parts"):
                store.query(NAME, [request])


def test_an_ingest_into_parts_makes_the_same_points_and_is_searched_alike(tmp_path):
    pick = random.Random(4)
    texts = [" ".join([*pick.choices(PLACES, k=pick.randint(2, 9)), f"room{n % 170}"]) for n in range(600)]
    rows = [{"id": f"r{n}", "title": f"Record {n}", "text": text} for n, text in enumerate(texts)]
    source = tmp_path / "records.jsonl"
    source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    options = CorpusOptions(spaces=["tfidf", "word2vec"])
    with EdgeStore(tmp_path / "one") as one, EdgeStore(tmp_path / "many", part_points=100) as many:
        found = []
        for store in (one, many):
            ingest(source, "c", store=store, options=options)
            assert ingest(source, "c", store=store).unchanged == 600
            hits = search("清溪 lake room77", corpus="c", store=store, limit=10).hits
            found.append({hit.document_id: hit.score for hit in hits})
        for shelf in ("documents", "passages"):
            assert len(list((tmp_path / "many" / "c" / f"g1.{shelf}").glob("shard*.ids.npy"))) > 3
        assert contents(many) == contents(one)
        # The engine adds a score up in the order of its lists, so that the last digits differ.
        assert found[0] == pytest.approx(found[1], abs=1e-6)
